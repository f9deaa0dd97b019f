"""The short version of `benchmarks/chaos.py`: a few kills, at random moments of one whole build."""

from __future__ import annotations

import pytest

from benchmarks.chaos import Tally, chaos, report

pytestmark = [pytest.mark.faults, pytest.mark.long]


@pytest.mark.parametrize(("runner", "kills"), [("local", 8), ("ray", 4)])
def test_kills_at_random_moments_of_a_whole_build_change_nothing(tmp_path, runner, kills):
    tally = Tally(wanted=kills)
    chaos(tally, tmp_path, str(tmp_path), seed=5, rows=3, runner=runner)
    print("\n" + report(tally, 0))
    assert tally.wrong == []
    assert tally.kills.total() == kills
    assert tally.attempts >= tally.built > 0
