from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.voices import CorpusScore, MeasuredScore, MiningSettings, SpeakerSplitSettings
from kespeechchat.voices.mining import (
    Clips,
    Mined,
    Refused,
    balance_genders,
    largest_cluster,
    majority_gender,
    mine,
    passes_score,
    speaking_rate,
)
from kespeechchat.voices.speaker_splits import draw_speaker_splits, largest_remainder

SETTINGS = MiningSettings(similarity=0.9)


def person(seed: int, n: int, spread: float = 0.02, size: int = 32) -> np.ndarray:
    """n clips of one invented speaker: unit vectors about a random centre."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=size) / np.sqrt(size) + spread * rng.normal(size=(n, size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clips(xvectors: np.ndarray, score: float = 4.5, gender: str = "female") -> Clips:
    n = len(xvectors)
    return Clips(
        ids=[f"clip-{i:03d}" for i in range(n)],
        xvectors=xvectors,
        tts_embeddings=np.arange(n * 3, dtype=np.float32).reshape(n, 3),
        seconds=np.full(n, 2.0),
        characters=np.full(n, 10),
        genders=[gender] * n,
        languages=["zh"] * n,
        scores=[{"corpus_dnsmos": score}] * n,
    )


def test_one_person_is_mined():
    found = mine("rec", clips(person(1, 12)), SETTINGS)
    assert isinstance(found, Mined)
    assert (found.clips, found.core_clips, found.pairs) == (12, 12, 66)
    assert (found.gender, found.language, found.seconds_per_character) == ("female", "zh", 0.2)
    assert np.linalg.norm(found.xvector) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(found.tts_embedding, clips(person(1, 12)).tts_embeddings.mean(axis=0))


def test_two_people_pass_the_papers_rule_and_not_ours():
    mixed = clips(np.concatenate([person(1, 6), person(2, 6)]))
    assert isinstance(mine("rec", mixed, SETTINGS.model_copy(update={"rule": "paper"})), Mined)
    refused = mine("rec", mixed, SETTINGS)
    assert isinstance(refused, Refused)
    assert refused.reason == "mixed_speakers"
    assert "6 of 12" in refused.detail


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (clips(person(1, 9)), "few_clips"),
        (clips(person(1, 12), score=4.0), "few_clips"),
        (clips(person(1, 12, spread=2.0)), "few_pairs"),
        (clips(person(1, 12), gender="unknown"), "unknown_gender"),
    ],
)
def test_refusals(found, reason):
    refused = mine("rec", found, SETTINGS)
    assert isinstance(refused, Refused)
    assert refused.reason == reason
    assert refused.detail


def test_a_stray_clip_does_not_count():
    found = mine("rec", clips(np.concatenate([person(1, 19), person(2, 1)])), SETTINGS)
    assert isinstance(found, Mined)
    assert (found.clips, found.core_clips) == (20, 19)
    assert "clip-019" not in found.core_ids


@given(st.permutations(range(12)))
def test_order_of_clips_does_not_matter(order):
    whole = clips(person(1, 12))
    one, other = mine("rec", whole, SETTINGS), mine("rec", whole.take(np.array(order)), SETTINGS)
    assert one.core_ids == other.core_ids
    np.testing.assert_array_equal(one.tts_embedding, other.tts_embedding)
    np.testing.assert_array_equal(one.xvector, other.xvector)


@given(st.integers(0, 1000), st.integers(2, 25), st.floats(0.1, 0.95))
def test_every_pair_of_a_cluster_is_alike(seed, n, similarity):
    vectors = person(seed, n, spread=0.2)
    core = vectors[largest_cluster(vectors, similarity)].astype(np.float64)
    cosines = core @ core.T
    assert (cosines[np.triu_indices(len(core), 1)] > similarity).all()


def test_long_recordings_are_sampled_by_hash():
    settings = SETTINGS.model_copy(update={"max_clips": 50})
    found = mine("rec", clips(person(1, 200)), settings)
    assert found.clips == 50


def test_scores_of_a_corpus_and_of_ours_have_limits_of_their_own():
    measured = MiningSettings(measured_score=MeasuredScore(head="dnsmos_ovrl", min=2.5))
    assert passes_score({"dnsmos_ovrl": 3.0}, measured)
    assert not passes_score({"dnsmos_ovrl": 3.0, "corpus_dnsmos": 3.9}, measured)
    assert not passes_score({}, measured)
    assert not passes_score({"dnsmos_ovrl": 4.9}, MiningSettings())
    assert passes_score({}, MiningSettings(corpus_score=CorpusScore(required=False)))


def test_impossible_pairs_are_a_clear_error():
    with pytest.raises(ValueError, match="asks for 10 pairs of 4 clips, which make 6"):
        MiningSettings(min_clips=4)
    MiningSettings(min_clips=4, pairs_per_two_clips=2)


def test_gender_abstains():
    assert majority_gender(["female", "female", "unknown"], 0.5) == "female"
    assert majority_gender(["female", "male"], 0.5) == "unknown"
    assert majority_gender(["female", "unknown", "unknown"], 0.5) == "unknown"


def test_speaking_rate_rounds_to_the_step():
    assert speaking_rate(np.array([1.0, 2.0]), np.array([5, 9]), 0.01) == 0.21
    assert speaking_rate(np.array([1.0]), np.array([0]), 0.01) is None


def test_balance_keeps_as_many_of_each():
    speakers = [mine(f"r{i}", clips(person(i, 10), gender="male" if i < 7 else "female"), SETTINGS) for i in range(10)]
    kept, refused = balance_genders(speakers, seed=1)
    assert [s.gender for s in kept].count("male") == [s.gender for s in kept].count("female") == 3
    assert {r.reason for r in refused} == {"surplus_gender"}
    again, _ = balance_genders(speakers[::-1], seed=1)
    assert [s.recording for s in kept] == [s.recording for s in again]


def test_a_corpus_of_one_gender_is_refused_with_the_cure():
    women = [mine(f"r{i}", clips(person(i, 10), gender="female"), SETTINGS) for i in range(3)]
    kept, refused = balance_genders(women, seed=1)
    assert kept == [] and {r.reason for r in refused} == {"one_gender"}
    assert refused[0].detail.startswith("3 female speakers, 0 of the other gender; ")
    assert "balance_genders: false" in refused[0].detail


@given(
    st.lists(st.tuples(st.sampled_from(["female", "male"]), st.sampled_from(["zh", "en"])), max_size=80), st.randoms()
)
def test_speaker_splits_are_exact_per_cell_in_any_order(cells, random):
    settings = SpeakerSplitSettings(shares={"train": 0.5, "dev": 0.25, "test": 0.25})
    speakers = [(f"r{i}", *cell) for i, cell in enumerate(cells)]
    drawn = draw_speaker_splits(speakers, settings, seed=3)
    for cell in set(cells):
        of = [drawn[f"r{i}"] for i, c in enumerate(cells) if c == cell]
        for split, share in settings.shares.items():
            assert abs(of.count(split) - share * len(of)) < 1
    random.shuffle(speakers)
    assert draw_speaker_splits(speakers, settings, seed=3) == drawn


def test_speaker_splits_by_number():
    speakers = [(f"r{i}", "female", "zh") for i in range(6)]
    drawn = draw_speaker_splits(speakers, SpeakerSplitSettings(per_cell={"dev": 2, "test": 2}), seed=0)
    assert sorted(drawn.values()) == ["dev"] * 2 + ["test"] * 2 + ["train"] * 2
    with pytest.raises(ValueError, match="asks for 8 speakers, female zh has 6"):
        draw_speaker_splits(speakers, SpeakerSplitSettings(per_cell={"dev": 4, "test": 4}), seed=0)


@given(st.integers(0, 1000), st.lists(st.floats(0.01, 1), min_size=1, max_size=6))
def test_largest_remainder_sums_up(total, shares):
    counts = largest_remainder(total, {str(i): s for i, s in enumerate(shares)})
    assert sum(counts.values()) == total
    assert all(abs(counts[str(i)] - total * s / sum(shares)) < 1 + 1e-6 for i, s in enumerate(shares))
