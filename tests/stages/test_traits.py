"""Each stage has its settings, traits, class and schema under one name, and what follows from the traits is right."""

from __future__ import annotations

import pytest

from kespeechchat.config import flow
from kespeechchat.config.flow import STAGES, TRAITS
from kespeechchat.config.traits import Scope
from kespeechchat.records import SCHEMAS
from kespeechchat.stages.flow import STAGE_CLASSES, stage_class


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_of_one_piece(name: str) -> None:
    stage = STAGE_CLASSES[name]
    assert stage.__module__ == f"kespeechchat.stages.{name}" and stage.traits is TRAITS[name]
    assert name in SCHEMAS, "records.py has no schema of what it writes"
    assert {stage.__doc__, stage.version > 0} != {None, False}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_reads_columns_that_exist_of_stages_before_it(name: str) -> None:
    stage = STAGE_CLASSES[name]
    named = {reads.stage for reads in (stage.source, *stage.also)}
    assert set(stage.columns) <= named, "columns of a stage that it does not read"
    for reads in (stage.source, *stage.also):
        if reads.scope is not Scope.PLAN:
            assert STAGES.index(reads.stage) < STAGES.index(name)
            assert set(reads.columns or ()) <= set(SCHEMAS[reads.stage].names)


def test_what_follows_from_the_traits() -> None:
    assert (flow.SPEAKS, flow.AUDIO, flow.GATE, flow.LIBRARY) == ("synthesize", "watermark", "gate", "voices")
    assert flow.TEXT + flow.VOICES + flow.SPEECH == STAGES and flow.SPEECH[0] == flow.SPEAKS
    assert [s for s in STAGES if flow.one_language(s)] == [*flow.TEXT, "corpus", "clips", *flow.SPEECH]
    assert {flow.input_branch(s) for s in flow.VOICES} == {"speech"}
    assert {flow.input_branch(s) for s in (*flow.TEXT, *flow.SPEECH)} == {"instructions"}


def test_a_round_has_the_traits_of_its_base_and_reads_its_own_round() -> None:
    again = stage_class("measure.r2")
    assert again.traits is TRAITS["measure"] and again.keeps_rows and again.source.stage == "watermark.r2"
    assert issubclass(again, STAGE_CLASSES["measure"]) and again is stage_class("measure.r2")


def test_what_a_stage_makes_of_its_rows() -> None:
    """`kesc verify` closes the sums of those that keep or rename rows; the others make other things of them."""
    assert [s for s in STAGES if not TRAITS[s].keeps_rows] == ["speakers", "blend", "voices"]
    assert [s for s in STAGES if TRAITS[s].renames_rows] == ["voices"]
    assert [s for s in STAGES if TRAITS[s].may_keep_none] == ["speakers", "voices", "gate"]
