from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.voices import BlendingSettings
from kespeechchat.voices.blending import BlendError, Cell, Speaker, blend, rate_bin, targets

SMALL = BlendingSettings(users={"train": 20, "dev": 4, "test": 4}, oversample=1.5)


def speakers(n: int, seed: int = 0, languages: tuple[str, ...] = ("zh", "en")) -> list[Speaker]:
    rng = np.random.default_rng(seed)
    return [
        Speaker(
            recording=f"rec-{i:04d}",
            language=languages[i % len(languages)],
            gender=("female", "male")[i // 2 % 2],
            split=("train", "train", "dev", "test")[i // 4 % 4],
            seconds_per_character=round(0.18 + 0.01 * int(rng.integers(3)), 2),
            tts_embedding=rng.normal(size=8).astype(np.float32),
        )
        for i in range(n)
    ]


def test_candidates_keep_every_promise():
    people = {s.recording: s for s in speakers(200)}
    made = blend(list(people.values()), SMALL, seed=7)
    assert len({c.id for c in made}) == len({frozenset(c.parents) for c in made}) == len(made)
    for c in made:
        a, b = (people[p] for p in c.parents)
        assert a.gender == b.gender == c.gender
        assert a.split == b.split == c.split
        assert a.seconds_per_character == b.seconds_per_character
        assert min(c.weights) >= 0.4
        assert max(c.weights) <= 0.6
        assert sum(c.weights) == pytest.approx(1)
        np.testing.assert_allclose(
            c.embedding, c.weights[0] * a.tts_embedding + c.weights[1] * b.tts_embedding, rtol=1e-5
        )
    counts = Counter((c.role, c.split, c.gender) for c in made)
    assert counts["user", "train", "female"] == 15
    assert counts["user", "dev", "male"] == 3
    assert counts["agent", "train", "female"] == 4


@settings(max_examples=20)
@given(st.randoms(), st.integers(0, 3))
def test_the_order_of_speakers_does_not_matter(random, seed):
    people = speakers(120)
    one = blend(people, SMALL, seed)
    random.shuffle(people)
    other = blend(people, SMALL, seed)
    assert [(c.id, c.weights) for c in one] == [(c.id, c.weights) for c in other]
    assert all((a.embedding == b.embedding).all() for a, b in zip(one, other, strict=True))


def test_another_seed_makes_other_voices():
    people = speakers(400)
    assert {c.id for c in blend(people, SMALL, 1)} != {c.id for c in blend(people, SMALL, 2)}


def test_a_speaker_who_joins_leaves_most_pairs_alone():
    people = speakers(400)
    before = {c.id for c in blend(people[:-1], SMALL, 1)}
    after = {c.id for c in blend(people, SMALL, 1)}
    assert len(before & after) >= 0.8 * len(before)


def test_voices_of_one_language():
    wanted = SMALL.model_copy(update={"same_language": True})
    people = {s.recording: s for s in speakers(400)}
    made = blend(list(people.values()), wanted, seed=1)
    assert {c.language for c in made} == {"zh", "en"}
    assert all({people[p].language for p in c.parents} == {c.language} for c in made)
    agents = {(c.gender, c.language) for c in made if c.role == "agent"}
    assert agents == {(g, t) for g in ("female", "male") for t in ("zh", "en")}


def test_too_few_pairs_is_an_error_that_says_why():
    with pytest.raises(
        BlendError, match=r"user test female: 2 voices wanted, 0 pairs left.*180 ms: 1.*widen `rate_bin`"
    ):
        lone = [
            Speaker(f"r{i}", "zh", "female", s, 0.18, np.ones(2, np.float32))
            for i, s in enumerate(["train"] * 6 + ["test"])
        ]
        blend(lone, BlendingSettings(users={"test": 4}, agents_per_gender=0), seed=0)


def test_fewer_only_when_allowed():
    wanted = BlendingSettings(users={"train": 1000}, agents_per_gender=0, allow_fewer=True)
    made = blend(speakers(20), wanted, seed=0)
    assert 0 < len(made) < 1000


def test_targets_come_in_the_order_of_filling():
    cells = targets(BlendingSettings(), ["zh", "en"])
    assert sum(cells.values()) == 42_002
    assert [str(c) for c in cells][:3] == ["agent train female", "agent train male", "user test female"]
    assert cells[Cell("user", "dev", "female")] == 50


def test_rate_bins_do_not_trip_over_floats():
    assert rate_bin(float(np.float32(0.2)), 0.01) == rate_bin(0.2, 0.01) == 20
    assert rate_bin(0.29, 0.01) == 29
    assert rate_bin(0.2, 0.05) == rate_bin(0.24, 0.05) == 4


def test_weights_must_lie_about_a_half():
    with pytest.raises(ValueError, match="evenly about"):
        BlendingSettings(weight_min=0.1, weight_max=0.6)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(2, 5), st.integers(1, 40), st.integers(0, 9))
def test_a_pair_gives_no_more_voices_than_it_may(per_pair, women, users, seed):
    """The pairs are used evenly, and every candidate has an id and weights of its own."""
    settings_ = BlendingSettings(
        users={"train": 2 * users}, agents_per_gender=0, oversample=1, voices_per_pair=per_pair, spread="mixes"
    )
    people = [
        Speaker(f"r{i}", "en", g, "train", 0.08, np.ones(2, np.float32))
        for g in ("female", "male")
        for i in range(women)
    ]
    people = [replace(s, recording=s.gender + s.recording) for s in people]
    possible = per_pair * women * (women - 1) // 2
    if users > possible:
        with pytest.raises(
            BlendError, match=rf"{users} voices wanted, {possible} pairs? left.*voices_per_pair.*{per_pair}"
        ):
            blend(people, settings_, seed)
        return
    made = blend(people, settings_, seed)
    pairs = Counter(c.parents for c in made if c.gender == "female")
    assert sum(pairs.values()) == users
    assert max(pairs.values()) <= per_pair
    assert len(pairs) == min(users, women * (women - 1) // 2)
    assert max(pairs.values()) - min(pairs.values()) <= 1
    assert len({c.id for c in made}) == len(made)


def test_the_first_voice_of_a_pair_is_the_one_it_always_gave():
    people = speakers(200)
    several = SMALL.model_copy(update={"voices_per_pair": 3, "spread": "mixes"})
    assert [(c.id, c.weights) for c in blend(people, several, 7)] == [
        (c.id, c.weights) for c in blend(people, SMALL, 7)
    ]


def test_small_cells_have_spare_candidates_too():
    spare = SMALL.model_copy(update={"least_spare": 3})
    counts = Counter((c.role, c.split, c.gender) for c in blend(speakers(400), spare, 7))
    assert counts["user", "train", "female"] == 15, "half as many again are more than three"
    assert counts["user", "dev", "female"] == 2 + 3
    assert counts["agent", "train", "female"] == 4
