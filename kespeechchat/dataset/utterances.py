"""Utterances of which the ASR and TTS subsets are made: single ones, and columns of many."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kespeechchat.blocks import Block, Bools, Codes, Floats, coded, whole
from kespeechchat.dataset.seconds import ByLanguage

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("speaker", pa.string()),
        ("language", pa.string()),
        ("seconds", pa.float64()),
        ("text", pa.uint64()),
    ]
)


@dataclass(frozen=True, order=True)
class Utterance:
    """One turn: `id` is its dialogue's id and its place (`DIALOGUE_0`), `text` a hash of its letters."""

    rank: int
    id: str
    speaker: str
    language: str
    seconds: float
    text: int


@dataclass(frozen=True)
class Said:
    """What the first exchange of each dialogue of a block says. `hashes`: of the texts of all turns."""

    block: Block
    hashes: npt.NDArray[np.uint64]

    @cached_property
    def _languages(self) -> Codes:
        return self.block.codes("language")

    @cached_property
    def _seconds(self) -> Floats:
        return self.block.turn_numbers("seconds")

    def voices(self, turn: int) -> Codes:
        """Who says that turn of each dialogue."""
        return self.block.speakers()[turn]

    def ids(self, wanted: Bools, turn: int) -> list[str]:
        """Ids of that turn's utterances in the wanted dialogues."""
        return [f"{id_}_{turn}" for id_ in self.block.ids.filter(pa.array(wanted)).to_pylist()]

    def of(self, wanted: Bools, turn: int, ranks: npt.NDArray[np.uint64]) -> list[Utterance]:
        """The utterances themselves; `ranks`: theirs."""
        said = self.table(wanted, turn)
        return [Utterance(*one) for one in zip(ranks.tolist(), *(c.to_pylist() for c in said.columns), strict=True)]

    def table(self, wanted: Bools, turn: int) -> pa.Table:
        """The same as columns of `SCHEMA`."""
        turns, voices, languages = self.block.first[:-1][wanted] + turn, self.voices(turn), self._languages
        columns = (
            pa.array(self.ids(wanted, turn), pa.string()),
            pa.array(voices.names, pa.string()).take(pa.array(voices.codes[wanted])),
            pa.array(languages.names, pa.string()).take(pa.array(languages.codes[wanted])),
            pa.array(self._seconds[turns]),
            pa.array(self.hashes[turns]),
        )
        return pa.Table.from_arrays(list(columns), schema=SCHEMA)


@dataclass
class Tally:
    """Speakers, utterances and hours by language of what was added; exact, so in any order alike."""

    speakers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    utterances: ByLanguage = field(default_factory=ByLanguage)

    def add(self, one: Utterance) -> None:
        """One utterance."""
        self.speakers[one.language].add(one.speaker)
        self.utterances.add(one.language, one.seconds)

    def add_table(self, some: pa.Table) -> None:
        """Many, as of `SCHEMA`."""
        languages, speakers = coded(whole(some["language"])), coded(whole(some["speaker"]))
        self.utterances.add_all(languages, whole(some["seconds"]).to_numpy())
        for language in languages.present():
            self.speakers[language].update(speakers.take(languages.where(language)).present())

    def result(self) -> dict[str, Any]:
        """`speakers` (sorted), `utterances` and `hours`, by language."""
        return {
            "speakers": {k: sorted(v) for k, v in sorted(self.speakers.items())},
            "utterances": self.utterances.numbers(),
            "hours": self.utterances.hours(),
        }
