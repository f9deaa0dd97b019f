from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.voices import PrivacySettings
from kespeechchat.voices.blending import Cell
from kespeechchat.voices.columns import matrices, matrix
from kespeechchat.voices.privacy import (
    RealClips,
    circularity,
    diversity,
    nearest,
    number_voices,
    select,
    voice_limit,
)

SETTINGS = PrivacySettings(speaker_threshold=0.8, voice_threshold=0.9, block=16)
TARGETS = {Cell("agent", "train", "female"): 1, Cell("user", "train", "female"): 10, Cell("user", "train", "male"): 3}


def units(n: int, seed: int, size: int = 16) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def audition(i: int, xvectors: np.ndarray, **changes) -> dict:
    return {
        "id": f"blend-{i:03d}",
        "role": "agent" if i < 2 else "user",
        "language": None,
        "gender": "male" if i % 5 == 4 else "female",
        "split": "train",
        "xvectors": xvectors,
        "error_rate": 0.0,
        "spoken_seconds_per_character": 0.2,
    } | changes


REAL = RealClips(units(40, 1), [f"person-{i // 4}" for i in range(40)])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 90), st.integers(1, 400), st.integers(0, 99))
def test_nearest_is_the_largest_cosine_whatever_the_blocks(queries, keys, seed):
    q, k = units(queries, seed), units(keys, seed + 1)
    whole = (q @ k.T).max(axis=1)
    found = nearest(q, k, block=16)
    np.testing.assert_allclose(found.cosine, whole, atol=2e-5)
    np.testing.assert_allclose((q * k[found.index]).sum(axis=1), whole, atol=2e-5)


def test_nearest_but_itself():
    q = units(300, 5)
    cosines = q @ q.T
    np.fill_diagonal(cosines, -2)
    np.testing.assert_array_equal(nearest(q, q, block=16, but_itself=True).index, cosines.argmax(axis=1))


def test_the_library_keeps_its_promises():
    auditions = [audition(i, units(2, 100 + i)) for i in range(60)]
    outcomes = select(auditions, REAL, TARGETS, SETTINGS, seed=1)
    assert len(outcomes) == 60
    kept = [o.row for o in outcomes if o.status == "kept"]
    assert Counter((r["role"], r["gender"]) for r in kept) == {
        ("agent", "female"): 1,
        ("user", "female"): 10,
        ("user", "male"): 3,
    }
    means = np.stack([r["xvectors"].mean(axis=0) for r in kept])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    cosines = means @ means.T - 2 * np.eye(len(kept))
    assert cosines.max() < SETTINGS.voice_threshold
    for row, others in zip(kept, cosines, strict=True):
        assert (row["xvectors"] @ REAL.xvectors.T).max() < SETTINGS.speaker_threshold
        assert row["privacy_margin"] == pytest.approx(0.8 - row["nearest_speaker_cosine"], abs=1e-5)
        assert row["nearest_voice"] == kept[int(others.argmax())]["id"]
    assert {o.reason for o in outcomes} == {None, "surplus", "too_close_to_speaker"}


def test_every_refusal_has_its_reason():
    base = units(2, 500)
    rows = [
        audition(2, base, gender="female"),
        audition(3, base, gender="female"),
        audition(5, np.stack([units(1, 9)[0], REAL.xvectors[17]])),
        audition(6, units(2, 600), error_rate=0.2),
        audition(7, units(2, 700), spoken_seconds_per_character=0.9),
        audition(8, units(2, 800), error_rate=float("nan")),
    ]
    outcomes = {o.row["id"]: o for o in select(rows, REAL, TARGETS, SETTINGS, seed=1)}
    assert {outcomes["blend-002"].reason, outcomes["blend-003"].reason} == {None, "too_like_another_voice"}
    close = outcomes["blend-005"]
    assert close.reason == "too_close_to_speaker"
    assert (close.row["nearest_speaker"], round(close.row["nearest_speaker_cosine"], 3)) == ("person-4", 1.0)
    assert [outcomes[f"blend-00{i}"].reason for i in (6, 7, 8)] == ["speaks_badly"] * 3


@settings(max_examples=15, deadline=None)
@given(st.randoms())
def test_selection_does_not_depend_on_arrival_or_blocks(random):
    auditions = [audition(i, units(2, 100 + i % 30)) for i in range(50)]
    one = select(auditions, REAL, TARGETS, SETTINGS, seed=4)
    random.shuffle(auditions)
    other = select(auditions, REAL, TARGETS, SETTINGS.model_copy(update={"block": 64}), seed=4)
    assert [(o.row["id"], o.reason, o.row["nearest_voice"]) for o in one] == [
        (o.row["id"], o.reason, o.row["nearest_voice"]) for o in other
    ]


def test_numbers_are_final_ids():
    outcomes = number_voices(
        select([audition(i, units(2, 100 + i)) for i in range(30)], REAL, TARGETS, SETTINGS, seed=1)
    )
    kept = [o.row for o in outcomes if o.status == "kept"]
    names = {r["id"] for r in kept}
    assert "agentFemale" in names
    assert len(names) == len(kept) == 14
    assert all(r["id"].endswith(r["gender"][0]) and r["id"].startswith("SPK") for r in kept if r["role"] == "user")
    assert all(r["candidate"].startswith("blend-") and r["nearest_voice"] in names for r in kept)


def test_no_real_speakers_is_an_error():
    with pytest.raises(ValueError, match="no real speaker's clips"):
        select([audition(0, units(2, 1))], RealClips(np.zeros((0, 16), np.float32), []), TARGETS, SETTINGS, seed=1)


def test_a_circular_measure_says_so():
    encoder = {"model": "resemblyzer", "torch": "2.11"}
    own = circularity(encoder, encoder, {"model": "projection", "xvectors": "resemblyzer"})
    assert own["also"] == ["mined", "projected"]
    assert "circular" in own["note"]
    other = circularity({"model": "wavlm", "torch": "2.11"}, encoder, encoder)
    assert not other["circular"]
    assert "took no part" in other["note"]
    unknown = circularity({}, encoder, encoder)
    assert unknown["circular"] is None and "not recorded" in unknown["note"]


def test_diversity_counts_each_pair_once():
    vectors = units(70, 3)
    found = diversity(vectors, np.linspace(-1, 1, 21), block=16)
    exact = (vectors @ vectors.T)[np.triu_indices(70, 1)]
    assert sum(found["histogram"]) == found["pairs"] == 70 * 69 // 2
    assert found["mean"] == pytest.approx(float(exact.mean()), abs=1e-5)
    assert found["highest"] == pytest.approx(float(exact.max()), abs=1e-6)


def test_vector_columns():
    column = pa.chunked_array([pa.array([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], pa.list_(pa.list_(pa.float32())))])
    assert [m.tolist() for m in matrices(column)] == [[[1, 2]], [[3, 4], [5, 6]]]
    with pytest.raises(ValueError, match="differ in length"):
        matrix(pa.array([[1.0], [1.0, 2.0]]))
    with pytest.raises(ValueError, match="null"):
        matrix(pa.array([[1.0], None]))


def scored(i: int, value: float) -> dict:
    scores = [{"head": "ovrl", "value": value}, {"head": "sig", "value": 3.0}]
    fixed = {"gender": "female", "role": "user", "language": "en", "spoken_seconds_per_character": 0.1}
    return audition(i, units(2, 100 + i), scores=scores, **fixed)


CELLS = {Cell("user", "train", "female", "en"): 3}


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_best_scores_come_first(random):
    best = SETTINGS.model_copy(update={"best_by": "ovrl", "voice_threshold": 1.0, "speaker_threshold": 0.999})
    rows = [scored(i, 2 + 0.1 * i) for i in range(10)]
    random.shuffle(rows)
    kept = [o.row["id"] for o in select(rows, REAL, CELLS, best, seed=1) if o.status == "kept"]
    assert kept == ["blend-009", "blend-008", "blend-007"]


def test_a_low_score_speaks_badly():
    least = SETTINGS.model_copy(update={"min_scores": {"ovrl": {"en": 3.0, "zh": 1.0}}, "speaker_threshold": 0.999})
    low, high = select([scored(1, 2.9), scored(2, 3.1)], REAL, CELLS, least, seed=1)
    found = {o.row["id"]: (o.reason, o.detail) for o in (low, high)}
    assert found == {"blend-001": ("speaks_badly", "ovrl 2.90, at least 3.0"), "blend-002": (None, None)}
    everywhere = [scored(3, 2.9) | {"language": None}]
    (outcome,) = select(everywhere, REAL, {Cell("user", "train", "female"): 1}, least, seed=1)
    assert outcome.reason == "speaks_badly", "a voice of every language is held to the strictest"


def test_a_head_that_was_not_measured_is_an_error_that_names_those_that_were():
    wrong = SETTINGS.model_copy(update={"min_scores": {"utmos": {"en": 3.0}}, "speaker_threshold": 0.999})
    with pytest.raises(
        ValueError, match=r"utmos was not measured in the auditions; there is ovrl, sig: .*audition.mos"
    ):
        select([scored(1, 2.9)], REAL, CELLS, wrong, seed=1)


def test_each_language_has_a_limit_of_its_own():
    limits = PrivacySettings(voice_threshold={"zh": 0.8, "en": 0.6})
    assert [voice_limit(limits, tongue) for tongue in ("zh", "en", None)] == [0.8, 0.6, 0.6]
    one, near = units(1, 5), units(1, 6)
    close = (one * 0.7 + near * (1 - 0.49) ** 0.5 - near * 0).astype(np.float32)
    close /= np.linalg.norm(close)
    cosine = float((one @ close.T)[0, 0])
    rows = [audition(2, one), audition(3, close)]
    for limit, refused in ((cosine + 0.01, 0), (cosine - 0.01, 1)):
        own = SETTINGS.model_copy(update={"voice_threshold": {"zh": limit, "en": limit}, "speaker_threshold": 0.999})
        outcomes = select(rows, REAL, TARGETS, own, seed=1)
        assert sum(o.reason == "too_like_another_voice" for o in outcomes) == refused


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_what_was_chosen_earlier_from_a_table_comes_first(random):
    best = SETTINGS.model_copy(update={"best_by": "ovrl", "voice_threshold": 1.0, "speaker_threshold": 0.999})
    rows = [scored(i, 2 + 0.1 * i) | {"place": i} for i in range(10)]
    random.shuffle(rows)
    kept = [o.row["id"] for o in select(rows, REAL, CELLS, best, seed=1) if o.status == "kept"]
    assert kept == ["blend-000", "blend-001", "blend-002"]


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_an_agent_that_is_understood_comes_before_one_that_sounds_better(random):
    own = SETTINGS.model_copy(update={"speaker_threshold": 0.999, "voice_threshold": 1.0, "best_by": "ovrl"})
    errors = {1: 0.04, 2: 0.0, 3: 0.02, 4: float("nan")}
    rows = [scored(i, 3 + i / 10) | {"role": "agent", "error_rate": error} for i, error in errors.items()]
    random.shuffle(rows)
    outcomes = select(rows, REAL, {Cell("agent", "train", "female", "en"): 1}, own, seed=1)
    assert [o.row["id"] for o in outcomes if o.status == "kept"] == ["blend-002"]


def test_an_agent_comes_before_every_user_and_the_best_one_first():
    """However late it was chosen: without an agent nothing is spoken, and one agent speaks half of everything."""
    own = SETTINGS.model_copy(update={"speaker_threshold": 0.999, "best_by": "ovrl"})
    cells = {Cell("agent", "train", "female", "en"): 1, **CELLS}
    agents = [scored(i, value) | {"role": "agent", "place": 5 + i} for i, value in ((1, 3.0), (2, 3.5), (3, 3.2))]
    rows = [scored(0, 4.0) | {"place": 0}, *agents]
    alike = scored(2, 4.0) | {"id": "alike", "place": 1}
    found = {o.row["id"]: o.reason for o in select([*rows, alike], REAL, cells, own, seed=1)}
    assert found == {
        "blend-000": None,
        "blend-001": "surplus",
        "blend-002": None,
        "blend-003": "surplus",
        "alike": "too_like_another_voice",
    }
