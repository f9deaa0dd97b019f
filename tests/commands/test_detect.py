"""`kesc detect`: marked and unmarked files, payloads, channels, and files that are no speech."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from kespeechchat.cli import app
from kespeechchat.commands import detect as d
from kespeechchat.config.engines import PerthSettings
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.engines.registry import load
from kespeechchat.engines.watermark import Detection
from kespeechchat.records import Audio
from kespeechchat.state.saved_profile import save_profile
from kespeechchat.store.audio import write_wav
from tests.engines.tiny_models import audioseal
from tests.engines.tones import voice

HALF = PerthSettings(use="perth", threshold=0.5)


class Said:
    """A detector that says what a test puts into `found`, and keeps what it heard."""

    payload_bits = 16

    def __init__(self) -> None:
        self.found: list[Detection] = []
        self.heard: list[Audio] = []

    def detect(self, audios):
        self.heard += audios
        return [self.found.pop(0) for _ in audios]


@pytest.fixture
def detector(monkeypatch) -> Said:
    said = Said()
    monkeypatch.setattr(d, "load", lambda settings: said)
    return said


def _one(tmp_path, detector, found, payload=None) -> tuple[str, bool]:
    write_wav(tmp_path / "a.wav", voice(1.0))
    detector.found = [found]
    ((line, marked),) = d.detect([str(tmp_path / "a.wav")], d.Sought(HALF, payload))
    return line.removeprefix(f"{tmp_path}/a.wav: "), marked


@pytest.mark.parametrize(
    ("found", "payload", "line", "marked"),
    [
        (Detection(0.2), None, "not marked (score 0.20)", False),
        (Detection(0.9), None, "marked (score 0.90)", True),
        (Detection(0.9, "2412"), None, "marked (score 0.90, payload 2412)", True),
        (Detection(0.9, "2412"), "2412", "marked (score 0.90, payload 2412, as expected)", True),
        (
            Detection(0.9, "beef"),
            "2412",
            "marked with another payload (score 0.90, payload beef, expected 2412)",
            False,
        ),
    ],
)
def test_what_is_told_of_a_mark(tmp_path, detector, found, payload, line, marked):
    assert _one(tmp_path, detector, found, payload) == (line, marked)


def test_each_channel_is_heard_without_the_silence_around_it(tmp_path, detector):
    speech = voice(1.0).samples
    stereo = np.zeros((2 * len(speech), 2), dtype=np.float32)
    stereo[: len(speech), 0], stereo[len(speech) :, 1] = speech, speech
    soundfile.write(tmp_path / "s.wav", stereo, 16_000, subtype="FLOAT")
    detector.found = [Detection(0.9), Detection(0.1)]
    lines = list(d.detect([str(tmp_path / "s.wav")], d.Sought(HALF)))
    assert [(line.split(": ")[0][-9:], marked) for line, marked in lines] == [("channel 1", True), ("channel 2", False)]
    assert [len(a.samples) for a in detector.heard] == [np.ptp(np.flatnonzero(speech)) + 1] * 2


def test_a_rate_that_has_lost_part_of_the_band_is_told(tmp_path, detector):
    write_wav(tmp_path / "phone.wav", voice(1.0, rate=8_000))
    detector.found = [Detection(0.3)]
    ((line, _),) = d.detect([str(tmp_path / "phone.wav")], d.Sought(HALF))
    assert line.endswith("recorded at 8,000 Hz: a mark may have been lost above 4,000 Hz")


def test_files_that_are_no_speech_are_told_one_by_one(tmp_path, detector):
    (tmp_path / "text.wav").write_text("this is no audio")
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), 16_000)
    write_wav(tmp_path / "silent.wav", Audio(np.zeros(16_000, dtype=np.float32), 16_000))
    names = ("text", "empty", "nothing", "silent")
    lines = list(d.detect([str(tmp_path / f"{name}.wav") for name in names], d.Sought(HALF)))
    assert [marked for _, marked in lines] == [False] * 4
    assert all(f"{name}.wav" in line for name, (line, _) in zip(names, lines, strict=True))
    says = ("not readable as audio", "not readable as audio", "holds no samples", "audio is silent")
    assert all(what in line for what, (line, _) in zip(says, lines, strict=True)), lines


@pytest.mark.parametrize(
    ("engine", "model", "payload", "says"),
    [
        ("perth", "models/x", None, "perth carries its own weights"),
        ("perth", None, "xyz", "write hex digits"),
        ("morse", None, None, "there is perth, audioseal"),
    ],
)
def test_wrong_use_is_told(engine, model, payload, says):
    with pytest.raises(ConfigError, match=says):
        d.sought(engine, model, payload)


def test_a_builds_own_mark_is_sought(quickstart, tmp_path):
    settings = ["stages.watermark.payload='BEEF'", "engines.watermark.perth.threshold=0.6"]
    mark = d.sought_of(load_pipeline(quickstart, settings))
    assert (mark.engine.use, mark.payload, mark.engine.threshold) == ("perth", "beef", 0.6)


@pytest.mark.model
def test_perth_from_the_command_line(tmp_path, quickstart):
    perth = load(PerthSettings(use="perth"))
    plain = voice(2.0, rate=44_100)
    write_wav(tmp_path / "plain.wav", plain)
    write_wav(tmp_path / "marked.wav", perth.embed([plain])[0])
    pipeline = load_pipeline(quickstart, root=str(tmp_path / "root"))
    save_profile(pipeline)
    for options in ([], ["--root", pipeline.root]):
        told = CliRunner().invoke(app, ["detect", *options, str(tmp_path / "marked.wav")])
        assert (told.exit_code, "marked.wav: marked (score" in told.output) == (0, True), told.output
    both = CliRunner().invoke(app, ["detect", str(tmp_path / "marked.wav"), str(tmp_path / "gone.wav")])
    assert (both.exit_code, "gone.wav: no such file" in both.output) == (2, True)
    payload = CliRunner().invoke(app, ["detect", "--payload", "2412", str(tmp_path / "marked.wav")])
    assert (payload.exit_code, "presence only" in payload.output) == (2, True)


@pytest.mark.model
def test_audioseal_from_the_command_line(tmp_path):
    """A tiny model of random weights: its score means nothing, that it loads from the folder named and hears does."""
    write_wav(tmp_path / "a.wav", voice(1.0, rate=22_050))
    folder = audioseal(tmp_path)
    options = ["--engine", "audioseal", "--model", str(folder)]
    told = CliRunner().invoke(app, ["detect", *options, str(tmp_path / "a.wav")])
    assert "marked (score" in told.output, told.output
    missing = CliRunner().invoke(
        app, ["detect", "--engine", "audioseal", "--model", str(tmp_path / "no"), str(tmp_path / "a.wav")]
    )
    assert missing.exit_code == 1
    assert "hf download facebook/audioseal" in missing.output


def test_a_missing_file_is_wrong_usage(tmp_path):
    told = CliRunner().invoke(app, ["detect", "--engine", "perth", str(tmp_path / "none.wav")])
    assert (told.exit_code, f"{tmp_path / 'none.wav'}: no such file" in told.output) == (2, True)
