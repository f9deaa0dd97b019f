"""Which chain a unit is of, and how many rows its shards hold: by the traits of its stages, fused or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from kespeechchat.commands.plan.chains import chains, shard_size
from kespeechchat.config.flow import SPEECH, TEXT
from kespeechchat.config.load import load_pipeline

FUSED = (
    "phases=[{name: text, stages: [[ingest, rewrite], [filter, spoken]]}, {name: voices, stages: [[corpus, clips], "
    "speakers, blend, audition, voices]}, {name: audio, stages: [[synthesize, watermark], [measure, gate]]}]"
)

AGAIN = "rounds=[voice]"


@pytest.mark.parametrize(
    ("settings", "text", "speech", "clips"),
    [
        ((), list(TEXT), list(SPEECH[1:]), ["corpus", "clips"]),
        ((FUSED,), ["rewrite", "spoken"], ["watermark", "gate"], ["clips"]),
    ],
)
def test_units_are_put_into_chains(
    quickstart: Path, settings: tuple[str, ...], text: list[str], speech: list[str], clips: list[str]
) -> None:
    found = chains(load_pipeline(quickstart, (AGAIN, *settings)))
    assert (found.text, found.clips) == (text, clips)
    assert found.speech == [speech, [f"{unit}.r1" for unit in speech]]
    assert (found.mining, found.auditions) == (["speakers", "blend"], ["audition", "voices"])
    assert found.first == text + speech and found.voices == [*clips, "speakers", "blend", "audition", "voices"]


def test_a_shard_holds_what_its_branch_says(quickstart: Path) -> None:
    pipeline = load_pipeline(quickstart, (AGAIN,))  # shard_size 6 and 16, audition_shard_size 6
    pipeline = pipeline.model_copy(update={"speech": pipeline.speech.model_copy(update={"audition_shard_size": 7})})
    sizes = {unit.name: shard_size(pipeline, unit) for unit in pipeline.units}
    assert {sizes[unit] for unit in ("ingest", "spoken", "watermark", "gate", "gate.r1")} == {6}
    assert {sizes[unit] for unit in ("corpus", "clips")} == {16} and sizes["audition"] == 7
    assert {sizes[unit] for unit in ("speakers", "blend", "voices")} == {None}
