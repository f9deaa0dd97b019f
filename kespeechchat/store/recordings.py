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

HELD = 64 << 20  # bytes of FLAC that are kept, some 700 recordings


class LibraryRecordings:
    """Those of one file of stage `voices`. Several threads may use it at once. Its checksum is the caller's to check.

    `held`: bytes of FLAC that it keeps at most, those asked for last.
    """

    def __init__(self, store: ObjectStore, record: SizedFile, held: int = HELD) -> None:
        self._file, self._most, self._size = open_parquet(store, record), held, 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()  # by voice and language, oldest first
        self._groups: dict[str, int] = {}  # voice → the row group that it is in
        for group in range(self._file.num_row_groups):
            ids = self._file.read_row_group(group, columns=["id"])["id"].to_pylist()
            self._groups |= dict.fromkeys(ids, group)

    def of(self, voices: Iterable[str], language: str) -> dict[str, dict[str, Any]]:
        """`text` and `audio` (FLAC) of each voice's recording in `language`; nothing of a voice that has none.

        All of them are in memory together. Raises KeyError for a voice that is not in the library.
        """
        with self._lock:
            wanted = dict.fromkeys(voices)
            found = {voice: self._kept[voice, language] for voice in wanted if (voice, language) in self._kept}
            missing: dict[int, list[str]] = defaultdict(list)
            for voice in wanted:
                if voice not in found:
                    missing[self._groups[voice]].append(voice)
            for group, own in sorted(missing.items()):
                found |= self._read(group, own, language)
            for voice, recording in found.items():
                self._keep((voice, language), recording)
            return found

    def _read(self, group: int, voices: list[str], language: str) -> dict[str, dict[str, Any]]:
        table = self._file.read_row_group(group, columns=["id", "prompts"])
        places = {id_: place for place, id_ in enumerate(table["id"].to_pylist())}
        rows = {voice: table["prompts"][places[voice]].as_py() or () for voice in voices}
        return {
            voice: {"text": prompt["text"], "audio": prompt["audio"]}
            for voice, prompts in rows.items()
            for prompt in prompts
            if prompt["language"] == language
        }

    def _keep(self, key: tuple[str, str], recording: dict[str, Any]) -> None:
        if key not in self._kept:
            self._size += len(recording["audio"])
        self._kept[key] = recording
        self._kept.move_to_end(key)
        while self._size > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest["audio"])
