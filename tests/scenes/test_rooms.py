"""Simulated and recorded rooms: the direct path stays, the tail rings as long as was asked and never comes first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kespeechchat.config.scenes import RoomSettings
from kespeechchat.scenes.rooms import reverberated, rooms_of
from kespeechchat.scenes.sounds import SceneError
from tests.scenes.voices import RATE, speech

SMALL = RoomSettings(rooms=3, rt60=(0.3, 0.3), length=(4, 5), width=(3, 4), height=(2.5, 3), distance=(0.5, 1.0))


def falls_by_20(response: np.ndarray) -> float:
    """s from -5 to -25 dB of what is left (Schroeder 1965), times 3: RT60."""
    left = np.cumsum(response[::-1].astype(float) ** 2)[::-1]
    decay = 10 * np.log10(left / left[0] + 1e-12)
    return 3 * (np.argmax(decay < -25) - np.argmax(decay < -5)) / RATE


def test_simulated_rooms_ring_about_as_long_as_asked_and_are_the_same_again():
    bank, again = (rooms_of(SMALL, RATE, 7) for _ in range(2))
    assert len({room.about for room in bank.rooms}) == 3
    assert all(np.array_equal(a.response, b.response) for a, b in zip(bank.rooms, again.rooms, strict=True))
    assert all(0.2 < falls_by_20(room.response) < 0.5 for room in bank.rooms)
    assert all("RT60 0.30 s" in room.about for room in bank.rooms)


def test_the_direct_path_stays_and_the_tail_does_not_wrap_around():
    click = np.zeros(RATE, np.float32)
    click[[4000, 15_900]] = 1.0, 0.7
    response = np.zeros(8000, np.float32)
    response[30], response[5000] = 1.0, 0.5
    found = reverberated(click, response)
    assert len(found) == RATE and np.argmax(np.abs(found)) == 4000
    assert found[9000 - 30] == pytest.approx(0.5, abs=1e-3) and found[15_900] == pytest.approx(0.7, abs=1e-3)
    assert np.abs(found[:3900]).max() < 1e-3  # the second click's echo lies after the end


def test_a_response_longer_than_the_speech_is_kept():
    short = speech(0.1)
    assert len(reverberated(short, rooms_of(SMALL, RATE, 7).rooms[0].response)) == len(short)


def test_a_users_impulse_responses_are_read(tmp_path: Path):
    response = np.zeros((4800, 2), np.float32)
    response[10], response[900] = 1.0, 0.4
    soundfile.write(tmp_path / "hall.wav", response, 48_000)
    room = rooms_of(RoomSettings(impulse_responses=str(tmp_path)), RATE).pick(7)
    assert room.about == "hall.wav" and len(room.response) == 1600
    soundfile.write(tmp_path / "hall.wav", np.zeros(4800), 48_000)
    with pytest.raises(SceneError, match=r"hall\.wav: an impulse response without sound"):
        rooms_of(RoomSettings(impulse_responses=str(tmp_path)), RATE).pick(7)


@pytest.mark.parametrize("samples", [1, 160, 480])
def test_a_short_impulse_response_is_a_room(tmp_path: Path, samples: int):
    """A small room's response, or one that was cut after the direct path, is as good as a long one."""
    response = np.zeros(samples, np.float32)
    response[0] = 0.5
    soundfile.write(tmp_path / "car.wav", response, RATE)
    room = rooms_of(RoomSettings(impulse_responses=str(tmp_path)), RATE).pick(3)
    assert np.allclose(reverberated(speech(), room.response), 0.5 * speech(), atol=1e-3)


def test_impulse_responses_are_read_when_they_are_drawn(tmp_path: Path, monkeypatch):
    read, given = [], soundfile.read
    monkeypatch.setattr(soundfile, "read", lambda file, **more: read.append(file.name) or given(file, **more))
    for name in "abcd":
        soundfile.write(tmp_path / f"{name}.wav", np.eye(1, 800, 5, np.float32)[0], RATE)
    bank = rooms_of(RoomSettings(impulse_responses=str(tmp_path)), RATE)
    assert read == []
    assert [bank.pick(draw).about for draw in (2, 6, 1)] == ["c.wav", "c.wav", "b.wav"] and read == ["c.wav", "b.wav"]


def test_rooms_that_cannot_be_are_refused():
    with pytest.raises(SceneError, match="widen a range"):
        rooms_of(RoomSettings(rooms=1, distance=(20, 20)), RATE)
    with pytest.raises(ValueError, match="must lie above 0"):
        RoomSettings(rt60=(0.0, 0.3))
    with pytest.raises(ValueError, match="from low to high"):
        RoomSettings(rt60=(0.5, 0.3))
