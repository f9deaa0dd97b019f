"""The short words of the voice library that backchannels are made of: those that pass the limits of stage `gate`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kespeechchat.config.flow import LIBRARY
from kespeechchat.dataset.backchannels import Sound
from kespeechchat.stages.voice_words import rejected_word
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.shards import read_sound_record, read_table

KEPT = "kept"


@dataclass
class LibraryWords:
    """`sounds`: what a timeline may draw; `counts`: words that are `kept`, and those that are not, by reason."""

    sounds: dict[tuple[str, str], list[Sound]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)
    _files: dict[tuple[str, str, str], bytes] = field(default_factory=dict)

    def read(self, voice: str, language: str, text: str) -> bytes:
        """The word as FLAC."""
        return self._files[voice, language, text]

    def add(self, voice: str, word: Mapping[str, Any], reason: str | None) -> None:
        """A word of a voice as its row has it; `reason`: why it is rejected, or None."""
        self.counts[reason or KEPT] += 1
        if reason is None:
            rate = word["sample_rate"]
            sound = Sound(word["text"], round(word["seconds"] * rate), rate)
            self.sounds[voice, word["language"]].append(sound)
            self._files[voice, word["language"], word["text"]] = word["audio"]


def library_words(rows: FinishedRows) -> LibraryWords | None:
    """Those of the pinned library; None where the profile draws no backchannels. Raises ValueError where no voice keeps
    words. They are held in memory, some 20 kB a word."""
    pipeline, found = rows.pipeline, LibraryWords()
    if not pipeline.timing.backchannels.probability:
        return None
    pin = rows.build_state.pin
    assert pin is not None
    table = read_table(rows.store, LIBRARY, read_sound_record(rows.store, LIBRARY, pin.key), ["backchannels"])
    for row in table.to_pylist():
        for word in row.get("backchannels") or ():  # an older library has no such column
            found.add(row["id"], word, rejected_word(word, pipeline))
    if not found.counts:
        raise ValueError(
            "timing.backchannels: no voice of this ROOT keeps short words: set stages.audition.backchannels and run "
            "`kesc build` again (with --replace-voices, if it keeps the old library), or set probability: 0"
        )
    return found
