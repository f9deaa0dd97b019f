"""The probes of `benchmarks.tokens` read what is there, and nothing where nothing is there."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks import phones, token_probes, tokens
from benchmarks.phones import Phone
from benchmarks.token_probes import Codebook, around, averaged, collapsed, error_with_spread, phone_bits, words_read

WIDTH, WORDS = 60, 4
CODES = np.random.default_rng(0).normal(0, 3, (WORDS + 1, WIDTH)).astype(np.float32)  # 0: silence


def utterance(rng: np.random.Generator, words: list[int]) -> np.ndarray:
    """6 frames a word and 4 of silence after it, with noise."""
    frames = [CODES[k] for word in words for k in [word] * 6 + [0] * 4]
    return (np.stack(frames) + rng.normal(0, 0.3, (len(frames), WIDTH))).astype(np.float32)


def some(seed: int, count: int) -> tuple[list[np.ndarray], list[list[int]]]:
    rng = np.random.default_rng(seed)
    said = [rng.integers(1, WORDS + 1, 3).tolist() for _ in range(count)]
    return [utterance(rng, words) for words in said], said


def test_vectors_are_averaged_as_the_engine_averages_them():
    vectors = np.arange(10, dtype=np.float32).reshape(5, 2)
    np.testing.assert_array_equal(averaged(vectors, 2), [[1, 2], [5, 6], [8, 9]])
    np.testing.assert_array_equal(averaged(vectors, 1), vectors)


@pytest.mark.slow
def test_words_are_read_in_tokens_and_not_in_noise():
    pool = 2
    (train, labels), (test, wanted) = some(1, 30), some(2, 10)
    book = Codebook.of(train, pool, 8)
    read = [[book.read_tokens(v) for v in part] for part in (train, test)]
    assert all(one.shape[1] == 48 and len(one) == -(-len(v) // pool) for one, v in zip(read[0], train, strict=True))
    found = words_read(read[0], labels, read[1], WORDS + 1, 150)
    errors = token_probes.word_errors(found, wanted)
    assert sum(edits for edits, _ in errors) / 30 < 0.2
    noise = [np.random.default_rng(n).normal(size=one.shape).astype(np.float32) for n, one in enumerate(read[1])]
    lost = token_probes.word_errors(words_read(read[0], labels, noise, WORDS + 1, 150), wanted)
    assert sum(edits for edits, _ in lost) / 30 > 0.5


def test_a_token_is_read_as_what_it_stands_for():
    train, _ = some(1, 10)
    book = Codebook.of(train, 1, WORDS + 1)
    found = book.tokens(train[0])
    assert len(set(found.tolist())) <= WORDS + 1 and found.dtype == np.int32
    near = np.abs(book.read_tokens(train[0]) - book.read_vectors(train[0])).mean()
    assert near < np.abs(book.read_vectors(train[0])).mean()


def test_each_further_codebook_comes_nearer():
    train, _ = some(1, 10)
    books = [Codebook.of(train, 2, 3, count) for count in (1, 2, 4)]
    far = [np.square(book.read_tokens(train[0]) - book.read_vectors(train[0])).mean() for book in books]
    assert far[0] > far[1] > far[2] and [len(book.residual) for book in books] == [0, 1, 3]
    assert all((book.tokens(train[0]) == books[0].tokens(train[0])).all() for book in books), "the first is the same"


@pytest.mark.parametrize("pool", [1, 2, 4, 8])
def test_five_bins_around_a_phones_middle_at_every_rate(pool):
    times = np.arange(100, dtype=np.float32)[:, None] * np.ones((1, 48), np.float32)
    found = around(averaged(times, pool), pool, Phone("AA", 0.9, 1.1)).reshape(5, 48)
    np.testing.assert_allclose(found[:, 0], 50 + 4.0 * np.arange(-2, 3) - 0.5, atol=pool / 2)
    edge = around(averaged(times, pool), pool, Phone("AA", 1.96, 2.0)).reshape(5, 48)
    assert edge.max() <= 99 and np.isfinite(edge).all()


def test_bits_are_those_that_are_there():
    """Four phones, equally frequent: two bits where the features name them, none where they do not; one that training
    never had counts for nothing."""
    rng = np.random.default_rng(0)
    names = np.array(["A", "B", "C", "D"])
    marks = rng.normal(0, 3, (4, 240))
    train, test = rng.integers(0, 4, 400), rng.integers(0, 4, 100)

    def features(of: np.ndarray) -> np.ndarray:
        return marks[of] + rng.normal(0, 0.1, (len(of), 240))

    bits, right = phone_bits(features(train), names[train].tolist(), features(test), [*names[test][:-1], "NEW"])
    assert np.nanmean(bits) == pytest.approx(2, abs=0.1) and np.nanmean(right) == 1
    assert np.isnan(bits[-1]) and np.isnan(right[-1])
    noise = rng.normal(0, 0.1, (100, 240))
    bits, right = phone_bits(rng.normal(0, 0.1, (400, 240)), names[train].tolist(), noise, names[test].tolist())
    assert np.nanmean(bits) < 0.1 and np.nanmean(right) < 0.5


def test_ctc_is_collapsed_and_errors_are_pooled():
    assert collapsed([0, 3, 3, 0, 3, 1, 1, 0]) == [3, 3, 1] and collapsed([0, 0]) == []
    assert token_probes.word_errors([[1, 2], []], [[1, 3], [4]]) == [(1, 2), (1, 1)]
    assert error_with_spread([(1, 4)] * 9) == "25.0% ± 0.0"


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(SystemExit, match="pip install pocketsphinx"):
        phones.Judge()
    monkeypatch.setattr(sys, "argv", ["tokens", "phones"])
    with pytest.raises(SystemExit):
        tokens.main()
