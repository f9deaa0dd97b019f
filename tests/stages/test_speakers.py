"""A person who speaks in several recordings is one speaker, in one split."""

from __future__ import annotations

from kespeechchat.config.load import load_pipeline
from kespeechchat.stages.base import Task
from kespeechchat.stages.speakers import Speakers
from tests.stages.test_golden import PROFILE, SETTINGS, _clips


def test_clips_of_a_person_are_mined_together() -> None:
    pipeline = load_pipeline(PROFILE, SETTINGS)
    rows = _clips().rows[:18]  # six recordings that are mined
    alone = [o.row["id"] for o in Speakers(pipeline).process(Task(0, None, rows)) if o.status == "kept"]
    assert "r0" in alone
    # each clip a recording of its own, as chapters or utterances are; the person is known
    apart = [{**row, "speaker": f"p/{row['recording']}", "recording": row["id"]} for row in rows]
    people = [o for o in Speakers(pipeline).process(Task(0, None, apart)) if o.status == "kept"]
    assert sorted(o.row["id"] for o in people) == [f"p/{name}" for name in sorted(alone)]
    assert all(o.row["split"] for o in people)
    # without the person none of the recordings has enough clips
    lost = [{**row, "speaker": None} for row in apart]
    assert {o.reason for o in Speakers(pipeline).process(Task(0, None, lost))} == {"few_clips"}
