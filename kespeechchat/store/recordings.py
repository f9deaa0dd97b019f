"""The recordings of a library's voices, read from its file when somebody speaks from them.

A library of 42,000 voices has 8 GB of them, and a shard's dialogues want those of a few hundred. What is read is a few
rows of the file at a time; what was asked for last is kept, up to a bound.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from typing import Any

from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.ranged import SizedFile, open_parquet

_Recordings = tuple[dict[str, Any], ...]
HELD = 64 << 20  # bytes of FLAC that are kept, some 700 recordings


class LibraryRecordings:
    """Those of one column of a file of stage `voices`: `prompts`, one a language, or `backchannels`, a word each.
    Several threads may use it at once. Its checksum is the caller's to check.

    `held`: bytes of FLAC that it keeps at most, those asked for last.
    """

    def __init__(self, store: ObjectStore, record: SizedFile, column: str = "prompts", held: int = HELD) -> None:
        self._file, self._column, self._most, self._size = open_parquet(store, record), column, held, 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], _Recordings] = OrderedDict()  # by voice and language, oldest first
        self._groups: dict[str, int] = {}  # voice → the row group that it is in
        for group in range(self._file.num_row_groups):
            ids = self._file.read_row_group(group, columns=["id"])["id"].to_pylist()
            self._groups |= dict.fromkeys(ids, group)

    def of(self, voices: Iterable[str], language: str) -> dict[str, dict[str, Any]]:
        """`text` and `audio` (FLAC) of each voice's first recording in `language`; nothing of a voice that has none.

        All of them are in memory together. Raises KeyError for a voice that is not in the library.
        """
        return {voice: own[0] for voice, own in self.every(voices, language).items()}

    def every(self, voices: Iterable[str], language: str) -> dict[str, _Recordings]:
        """As `of`, all recordings of each voice in `language`, in the order of its row."""
        with self._lock:
            wanted = dict.fromkeys(voices)
            found = {voice: self._kept[voice, language] for voice in wanted if (voice, language) in self._kept}
            missing: dict[int, list[str]] = defaultdict(list)
            for voice in wanted:
                if voice not in found:
                    missing[self._groups[voice]].append(voice)
            for group, absent in sorted(missing.items()):
                found |= self._read(group, absent, language)
            for voice, own in found.items():
                self._keep((voice, language), own)
            return {voice: own for voice, own in found.items() if own}

    def _read(self, group: int, voices: list[str], language: str) -> dict[str, _Recordings]:
        table = self._file.read_row_group(group, columns=["id", self._column])
        places = {id_: place for place, id_ in enumerate(table["id"].to_pylist())}
        rows = {voice: table[self._column][places[voice]].as_py() or () for voice in voices}
        return {
            voice: tuple(
                {"text": one["text"], "audio": one["audio"]}
                for one in own
                if one["language"] == language and one["audio"] is not None
            )
            for voice, own in rows.items()
        }

    def _keep(self, key: tuple[str, str], recordings: _Recordings) -> None:
        if key not in self._kept:
            self._size += _bytes(recordings)
        self._kept[key] = recordings
        self._kept.move_to_end(key)
        while self._size > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._size -= _bytes(oldest)


def _bytes(recordings: _Recordings) -> int:
    return sum(len(one["audio"]) for one in recordings)
