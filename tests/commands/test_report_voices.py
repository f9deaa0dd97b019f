"""The report's map of voices, and what its code says of itself by example."""

from __future__ import annotations

import doctest

import numpy as np
import pyarrow as pa
import pytest

from kespeechchat.commands.report import drawing, library, stages
from kespeechchat.listening import differences, page


@pytest.mark.parametrize("module", [drawing, stages, differences, page], ids=lambda m: m.__name__)
def test_the_examples_hold(module) -> None:
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def _row(i: int, **changes) -> dict:
    return {"id": f"v{i}", "status": "kept", "reason": None, "gender": ("female", "male")[i % 2]} | changes


def test_who_sounds_alike_lies_together() -> None:
    """Two clusters far apart: the first direction parts them, whatever the other 30 dimensions hold."""
    random = np.random.default_rng(7)
    centres = np.zeros((2, 32))
    centres[:, 5] = -1, 1
    vectors = np.concatenate([c + 0.05 * random.standard_normal((20, 32)) for c in centres])
    flat, share = library._plane(vectors)
    assert flat.shape == (40, 2) and share > 0.9
    left, right = flat[:20, 0], flat[20:, 0]
    assert max(left) < min(right) or max(right) < min(left)
    again, _ = library._plane(vectors.copy())
    assert np.array_equal(flat, again)


def test_the_map_shows_voices_people_and_refused_candidates() -> None:
    vectors = np.random.default_rng(1).standard_normal((6, 8)).astype(np.float32)
    rows = [_row(0), _row(1), _row(2, status="rejected", reason="too_close_to_speaker"), _row(3)]
    people = {"ann": library._Person("female", vectors[4]), "<b>bob": library._Person("male", vectors[5])}
    chart, why = library._map(rows, [*vectors[:3], None], people)
    assert not why
    svg = str(chart.svg)
    assert (
        svg.count("<circle") == 2 and svg.count('class="cross') == 1 and svg.count("person of the corpus, female") == 1
    )
    assert "&lt;b&gt;bob" in svg and "too_close_to_speaker" in svg


def test_another_encoder_makes_no_map() -> None:
    people = {"ann": library._Person("female", np.ones(4, np.float32))}
    chart, why = library._map([_row(i) for i in range(3)], [np.ones(8, np.float32)] * 3, people)
    assert chart is None and "another encoder" in why
    chart, why = library._map([_row(0)], [np.ones(8, np.float32)], {})
    assert chart is None and "too few" in why


def test_a_row_without_vectors_has_none() -> None:
    column = pa.chunked_array(
        [pa.array([[[1.0, 2.0]], None, [[3.0, 4.0], [5.0, 6.0]]], pa.list_(pa.list_(pa.float32())))]
    )
    found = library.matrices_or_none(column)
    assert found[1] is None and found[0].shape == (1, 2) and found[2].tolist() == [[3, 4], [5, 6]]
