"""Scenes are drawn by hash: the same in any order, as often and within the ranges that the settings say."""

from __future__ import annotations

import pytest

from kespeechchat.config.scenes import PRESETS, NoiseSettings, SceneSettings, SideSettings, SpeedSettings
from kespeechchat.scenes.drawing import Drawn, Draws

ASR = Draws("asr", PRESETS["asr"], 7)
MANY = [ASR.of(f"d-{i}", "train", "user") for i in range(4000)]


def test_the_papers_training_is_drawn_as_often_as_it_says():
    noisy = [one.snr for one in MANY if one.snr is not None]
    fast = [one.speed for one in MANY if one.speed != 1.0]
    assert len(noisy) / len(MANY) == pytest.approx(0.2, abs=0.025)
    assert len(fast) / len(MANY) == pytest.approx(0.5, abs=0.03) and set(fast) == {0.9, 1.1}
    assert min(noisy) >= 10 and max(noisy) <= 50 and sum(noisy) / len(noisy) == pytest.approx(30, abs=1.5)
    both = sum(one.snr is not None and one.speed != 1.0 for one in MANY)
    assert both / len(MANY) == pytest.approx(0.1, abs=0.02)  # independent of each other
    assert PRESETS["asr"].trainer.spec_augment == 0.5


def test_the_same_dialogue_has_the_same_scene_and_another_seed_another():
    assert [ASR.of(f"d-{i}", "train", "user") for i in (3, 1)] == [MANY[3], MANY[1]]
    assert [Draws("asr", PRESETS["asr"], 8).of(f"d-{i}", "train", "user") for i in range(50)] != MANY[:50]


def test_other_sides_and_splits_stay_clean():
    assert all(ASR.of(f"d-{i}", split, "user").clean for i in range(50) for split in ("dev", "test"))
    assert all(ASR.of(f"d-{i}", "train", "agent") == Drawn() for i in range(50))


def test_a_changed_range_moves_no_other_draw():
    def draws(snr: tuple[float, float]) -> list[Drawn]:
        side = SideSettings(noise=NoiseSettings(probability=0.5, snr=snr), speed=SpeedSettings(factors=(0.8, 1.2)))
        return [Draws("x", SceneSettings(user=side), 1).of(f"d-{i}", "dev", "user") for i in range(50)]

    for narrow, wide in zip(draws((10, 20)), draws((0, 40)), strict=True):
        assert (narrow.speed, narrow.noise, narrow.snr is None) == (wide.speed, wide.noise, wide.snr is None)


def test_a_scene_that_changes_nothing_is_refused():
    with pytest.raises(ValueError, match="a scene changes something"):
        SceneSettings(user=SideSettings())
    with pytest.raises(ValueError, match="not from both"):
        NoiseSettings(folder="a", manifest="b")
