"""AudioSeal's real code on a tiny generator and detector with random weights, made here.

Random weights mark nothing that can be found again; what is tested is that the mark of the right message is made at
16 kHz and added at the audio's own rate, and what the detector says is reported unchanged.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.engines import AudioSealSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.registry import load
from kespeechchat.engines.watermark.audioseal import bits, to_hex
from kespeechchat.records import Audio, RowError
from kespeechchat.waveform import resample
from tests.engines.tiny_models import AUDIOSEAL, audioseal, published
from tests.engines.tones import unusable, voice

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return audioseal(tmp_path_factory.mktemp("audioseal"))


@pytest.fixture(scope="module")
def engine(folder):
    return _load(folder)


def _load(folder, **more):
    return load(AudioSealSettings(use="audioseal", model=str(folder), device="cpu", **more))


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000])
def test_the_mark_is_made_at_16_khz_and_added_at_the_audios_rate(engine, rate):
    audio = voice(1.234, rate=rate)
    (marked,) = engine.embed([audio], "1a2b")
    assert marked.sample_rate == rate and len(marked.samples) == len(audio.samples)
    assert marked.samples.dtype == np.float32
    change = marked.samples - audio.samples
    power = np.abs(np.fft.rfft(change)) ** 2
    above = np.fft.rfftfreq(len(change), 1 / rate) > 8_000
    assert power.sum() > 0 and np.sqrt(np.mean(change**2)) > 1e-4
    assert power[above].sum() < 1e-3 * power.sum()

    import torch

    heard = resample(audio, 16_000).samples
    message = torch.tensor(bits("1a2b", 16))[None]
    with torch.inference_mode():
        mark = engine._generator.get_watermark(torch.from_numpy(heard)[None, None], message=message)[0, 0].numpy()
    reached = resample(Audio(change, rate), 16_000).samples
    size = min(len(mark), len(reached)) - 1_600  # the padding at the end reaches into the last frames
    # Random weights put some of the mark next to 8 kHz, where resampling takes it off.
    assert np.corrcoef(mark[:size], reached[:size])[0, 1] > 0.97


def test_the_payload_reaches_the_generator_and_is_never_left_to_chance(engine, monkeypatch):
    audio = voice(0.8)
    messages = []
    real = engine._generator.get_watermark

    def watched(x, sample_rate=None, message=None):
        messages.append(message)
        return real(x, sample_rate=sample_rate, message=message)

    monkeypatch.setattr(engine._generator, "get_watermark", watched)
    outs = [engine.embed([audio, audio], payload)[1].samples for payload in ("0000", "0001", "8000", "ffff", None)]
    assert all(message is not None and message.shape == (2, 16) for message in messages)
    assert messages[1][0].tolist() == [0] * 15 + [1] and messages[2][1].tolist() == [1] + [0] * 15
    assert len({out.tobytes() for out in outs[:4]}) == 4
    assert np.array_equal(outs[0], outs[4])
    assert engine._generator.message.numel() == 0  # the library's own random message was never drawn


def test_batch_and_order_change_nothing(folder):
    audios = [voice(s, rate=22_050, seed=i) for i, s in enumerate((0.5, 1.0, 0.53, 0.12, 1.02, 0.5))]
    one, many = _load(folder, batch=1), _load(folder, batch=4)
    alone = [one.embed([a], "beef")[0].samples for a in audios]
    together = many.embed(audios, "beef")
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_allclose(a, b.samples, atol=1e-4)
    marked = [Audio(a, 22_050) for a in alone]
    np.testing.assert_allclose(
        [one.detect([a])[0].score for a in marked], [d.score for d in many.detect(marked)], atol=1e-3
    )


def test_detection_reports_what_the_detector_says(folder):
    import torch

    engine = _load(folder)
    audio = voice(1.0)
    with torch.inference_mode():
        share, message = engine._detector.detect_watermark(torch.from_numpy(audio.samples)[None, None])
    (found,) = engine.detect([audio])
    assert found.score == pytest.approx(float(share[0]))
    assert found.payload == to_hex(message[0].numpy())


def test_what_is_detected_does_not_depend_on_the_threshold(folder):
    """Shards of `measure` stay valid under another threshold, which only the gate and `kesc detect` read."""
    never, always = (_load(folder, threshold=t).detect([voice(1.0, seed=3)]) for t in (1.0, 0.0))
    assert never == always


@given(st.integers(0, 2**16 - 1))
def test_payload_and_bits_are_one_to_one(value):
    payload = f"{value:04x}"
    assert to_hex(bits(payload, 16)) == payload


@pytest.mark.parametrize("payload", ["123", "12345", "xyzw", "-123", "1_23", "0x12"])
def test_a_payload_that_does_not_fit(engine, payload):
    with pytest.raises(EngineError, match="16 bits; write 4 hex digits"):
        engine.embed([voice(0.5)], payload)


def test_what_cannot_carry_a_mark_fails_alone(engine):
    good = voice(0.5)
    out = engine.embed([*unusable(), good], "1a2b")
    assert [isinstance(x, RowError) for x in out] == [True] * 5 + [False]
    found = engine.detect([*unusable(), good])
    assert [isinstance(x, RowError) for x in found] == [True, True, False, True, True, False]
    assert found[2].score == 0.0 and found[2].payload is None


def test_a_missing_model_says_what_to_fetch_and_where(tmp_path):
    with pytest.raises(EngineError) as error:
        _load(tmp_path / "audioseal")
    command = f"hf download facebook/audioseal generator_base.pth detector_base.pth --local-dir {tmp_path}/audioseal"
    assert command in str(error.value)
    (tmp_path / "generator_base.pth").touch()
    with pytest.raises(EngineError, match=r"lacks detector_base\.pth; fetch it with: hf download facebook/audioseal"):
        _load(tmp_path)


def test_a_checkpoint_that_would_run_code_is_refused(folder, tmp_path):
    import torch

    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    for name in ("generator_base.pth", "detector_base.pth"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    torch.save({"xp.cfg": AUDIOSEAL, "model": {}, "extra": Trap()}, tmp_path / "detector_base.pth")
    with pytest.raises(EngineError, match=r"detector_base\.pth holds more than weights.*unpickle: true"):
        _load(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_of_another_network_is_refused(folder, tmp_path):
    for name, source in (("generator_base.pth", "detector_base.pth"), ("detector_base.pth", "detector_base.pth")):
        (tmp_path / name).write_bytes((folder / source).read_bytes())
    with pytest.raises(EngineError, match=r"generator_base\.pth does not load.*lacks \d+ weights"):
        _load(tmp_path)
    (tmp_path / "generator_base.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(EngineError, match=r"generator_base\.pth"):
        _load(tmp_path)


def test_a_model_that_the_library_saved_itself_loads_too(tmp_path):
    assert isinstance(_load(audioseal(tmp_path, names=dict)).embed([voice(0.5)], "a5a5")[0], Audio)


def test_weights_without_a_configuration_are_built_by_the_published_card(tmp_path):
    """Real size: what the card in the package describes."""
    import torch
    from audioseal import builder
    from audioseal.loader import AudioSeal, load_local_model_config

    for name, card, kind, create in (
        ("generator", "audioseal_wm_16bits", builder.AudioSealWMConfig, builder.create_generator),
        ("detector", "audioseal_detector_16bits", builder.AudioSealDetectorConfig, builder.create_detector),
    ):
        network = create(AudioSeal.parse_config(dict(load_local_model_config(card)), config_type=kind))
        torch.save({"model": published(network.state_dict())}, tmp_path / f"{name}_base.pth")
    engine = _load(tmp_path)
    assert engine.payload_bits == 16
    assert isinstance(engine.embed([voice(0.2, rate=22_050)], "a5a5")[0], Audio)


def test_other_payload_sizes_follow_the_model(tmp_path):
    engine = _load(audioseal(tmp_path, nbits=8))
    assert engine.payload_bits == 8
    assert isinstance(engine.embed([voice(0.5)], "a5")[0], Audio)
    with pytest.raises(EngineError, match="8 bits; write 2 hex digits"):
        engine.embed([voice(0.5)], "a5a5")
