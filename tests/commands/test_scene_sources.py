"""What scenes are made with: banks that two sides share, and a hash that changes with every file of noise."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kespeechchat.commands.scene_sources import depends_on, noises_of, rooms_by_rate
from kespeechchat.config.scenes import NoiseSettings, RoomSettings, SceneSettings, SideSettings
from kespeechchat.export.selection import InMemory
from kespeechchat.scenes import rooms
from tests.export.gated_rows import ROWS, read_audio
from tests.scenes.voices import hum

RATE = 16_000
BOTH = ("user", "agent")


def test_two_sides_in_rooms_of_the_same_settings_share_a_bank(monkeypatch):
    made = []
    monkeypatch.setattr(rooms, "_simulated", lambda settings, rate, *key: made.append(rate))
    often, seldom = (RoomSettings(rooms=3, probability=p) for p in (1.0, 0.2))
    both = SceneSettings(user=SideSettings(room=often), agent=SideSettings(room=seldom))
    by_role = rooms_by_rate(both, BOTH, 7)
    assert by_role["user"](RATE) is by_role["agent"](RATE) is by_role["user"](RATE) and made == [RATE] * 3
    assert by_role["user"](8000) is not by_role["user"](RATE) and len(made) == 6
    other = both.model_copy(update={"agent": SideSettings(room=RoomSettings(rooms=4))})
    by_role = rooms_by_rate(other, BOTH, 7)
    assert by_role["user"](RATE) is not by_role["agent"](RATE)


def test_two_sides_in_noise_from_one_place_share_it(tmp_path: Path):
    soundfile.write(tmp_path / "hum.wav", hum(), RATE)
    for place in ({"folder": str(tmp_path)}, {"babble_voices": 4}):
        loud, soft = (NoiseSettings(snr=(snr, snr), **place) for snr in (5.0, 20.0))
        both = SceneSettings(user=SideSettings(noise=loud), agent=SideSettings(noise=soft))
        found = noises_of(both, BOTH, InMemory(ROWS), read_audio, 7)
        assert found["user"] is found["agent"]


@pytest.mark.parametrize("part", ["noise", "room"])
def test_another_file_of_the_same_size_is_other_content(tmp_path: Path, part: str):
    file = tmp_path / "sound.wav"
    soundfile.write(file, hum(1, 1), RATE)
    side = {"noise": NoiseSettings(folder=str(tmp_path)), "room": RoomSettings(impulse_responses=str(tmp_path))}
    settings = SceneSettings(user=SideSettings(**{part: side[part]}))

    def content() -> str:
        return depends_on(settings, noises_of(settings, BOTH, InMemory([]), read_audio, 7), "scene")

    first = content()
    assert content() == first
    size, time = file.stat().st_size, file.stat().st_mtime_ns
    soundfile.write(file, np.flip(hum(1, 2)), RATE)
    os.utime(file, ns=(time + 1, time + 1))
    assert file.stat().st_size == size and content() != first
