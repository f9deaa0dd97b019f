"""What `clips` refuses before it measures: stereo of two people is told with a reason of its own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soundfile

from kespeechchat.stages.base import Task
from kespeechchat.stages.clips import Clips


def test_stereo_of_two_people_is_refused_as_two_channels(tmp_path: Path) -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal((16000, 2))
    soundfile.write(tmp_path / "two.wav", noise, 16000)
    stage = object.__new__(Clips)
    stage.settings = SimpleNamespace(min_seconds=2.0, max_seconds=30.0)  # type: ignore[assignment]
    clip = {"id": "c-1", "recording": "r", "language": "en", "path": str(tmp_path / "two.wav"), "audio": None}
    clip |= {"transcript": "Hello.", "gender": None}
    plain, chosen, part = stage.process(
        Task(0, "en", [clip, {**clip, "channel": "1"}, {**clip, "channel": "mix", "start": 0.5, "part_seconds": 0.25}])
    )
    assert plain.reason == "two_channels" and "set `channel: 0`" in str(plain.detail)
    assert chosen.reason == "too_short" and chosen.row["seconds"] == 1.0
    assert part.row["seconds"] == 0.25
