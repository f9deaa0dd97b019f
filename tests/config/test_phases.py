"""Phases that cannot run are refused when the profile is loaded, by line, with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from kespeechchat.config import flow
from kespeechchat.config.flow import TRAITS
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.config.units import Unit

TEXT = f"{{name: text, stages: [{', '.join(flow.TEXT)}]}}"
VOICES = f"{{name: voices, stages: [{', '.join(flow.VOICES)}]}}"
AUDIO = "{name: audio, stages: [[synthesize, watermark], measure, gate]}"
REDUCES = [stage for stage, traits in TRAITS.items() if traits.reduces]


def _phases(text: str = TEXT, voices: str = VOICES, audio: str = AUDIO) -> tuple[str]:
    return (f"phases=[{text}, {voices}, {audio}]",)


def _text(stages: str) -> tuple[str]:
    return _phases(text=f"{{name: text, stages: [{stages}]}}")


def _voices(stages: str) -> tuple[str]:
    return _phases(voices=f"{{name: voices, stages: [{stages}]}}")


def test_the_stages_that_reduce_are_these() -> None:
    assert REDUCES == ["speakers", "blend", "voices"]


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        (
            "corpus, [clips, speakers], blend, audition, voices",
            r"\[clips, speakers\]: speakers reads all shards of clips at once, .* write clips, speakers",
        ),
        (
            "corpus, clips, speakers, blend, [audition, voices]",
            r"\[audition, voices\]: voices reads all shards of audition at once, .* write audition, voices",
        ),
        ("corpus, clips, [speakers, blend], audition, voices", r".*speakers reads all shards .* write speakers, blend"),
        ("corpus, clips, speakers, [blend, audition], voices", r".*blend reads all shards .* write blend, audition"),
        ("[corpus, clips, speakers], blend, audition, voices", r".*write corpus, clips, speakers"),
    ],
)
def test_a_reduce_stage_stands_alone(quickstart: Path, stages: str, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"phases\.1\.stages: {says}"):
        load_pipeline(quickstart, _voices(stages))


def test_stages_that_do_not_feed_each_other_are_not_fused(quickstart: Path) -> None:
    joined = (
        "phases=[{name: all, stages: [ingest, rewrite, filter, [spoken, corpus], clips, speakers, blend, audition, "
    )
    joined += "voices, [synthesize, watermark], measure, gate]}]"
    says = r"corpus does not read spoken shard by shard but .* \(speech\); take corpus out of the list"
    with pytest.raises(ConfigError, match=says):
        load_pipeline(quickstart, (joined,))
    with pytest.raises(ConfigError, match="voices reads all shards"):
        load_pipeline(
            quickstart, (joined.replace("[spoken, corpus]", "spoken, corpus").replace("voices, [", "[voices, "),)
        )


def test_what_is_read_from_outside_a_unit_is_published(quickstart: Path) -> None:
    """Of a fused unit only the last output is in ROOT: the export would find no audio there."""
    says = r"\[synthesize, watermark, measure\] would publish measure alone, but the export reads watermark; "
    with pytest.raises(ConfigError, match=says + r"write \[synthesize, watermark\], measure"):
        load_pipeline(quickstart, _phases(audio="{name: audio, stages: [[synthesize, watermark, measure], gate]}"))


@pytest.mark.parametrize(
    ("phases", "says"),
    [
        (_text("ingest, rewrit, filter, spoken"), "no stage 'rewrit'; did you mean 'rewrite'"),
        (_text("ingest, filter, spoken"), "'rewrite' is missing; .* put it behind 'ingest'"),
        (_text("rewrite, filter, spoken"), "'ingest' is missing; .* put it first"),
        (_text("ingest, ingest, rewrite, filter, spoken"), "'ingest' is named 2 times; leave it"),
        (_text("ingest, [], rewrite, filter, spoken"), "an empty list fuses nothing"),
        (_phases(text=f"{{name: none, stages: []}}, {TEXT}"), r"phases\.0\.stages: .* at least 1 item"),
        (_phases(text=VOICES, voices=TEXT), "the stages must be, in this order"),
    ],
)
def test_phases_that_hold_other_stages_than_the_flow(quickstart: Path, phases: tuple[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_pipeline(quickstart, phases)


def test_the_line_of_the_phase_is_named(tmp_path: Path, quickstart: Path) -> None:
    text = quickstart.read_text().replace("[corpus, clips, speakers,", "[corpus, [clips, speakers],")
    (tmp_path / "mine.yaml").write_text(text)
    line = next(n for n, line in enumerate(text.splitlines(), 1) if "[clips, speakers]" in line)
    with pytest.raises(ConfigError, match=rf"mine.yaml:{line}: phases\.1\.stages: \[clips, speakers\]"):
        load_pipeline(tmp_path / "mine.yaml")


def test_what_can_be_fused_is(quickstart: Path) -> None:
    fused = load_pipeline(
        quickstart,
        (
            "rounds=[voice]",
            *_phases(
                f"{{name: text, stages: [[{', '.join(flow.TEXT)}]]}}",
                "{name: voices, stages: [[corpus, clips], speakers, blend, audition, voices]}",
                "{name: audio, stages: [synthesize, watermark, [measure, gate]]}",
            ),
        ),
    )
    assert fused.units[0] == Unit(flow.TEXT) and Unit.of("corpus", "clips") in fused.units
    assert fused.unit_of("gate.r1") == Unit.of("measure.r1", "gate.r1")
