"""Thresholds from cosines of real people's clips, on cosines that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scripts.loaded import script

thresholds = script("auditor_thresholds")
COSINES = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40)


@settings(deadline=None)
@given(COSINES, COSINES)
def test_the_equal_error_rate_is_where_both_errors_meet(same, different):
    rate, cut = thresholds.equal_error(np.array(same), np.array(different))
    missed, taken = np.mean(np.array(same) < cut), np.mean(np.array(different) >= cut)
    assert rate == pytest.approx((missed + taken) / 2)
    cuts = np.concatenate([same, different])
    gaps = [abs(np.mean(np.array(same) < c) - np.mean(np.array(different) >= c)) for c in cuts]
    assert abs(missed - taken) <= min(gaps) + 1e-9


def test_people_who_are_told_apart_have_no_error():
    cosines = np.full((4, 4), 0.2)
    cosines[0, 1] = cosines[1, 0] = cosines[2, 3] = cosines[3, 2] = 0.8
    found = thresholds.figures(cosines, ["a", "a", "b", "b"], ["F", "F", "M", "M"])
    assert found["equal_error_rate"] == 0 and found["at_cosine"] == 0.8
    assert found["cosines"]["one person"]["pairs"] == 2
    assert found["cosines"]["two people"] == {"pairs": 4} | dict.fromkeys(
        ("0", "0.01", "0.05", "0.5", "0.95", "0.99", "1"), 0.2
    )
    assert "two people of one gender" not in found["cosines"]


@pytest.mark.parametrize("people", [["a", "a"], ["a", "b"]])
def test_it_takes_pairs_of_both_kinds(people):
    with pytest.raises(SystemExit, match="two clips of one person, and clips of two people"):
        thresholds.figures(np.eye(2), people, ["F", "F"])


def test_a_folder_without_its_list(tmp_path):
    with pytest.raises(SystemExit, match=r"speakers\.tsv: no such file.*file, speaker, gender"):
        thresholds.clips(tmp_path)
    (tmp_path / "speakers.tsv").write_text("file\tspeaker\nx.flac\ta\n")
    with pytest.raises(SystemExit, match="lacks the columns gender"):
        thresholds.clips(tmp_path)
