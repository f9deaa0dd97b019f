"""The benchmark of the time left watches a real build on Ray and one in this process.

Whether the time is right is the benchmark's to say, on a quiet machine; tests/execution/test_pace.py holds the
arithmetic, on builds whose clock is made up.
"""

from __future__ import annotations

import pytest

from benchmarks.progress import measure


@pytest.mark.faults
@pytest.mark.parametrize("runner", ["ray", "inline"])
def test_every_unit_is_watched_until_its_last_shard(tmp_path, runner: str) -> None:
    found = measure(tmp_path / "build", 20, 1, {"tts": 0.05, "asr": 0.1}, 10, runner)
    assert {"watermark", "measure", "gate"} <= found.keys()
    assert all(shown > 0 and was > 0 for shown, was in found.values()), found
