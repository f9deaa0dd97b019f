"""CosyVoice 3's zero-shot on its real code, tiny, with random weights. By hand, for no package carries that code:

    PYTHONPATH=.:CLONE pytest tests/engines/by_hand_cosyvoice3.py

`CLONE`: FunAudioLLM/CosyVoice at ace7c47; besides requirements/cosyvoice.txt it imports x-transformers 2.11.24 (docs/
cosyvoice.md). pytest takes this file only where it is named; without the clone everything here fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kespeechchat.engines.models import content
from kespeechchat.engines.registry import load
from kespeechchat.engines.tts import Prompt
from kespeechchat.records import Audio, RowError
from kespeechchat.speech_tokens import Codebook
from tests.engines import tiny_cosyvoice
from tests.engines.test_cosyvoice_prompts import ANNA, BERT, say, tokenizer
from tests.engines.tiny_cosyvoice import settings

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # the library's own
OPENING, MARK = "You are a helpful assistant.<|endofprompt|>", 151_646  # as the library's example and its LLM have them


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tiny_cosyvoice.build3(tmp_path_factory.mktemp("models") / "tiny3")
    tokenizer(made / "speech_tokenizer_v3.onnx")
    return made


@pytest.fixture(scope="module")
def cosyvoice(folder: Path) -> Any:
    return load(settings(folder, version=3, mode="zero_shot"))


def test_a_prompt_is_spoken_from_and_leaves(cosyvoice: Any, folder: Path):
    one, other_voice, other_seed, again = cosyvoice.speak([say(), say(BERT), say(seed=2), say()])
    assert all(isinstance(audio, Audio) for audio in (one, other_voice, other_seed, again))
    assert one.sample_rate == cosyvoice.sample_rate == 24_000 and 0.1 < one.seconds < 30
    assert np.abs(one.samples).max() > 1e-2 and cosyvoice.deterministic and cosyvoice.embedding_size == 192
    for other in (other_voice, other_seed):
        assert len(one.samples) != len(other.samples) or np.abs(one.samples - other.samples).max() > 1e-3
    assert cosyvoice._frontend.spk2info == {}
    anew = load(settings(folder, version=3, mode="zero_shot", piece_tokens=81))  # an engine of its own
    for audio in (again, *anew.speak([say()])):
        np.testing.assert_array_equal(one.samples, audio.samples)


def test_the_audio_is_as_long_as_the_tokens_that_it_was_made_from(cosyvoice: Any, folder: Path):
    """To the sample: two frames of 480 a token. What the library leaves out of long silences is in neither."""
    (one,) = cosyvoice.speak_from_tokens([say()])
    assert len(one.audio.samples) == 960 * len(one.tokens) and len(one.tokens) > 5
    assert 0 <= one.tokens.min() <= one.tokens.max() < 32
    assert cosyvoice.codebook() == Codebook(25.0, 32, content(str(folder / "speech_tokenizer_v3.onnx")))


def test_what_goes_in_is_what_the_library_makes_of_the_recording(cosyvoice: Any, monkeypatch: pytest.MonkeyPatch):
    """Its front end reads a file at the rate that it wants; here it is given the samples at that rate."""
    from cosyvoice.cli import frontend as library

    monkeypatch.setattr(library, "load_wav", lambda samples, rate: samples)
    made = tiny_cosyvoice.held_to_the_library(cosyvoice, ANNA, OPENING)
    assert made["prompt_text"][0].tolist().count(MARK) == 1
    assert made["prompt_speech_feat"].shape[1] == 2 * made["flow_prompt_speech_token"].shape[1]


def test_without_the_opening_the_llm_refuses_and_the_row_fails(cosyvoice: Any, monkeypatch: pytest.MonkeyPatch):
    """In a thread whose exception the library swallows, so this is what would be speech cut short."""
    monkeypatch.setattr("kespeechchat.engines.tts.cosyvoice_prompts._OPENINGS", {})
    failed, _ = cosyvoice.speak([say(), say(BERT)])
    assert isinstance(failed, RowError) and "<|endofprompt|> not detected" in failed.message
    monkeypatch.undo()
    assert isinstance(cosyvoice.speak([say()])[0], Audio)


def test_the_llm_hears_what_it_said(cosyvoice: Any):
    """Steps with a cache are what the LLM gives without one, though the library's own masks are too short."""
    import torch

    llm = cosyvoice._model.llm.llm
    given = torch.randn(1, 12, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        whole = llm.model.model(inputs_embeds=given, use_cache=False).last_hidden_state
        first, cache = llm.forward_one_step(given[:, :5], torch.ones(1, 5, 5).tril().bool(), None)
        steps = [first]
        for place in range(5, 12):
            hidden, cache = llm.forward_one_step(given[:, place : place + 1], torch.ones(1, 1, 1).bool(), cache)
            steps.append(hidden)
    torch.testing.assert_close(torch.cat([s[:, -1:] for s in steps], dim=1), whole[:, 4:], rtol=1e-4, atol=1e-4)


def test_bad_rows_are_their_own(cosyvoice: Any):
    *failed, fine = cosyvoice.speak([say(None), say(Prompt(ANNA.audio, " ")), say(text="Stop.<|endofprompt|>"), say()])
    assert all(isinstance(one, RowError) for one in failed) and isinstance(fine, Audio)
