"""Repetition-aware sampling: the distribution of the library's own, with numbers that belong to the row."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.engines import EngineError
from kespeechchat.engines.tts.cosyvoice_batch.sampling import RepetitionAware, Speaking, _drawn, allowed, likeliest

SAMPLING = RepetitionAware(top_p=0.8, top_k=25, win_size=10, tau_r=0.1)


def row(seed=0, tokens=(), least=0):
    return Speaking(least, 1000, np.random.default_rng(seed), list(tokens))


def shares(draw, count):
    """How often each of six tokens comes in `count` draws."""
    return np.bincount([draw() for _ in range(count)], minlength=6) / count


@pytest.mark.model
@pytest.mark.parametrize("said", [[], [3] * 5])
def test_tokens_come_as_often_as_the_librarys(said):
    """Five-token distributions of 1,500 draws each; a token that came lately is drawn from all others instead."""
    import torch
    from cosyvoice.utils.common import nucleus_sampling

    logits = torch.tensor([0.1, 1.0, 0.5, 2.5, 1.5, -1.0])
    torch.manual_seed(0)

    def theirs():
        scores = logits.log_softmax(0)
        first = int(nucleus_sampling(scores, top_p=0.8, top_k=25))
        if first in said[-10:]:  # what ace7c47 does; the package's own version may draw the same token again
            scores[first] = -torch.inf
            first = int(scores.softmax(0).multinomial(1))
        return first

    speaking = row(1)
    speaking.tokens = list(said)

    def ours():
        return SAMPLING(logits[None], [speaking], 5)[0]

    np.testing.assert_allclose(shares(ours, 1500), shares(theirs, 1500), atol=0.05)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9).filter(any), st.floats(0, 1, exclude_max=True))
def test_what_is_drawn_has_a_share(weights, uniform):
    import torch

    place = int(_drawn(torch.tensor([weights]), torch.tensor([uniform]))[0])
    assert weights[place] > 0
    before = sum(weights[:place])
    assert before <= uniform * sum(weights) + 1e-6 <= before + weights[place] + 2e-6 or place == len(weights) - 1


def test_neighbours_do_not_change_what_a_row_draws():
    import torch

    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    together = SAMPLING(logits, [row(1), row(2, [5] * 9), row(3)], 39)
    for place, alone in enumerate((row(1), row(2, [5] * 9), row(3))):
        assert SAMPLING(logits[place : place + 1], [alone], 39) == [together[place]]


def test_a_row_that_is_too_short_does_not_end():
    import torch

    logits = torch.tensor([[0.0, 0.0, 50.0]] * 2)
    assert likeliest(logits, [row(least=1), row(least=0)], 2) == [0, 2]
    assert SAMPLING(logits, [row(least=1)], 2)[0] < 2
    assert logits[0, 2] == 50  # the given scores stay as they are
    assert allowed(logits, [row(least=1)] * 2, 2)[:, 2].isinf().all()


def test_only_the_librarys_own_sampling_is_known():
    def ras_sampling():
        """Named as the library's."""

    settings = partial(ras_sampling, top_p=0.7, top_k=20, win_size=8, tau_r=0.2)
    assert RepetitionAware.of(SimpleNamespace(sampling=settings)) == RepetitionAware(0.7, 20, 8, 0.2)
    with pytest.raises(EngineError, match="batch: 1"):
        RepetitionAware.of(SimpleNamespace(sampling=print))
