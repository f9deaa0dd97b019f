"""CosyVoice's LLM alone, on its real code with random weights: the tokens that its TTS would speak from."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from kespeechchat.config.engines import CosyVoiceTokensSettings
from kespeechchat.engines import EngineDead, EngineError
from kespeechchat.engines.registry import load
from kespeechchat.engines.tokens import TokensOfText
from kespeechchat.records import RowError
from tests.engines import tiny_cosyvoice
from tests.engines.test_cosyvoice import ANNA, BERT, say
from tests.engines.test_cosyvoice_batches import some
from tests.engines.test_cosyvoice_prompts import ANNA as ANNAS
from tests.engines.test_cosyvoice_prompts import BERT as BERTS
from tests.engines.test_cosyvoice_prompts import say as say_after
from tests.engines.test_cosyvoice_prompts import tokenizer
from tests.engines.tones import unusable, voice

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]  # the library's own
SIZE = 32  # of the tiny models


def settings(folder: Any, **change: Any) -> CosyVoiceTokensSettings:
    return CosyVoiceTokensSettings(**{"use": "cosyvoice", "model": str(folder), "batch": 3, **change})


@pytest.fixture(scope="module", params=[1, 2])
def model(request, tmp_path_factory):
    """A folder of each version, whose tokenizer gives tokens below 30."""
    build = tiny_cosyvoice.build if request.param == 1 else tiny_cosyvoice.build2
    folder = build(tmp_path_factory.mktemp("models") / f"tiny{request.param}")
    tokenizer(folder / f"speech_tokenizer_v{request.param}.onnx")
    return folder, request.param


@pytest.fixture(scope="module")
def engine(model):
    folder, version = model
    with tiny_cosyvoice.llm_loaded():
        return load(settings(folder, version=version))


def test_rate_and_codebook_are_the_models_own(engine, model):
    assert (engine.rate, engine.size, engine.codebooks) == (50.0 if model[1] == 1 else 25.0, SIZE, 1)
    assert engine.size == engine._model.llm.speech_token_size, "the YAML's, which both are made by"
    assert isinstance(engine, TokensOfText) and not engine.deterministic
    assert {"model", "cosyvoice", "torch"} <= set(engine.identity())


def test_tokens_are_those_that_the_tts_speaks_from(engine, model, monkeypatch):
    """In one batch of the same rows, so to the last token; without a flow, a vocoder or a sample."""
    folder, version = model
    with tiny_cosyvoice.llm_loaded():
        tts = load(tiny_cosyvoice.settings(folder, version=version, batch=3, flow_frames=2000))
    spoken_from = []
    audio = tts._batches.audio
    monkeypatch.setattr(
        tts._batches, "audio", lambda pieces, tokens: spoken_from.extend(tokens) or audio(pieces, tokens)
    )
    tts.speak(some())
    found = engine.tokens_of_text(some())
    assert [tokens[0].tolist() for tokens in found] == spoken_from and min(map(len, spoken_from)) > 10
    assert all(tokens.dtype == np.int32 and 0 <= tokens.min() <= tokens.max() < SIZE for tokens in found)
    assert not hasattr(engine._model, "flow") and not hasattr(engine._model, "hift")


def test_a_shard_goes_through_one_batch(engine, monkeypatch):
    steps = []
    step = engine._sayer.llm.step
    monkeypatch.setattr(
        engine._sayer.llm, "step", lambda tokens, cache: steps.append(len(tokens)) or step(tokens, cache)
    )
    found = engine.tokens_of_text(some())
    assert max(steps) == 3 and steps.count(3) > 10 and len(steps) < sum(tokens.shape[1] for tokens in found)


def test_seed_and_voice_say_it_otherwise(engine, model):
    """Version 2's LLM takes no voice: there the seed alone does."""
    one, seed, voice_, again = engine.tokens_of_text([say(), say(seed=2), say(voice=BERT), say()])
    assert one.tolist() == again.tolist() != seed.tolist()
    assert (one.tolist() == voice_.tolist()) == (model[1] == 2)


def test_speed_has_no_say(engine):
    one, fast = engine.tokens_of_text([say(), say(speed=1.6)])
    assert one.tolist() == fast.tolist()


def test_long_text_is_the_tokens_of_its_pieces(engine, monkeypatch):
    long = "今天天气很好，我们一起去公园散步吧。" * 9
    said = []
    work = engine._sayer.say

    def kept(pieces):
        said.extend(work(pieces))
        return said

    monkeypatch.setattr(engine._sayer, "say", kept)
    (tokens,) = engine.tokens_of_text([say(long, "zh")])
    assert len(said) > 1 and tokens[0].tolist() == [token for part in said for token in part]


def test_bad_rows_fail_alone_in_their_places(engine):
    zero = say(voice=np.zeros(192, np.float32))
    empty, good, marked, silent, other = engine.tokens_of_text(
        [say(""), some()[0], say("Stop.<|endoftext|>"), zero, some()[1]]
    )
    assert "nothing to speak" in empty.message and "control mark" in marked.message and "zero" in silent.message
    alone = engine.tokens_of_text(some()[:2])
    assert [good.tolist(), other.tolist()] == [tokens.tolist() for tokens in alone]
    assert engine.tokens_of_text([]) == []
    with pytest.raises(EngineError, match="voice embedding of shape"):
        engine.tokens_of_text([say(voice=ANNA[:9])])


def test_a_row_that_breaks_the_llm_costs_itself(engine, monkeypatch):
    prefix = engine._sayer.llm.prefix
    calls = iter(range(99))

    def struck(inputs):
        if next(calls) == 1:
            raise RuntimeError("struck")
        return prefix(inputs)

    before = engine.tokens_of_text(some())
    monkeypatch.setattr(engine._sayer.llm, "prefix", struck)
    found = engine.tokens_of_text(some())
    assert found[1] == RowError("CosyVoice: RuntimeError: struck")
    assert [t.tolist() for n, t in enumerate(found) if n != 1] == [t.tolist() for n, t in enumerate(before) if n != 1]


def test_audio_becomes_tokens_by_the_folders_own_tokenizer(engine):
    found, *bad = engine.tokens([voice(2.0), *unusable()])
    assert found.shape == (1, 50) and found.max() < 30 and all(isinstance(one, RowError) for one in bad)


def test_a_voice_speaks_from_its_recording(model):
    folder, version = model
    with tiny_cosyvoice.llm_loaded():
        engine = load(settings(folder, version=version, mode="zero_shot"))
    one, other, again, none = engine.tokens_of_text([say_after(ANNAS), say_after(BERTS), say_after(ANNAS), say()])
    assert one.tolist() == again.tolist() != other.tolist() and "stages.audition.prompts" in none.message
    assert engine._frontend.spk2info == {}


def test_alone_on_a_cpu_it_is_deterministic(model):
    folder, version = model
    with tiny_cosyvoice.llm_loaded():
        one, other = (load(settings(folder, version=version, batch=1)) for _ in range(2))
    assert one.deterministic
    pairs = zip(one.tokens_of_text(some()), other.tokens_of_text(some()[::-1])[::-1], strict=True)
    assert all(a.tolist() == b.tolist() for a, b in pairs)


def test_a_hang_ends_the_engine(tmp_path, monkeypatch):
    with tiny_cosyvoice.llm_loaded():
        engine = load(settings(tiny_cosyvoice.build(tmp_path / "tiny"), seconds_per_utterance_limit=0.5))
    release, step = threading.Event(), engine._sayer.llm.step
    monkeypatch.setattr(engine._sayer.llm, "step", lambda *given: release.wait() and step(*given))
    with pytest.raises(EngineDead, match=r"not answered for 0\.5 s on '2 utterances"):
        engine.tokens_of_text(some()[:2])
    release.set()
    with pytest.raises(EngineDead, match="must be started again"):
        engine.tokens_of_text(some()[:2])


def test_another_rate_is_refused(tmp_path):
    folder = tiny_cosyvoice.build(tmp_path / "tiny")
    yaml = folder / "cosyvoice.yaml"
    yaml.write_text(yaml.read_text("utf-8").replace("input_frame_rate: 50", "input_frame_rate: 75"), "utf-8")
    with tiny_cosyvoice.llm_loaded(), pytest.raises(EngineError, match="takes 75 tokens a second"):
        load(settings(folder))
