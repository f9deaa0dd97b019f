"""Segments: units that may overlap, cut at every reduce stage and before each round."""

from __future__ import annotations

from pathlib import Path

import pytest

from kespeechchat.config.load import load_pipeline
from kespeechchat.state.segments import replaced_by, segments


def _names(profile: Path, *overrides: str) -> list[list[str]]:
    pipeline = load_pipeline(profile, overrides, inputs=["q.jsonl"], root="root")
    return [[str(unit) for unit in segment] for segment in segments(pipeline)]


def test_the_segments_of_the_quick_start(quickstart: Path) -> None:
    assert _names(quickstart, "rounds=[]") == [
        ["ingest", "rewrite", "filter", "spoken"],
        ["corpus", "clips"],
        ["speakers"],
        ["blend"],
        ["audition"],
        ["voices"],
        ["synthesize+watermark", "measure", "gate"],
    ]


def test_each_round_is_a_segment_of_its_own(quickstart: Path) -> None:
    *_, first, second = _names(quickstart, "rounds=[voice]")
    assert first == ["synthesize+watermark", "measure", "gate"]
    assert second == ["synthesize.r1+watermark.r1", "measure.r1", "gate.r1"]


@pytest.mark.parametrize(
    ("stage", "by"),
    [("synthesize", "watermark"), ("synthesize.r2", "watermark.r2"), ("watermark", None), ("spoken", None)],
)
def test_whose_audio_replaces_whose(stage: str, by: str | None) -> None:
    assert replaced_by(stage) == by
