"""Voices of a table for several candidates of a pair: chosen far apart, shared out to the parents they are like."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.voices import BlendingSettings
from kespeechchat.voices.blending import BlendError, Speaker, blend
from kespeechchat.voices.spreading import Stock, assign, farthest_first, spread

SETTINGS = BlendingSettings(
    users={"train": 8, "dev": 0, "test": 0},
    agent_candidates=1,
    oversample=1.0,
    rate_bin=0.5,
    same_language=True,
    voices_per_pair=4,
    spread="mixes",
)


def units(n: int, seed: int, size: int = 6) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def people(seed: int = 0) -> list[Speaker]:
    vectors = units(12, 100 + seed)
    return [
        Speaker(f"person-{i:02d}", "en", ("female", "male")[i % 2], "train", 0.05 + 0.005 * i, np.ones(3), vectors[i])
        for i in range(12)
    ]


def stock(n: int = 20, seed: int = 7) -> Stock:
    return Stock(units(n, seed, 3), units(n, seed + 1), np.linspace(0.05, 0.12, n).astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 25), st.integers(0, 6), st.integers(0, 30), st.integers(0, 99))
def test_each_choice_is_the_one_furthest_from_what_was_taken(n, taken, count, seed):
    vectors, others = units(n, seed), units(taken, seed + 1)
    chosen = farthest_first(vectors, others, count).tolist()
    assert len(chosen) == len(set(chosen)) == min(n, count)
    for step, pick in enumerate(chosen):
        before = np.concatenate([others, vectors[chosen[:step]]])
        if not len(before):
            continue
        highest = (vectors @ before.T).max(axis=1)
        highest[chosen[:step]] = np.inf
        assert highest[pick] <= highest.min() + 3e-5


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 99))
def test_the_same_voices_are_chosen_in_any_order_of_the_table(random, seed):
    vectors, others = units(15, seed), units(3, seed + 1)
    order = list(range(15))
    random.shuffle(order)
    assert [order[i] for i in farthest_first(vectors[order], others, 6)] == farthest_first(vectors, others, 6).tolist()


def test_nothing_taken_begins_with_the_one_least_like_the_others():
    vectors = np.array([[1, 0], [0.96, 0.28], [0, 1]], dtype=np.float32)
    assert farthest_first(vectors, np.zeros((0, 2), np.float32), 2).tolist() == [2, 0]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(0, 2), st.integers(0, 99))
def test_assignment_has_the_greatest_sum(rows, more, seed):
    likeness = np.random.default_rng(seed).normal(size=(rows, rows + more))
    columns = assign(likeness)
    assert len(set(columns.tolist())) == rows
    best = max(sum(likeness[i, c] for i, c in enumerate(p)) for p in permutations(range(rows + more), rows))
    assert sum(likeness[i, c] for i, c in enumerate(columns)) == pytest.approx(best, abs=1e-3)


def test_every_candidate_gets_a_voice_of_its_own():
    speakers, table = people(), stock()
    made = blend(speakers, SETTINGS, seed=3)
    given_ = spread(made, speakers, lambda language, gender: table)
    assert [c.id for c in given_] == [c.id for c in made]
    assert {c.place for c in made} == {None}
    for gender in ("female", "male"):
        embeddings = {c.embedding.tobytes() for c in given_ if c.gender == gender}
        assert len(embeddings) == sum(c.gender == gender for c in made)
        assert embeddings <= {e.tobytes() for e in table.embeddings}
        places = [c.place for c in given_ if c.gender == gender]
        assert sorted(places) == list(range(len(places)))
    assert all((a.parents, a.weights) == (b.parents, b.weights) for a, b in zip(made, given_, strict=True))


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_speakers_does_not_matter(random):
    speakers, table = people(), stock()
    one = spread(blend(speakers, SETTINGS, 3), speakers, lambda *_: table)
    random.shuffle(speakers)
    other = spread(blend(speakers, SETTINGS, 3), speakers, lambda *_: table)
    assert [(c.id, c.embedding.tobytes()) for c in one] == [(c.id, c.embedding.tobytes()) for c in other]


def test_a_slow_pair_gets_a_slow_voice():
    speakers = [replace(s, xvector=None) for s in people()]
    made = blend(speakers, SETTINGS, seed=3)
    given_ = spread(made, speakers, lambda *_: stock(5))
    rates = {e.tobytes(): r for e, r in zip(stock(5).embeddings, stock(5).rates, strict=True)}
    women = sorted((c.seconds_per_character, rates[c.embedding.tobytes()]) for c in given_ if c.gender == "female")
    assert [r for _, r in women] == sorted(r for _, r in women)


def test_agents_get_the_voices_that_were_misheard_least():
    speakers, table = people(), stock(12)
    misheard = np.random.default_rng(5).permutation(12).astype(np.float32) / 100
    with_agents = SETTINGS.model_copy(update={"agent_candidates": 2})
    given_ = spread(blend(speakers, with_agents, 3), speakers, lambda *_: replace(table, misheard=misheard))
    heard = {e.tobytes(): float(m) for e, m in zip(table.embeddings, misheard, strict=True)}
    for gender in ("female", "male"):
        own = [(c.role == "agent", heard[c.embedding.tobytes()]) for c in given_ if c.gender == gender]
        agents = [m for agent, m in own if agent]
        assert agents and max(agents) < min(m for agent, m in own if not agent)


def test_a_table_that_is_too_small_is_an_error_or_gives_fewer():
    speakers = people()
    made = blend(speakers, SETTINGS, seed=3)
    with pytest.raises(BlendError, match=r"5 female candidates that speak en, and `spread` has 3 such voices.*users"):
        spread(made, speakers, lambda *_: stock(3))
    assert len(spread(made, speakers, lambda *_: stock(3), allow_fewer=True)) == 6


def test_voices_of_every_language_cannot_be_spread():
    anyone = SETTINGS.model_copy(update={"same_language": False})
    with pytest.raises(BlendError, match="same_language: true"):
        spread(blend(people(), anyone, 3), people(), lambda *_: stock())
