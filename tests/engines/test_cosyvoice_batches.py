"""CosyVoice's engine with a batch: the library's own audio for the same tokens, and rows that fail alone."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from kespeechchat.engines import EngineDead, EngineError
from kespeechchat.engines.registry import load
from kespeechchat.engines.tts.cosyvoice_batch import library_code
from kespeechchat.engines.tts.cosyvoice_batch.estimator import group_norm
from kespeechchat.engines.tts.cosyvoice_batch.flow import groups
from kespeechchat.engines.tts.cosyvoice_batch.saying import Piece
from kespeechchat.records import Audio, RowError
from tests.engines import tiny_cosyvoice
from tests.engines.test_cosyvoice import ANNA, BERT, say
from tests.engines.tiny_cosyvoice import settings

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]  # the library's own
TEXTS = (
    "Good morning to all of you.",
    "See you later, and many thanks.",
    "早上好，大家好。",
    "It is so, and it is good.",
)


@pytest.fixture(scope="module", params=[1, 2])
def engine(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / f"tiny{request.param}"
    folder = (tiny_cosyvoice.build if request.param == 1 else tiny_cosyvoice.build2)(folder)
    with tiny_cosyvoice.llm_loaded():
        return load(settings(folder, version=request.param, batch=3, flow_frames=2000))


def some():
    """Utterances of both voices and seeds of their own."""
    return [say(text, "zh" if n == 2 else "en", (ANNA, BERT)[n % 2], n) for n, text in enumerate(TEXTS)]


def row(n, tokens, prompt):
    import torch

    rng = np.random.default_rng(n)
    inputs = {"flow_embedding": torch.from_numpy(rng.standard_normal((1, 192)).astype(np.float32))}
    if prompt:
        inputs["flow_prompt_speech_token"] = torch.from_numpy(rng.integers(0, 32, (1, prompt)).astype(np.int32))
        frames = rng.standard_normal((1, 2 * prompt, 80)).astype(np.float32)
        inputs["prompt_speech_feat"] = torch.from_numpy(frames)
    return Piece(inputs, (n,)), rng.integers(0, 32, tokens).tolist()


def librarys_audio(model, piece, tokens):
    """Of the library's own methods, with the row's flow noise, source phase and source noise."""
    import torch

    nothing = torch.zeros(1, 0, dtype=torch.int32)
    prompt = piece.inputs.get("flow_prompt_speech_token", nothing)
    feat = piece.inputs.get("prompt_speech_feat", torch.zeros(1, 0, 80))
    given = {
        "token": torch.tensor([tokens]),
        "token_len": torch.tensor([len(tokens)]),
        "prompt_token": prompt,
        "prompt_token_len": torch.tensor([prompt.shape[1]]),
        "prompt_feat": feat,
        "prompt_feat_len": torch.tensor([feat.shape[1]]),
        "embedding": piece.inputs["flow_embedding"],
    }
    if hasattr(model.flow, "length_regulator"):
        given["flow_cache"] = torch.zeros(1, 80, 0, 2)
    else:
        given |= {"streaming": False, "finalize": True}
    torch.manual_seed(piece.part_seed(0))
    mel, _ = model.flow.inference(**given)
    torch.manual_seed(piece.part_seed(1))
    speech, _ = model.hift.inference(speech_feat=mel)
    return mel, speech.numpy().reshape(-1)


def test_the_same_tokens_become_the_librarys_audio_in_one_batch(engine):
    """Unlike lengths, odd and even, with and without a prompt; the spectrograms are held together too."""
    import torch

    pieces, tokens = zip(*[row(0, 30, 0), row(1, 77, 20), row(2, 101, 0), row(3, 52, 9), row(4, 61, 0)], strict=True)
    together = engine._batches.audio(pieces, tokens)
    with torch.inference_mode():
        mels = dict(engine._batches._mels(pieces, dict(enumerate(tokens))))
    for n, (piece, said) in enumerate(zip(pieces, tokens, strict=True)):
        with torch.inference_mode():
            mel, audio = librarys_audio(engine._model, piece, said)
        np.testing.assert_allclose(mels[n], mel, atol=1e-4)
        np.testing.assert_allclose(together[n], audio, atol=1e-4)
        assert np.abs(audio).max() > 1e-2 and float(mel.std()) > 1e-2


def test_a_shard_goes_through_one_batch(engine, monkeypatch):
    """As many steps as the longest row needs, not as all rows do together."""
    steps = []
    step = engine._batches.llm.step
    monkeypatch.setattr(
        engine._batches.llm, "step", lambda tokens, cache: steps.append(len(tokens)) or step(tokens, cache)
    )
    audios = engine.speak(some())
    assert all(isinstance(audio, Audio) and audio.seconds > 0.1 for audio in audios)
    assert max(steps) == 3 and steps.count(3) > 10


def test_a_row_is_spoken_alike_whoever_is_beside(engine):
    assert not engine.deterministic
    for one, other in zip(engine.speak(some()), reversed(engine.speak(some()[::-1])), strict=True):
        np.testing.assert_allclose(one.samples, other.samples, atol=1e-4)
    again, seed = engine.speak([some()[0], say(TEXTS[0], seed=77)])
    assert len(again.samples) != len(seed.samples) or np.abs(again.samples - seed.samples).max() > 1e-4


def test_bad_rows_fail_alone_in_their_places(engine):
    empty, good, marked, other = engine.speak([say(""), some()[0], say("Stop.<|endoftext|>"), some()[1]])
    assert "nothing to speak" in empty.message and "control mark" in marked.message
    for audio, alone in zip((good, other), engine.speak(some()[:2]), strict=True):
        np.testing.assert_allclose(audio.samples, alone.samples, atol=1e-4)


def test_a_flow_or_vocoder_that_raises_costs_its_row(engine, monkeypatch):
    flow, vocoder = engine._batches.flow, engine._model.hift
    conditions, inference = flow.conditions, vocoder.inference
    shortest, calls = min(TEXTS, key=len), iter(range(99))

    def struck(tokens, inputs, seed):
        if seed == Piece({}, (1, 0)).part_seed(0):
            raise RuntimeError("flow struck")
        return conditions(tokens, inputs, seed)

    def silent(speech_feat):
        if next(calls) == 0:
            raise RuntimeError(f"vocoder struck {shortest}")
        return inference(speech_feat=speech_feat)

    before = engine.speak(some())
    monkeypatch.setattr(flow, "conditions", struck)
    monkeypatch.setattr(vocoder, "inference", silent)
    out = engine.speak(some())
    errors = [n for n, audio in enumerate(out) if isinstance(audio, RowError)]
    assert out[1] == RowError("CosyVoice: RuntimeError: flow struck") and len(errors) == 2
    for n, audio in enumerate(out):
        if n not in errors:
            np.testing.assert_allclose(audio.samples, before[n].samples, atol=1e-4)


def test_long_text_is_one_utterance_of_its_pieces(engine):
    long, audio = "今天天气很好，我们一起去公园散步吧。" * 9, some()[0]
    out = engine.speak([say(long, "zh"), audio])
    assert out[0].seconds > 2 * out[1].seconds


def test_speed(engine):
    slow, fast = engine.speak([say(speed=0.8), say(speed=1.6)])
    assert slow.seconds == pytest.approx(2 * fast.seconds, rel=0.05)


def test_a_hang_and_a_broken_gpu_end_the_engine(tmp_path, monkeypatch):
    with tiny_cosyvoice.llm_loaded():
        engine = load(settings(tiny_cosyvoice.build(tmp_path / "tiny"), batch=2, seconds_per_utterance_limit=0.5))
    import threading

    release = threading.Event()
    step = engine._batches.llm.step
    monkeypatch.setattr(engine._batches.llm, "step", lambda *given: release.wait() and step(*given))
    with pytest.raises(EngineDead, match=r"not answered for 0\.5 s on '2 utterances"):
        engine.speak(some()[:2])
    release.set()
    with pytest.raises(EngineDead, match="must be started again"):
        engine.speak(some()[:2])
    engine._dead = None

    def broke(*_):
        raise RuntimeError("CUDA error: struck")

    monkeypatch.setattr(engine._batches.llm, "step", broke)
    with pytest.raises(EngineDead, match="GPU context"):
        engine.speak(some()[:2])


def test_a_front_end_that_hangs_or_breaks_the_gpu_ends_the_engine(tmp_path, monkeypatch):
    """It runs before the batch does, for every row: its speech tokenizer is a network too."""
    import threading

    with tiny_cosyvoice.llm_loaded():
        engine = load(settings(tiny_cosyvoice.build(tmp_path / "tiny"), batch=2, seconds_per_utterance_limit=0.5))

    def broke(*_):
        raise RuntimeError("CUDA error: struck")

    monkeypatch.setattr(engine._frontend, "frontend_sft", broke)
    with pytest.raises(EngineDead, match="GPU context"):
        engine.speak(some()[:2])
    engine._dead = None
    release = threading.Event()
    monkeypatch.setattr(engine._frontend, "frontend_sft", lambda *_: release.wait())
    with pytest.raises(EngineDead, match=r"not answered for 0\.5 s"):
        engine.speak(some()[:2])
    release.set()


def test_instructions_reach_the_llm_of_each_row(tmp_path, caplog):
    with tiny_cosyvoice.llm_loaded():
        folder = tiny_cosyvoice.build(tmp_path / "tiny-Instruct")
        engine = load(settings(folder, mode="instruct", instruct_text="A calm speaker.", batch=4))
    voices, texts = [], []
    engine._model.llm.spk_embed_affine_layer.register_forward_pre_hook(lambda *_: voices.append(1))
    engine._model.llm.text_embedding.register_forward_pre_hook(lambda _, given: texts.append(given[0][0].tolist()))
    with caplog.at_level(logging.WARNING):
        assert all(isinstance(audio, Audio) for audio in engine.speak(some()[:2]))
    said = [engine._frontend.tokenizer.decode(tokens) for tokens in texts]
    assert said == [f"A calm speaker.<endofprompt>{text}" for text in TEXTS[:2]] and not voices and not caplog.text


def test_another_version_of_the_library_is_refused(tmp_path, monkeypatch):
    import shutil
    from pathlib import Path

    import cosyvoice

    assert library_code.check() in library_code._KNOWN.values()
    copy = tmp_path / "cosyvoice"
    shutil.copytree(Path(cosyvoice.__path__[0]), copy)
    attention = copy / "transformer" / "attention.py"
    attention.write_text(attention.read_text() + "\n# changed\n")
    with pytest.raises(EngineError, match=r"no version that batches were tested with .* set batch: 1"):
        library_code.check(copy)
    attention.unlink()
    with pytest.raises(EngineError, match=r"lacks transformer/attention\.py"):
        library_code.check(copy)


@pytest.mark.parametrize("seed", range(4))
def test_a_masked_norm_is_the_norm_of_the_row_alone(seed):
    import torch

    generator = torch.Generator().manual_seed(seed)
    norm = torch.nn.GroupNorm(8, 32)
    torch.nn.init.normal_(norm.weight, generator=generator)
    lengths = torch.randint(1, 60, (5,), generator=generator)
    hidden = 7 + 3 * torch.randn(5, 32, int(lengths.max()), generator=generator)
    mask = (torch.arange(hidden.shape[2]) < lengths[:, None])[:, None].float()
    out = group_norm(hidden, mask, norm)
    for place, length in enumerate(lengths):
        alone = norm(hidden[place : place + 1, :, :length])
        torch.testing.assert_close(out[place : place + 1, :, :length], alone, rtol=0, atol=2e-5)


def test_groups_are_of_alike_lengths_and_bounded():
    lengths = [50, 10, 400, 12, 48, 11, 9]
    made = list(groups(lengths, 100))
    assert sorted(n for group in made for n in group) == list(range(len(lengths))) and [2] in made
    assert all(len(group) * max(lengths[n] for n in group) <= 100 or len(group) == 1 for group in made)
    assert len(list(groups(lengths, 1))) == len(lengths) and len(list(groups([], 9))) == 0
