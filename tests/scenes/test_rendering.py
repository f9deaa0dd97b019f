"""A side in its scene: length and time stay, the SNR is what was drawn, bad input is an error that says what to do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.scenes import CodecName
from kespeechchat.scenes.codecs import telephone_band
from kespeechchat.scenes.drawing import Drawn
from kespeechchat.scenes.mixing import FULL_SCALE
from kespeechchat.scenes.rendering import at_speed, length_at_speed, render
from kespeechchat.scenes.rooms import Room, Rooms
from kespeechchat.scenes.sounds import SceneError, Stretch, repeated
from tests.scenes.voices import RATE, hum, speech


@dataclass
class Given:
    """A source of noise that is these samples."""

    samples: np.ndarray

    def cut(self, draw: int, samples: int, rate: int, dialogue_id: str = "") -> Stretch:
        start = draw % len(self.samples)
        return Stretch(repeated(self.samples, start, samples, rate), "given", start / rate)


def ratio(clean: np.ndarray, noisy: np.ndarray, scale: float) -> float:
    """dB over the samples that are loud: measured on what came out."""
    noise = noisy / scale - clean
    frames = np.abs(clean[: len(clean) // 160 * 160].reshape(-1, 160)).max(axis=1).repeat(160) > 0
    return 10 * np.log10((clean[frames].astype(float) ** 2).mean() / (noise[frames].astype(float) ** 2).mean())


@given(st.floats(0, 50), st.integers(0, 2**63), st.integers(0, 20), st.sampled_from([0.02, 0.2, 0.6]))
def test_the_snr_is_within_half_a_decibel_of_what_was_drawn(snr: float, draw: int, seed: int, level: float):
    clean = speech(1.5, seed, level=level)
    found = render(clean, RATE, Drawn(snr=snr, noise=draw), Given(hum(0.7, seed)))
    scale = 10 ** (found.facts.get("limited", 0.0) / 20)
    assert len(found.samples) == len(clean) and np.abs(found.samples).max() <= FULL_SCALE + 1e-6
    assert abs(ratio(clean, found.samples, scale) - snr) < 0.5
    noise = found.facts["noise"]
    assert abs(noise["measured_snr"] - noise["snr"]) < 0.05 and noise["snr"] == pytest.approx(snr, abs=0.01)


def test_in_a_room_the_noise_is_measured_against_the_clean_turn():
    response = np.zeros(4000, np.float32)
    response[20], response[1500] = 1.0, 0.8
    rooms, clean = Rooms([Room(response, "hall")]), speech()
    wet = render(clean, RATE, Drawn(room=0), rooms=rooms).samples
    both = render(clean, RATE, Drawn(room=0, snr=12.0), Given(hum()), rooms)
    loud = np.abs(clean[: len(clean) // 160 * 160].reshape(-1, 160)).max(axis=1).repeat(160) > 0
    noise = (both.samples - wet)[loud]
    assert 10 * np.log10(np.mean(clean[loud] ** 2) / np.mean(noise**2)) == pytest.approx(12.0, abs=0.5)
    assert np.mean(wet[loud] ** 2) == pytest.approx(np.mean(clean[loud] ** 2), rel=0.2)  # a room is no gain


@given(st.integers(1, 5000), st.sampled_from([0.5, 0.9, 1.0, 1.1, 1.234, 2.0]))
def test_speed_gives_the_length_that_the_times_are_made_of(samples: int, speed: float):
    found = at_speed(np.ones(samples, np.float32), speed)
    assert len(found) == length_at_speed(samples, speed) == max(1, round(samples / speed))


def test_speed_moves_a_click_to_where_its_word_time_says():
    click = np.zeros(RATE, np.float32)
    click[8000] = 1.0
    for speed in (0.9, 1.1):
        assert abs(int(np.argmax(np.abs(at_speed(click, speed)))) - 8000 / speed) <= 1


def test_a_faster_tone_is_higher():
    tone = np.sin(2 * np.pi * 400 * np.arange(RATE) / RATE).astype(np.float32)
    found = at_speed(tone, 1.1)
    pitch = np.argmax(np.abs(np.fft.rfft(found))) * RATE / len(found)
    assert pitch == pytest.approx(440, abs=2)


def test_clean_stays_as_it_is_and_level_is_a_gain():
    clean = speech()
    assert render(clean, RATE, Drawn()).samples is clean
    found = render(clean, RATE, Drawn(gain=-6.0))
    assert np.allclose(found.samples, clean * 10**-0.3) and found.facts == {"gain": -6.0}


def test_loud_speech_with_loud_noise_is_turned_down_and_not_clipped():
    clean = speech(level=0.9)
    found = render(clean, RATE, Drawn(snr=-5.0), Given(hum()))
    assert found.facts["limited"] < -3
    assert np.sum(np.abs(found.samples) > FULL_SCALE - 1e-4) <= 2  # the one peak


@pytest.mark.parametrize("codec", [None, "g711_alaw"])
def test_what_the_limiter_took_between_band_and_codec_is_said(codec: CodecName | None):
    """The fundamental alone of a square wave is higher than the wave: 2 dB, which the band's limiter takes."""
    square = np.where(np.arange(24_000) % 12 < 6, np.float32(0.98), np.float32(-0.98))
    band = telephone_band(square, 24_000)
    found = render(square, 24_000, Drawn(codec=codec, telephone_band=True))
    taken = 20 * np.log10(np.std(found.samples) / np.std(band))
    assert found.facts["limited"] == pytest.approx(taken, abs=0.3) and taken < -1.5


@given(st.floats(0.5, 4), st.integers(0, 50))
def test_the_limiter_is_named_where_it_took_something(level: float, seed: int):
    found = render(speech(0.3, seed, level=level), RATE, Drawn(gain=0.0, telephone_band=True))
    assert found.facts.get("limited", -1) < 0


def test_a_bark_in_a_pause_is_no_noise_of_speech(monkeypatch):
    """Noise that is silent under the speech is passed over, and is an error where there is no other."""
    clean = np.concatenate([speech(1.0), np.zeros(RATE, np.float32)])
    bark = np.full(2 * RATE, 1e-6, np.float32)
    bark[-2000:] = 0.5

    class Barks:
        def cut(self, draw: int, samples: int, rate: int, dialogue_id: str = "") -> Stretch:
            return Stretch(bark if draw == 1 else np.roll(bark, 9000), "dog.wav", 0.0)

    with pytest.raises(SceneError, match=r"dog\.wav: 16 stretches .* silent while dialogue d-1 speaks"):
        monkeypatch.setattr("kespeechchat.scenes.rendering.stable_hash", lambda *parts: 1)
        render(clean, RATE, Drawn(snr=10.0, noise=1), Barks(), dialogue_id="d-1")
    monkeypatch.undo()
    assert render(clean, RATE, Drawn(snr=10.0, noise=1), Barks()).facts["noise"]["source"] == "dog.wav"


def test_silent_speech_has_no_noise():
    with pytest.raises(SceneError, match="d-1: a turn without sound"):
        render(np.zeros(RATE, np.float32), RATE, Drawn(snr=10.0), Given(hum()), dialogue_id="d-1")


def test_the_same_draw_gives_the_same_samples():
    drawn = Drawn(snr=20.0, noise=12345, gain=-3.0, codec="amr_nb", telephone_band=True)
    one, two = (render(speech(), RATE, drawn, Given(hum())) for _ in range(2))
    assert np.array_equal(one.samples, two.samples) and one.facts == two.facts
    assert one.facts["codec"] == "amr_nb" and one.facts["telephone_band"]
