"""Rows that are read in parts, by one process or several, make the same export as rows in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from kespeechchat.blocks import Block, blocks_of
from kespeechchat.config.dataset import SubsetSettings, TTSSubset
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.errors import ExportError
from kespeechchat.export.layouts.ke_speechchat import KeSpeechChat
from kespeechchat.export.selection import Subset
from tests.export.gated_rows import GENDERS, ROWS, dialogue, read_audio, selected, snapshot

pytestmark = pytest.mark.slow

MANY = [dialogue(i) for i in range(150)]
SUBSETS = SubsetSettings(tts=TTSSubset(speakers=2, utterances={"zh": 3, "en": 2}))


@dataclass(frozen=True)
class Some:
    start: int
    stop: int

    def rows(self, columns: Sequence[str]) -> Iterator[dict]:
        return iter(MANY[self.start : self.stop])

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        return blocks_of(self.rows(columns))


class Parted:
    def __init__(self, size: int) -> None:
        self.size = size

    def __iter__(self) -> Iterator[dict]:
        return iter(MANY)

    def parts(self) -> list[Some]:
        return [Some(i, min(i + self.size, len(MANY))) for i in range(0, len(MANY), self.size)]


def written(to, rows, processes=None, subset=None):
    dialogues = Dialogues(selected(rows, subset, processes=processes), read_audio, GENDERS)
    return KeSpeechChat(processes=processes).write(dialogues, to, BuildFacts(subsets=SUBSETS))


@pytest.mark.parametrize("subset", [None, Subset("M", "en")])
def test_parts_and_processes_change_no_byte(tmp_path, subset):
    report = written(tmp_path / "whole", MANY, subset=subset)
    for name, size, processes in (("parts", 7, 1), ("spread", 40, 2)):
        assert written(tmp_path / name, Parted(size), processes, subset).overlaps == report.overlaps
        assert snapshot(tmp_path / name) == snapshot(tmp_path / "whole")


def test_an_id_that_comes_twice_is_named_whatever_part_it_is_in():
    rows = [*ROWS, dialogue(3)]
    with pytest.raises(ExportError, match="'seed-003' comes twice"):
        selected(rows)
