"""Rounds of speech in a profile: their names, where they stand in the flow, what they inherit, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.config.rounds import REPEATED, in_round, split_round
from kespeechchat.config.units import Unit
from kespeechchat.stages.flow import stage_class

PAPER = Path(__file__).parents[2] / "pipelines" / "ke-speechchat.yaml"
HEARD = "phases.2={name: audio, stages: [[synthesize, watermark], [measure, gate]]}"


@pytest.mark.parametrize("stage", REPEATED)
@pytest.mark.parametrize("round_", [0, 1, 12])
def test_a_name_is_taken_apart_as_it_was_made(stage, round_):
    assert split_round(in_round(stage, round_)) == (stage, round_)


def test_other_names_are_of_round_0():
    assert split_round("gate.r0") == ("gate.r0", 0) and split_round("ingest") == ("ingest", 0)


def units(*stages: tuple[str, ...]) -> tuple[Unit, ...]:
    return tuple(map(Unit, stages))


def test_rounds_follow_the_gate_fused_as_the_first_round_is():
    assert load_pipeline(PAPER).units[-6:] == units(
        ("synthesize.r1", "watermark.r1"),
        ("measure.r1",),
        ("gate.r1",),
        ("synthesize.r2", "watermark.r2"),
        ("measure.r2",),
        ("gate.r2",),
    )
    assert load_pipeline(PAPER, ("rounds=[voice]", HEARD)).units[-2:] == units(
        ("synthesize.r1", "watermark.r1"),
        ("measure.r1", "gate.r1"),
    )
    assert load_pipeline(PAPER, ("rounds=[]",)).flow[-4:] == REPEATED


def test_a_round_reads_its_own_stages_and_what_no_gate_before_it_kept():
    first, second = stage_class("synthesize.r1"), stage_class("synthesize.r2")
    assert (first.source.stage, first.source.without) == ("spoken", ("gate",))
    assert second.source.without == ("gate", "gate.r1")
    assert first.source.columns == stage_class("synthesize").source.columns
    assert [stage_class(f"{s}.r2").source.stage for s in REPEATED[1:]] == [f"{s}.r2" for s in REPEATED[:-1]]
    assert (first.version, second.round, stage_class("gate.r2").name) == (
        stage_class("synthesize").version,
        2,
        "gate.r2",
    )


def test_a_round_has_the_resources_of_its_base_unless_it_is_named():
    pipeline = load_pipeline(PAPER)
    assert pipeline.resources_of("synthesize.r2") == pipeline.resources["synthesize"]
    named = load_pipeline(PAPER, ("resources={measure: {num_gpus: 1}, measure.r1: {num_gpus: 3}}",))
    assert [named.resources_of(f"measure{r}").num_gpus for r in ("", ".r1", ".r2")] == [1, 3, 1]


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("rounds=[pitch]",), "rounds.0: 'pitch' does not fit"),
        (("rounds=[]", "guards={gate.r1: {}}"), "guards: unknown stage 'gate.r1'"),
    ],
)
def test_rounds_that_do_not_fit_are_refused(overrides, says):
    with pytest.raises(ConfigError, match=says):
        load_pipeline(PAPER, overrides)


def test_another_seed_is_refused_where_the_engine_knows_none(quickstart):
    with pytest.raises(
        ConfigError, match=r"rounds: the tts engine 'kokoro' \(kokoro\) speaks the same with every seed"
    ):
        load_pipeline(quickstart, ("rounds=[voice, seed]",))
