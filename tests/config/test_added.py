"""A setting that was added later makes nothing stale until it is used."""

from typing import Annotated

from kespeechchat.config.base import ADDED, Settings
from kespeechchat.config.stages import Gate


class _Group(Settings):
    old: int = 1
    new: Annotated[dict[str, float], ADDED] = {}


def test_at_its_default_it_is_left_out_and_else_it_counts():
    assert _Group().relevant() == _Group(new={}).relevant() == {"old": 1}
    assert _Group(new={"x": 1}).relevant() == {"old": 1, "new": {"x": 1.0}}


def test_the_gates_that_are_off_are_left_out():
    assert Gate().relevant("en").keys() == {"max_error", "unit"}
    used = Gate.model_validate({"max_silence": {"inside": 1}, "min_mos": {"utmos": 3}, "hallucinations": True})
    assert {"max_silence", "min_mos", "hallucinations"} < used.relevant("en").keys()
