from __future__ import annotations

import random
import statistics

import pytest

from kespeechchat.blocks import blocks_of
from kespeechchat.dataset.quality import Quality
from kespeechchat.dataset.statistics import Statistics
from kespeechchat.dataset.tables import statistics_markdown

GENDERS = {f"SPK{i}": ("female", "male")[i % 2] for i in range(6)} | {"agentFemale": "female"}
HEADS = ("dnsmos_ovrl", "utmos")


def row(i: int) -> dict:
    rng = random.Random(i)
    turns = [
        {
            "role": role,
            "voice": voice,
            "text": text,
            "seconds": 2.0,
            "error_rate": rng.random() / 10,
            "watermark_score": 1.0 if i % 10 else 0.1,
            "scores": [{"head": head, "value": rng.uniform(2, 5)} for head in HEADS],
        }
        for role, voice, text in (("user", f"SPK{i % 6}", "你好"), ("agent", "agentFemale", "很好"))
    ]
    rate = sum(t["error_rate"] for t in turns) / 2
    language = ("zh", "en")[i % 3 == 0]
    row = {"id": f"d{i}", "language": language, "split": "train", "metric": "CER", "error_rate": rate, "seconds": 4.0}
    return {**row, "edits": 1, "units": 20, "round": 0, "turns": turns}


ROWS = [row(i) for i in range(60)]


def filled(rows=ROWS, genders=GENDERS) -> Quality:
    quality = Quality(genders, 0.5)
    for block in blocks_of(rows, most=7):
        quality.add_block(block)
    return quality


def values(head: str, language: str, **where) -> list[float]:
    turns = [t for r in ROWS if r["language"] == language for t in r["turns"]]
    keep = where.get("gender"), where.get("voice")
    turns = [t for t in turns if keep[0] in (None, GENDERS[t["voice"]]) and keep[1] in (None, t["voice"])]
    return [s["value"] for t in turns for s in t["scores"] if s["head"] == head]


def assert_moments(found, expected):
    assert found["count"] == len(expected)
    assert found["mean"] == pytest.approx(statistics.fmean(expected), abs=1e-4)
    assert found["std"] == pytest.approx(statistics.pstdev(expected), abs=1e-4)


def test_scores_by_language_gender_and_voice():
    quality = filled()
    found = quality.result()
    assert list(found) == ["zh", "en"]
    for language in found:
        for head in HEADS:
            assert_moments(found[language]["scores"][head], values(head, language))
            for gender in ("female", "male"):
                assert_moments(found[language]["genders"][gender][head], values(head, language, gender=gender))
    voices = {(v["language"], v["voice"]): v for v in quality.by_voice()}
    assert voices["zh", "SPK1"]["gender"] == "male"
    assert_moments(voices["zh", "SPK1"]["utmos"], values("utmos", "zh", voice="SPK1"))


def test_the_spread_over_voices_names_the_worst():
    voices = filled().result()["zh"]["voices"]
    means = {v: statistics.fmean(values("utmos", "zh", voice=v)) for v in GENDERS if values("utmos", "zh", voice=v)}
    assert_moments(voices["utmos"], list(means.values()))
    assert list(voices["utmos"]["worst"]) == sorted(means, key=means.get)[:5]
    worst = voices["error_rate"]["worst"]
    assert list(worst.values()) == sorted(worst.values(), reverse=True)


def test_error_rates_as_a_distribution_and_watermarks():
    part = filled().result()["zh"]
    assert sum(part["error_rate"]["histogram"].values()) == part["dialogues"] == 40
    below = sum(n for edge, n in part["error_rate"]["histogram"].items() if float(edge) <= 0.05)
    assert below == sum(1 for r in ROWS if r["language"] == "zh" and r["error_rate"] <= 0.05)
    marked = sum(1 for r in ROWS if r["language"] == "zh" for t in r["turns"] if t["watermark_score"] > 0.5)
    assert part["watermark"] == {"turns": 80, "detected": marked, "rate": pytest.approx(marked / 80)}


def test_order_does_not_matter():
    shuffled = random.Random(1).sample(ROWS, len(ROWS))
    assert filled(shuffled).result() == filled().result()
    assert list(filled(shuffled).by_voice()) == list(filled().by_voice())


def test_a_voice_without_a_gender_is_named():
    with pytest.raises(KeyError, match="SPK0"):
        filled(ROWS[:1], genders={})


def test_the_tables_stand_beside_the_paper_s_figures():
    counted = Statistics(0.5)
    for block in blocks_of(ROWS):
        counted.add_block(block)
    part = {"dialogues": {"zh": 3, "en": 2}, "hours": {"zh": 0.5, "en": 1234.5}, "speakers": 7}
    figures = {**counted.result(), "partitions": {"XS": part, "mine": part}}
    figures["splits"] = {"test": {"dialogues": 9, "user_voices": 4}}
    some = {"speakers": {"zh": 2}, "utterances": {"zh": 11}, "hours": {"zh": 0.02}}
    figures["subsets"] = {"asr": {"partition": "S", "train": some, "test": some}, "tts": {"train": some}}
    stage = {
        "name": "gate",
        "rows_in": 10,
        "kept": 9,
        "made": {"as_is": 9},
        "rejected": {"error_rate": 1},
        "failed_rows": 0,
    }
    text = statistics_markdown(figures, {"partition": "XS", **filled().result(), "yields": [stage]})
    assert "| XS | 3 | 0.5000 | 2 | 1,234 | 7 | 1,000 / 500 |" in text
    assert "| mine | 3 | 0.5000 | 2 | 1,234 | 7 | – |" in text
    assert "| chat-test | 9 | 4 | 200 voices, 2,481 dialogues |" in text
    assert "| asr train | 2 | 11 | 0.0200 | 0 | 0 | 0.0000 | 1,000 zh + 1,000 en speakers, 3,291 h |" in text
    ovrl = next(line for line in text.splitlines() if line.startswith("| zh | dnsmos_ovrl |"))
    assert ovrl.endswith("| 3.41 |") and ovrl.count("±") == 4
    assert "| gate | 10 | 9 | 90.00% | 0 | error_rate 1 |" in text
    assert "| dialogues | 40 | 20 | 60 | 7,000,000 |" in text


def test_parts_merge_in_any_order():
    parts = [filled(ROWS[i::3]) for i in range(3)]
    parts[2].merge(parts[0])
    parts[2].merge(parts[1])
    assert parts[2].result() == filled().result()
    assert list(parts[2].by_voice()) == list(filled().by_voice())
