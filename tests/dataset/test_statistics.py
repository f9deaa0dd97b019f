from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.blocks import blocks_of
from kespeechchat.dataset.moments import Moments
from kespeechchat.dataset.statistics import Statistics, spoken_length


def row(i: int, language: str = "zh", seconds: float = 2.0, error: float = 0.02, mark: float | None = 1.0) -> dict:
    texts = {"zh": ("你好，世界。", "很好！"), "en": ("How are you?", "I am fine.")}[language]
    return {
        "id": f"d{i}",
        "language": language,
        "split": "train" if i % 4 else "test",
        "metric": "CER" if language == "zh" else "WER",
        "error_rate": error,
        "edits": 1,
        "units": 50,
        "round": 0,
        "seconds": 2 * seconds,
        "turns": [
            {
                "role": role,
                "voice": f"{role}{i % 3}",
                "text": text,
                "seconds": seconds,
                "watermark_score": mark,
                "scores": [{"head": "dnsmos_ovrl", "value": 3.0 + 0.1 * i}],
            }
            for role, text in zip(("user", "agent"), texts, strict=True)
        ],
    }


def test_the_rows_of_table_one():
    found = Statistics(0.5)
    for block in blocks_of([*(row(i, "zh") for i in range(4)), row(0, "en", seconds=3.0)], most=3):
        found.add_block(block)
    result = found.result()
    zh = result["zh"]
    assert (zh["dialogues"], zh["turns"], zh["hours"]) == (4, 8, pytest.approx(16 / 3600, abs=1e-6))
    assert zh["instruction"]["characters"]["mean"] == 4
    assert zh["response"]["seconds"]["mean"] == 2.0
    assert zh["splits"] == {"test": 1, "train": 3}
    assert zh["speakers"] == {"user": 3, "agent": 3}
    assert result["en"]["instruction"]["words"]["mean"] == 3
    assert result["all"] == {"dialogues": 5, "turns": 10, "hours": pytest.approx(22 / 3600, abs=1e-6), "speakers": 6}


def test_quality():
    found = Statistics(watermark_threshold=0.5)
    measured = [(0.0, 1.0), (0.04, 0.2), (0.1, None)]
    for block in blocks_of(row(i, error=error, mark=mark) for i, (error, mark) in enumerate(measured)):
        found.add_block(block)
    quality = found.result()["zh"]["quality"]
    assert quality["watermark"] == {"turns": 4, "detected": 2, "rate": 0.5}
    assert quality["scores"]["dnsmos_ovrl"]["mean"] == pytest.approx(3.1)
    assert quality["error_rate"]["pooled"] == 0.02
    assert quality["error_rate"]["quantiles"] == {"0.5": 0.04, "0.9": 0.1, "0.99": 0.1}
    assert quality["error_rate"]["metric"] == "CER"


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), st.integers(0, 40))
def test_moments_are_exact_and_merge(values, at):
    one, left, right = Moments(), Moments(), Moments()
    for i, value in enumerate(values):
        one.add(value)
        (left if i < at else right).add(value)
    right.merge(left)
    assert right == one
    assert one.result()["mean"] == pytest.approx(statistics.fmean(values), abs=1e-3)
    assert one.result()["std"] == pytest.approx(statistics.pstdev(values), abs=1e-3)


@given(st.lists(st.tuples(st.sampled_from(["zh", "en"]), st.floats(0.5, 30, width=32)), max_size=20), st.randoms())
def test_order_and_division_do_not_matter(draws, random):
    rows = [row(i, language, seconds) for i, (language, seconds) in enumerate(draws)]
    one = Statistics(0.5)
    for block in blocks_of(rows, most=6):
        one.add_block(block)
    random.shuffle(rows)
    parts = [Statistics(0.5), Statistics(0.5)]
    for i, r in enumerate(rows):
        parts[i % 2].add_block(next(blocks_of([r])))
    parts[0].merge(parts[1])
    assert parts[0].result() == one.result()


def test_lengths():
    assert spoken_length("Good morning, dear.", "en") == 3
    assert spoken_length("早上好，二零二四年。", "zh") == 8
