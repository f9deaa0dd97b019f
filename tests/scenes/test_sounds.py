"""Noise files of every kind a user may have: other rates, stereo, short, silent, broken, missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kespeechchat.scenes.sounds import SceneError, Sounds, files_below, files_of, repeated
from tests.scenes.voices import RATE, hum


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


def sine(seconds: float, rate: int, pitch: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)


def test_a_folder_without_sound_says_so(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("no sound")
    with pytest.raises(SceneError, match="no sound file in it"):
        files_below(tmp_path)
    with pytest.raises(SceneError, match="no such folder"):
        files_below(tmp_path / "missing")


def test_a_folder_of_silent_files_says_which(tmp_path: Path):
    for name in ("a.wav", "b.wav"):
        write(tmp_path / name, np.zeros(RATE))
    with pytest.raises(SceneError, match=r"no sound in (a\.wav, b\.wav|b\.wav, a\.wav)"):
        Sounds(files_below(tmp_path), tmp_path).cut(5, 1000, RATE)


def test_a_silent_file_gives_way_to_the_next(tmp_path: Path):
    write(tmp_path / "a.wav", np.zeros(RATE))
    write(tmp_path / "b.wav", hum())
    sounds = Sounds(files_below(tmp_path), tmp_path)
    assert {sounds.cut(draw, 1000, RATE).source for draw in range(20)} == {"b.wav"}


def test_of_musan_the_named_kinds_are_used(tmp_path: Path):
    for kind in ("noise/free-sound", "music/fma", "speech/librivox"):
        write(tmp_path / kind / "one.wav", hum(0.2))
    found = [path.relative_to(tmp_path).parts[0] for path in files_below(tmp_path, ("noise", "music"))]
    assert found == ["music", "noise"]


def test_a_manifest_names_files_beside_it(tmp_path: Path):
    write(tmp_path / "sounds" / "cafe.flac", hum(0.2))
    manifest = tmp_path / "noise.jsonl"
    manifest.write_text(json.dumps({"path": "sounds/cafe.flac"}) + "\n")
    assert files_of(manifest) == [tmp_path / "sounds" / "cafe.flac"]
    manifest.write_text('{"file": "x"}\n')
    with pytest.raises(SceneError, match=r'noise\.jsonl:1: .* "path"'):
        files_of(manifest)


def test_a_manifests_blank_lines_are_no_files(tmp_path: Path):
    manifest = tmp_path / "noise.jsonl"
    manifest.write_text('\n{"path": "a.wav"}\r\n  \n\n{"path": "b.wav"}\n\n', "utf-8")
    assert [file.name for file in files_of(manifest)] == ["a.wav", "b.wav"]
    manifest.write_text('\n\n{"file": "a.wav"}\n', "utf-8")
    with pytest.raises(SceneError, match=r"noise\.jsonl:3: "):
        files_of(manifest)
    manifest.write_text("\n \n", "utf-8")
    with pytest.raises(SceneError, match="names no file"):
        files_of(manifest)


def test_a_manifests_line_ends_at_a_line_feed_alone(tmp_path: Path):
    """`str.splitlines` would also break at signs that JSON allows within a string."""
    manifest = tmp_path / "noise.jsonl"
    manifest.write_text('\ufeff{"path": "rue\u2028du\x85bac.wav"}\n', "utf-8")
    assert [file.name for file in files_of(manifest)] == ["rue\u2028du\x85bac.wav"]


@pytest.mark.parametrize("line", [b'{"path": "\xff.wav"}', b'{"path": ""}', b'{"path": 5}', b'["path"]'])
def test_a_manifests_bad_line_is_named(tmp_path: Path, line: bytes):
    (tmp_path / "noise.jsonl").write_bytes(b'{"path": "a.wav"}\n' + line + b"\n")
    with pytest.raises(SceneError, match=r"noise\.jsonl:2: "):
        files_of(tmp_path / "noise.jsonl")


@pytest.mark.parametrize("rate", [8000, 22_050, 48_000])
def test_a_file_at_another_rate_keeps_its_pitch(tmp_path: Path, rate: int):
    write(tmp_path / "tone.wav", sine(2, rate), rate)
    found = Sounds(files_below(tmp_path), tmp_path).cut(0, RATE, RATE).samples
    assert np.argmax(np.abs(np.fft.rfft(found))) == 440 and found.dtype == np.float32


def test_stereo_becomes_one_channel(tmp_path: Path):
    write(tmp_path / "two.wav", np.stack([sine(1, RATE), np.zeros(RATE)], axis=1))
    found = Sounds(files_below(tmp_path), tmp_path).cut(0, RATE // 2, RATE).samples
    assert found.ndim == 1 and np.abs(found).max() == pytest.approx(0.25, abs=0.01)


def test_a_short_file_is_repeated_without_a_click():
    """The steepest step of the repetition is no steeper than the file's own, and its power is even."""
    whole = sine(0.31, RATE, 441.7).astype(np.float32)  # its end and its beginning do not fit
    found = repeated(whole, 1000, 5 * RATE, RATE)
    assert len(found) == 5 * RATE
    assert np.abs(np.diff(found)).max() <= 1.5 * np.abs(np.diff(whole)).max()
    assert np.abs(np.diff(np.tile(whole, 3))).max() > 2 * np.abs(np.diff(whole)).max()  # as it would be without
    noise = repeated(hum(0.5), 0, 20 * RATE, RATE).reshape(-1, RATE // 50)
    assert np.sqrt((noise**2).mean(axis=1)).std() < 0.15 * 0.05


def test_broken_short_and_infinite_files_are_named(tmp_path: Path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF no wave")
    write(tmp_path / "short.wav", hum(0.01))
    soundfile.write(tmp_path / "nan.wav", np.full(RATE, np.nan, np.float32), RATE, subtype="FLOAT")
    sounds = Sounds(files_below(tmp_path), tmp_path)
    for name, why in (("broken.wav", "cannot be read"), ("short.wav", "too short"), ("nan.wav", "NaN")):
        with pytest.raises(SceneError, match=rf"{name}.*{why}"):
            sounds.cut([file.name for file in sounds.files].index(name), RATE, RATE)


def test_what_is_kept_in_memory_is_bounded(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("kespeechchat.scenes.sounds._KEPT", 3 * 4 * RATE)
    for i in range(6):
        write(tmp_path / f"{i}.wav", hum(1, i))
    sounds = Sounds(files_below(tmp_path), tmp_path)
    for file in sounds.files:
        sounds.whole(file, RATE)
    assert len(sounds._kept) == 3
