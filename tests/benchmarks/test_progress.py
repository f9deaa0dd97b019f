"""The time left that a real build on Ray and one in this process show is right within a factor of two."""

from __future__ import annotations

import pytest

from benchmarks.progress import FACTOR, measure


@pytest.mark.faults
@pytest.mark.parametrize("runner", ["ray", "inline"])
def test_after_a_tenth_the_time_left_is_right(tmp_path, runner: str) -> None:
    found = measure(tmp_path / "build", 40, 1, {"tts": 0.1, "asr": 0.4}, 20, runner)
    assert {"watermark", "measure", "gate"} <= found.keys()
    assert all(1 / FACTOR <= shown / was <= FACTOR for shown, was in found.values()), found
