"""The comparison of a build's sound with stock voices': both sides are heard alike, and intervals are Student's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bounds import Bounds
from benchmarks.sound import LUFS, PADDING, Compared, Turn, interval, prepared, shown, stock_names
from kespeechchat.loudness import loudness
from kespeechchat.records import Audio
from kespeechchat.silence import silences
from tests.engines.tones import voice

RATE = 24_000


def turn(name: str = "v", language: str = "en", gender: str = "female") -> Turn:
    return Turn("d", "user", language, name, gender, "Hi.", Audio(np.zeros(9, np.float32), RATE))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.02, 0.9))
def test_level_and_padding_of_a_side_do_not_matter(before, after, gain):
    speech = voice(1.0, RATE, seed=4)
    quiet = [np.zeros(round(s * RATE), np.float32) for s in (before, after)]
    padded = Audio(np.concatenate([quiet[0], speech.samples * np.float32(gain), quiet[1]]), RATE)
    one, other = prepared(speech), prepared(padded)
    assert abs(one.seconds - other.seconds) <= 0.02
    assert loudness(one).integrated == pytest.approx(LUFS, abs=0.5)  # its ends share blocks with the silence around
    # the frame of 20 ms in which speech begins may be another, which moves the blocks of so short a sound
    assert loudness(other).integrated == pytest.approx(loudness(one).integrated, abs=0.3)
    assert silences(other).leading == pytest.approx(PADDING, abs=0.021)
    assert silences(other).trailing == pytest.approx(PADDING, abs=0.021)


@given(st.lists(st.floats(-2, 2), min_size=2, max_size=40))
def test_the_interval_is_students(values):
    from scipy import stats

    mean, low, high = interval(values)
    assert low <= mean <= high
    if np.std(values) > 1e-6:
        want = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
        assert (low, high) == pytest.approx((want.low, want.high), abs=1e-9)
    assert interval(values[:1]) == (values[0], -np.inf, np.inf)


def test_stock_voices_are_of_the_language_and_gender_and_drawn_by_the_turn():
    names = stock_names(turn(), 3, 1)
    assert names == stock_names(turn(), 3, 1) and len(set(names)) == 3
    assert all(name[:2] in ("af", "bf") for name in names)
    assert all(name.startswith("zm_") for name in stock_names(turn(language="zh", gender="male"), 9, 1))


@pytest.mark.parametrize(("under", "code"), [(0.04, 0), (0.2, 1)])
def test_a_build_that_is_too_far_under_stock_ends_in_1(under, code, capsys):
    scores = {"dnsmos_ovrl": 3.0, "distillmos": 4.0}
    stock = {"dnsmos_ovrl": 3.0 + under, "distillmos": 4.0}
    bounds = Bounds()
    shown([Compared(turn(name), scores, stock, stock) for name in "abc"], bounds)
    assert bounds.close() == code
    printed = capsys.readouterr().out
    assert f"stock less build {under:+.3f}" in printed and "by voice: c" in printed
