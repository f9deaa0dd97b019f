"""Rows decoded together get what the library's own loop gives them alone, and one broken row costs itself."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from kespeechchat.engines.tts.cosyvoice_batch import sampling
from kespeechchat.engines.tts.cosyvoice_batch.decoding import Ask, Limits, decode
from kespeechchat.engines.tts.cosyvoice_batch.qwen_lm import QwenLMRows
from kespeechchat.engines.tts.cosyvoice_batch.transformer_lm import TransformerLMRows
from kespeechchat.engines.tts.cosyvoice_library import _hear_what_was_said
from kespeechchat.records import RowError
from tests.engines import tiny_lms

pytestmark = pytest.mark.model
PLENTY = 2**30  # bytes
# SFT, an instruction of the row's own, and zero-shot
ROWS = [
    tiny_lms.inputs(0, 9),
    tiny_lms.inputs(1, 3, prompt_text=7, voice=False),
    tiny_lms.inputs(2, 14, prompt_text=5, prompt_speech=140),  # longer than a chunk of the cache
    tiny_lms.inputs(3, 4),
    tiny_lms.inputs(4, 6, prompt_text=2, prompt_speech=9),
    tiny_lms.inputs(5, 5, prompt_text=11, voice=False),
    tiny_lms.inputs(6, 8),
]


def lengths():
    return [int(n) for n in np.random.default_rng(7).integers(5, 59, len(ROWS))]


@pytest.fixture(scope="module", params=["version 1", "version 2"])
def llm(request):
    if request.param == "version 1":
        return TransformerLMRows(tiny_lms.transformer_lm())
    library = tiny_lms.qwen_lm()
    _hear_what_was_said(library)
    return QwenLMRows(library)


class Forced:
    """Chooses tokens that were drawn before, different in each row, and remembers the logits that it saw."""

    def __init__(self):
        rng = np.random.default_rng(3)
        self.tokens = [rng.integers(0, tiny_lms.SPEECH, n).tolist() for n in lengths()]
        self.seen = {}

    def __call__(self, logits, rows, end):
        for place, row in enumerate(rows):
            self.seen.setdefault(row.number, []).append(logits[place].log_softmax(-1))
        return [(self.tokens[row.number] + [end])[len(row.tokens)] for row in rows]


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_logits_are_the_librarys_whoever_is_beside(llm, batch):
    import torch

    forced = Forced()
    asks = [Ask(row, [n]) for n, row in enumerate(ROWS)]
    assert decode(llm, asks, forced, Limits(batch, PLENTY)) == forced.tokens
    for number, row in enumerate(ROWS):
        theirs = tiny_lms.librarys_logits(llm._llm, row, forced.tokens[number])
        ours = torch.stack(forced.seen[number])[: len(theirs)]
        speech = slice(tiny_lms.SPEECH)  # the package's own loop sets the end to -inf in its first step
        torch.testing.assert_close(ours[:, speech], theirs[:, speech], rtol=0, atol=1e-4)
        assert theirs[:, speech].std(dim=0).max() > 1e-3  # what was said changes what is likely


def greedy(llm, batch, bytes_=PLENTY, rows=ROWS):
    return decode(llm, [Ask(row, [n]) for n, row in enumerate(rows)], unlike_the_last, Limits(batch, bytes_))


def unlike_the_last(logits, rows, end):
    """Greedy among the tokens that did not come lately: else random weights say one token for ever."""
    logits = logits.clone()
    logits[:, end:] = -1e9
    for place, row in enumerate(rows):
        logits[place, row.tokens[-9:]] = -1e9
    return sampling.likeliest(logits, rows, end)


def test_greedy_rows_say_the_same_alone_and_together(llm):
    alone = greedy(llm, 1)
    assert len({tuple(tokens) for tokens in alone}) == len(ROWS) and all(len(set(tokens)) > 9 for tokens in alone)
    assert greedy(llm, 2) == greedy(llm, 5) == alone


def test_sampled_rows_draw_from_generators_of_their_own(llm):
    choose = sampling.RepetitionAware.of(llm._llm)

    def said(order, batch):
        asks = [Ask(ROWS[n], [n]) for n in order]
        return dict(zip(order, decode(llm, asks, choose, Limits(batch, PLENTY)), strict=True))

    alone = said(range(len(ROWS)), 1)
    assert said([5, 3, 1, 0, 2, 4, 6], 4) == alone
    other = decode(llm, [Ask(ROWS[0], [99])], choose, Limits(1, PLENTY))
    assert other[0] != alone[0]


def test_memory_is_bounded_and_changes_nothing(llm, monkeypatch):
    from kespeechchat.engines.tts.cosyvoice_batch import cache

    most = []
    allocate = cache.Cache._allocate

    def watched(self, rows, end):
        allocate(self, rows, end)
        most.append(sum(table.nbytes for table in (*self._keys, *self._values)))

    monkeypatch.setattr(cache.Cache, "_allocate", watched)
    limit = 2 * llm.shape().bytes(1, 600)  # two of the longest
    assert greedy(llm, 8, limit) == greedy(llm, 1)
    assert 0 < max(most) <= limit


def test_a_row_that_memory_cannot_hold_fails_alone(llm):
    limit = llm.shape().bytes(1, 384)
    out = greedy(llm, 4, limit)
    assert isinstance(out[2], RowError) and "cache_gigabytes" in out[2].message
    assert [n for n, tokens in enumerate(out) if isinstance(tokens, RowError)] == [2]


def test_a_prefix_that_raises_costs_its_row(llm):
    wrong = ROWS[1] | {"llm_prompt_speech_token": ROWS[1]["llm_prompt_speech_token"].new_full((1, 2), 999)}
    out = greedy(llm, 3, rows=[ROWS[0], wrong, ROWS[3]])
    assert isinstance(out[1], RowError) and "IndexError" in out[1].message
    assert [out[0], out[2]] == greedy(llm, 1, rows=[ROWS[0], ROWS[3]])


class Broken:
    """The LLM, but for what `step` does to it."""

    def __init__(self, llm, step):
        self._inner, self._step = llm, step

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def step(self, tokens, cache):
        return self._step(self._inner, tokens, cache)


def test_a_row_that_becomes_nan_costs_itself_and_leaves_nothing(llm):
    """Its place is taken by a waiting row, beside which NaN would lie in the cache."""
    steps = 0

    def poisoned(inner, tokens, cache):
        nonlocal steps
        steps += 1
        if steps == 3:
            for table in (*cache._keys, *cache._values):
                table[0] = np.nan
        return inner.step(tokens, cache)

    out = greedy(Broken(llm, poisoned), 2)
    assert isinstance(out[0], RowError) and "NaN after 3 tokens" in out[0].message
    assert out[1:] == greedy(llm, 1)[1:]


def test_a_step_that_raises_is_blamed_on_the_row_that_raises_alone(llm, caplog):
    poison = 3  # the row of four text tokens

    def struck(inner, tokens, cache):
        if any(length == inner.prefix(ROWS[poison]).embedded.shape[1] for length in cache.lengths):
            raise RuntimeError("struck")
        return inner.step(tokens, cache)

    with caplog.at_level(logging.WARNING):
        out = greedy(Broken(llm, struck), 4)
    assert out[poison] == RowError("CosyVoice: RuntimeError: struck")
    alone = greedy(llm, 1)
    others = [n for n in range(len(ROWS)) if not isinstance(out[n], RowError)]
    assert len(others) >= len(ROWS) - 2 and all(out[n] == alone[n] for n in others)
    assert "each is decoded alone" in caplog.text


def test_what_ends_the_engine_is_raised(llm):
    def broke(*_):
        raise RuntimeError("CUDA error: struck")

    limits = replace(Limits(2, PLENTY), fatal=lambda error: "CUDA error" in str(error))
    with pytest.raises(RuntimeError, match="CUDA error"):
        decode(Broken(llm, broke), [Ask(ROWS[0], [0])], sampling.likeliest, limits)


def test_every_step_is_a_sign_of_life(llm):
    beats = []
    decode(llm, [Ask(ROWS[0], [0])], sampling.likeliest, Limits(1, PLENTY), lambda: beats.append(1))
    assert len(beats) >= 18


def test_version_2s_cached_steps_hear_nothing_under_transformers_5_without_the_mending():
    """Why `_hear_what_was_said` is there: if this fails, the library or transformers has mended it."""
    import torch

    llm, forced = tiny_lms.qwen_lm(), [5, 9, 3, 30, 11, 2]
    whole = torch.cat([QwenLMRows(llm).prefix(ROWS[0]).embedded, llm.speech_embedding(torch.tensor([forced[:-1]]))], 1)
    with torch.inference_mode():
        hidden, _ = llm.llm(whole, torch.tensor([whole.shape[1]]))
        want = llm.llm_decoder(hidden[0, -len(forced) :]).log_softmax(-1)
    broken = tiny_lms.librarys_logits(llm, ROWS[0], forced)
    _hear_what_was_said(llm)
    mended = tiny_lms.librarys_logits(llm, ROWS[0], forced)
    torch.testing.assert_close(mended, want, rtol=0, atol=1e-4)
    assert (broken - want).abs().max() > 1e-2
