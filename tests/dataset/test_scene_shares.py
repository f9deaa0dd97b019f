"""Shares of watermarks by what happened to the turns."""

from __future__ import annotations

from kespeechchat.dataset.scene_shares import SceneShares, scene_section


def test_a_turn_counts_in_all_and_in_each_thing_that_happened_to_it():
    shares = SceneShares("night", "SpecAugment with probability 0.5", left_out=3)
    shares.add({}, True)
    shares.add({"noise": {"snr": 5}, "codec": "opus"}, False)
    shares.add({"noise": {"snr": 9}}, True)
    found = shares.result()
    assert (found["turns"], found["marked"], found["share"]) == (3, 2, 0.666667)
    assert found["by"]["noise"] == {"turns": 2, "marked": 1, "share": 0.5}
    assert found["by"]["codec opus"]["share"] == 0.0 and found["by"]["clean"]["share"] == 1.0
    page = scene_section(found)
    assert "`night`" in page and "Left out, because they lost it: 3 dialogues." in page and "SpecAugment" in page


def test_nothing_exported_has_no_share():
    assert SceneShares("night").result()["share"] is None
