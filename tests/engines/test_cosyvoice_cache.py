"""The cache of rows of unlike length, against one plain list a row."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.engines.tts.cosyvoice_batch.cache import Cache, Shape
from tests.conftest import ROOT

STEPS = st.lists(
    st.one_of(st.tuples(st.just("admit"), st.integers(1, 150)), st.tuples(st.just("drop"), st.integers(0, 9))),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(STEPS, st.integers(0, 5), st.integers(1, 5))
def test_every_row_holds_what_was_put_into_it(steps, between, reserve):
    """After each step some positions are written; NaN that a dropped row leaves behind is never handed out."""
    import torch

    cache = Cache(Shape(2, 1, 1, torch.float32, torch.device("cpu")))
    rows: list[list[float]] = []
    number = count(1)
    for kind, size in steps:
        if kind == "admit":
            values = [float(next(number)) for _ in range(size)]
            given_ = torch.tensor(values).view(1, -1, 1)
            cache.admit([given_, -given_], [2 * given_, -2 * given_], min(reserve, 5))
            rows.append(values)
        elif size < len(rows):
            for table in cache._keys:
                table[size] = torch.nan
            cache.drop(size)
            rows[size] = rows[-1]
            rows.pop()
            if size < len(rows):  # the last row moved here, its own place was not broken
                assert cache.lengths[size] == len(rows[size])
        for _ in range(between if rows else 0):
            cache.advance()
            new = [float(next(number)) for _ in rows]
            column = torch.tensor(new).view(-1, 1, 1)
            for layer, sign in enumerate((1, -1)):
                keys, values_ = cache.write(layer, sign * column, 2 * sign * column)
                rows_now = [[*row, value] for row, value in zip(rows, new, strict=True)]
                check(cache, rows_now, sign * keys, sign * values_ / 2)
            rows = [[*row, value] for row, value in zip(rows, new, strict=True)]


def check(cache, rows, *tables):
    mask = cache.mask()
    longest = max(map(len, rows))
    assert cache.span == longest and cache.lengths == [len(row) for row in rows]
    for table in tables:
        assert not table.isnan().any()
        for place, row in enumerate(rows):
            assert table[place, 0, longest - len(row) :, 0].tolist() == row
            if mask is not None:
                assert mask[place].tolist() == [False] * (longest - len(row)) + [True] * len(row)
    assert (mask is None) == (len({len(row) for row in rows}) == 1)


@pytest.mark.parametrize(
    ("profile", "layers", "heads", "longest"), [("ke-speechchat", 14, 16, "119 MiB"), ("one-gpu", 24, 2, "26 MiB")]
)
def test_the_batch_of_a_profile_fits_its_cache_as_the_comment_says(profile, layers, heads, longest):
    """In half precision, of the published sizes: a piece of text may exceed its limit by a quarter, less a token."""
    import torch

    from kespeechchat.config.load import load_pipeline
    from kespeechchat.engines.tts.cosyvoice_batch.language_model import MOST

    file = ROOT / "pipelines" / f"{profile}.yaml"
    own = load_pipeline(file).engine("tts", "cosyvoice")
    text = own.piece_tokens * 5 // 4
    shape = Shape(layers, heads, 64, torch.float16, torch.device("cpu"))
    one = shape.bytes(1, text * MOST + text + 5)  # and the marks around the text, the voice, the task
    assert f"{one / 2**20:.0f} MiB" == longest and longest in file.read_text("utf-8")
    assert shape.bytes(own.batch, text * MOST + text + 5) <= own.cache_gigabytes * 2**30 and own.fp16
