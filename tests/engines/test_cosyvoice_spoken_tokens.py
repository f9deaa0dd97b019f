"""The speech tokens that CosyVoice speaks from, on its real code with random weights: token k is where it is heard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kespeechchat.config.engines import CosyVoiceTokensSettings
from kespeechchat.engines.models import content
from kespeechchat.engines.registry import load
from kespeechchat.engines.tokens.cosyvoice import ear_settings
from kespeechchat.engines.tts import Spoken
from kespeechchat.records import RowError
from kespeechchat.speech_tokens import Codebook, SpeechTokens
from tests.engines import tiny_cosyvoice
from tests.engines.test_cosyvoice import say
from tests.engines.test_cosyvoice_prompts import tokenizer

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]  # the library's own
SHORT = ("Good morning.", "See you later, then.")
LONG = "It is so, and it is good. " * 4  # pieces of at most 30 tokens of text: two of version 1, four of version 2


@pytest.fixture(scope="module", params=[(1, 1), (1, 3), (2, 1), (2, 3)], ids="version {0[0]}, batch {0[1]}".format)
def engine(request, tmp_path_factory):
    """A folder of each version, alone and in batches."""
    version, batch = request.param
    build = tiny_cosyvoice.build if version == 1 else tiny_cosyvoice.build2
    folder = build(tmp_path_factory.mktemp("models") / f"tiny{version}")
    tokenizer(folder / f"speech_tokenizer_v{version}.onnx")
    with tiny_cosyvoice.llm_loaded():
        return load(tiny_cosyvoice.settings(folder, version=version, batch=batch, piece_tokens=30))


def samples_of(engine: Any, tokens: int) -> int:
    """Of a piece: version 1's flow makes whole frames of 256 samples of 1/50 s each, version 2's two of 480 a token."""
    return int(tokens / 50 * 22_050 / 256) * 256 if engine._settings.version == 1 else 960 * tokens


def test_the_audio_is_that_of_speak_and_as_long_as_its_tokens(engine):
    """To the sample, so token k begins k / rate seconds into it."""
    asked = [say(text, seed=n) for n, text in enumerate(SHORT)]
    found = engine.speak_from_tokens(asked)
    for one, audio in zip(found, engine.speak(asked), strict=True):
        assert isinstance(one, Spoken) and one.tokens.dtype == np.int32 and len(one.tokens) > 5
        np.testing.assert_allclose(one.audio.samples, audio.samples, atol=1e-6)
        assert len(one.audio.samples) == samples_of(engine, len(one.tokens))
        assert 0 <= one.tokens.min() <= one.tokens.max() < 32
    assert found[0].tokens.tolist() != found[1].tokens.tolist()[: len(found[0].tokens)]


def test_the_tokens_are_what_the_flow_was_given(engine, monkeypatch):
    given = []
    if engine._batches is None:
        inference = engine._model.flow.inference
        spy = lambda **inputs: given.append(inputs["token"][0].tolist()) or inference(**inputs)  # noqa: E731
        monkeypatch.setattr(engine._model.flow, "inference", spy)
    else:
        conditions = engine._batches.flow.conditions
        spy = lambda tokens, *rest: given.append(list(tokens)) or conditions(tokens, *rest)  # noqa: E731
        monkeypatch.setattr(engine._batches.flow, "conditions", spy)
    found = engine.speak_from_tokens([say(text, seed=n) for n, text in enumerate(SHORT)])
    assert sorted(one.tokens.tolist() for one in found) == sorted(given)


def test_a_long_text_has_the_tokens_of_its_pieces_in_order(engine):
    """No more than a frame is lost with each piece, and only in version 1."""
    (one,) = engine.speak_from_tokens([say(LONG)])
    count = len(engine._pieces(LONG))
    assert count > 1 and SpeechTokens(one.tokens, engine.codebook()).misfit(one.audio.seconds) is None
    lacking = len(one.tokens) * (441 if engine._settings.version == 1 else 960) - len(one.audio.samples)
    assert 0 <= lacking <= (256 * count if engine._settings.version == 1 else 0)


def test_a_row_that_fails_has_none_and_takes_none(engine):
    good = say(SHORT[0], seed=0)
    failed, one = engine.speak_from_tokens([say("Stop.<|endoftext|>"), good])
    (alone,) = engine.speak_from_tokens([good])
    assert isinstance(failed, RowError) and one.tokens.tolist() == alone.tokens.tolist()


def test_its_codebook_is_that_of_the_folders_tokenizer(engine):
    """So what was kept passes for tokens of `s3` on that file, and of `cosyvoice` on that folder."""
    folder, version = engine._settings.model, engine._settings.version
    file = f"{folder}/speech_tokenizer_v{version}.onnx"
    assert engine.codebook() == Codebook(50.0 if version == 1 else 25.0, 32, content(file))
    ear = load(ear_settings(CosyVoiceTokensSettings(use="cosyvoice", model=folder, version=version)))
    assert ear.codebook == engine.codebook()


@pytest.mark.parametrize("engine", [(1, 3), (2, 3)], indirect=True, ids="version {0[0]}, batch {0[1]}".format)
def test_another_token_is_heard_at_its_place(engine):
    """In batches, where the flow's conditions are computed apart from it. What the flow is told of the spectrogram
    changes most within three tokens of the one that changed; version 2's encoder looks three ahead."""
    import torch

    inputs = {"flow_embedding": torch.ones(1, 192)}
    plain = np.random.default_rng(0).integers(0, 32, 100)
    for place in (20, 50, 80):
        other = plain.copy()
        other[place] = (other[place] + 7) % 32
        with torch.inference_mode():
            one, two = (engine._batches.flow.conditions(said.tolist(), inputs, 0).mu for said in (plain, other))
        frame = int((one - two).abs().sum(dim=1).argmax())
        assert abs((frame + 0.5) / one.shape[2] * 100 - (place + 0.5)) <= 3
