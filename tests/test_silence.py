"""Silences of an utterance: laws, and speech-like sounds whose silences are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.records import Audio
from kespeechchat.silence import FRAME, silences

RATE = 16_000


def tone(seconds: float, level: float = 0.3) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * 180 * time)).astype(np.float32)


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def measured(*parts: np.ndarray):
    return silences(Audio(np.concatenate(parts), RATE))


# sounds and silences in turn, in frames; what is under 0.1 s is no silence, what is under 50 ms no sound
PIECES = st.lists(st.tuples(st.integers(10, 60), st.integers(15, 80)), min_size=1, max_size=4)


def speech(pieces) -> np.ndarray:
    parts = [part for sound, gap in pieces for part in (tone(sound * FRAME), quiet(gap * FRAME))]
    return np.concatenate(parts[:-1])  # ends with a sound


def test_silences_are_where_they_were_put():
    found = measured(quiet(2.0), tone(0.5), quiet(0.3), tone(0.5), quiet(1.2), tone(0.4), quiet(0.7))
    assert (found.leading, found.inside, found.trailing) == pytest.approx((2.0, 1.2, 0.7), abs=FRAME)
    assert np.array(found.intervals).ravel() == pytest.approx([0, 2, 2.5, 2.8, 3.3, 4.5, 4.9, 5.6], abs=FRAME)


@given(pieces=PIECES, before=st.integers(0, 300), after=st.integers(0, 300))
def test_padding_shifts_what_is_inside_and_adds_to_the_ends(pieces, before, after):
    bare, padded = measured(speech(pieces)), measured(quiet(before * FRAME), speech(pieces), quiet(after * FRAME))
    assert padded.leading == pytest.approx(bare.leading + before * FRAME)
    assert padded.trailing == pytest.approx(bare.trailing + after * FRAME)
    assert padded.inside == pytest.approx(bare.inside)
    assert bare.leading == bare.trailing == 0


@given(pieces=PIECES, decibels=st.floats(-60, 10), offset=st.floats(-0.2, 0.2))
def test_level_and_offset_do_not_matter(pieces, decibels, offset):
    samples = np.concatenate([quiet(0.5), speech(pieces), quiet(0.4)])
    changed = (samples * 10 ** (decibels / 20)).astype(np.float64) + offset
    assert measured(changed).intervals == measured(samples).intervals


@given(
    samples=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=3000), rate=st.sampled_from([1000, 8000, 22050])
)
def test_intervals_are_in_order_within_the_utterance(samples, rate):
    audio = Audio(np.array(samples, np.float32), rate)
    found = silences(audio)
    edges = np.array([(0.0, 0.0), *found.intervals, (audio.seconds, audio.seconds)]).ravel()
    assert (np.diff(edges) >= 0).all()
    assert sum(end - start for start, end in found.intervals) <= audio.seconds + 1e-9
    assert max(found.leading, found.inside, found.trailing) <= audio.seconds


@given(pieces=PIECES)
def test_sounds_and_silences_make_up_the_whole(pieces):
    found = measured(speech(pieces))
    silent = sum(gap for _, gap in pieces[:-1]) * FRAME
    assert sum(end - start for start, end in found.intervals) == pytest.approx(silent)


def test_what_is_silent_all_through_is_one_silence():
    for samples in (quiet(1.5), quiet(1.5) + 0.1):
        found = measured(samples)
        assert found.intervals == ((0.0, 1.5),)
        assert (found.leading, found.inside, found.trailing) == (1.5, 0.0, 1.5)
    assert measured(np.zeros(0, np.float32)).intervals == ()


def test_a_click_does_not_break_a_silence_and_a_closure_is_none():
    click = np.full(80, 0.9, np.float32) * np.resize([1, -1], 80)
    assert measured(tone(0.5), quiet(1), click, quiet(1), tone(0.5)).inside == pytest.approx(2.005, abs=2 * FRAME)
    assert measured(tone(0.5), quiet(0.06), tone(0.5)).intervals == ()


def test_much_silence_does_not_make_noise_a_sound():
    """A plain mean of the power would fall by 13 dB with 20 s of silence, and the noise would count as a sound."""
    hiss = np.random.default_rng(0).normal(0, 0.3 / 2**0.5 * 10 ** (-46 / 20), RATE).astype(np.float32)
    assert measured(quiet(20), tone(0.5), hiss, tone(0.5)).inside == pytest.approx(1.0, abs=2 * FRAME)


def test_noise_50_dB_under_the_speech_is_silence_and_a_whisper_is_not():
    rng = np.random.default_rng(0)
    hiss = rng.normal(0, 0.3 / 2**0.5 * 10 ** (-50 / 20), RATE).astype(np.float32)
    assert measured(tone(0.5), hiss, tone(0.5)).inside == pytest.approx(1.0, abs=2 * FRAME)
    assert measured(tone(0.5), hiss * 10, tone(0.5)).intervals == ()
