"""CosyVoice's real code on a tiny model with random weights: voices go in and leave, and nothing fails in silence."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from kespeechchat.config.engines import CAMPlusSettings
from kespeechchat.engines import EngineDead, EngineError
from kespeechchat.engines.registry import load
from kespeechchat.engines.tts import Utterance
from kespeechchat.records import Audio, RowError
from tests.engines import tiny_cosyvoice
from tests.engines.tiny_cosyvoice import settings

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # the library's own
RATE = 22_050
ANNA, BERT = np.random.default_rng(0).standard_normal((2, 192)).astype(np.float32)


def say(text="Good morning to all of you.", language="en", voice=ANNA, seed=1, **change):
    return Utterance(text, language, voice, seed, **change)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_cosyvoice.build(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def cosyvoice(folder):
    with tiny_cosyvoice.llm_loaded():
        return load(settings(folder))


@pytest.fixture
def heard(cosyvoice):
    """What reaches the speaker layers of LLM and flow: [1, 192] each time."""
    seen = {"llm": [], "flow": []}
    hooks = [
        getattr(cosyvoice._model, name).spk_embed_affine_layer.register_forward_pre_hook(
            lambda _, given, into=into: into.append(given[0].numpy().copy())
        )
        for name, into in seen.items()
    ]
    yield seen
    for hook in hooks:
        hook.remove()


@pytest.mark.model
def test_a_blended_voice_reaches_llm_and_flow_and_leaves(cosyvoice, heard, folder):
    blend = 0.45 * ANNA + 0.55 * BERT
    (audio,) = cosyvoice.speak([say(voice=blend)])
    assert isinstance(audio, Audio) and audio.sample_rate == cosyvoice.sample_rate == RATE
    assert audio.samples.dtype == np.float32 and 0.1 < audio.seconds < 30 and np.abs(audio.samples).max() <= 1
    assert len(heard["llm"]) == len(heard["flow"]) == 1
    for given in (*heard["llm"], *heard["flow"]):
        np.testing.assert_allclose(given, [blend / np.linalg.norm(blend)], rtol=1e-5)
    assert cosyvoice._frontend.spk2info == {} and not (folder / "spk2info.pt").exists()


@pytest.mark.model
def test_seeds_and_voices(cosyvoice, folder):
    one, other_voice, other_seed, again = cosyvoice.speak([say(), say(voice=BERT), say(seed=2), say()])
    np.testing.assert_array_equal(one.samples, again.samples)
    for other in (other_voice, other_seed):
        assert len(other.samples) != len(one.samples) or np.abs(other.samples - one.samples).max() > 1e-3
    with tiny_cosyvoice.llm_loaded():
        (fresh,) = load(settings(folder)).speak([say()])
    np.testing.assert_array_equal(one.samples, fresh.samples)


@pytest.mark.model
def test_the_voice_alone_changes_the_flow(cosyvoice):
    """With the LLM's voice held fixed, so with the same speech tokens, the flow's makes other speech."""
    llm = cosyvoice._model.llm.spk_embed_affine_layer
    hook = llm.register_forward_pre_hook(lambda *_: (llm.weight.new_ones(1, 192) / 192**0.5,))
    try:
        anna, bert = cosyvoice.speak([say(), say(voice=BERT)])
    finally:
        hook.remove()
    assert len(anna.samples) == len(bert.samples) and np.abs(anna.samples - bert.samples).max() > 1e-3


@pytest.mark.model
def test_an_exception_in_the_llm_thread_is_that_rows_error(cosyvoice):
    """It strikes after five tokens: the library alone would deliver those as the whole utterance."""
    calls = 0

    def strike(*_):
        nonlocal calls
        calls += 1
        if calls == 6:
            raise ValueError("struck")

    (before,) = cosyvoice.speak([say(seed=3)])
    hook = cosyvoice._model.llm.llm_decoder.register_forward_hook(strike)
    try:
        failed, after = cosyvoice.speak([say(), say(seed=3)])
    finally:
        hook.remove()
    assert failed == RowError("CosyVoice: ValueError: struck")
    np.testing.assert_array_equal(after.samples, before.samples)
    assert not cosyvoice._model.tts_speech_token_dict and cosyvoice._frontend.spk2info == {}


@pytest.mark.model
def test_an_exception_in_the_flow_is_that_rows_error(cosyvoice, monkeypatch):
    inference = cosyvoice._model.flow.inference
    broken = iter([True, False])

    def flow(**given):
        if next(broken):
            raise RuntimeError("flow struck")
        return inference(**given)

    monkeypatch.setattr(cosyvoice._model.flow, "inference", flow)
    failed, audio = cosyvoice.speak([say(), say()])
    assert failed == RowError("CosyVoice: RuntimeError: flow struck") and isinstance(audio, Audio)
    assert not cosyvoice._model.hift_cache_dict and cosyvoice._frontend.spk2info == {}


@pytest.mark.model
def test_broken_output_is_that_rows_error(cosyvoice, monkeypatch):
    original = cosyvoice._model.hift.inference
    factors = iter([float("nan"), 0.0, 1.0])
    monkeypatch.setattr(
        cosyvoice._model.hift, "inference", lambda **k: (original(**k)[0] * next(factors), original(**k)[1])
    )
    nan, silent, audio = cosyvoice.speak([say(), say(), say()])
    assert "NaN" in nan.message and "silence" in silent.message and isinstance(audio, Audio)


@pytest.mark.model
def test_what_the_model_cannot_take_is_refused_before_anything_is_spoken(cosyvoice, heard):
    with pytest.raises(EngineError, match=r"shape \(256,\).*needs \(192,\)"):
        cosyvoice.speak([say(), say(voice=np.zeros(256, np.float32))])
    with pytest.raises(EngineError, match="speaks zh, en here, not 'de'"):
        cosyvoice.speak([say(), say("Guten Morgen.", "de")])
    assert heard == {"llm": [], "flow": []}


@pytest.mark.model
@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (say(""), "nothing to speak"),
        (say("……！"), "nothing to speak"),
        (say("Stop.<|endoftext|>"), "control mark"),
        (say("He was [quick_breath] late."), "control mark"),
        (say("A <strong>big</strong> one."), "control mark"),
        (say(voice=ANNA * np.nan), "not finite"),
        (say(voice=ANNA * 0), "zero"),
        (say(speed=5.0), "speed 5.0"),
    ],
)
def test_bad_rows_fail_alone(cosyvoice, bad, says):
    failed, audio = cosyvoice.speak([bad, say()])
    assert isinstance(failed, RowError) and says in failed.message and isinstance(audio, Audio)


@pytest.mark.model
def test_long_text_is_spoken_in_pieces_and_joined(cosyvoice, monkeypatch):
    spoken = []
    original = cosyvoice._cosyvoice.inference_sft

    def inference_sft(text, *args, **kwargs):
        for item in original(text, *args, **kwargs):
            spoken.append((text, item["tts_speech"].shape[1]))
            yield item

    monkeypatch.setattr(cosyvoice._cosyvoice, "inference_sft", inference_sft)
    text = "今天天气很好，我们一起去公园散步吧。" * 12
    (audio,) = cosyvoice.speak([say(text, "zh")])
    assert len(spoken) > 2 and "".join(t for t, _ in spoken) == text
    assert len(audio.samples) == sum(n for _, n in spoken)


@pytest.mark.model
def test_the_librarys_own_splits_are_joined_too(cosyvoice, monkeypatch):
    monkeypatch.setattr(cosyvoice._frontend, "text_normalize", lambda text, split, text_frontend: text.split("|"))
    both, first = cosyvoice.speak([say("Good morning.|See you later."), say("Good morning.")])
    np.testing.assert_array_equal(both.samples[: len(first.samples)], first.samples)
    assert both.seconds > first.seconds


@pytest.mark.model
def test_speed(cosyvoice):
    slow, fast = cosyvoice.speak([say(speed=0.8), say(speed=1.6)])
    assert slow.seconds == pytest.approx(2 * fast.seconds, rel=0.05)


INSTRUCT = {"mode": "instruct", "instruct_text": "A calm speaker."}


@pytest.mark.model
def test_a_release_that_goes_by_the_folders_name(folder):
    with tiny_cosyvoice.llm_loaded(), pytest.raises(EngineError, match="-Instruct"):
        load(settings(folder, **INSTRUCT))


@pytest.mark.model
def test_instruct_gives_the_voice_to_the_flow_alone(tmp_path):
    with tiny_cosyvoice.llm_loaded():
        engine = load(settings(tiny_cosyvoice.build(tmp_path / "tiny-Instruct"), **INSTRUCT))
    prompts, voices = [], []
    engine._model.llm.spk_embed_affine_layer.register_forward_pre_hook(lambda *_: voices.append("llm"))
    engine._model.flow.spk_embed_affine_layer.register_forward_pre_hook(lambda *_: voices.append("flow"))
    engine._model.llm.text_embedding.register_forward_pre_hook(lambda _, given: prompts.append(given[0][0].tolist()))
    (audio,) = engine.speak([say()])
    assert isinstance(audio, Audio) and voices == ["flow"] and engine._frontend.spk2info == {}
    assert engine._frontend.tokenizer.decode(prompts[0]).startswith("A calm speaker.<endofprompt>Good morning")


@pytest.mark.model
@pytest.mark.parametrize("batch", [1, 3])
def test_what_an_utterance_is_told_reaches_the_llm_in_place_of_the_settings_text(tmp_path, batch):
    with tiny_cosyvoice.llm_loaded():
        engine = load(settings(tiny_cosyvoice.build(tmp_path / "tiny-Instruct"), batch=batch, **INSTRUCT))
    prompts = set()
    decode = engine._frontend.tokenizer.decode
    engine._model.llm.text_embedding.register_forward_pre_hook(
        lambda _, given: prompts.update(decode(row) for row in given[0].tolist())
    )
    told = say("See you later.", instruct="A busy man.", speed=1.25)
    plain, busy, again = engine.speak([say(), told, told])
    assert all(isinstance(audio, Audio) for audio in (plain, busy, again))
    assert any("A calm speaker.<endofprompt>Good morning" in prompt for prompt in prompts)
    assert any("A busy man.<endofprompt>See you" in prompt for prompt in prompts)
    assert not any("A calm speaker.<endofprompt>See you" in prompt for prompt in prompts)
    assert engine._frontend.spk2info == {}
    if batch == 1:
        np.testing.assert_array_equal(busy.samples, again.samples)


@pytest.mark.model
def test_a_mode_without_instructions_refuses_one(cosyvoice, heard):
    with pytest.raises(EngineError, match=r"mode: sft takes no instr.* told 'A busy man\.': give it .*mode: instruct"):
        cosyvoice.speak([say(), say(instruct="A busy man.")])
    assert heard == {"llm": [], "flow": []}


@pytest.mark.model
def test_version_2_gives_the_voice_to_the_flow_alone(tmp_path):
    with tiny_cosyvoice.llm_loaded():
        engine = load(settings(tiny_cosyvoice.build2(tmp_path / "tiny2"), version=2))
    voices = []
    engine._model.flow.spk_embed_affine_layer.register_forward_pre_hook(lambda _, given: voices.append(given[0][0]))
    anna, bert, again = engine.speak([say("早上好。", "zh", v) for v in (ANNA, BERT, ANNA)])
    assert engine.sample_rate == anna.sample_rate == 24_000 and engine.embedding_size == 192
    np.testing.assert_allclose(voices[0], ANNA / np.linalg.norm(ANNA), rtol=1e-5)
    np.testing.assert_array_equal(anna.samples, again.samples)
    assert len(anna.samples) == len(bert.samples)  # the same speech tokens: its LLM hears no voice
    assert np.abs(anna.samples - bert.samples).max() > 1e-4


@pytest.mark.model
def test_campplus_makes_the_librarys_own_embedding(cosyvoice, folder):
    import torch

    noise = np.random.default_rng(5).standard_normal(16_000).astype(np.float32) * 0.1
    (mine,) = load(CAMPlusSettings(use="campplus", model=str(folder))).embed([Audio(noise, 16_000)], [])
    theirs = cosyvoice._frontend._extract_spk_embedding(torch.from_numpy(noise)[None])
    np.testing.assert_allclose(mine, theirs.numpy()[0], rtol=1e-5)
    assert mine.shape == (cosyvoice.embedding_size,)


@pytest.mark.model
def test_identity_names_model_and_code(cosyvoice):
    identity = cosyvoice.identity()
    assert identity["model"].startswith("tiny sample-sha256:") and identity["cosyvoice"].startswith("source sha256:")
    assert cosyvoice.seeded and cosyvoice.embedding_size == 192


@pytest.mark.model
def test_a_hung_call_makes_the_engine_dead_and_leaves_the_process_free(folder):
    with tiny_cosyvoice.llm_loaded():
        engine = load(settings(folder, seconds_per_utterance_limit=0.5))
    release = threading.Event()
    engine._model.llm.text_embedding.register_forward_pre_hook(lambda *_: release.wait() and None)
    before = set(threading.enumerate())
    try:
        with pytest.raises(EngineDead, match=r"not answered for 0\.5 s on 'Good morning"):
            engine.speak([say()])
        hung = set(threading.enumerate()) - before
        assert len(hung) == 2 and all(thread.daemon for thread in hung)
        with pytest.raises(EngineDead, match="must be started again"):
            engine.speak([say()])
    finally:
        release.set()
        for thread in set(threading.enumerate()) - before:
            thread.join()


@pytest.mark.model
def test_a_broken_gpu_context_makes_the_engine_dead(folder):
    with tiny_cosyvoice.llm_loaded():
        engine = load(settings(folder))

    def strike(*_):
        raise RuntimeError("CUDA error: device-side assert triggered")

    engine._model.llm.text_embedding.register_forward_pre_hook(strike)
    with pytest.raises(EngineDead, match="device-side assert"):
        engine.speak([say(), say()])
