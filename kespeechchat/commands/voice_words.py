"""The short words of the voice library that backchannels are made of: those that pass the limits of stage `gate`."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kespeechchat.config.flow import LIBRARY
from kespeechchat.dataset.backchannels import Sound
from kespeechchat.records import SCHEMAS
from kespeechchat.stages.voice_words import rejected_word
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.recordings import LibraryRecordings
from kespeechchat.store.shards import read_sound_record, read_table

KEPT = "kept"
_WORD = SCHEMAS[LIBRARY].field("backchannels").type.value_type
_WITHOUT_AUDIO = [f"backchannels.list.element.{field.name}" for field in _WORD if field.name != "audio"]


@dataclass
class LibraryWords:
    """`sounds`: what a timeline may draw; `counts`: words that are `kept`, and those that are not, by reason. Their
    audio stays in the library's file until it is asked for. `library`: the name of that file's record."""

    recordings: LibraryRecordings
    library: str
    sounds: dict[tuple[str, str], list[Sound]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def content(self) -> str:
        """Changes when another word may be drawn, or a word sounds otherwise."""
        return hashlib.sha256(f"{self.library} {sorted(self.sounds.items())}".encode()).hexdigest()

    def read(self, voice: str, language: str, text: str) -> bytes:
        """The word as FLAC. Raises KeyError where the voice has no such word."""
        for word in self.recordings.every([voice], language).get(voice, ()):
            if word["text"] == text:
                audio: bytes = word["audio"]
                return audio
        raise KeyError((voice, language, text))

    def add(self, voice: str, word: Mapping[str, Any], reason: str | None) -> None:
        """A word of a voice as its row has it; `reason`: why it is rejected, or None."""
        self.counts[reason or KEPT] += 1
        if reason is None:
            rate = word["sample_rate"]
            sound = Sound(word["text"], round(word["seconds"] * rate), rate)
            self.sounds[voice, word["language"]].append(sound)


def library_words(rows: FinishedRows) -> LibraryWords | None:
    """Those of the pinned library; None where the profile draws no backchannels. Raises ValueError where no voice keeps
    words."""
    pipeline = rows.pipeline
    if not pipeline.timing.backchannels.probability:
        return None
    pin = rows.build_state.pin
    assert pin is not None
    record = read_sound_record(rows.store, LIBRARY, pin.key)
    found = LibraryWords(LibraryRecordings(rows.store, record, "backchannels"), pin.key.stem)
    for row in read_table(rows.store, LIBRARY, record, _WITHOUT_AUDIO).to_pylist():
        for word in row.get("backchannels") or ():  # an older library has no such column
            found.add(row["id"], word, rejected_word(word, pipeline))
    if not found.counts:
        raise ValueError(
            "timing.backchannels: no voice of this ROOT keeps short words: set stages.audition.backchannels and run "
            "`kesc build` again (with --replace-voices, if it keeps the old library), or set probability: 0"
        )
    return found
