"""The benchmark of scenes measures what it says: the noisy export has other speech than the clean one."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import soundfile

from benchmarks.scenes import RATE, Exports, speech


def test_the_noisy_export_is_noisy(tmp_path: Path):
    (tmp_path / "noise").mkdir()
    soundfile.write(tmp_path / "noise" / "hum.wav", speech(2.0, 1), RATE)
    exports = Exports(tmp_path, 2)
    exports.clean("huggingface")
    exports.noisy("huggingface")
    clean, noisy = (
        pq.read_table(tmp_path / f"out-{i}" / "data" / "train-00000.parquet")["user_audio"].to_pylist() for i in (1, 2)
    )
    assert len(clean) == len(noisy) == 2
    assert all(one["bytes"] and other["bytes"] != one["bytes"] for one, other in zip(clean, noisy, strict=True))
