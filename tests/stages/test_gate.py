"""Each way in which stage `gate` refuses a dialogue, from stored figures alone."""

from __future__ import annotations

import pytest

from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.stages.base import Task
from kespeechchat.stages.gate import Gate

OFF = "stages.gate={}"


def turn(role: str, text: str = "How far is the moon?", **changes) -> dict:
    return {
        "role": role,
        "voice": "v",
        "text": text,
        "seed": 1,
        "tries": 1,
        "sample_rate": 24000,
        "seconds": 3.0,
        "transcript": text,
        "watermark_score": 1.0,
        "scores": [{"head": "dnsmos_ovrl", "value": 3.1}, {"head": "dnsmos_sig", "value": 3.5}],
        "words": [{"text": "How", "start": 0.1, "end": 0.3}],
        "silences": [{"start": 0.0, "end": 0.1}],
        "leading_silence": 0.1,
        "trailing_silence": 0.0,
        "longest_silence": 0.0,
    } | changes


def judge(quickstart, *settings: str, user: dict | None = None, agent: dict | None = None):
    pipeline = load_pipeline(quickstart, (OFF, *settings))
    turns = [turn("user", **(user or {})), turn("agent", **(agent or {}))]
    row = {"id": "x", "source": "t", "language": "en", "split": "train", "turns": turns}
    (outcome,) = Gate(pipeline).process(Task(0, "en", [row]))
    return outcome


def test_what_was_measured_is_carried(quickstart):
    outcome = judge(quickstart)
    assert outcome.status == "kept"
    carried = ("words", "silences", "leading_silence", "trailing_silence", "longest_silence", "scores")
    assert all({k: t[k] for k in carried} == {k: turn("user")[k] for k in carried} for t in outcome.row["turns"])


@pytest.mark.parametrize("place", ["leading", "trailing", "inside"])
def test_silence(quickstart, place):
    column = {"inside": "longest_silence"}.get(place, f"{place}_silence")
    limit = f"stages.gate.max_silence={{{place}: 1.5}}"
    assert judge(quickstart, agent={column: 2.0}).status == "kept", "no limit, no refusal"
    assert judge(quickstart, limit, agent={column: 1.5}).status == "kept"
    for role in ("user", "agent"):
        outcome = judge(quickstart, limit, **{role: {column: 2.0}})
        assert (outcome.status, outcome.reason) == ("rejected", "silence")
        assert outcome.detail.startswith(f"{role}: 2.00 s of silence") and outcome.detail.endswith("at most 1.5")
    others = {"leading_silence", "trailing_silence", "longest_silence"} - {column}
    assert judge(quickstart, limit, agent=dict.fromkeys(others, 9.0)).status == "kept"


def test_mos_of_any_head(quickstart):
    assert judge(quickstart, "stages.gate.min_mos={dnsmos_ovrl: 3.0, dnsmos_sig: 3.5}").status == "kept"
    low = {"scores": [{"head": "dnsmos_ovrl", "value": 2.9}, {"head": "dnsmos_sig", "value": 4.0}]}
    outcome = judge(quickstart, "stages.gate.min_mos={dnsmos_ovrl: 3.0, dnsmos_sig: 3.5}", user=low)
    assert (outcome.reason, outcome.detail) == ("low_mos", "user: dnsmos_ovrl 2.90, at least 3.0")
    broken = {"scores": [{"head": "dnsmos_ovrl", "value": float("nan")}]}
    assert judge(quickstart, "stages.gate.min_mos={dnsmos_ovrl: 3.0}", user=broken).reason == "low_mos"


def test_any_head_that_was_measured_can_be_held_to(quickstart):
    scores = [{"head": "dnsmos_ovrl", "value": 3.1}, {"head": "distillmos", "value": 3.4}]
    measured = {"scores": scores}
    both = {"user": measured, "agent": measured}
    assert judge(quickstart, "stages.gate.min_mos={distillmos: 3.3}", **both).status == "kept"
    outcome = judge(quickstart, "stages.gate.min_mos={distillmos: 3.5}", **both)
    assert (outcome.reason, outcome.detail.split(";")[0]) == ("low_mos", "user: distillmos 3.40, at least 3.5")


def test_a_head_that_nobody_measured_is_named(quickstart):
    outcome = judge(quickstart, "stages.gate.min_mos={utmos: 3.0}")
    assert outcome.status == "failed"
    assert outcome.detail == "stages.gate.min_mos: utmos was not measured; there is dnsmos_ovrl, dnsmos_sig"
    with pytest.raises(ConfigError, match=r"gate\.min_mos: nothing is scored"):
        load_pipeline(quickstart, ("stages.measure.mos=null", "stages.gate.min_mos={utmos: 3.0}"))


def test_what_the_recognizer_invents(quickstart):
    on = "stages.gate.hallucinations=true"
    outcome = judge(quickstart, on, agent={"transcript": "Thanks for watching!"})
    assert (outcome.status, outcome.reason) == ("rejected", "hallucination")
    assert outcome.detail == "agent: heard 'Thanks for watching!' for 'How far is the moon?'"
    assert judge(quickstart, agent={"transcript": "Thanks for watching!"}).reason == "error_rate"
    said = {"text": "Thanks for watching!", "transcript": "Thanks for watching!"}
    assert judge(quickstart, on, agent=said).status == "kept"


def test_the_mark_comes_first_and_the_words_are_still_held(quickstart):
    limit = "stages.gate.max_silence={inside: 1}"
    long = {"longest_silence": 2.0}
    assert judge(quickstart, limit, agent=long | {"watermark_score": 0.1}).reason == "watermark_not_found"
    assert judge(quickstart, limit, agent={"transcript": "How far was the noon?"}).reason == "error_rate"


def test_an_error_rate_that_is_not_judged(quickstart):
    wrong = {"transcript": "seven blue " * 40}
    assert judge(quickstart, agent=wrong).reason == "error_rate"
    unjudged = judge(quickstart, "stages.gate.max_error.en=null", agent=wrong)
    assert unjudged.status == "kept" and unjudged.row["error_rate"] > 1


def test_a_turn_in_another_voice(quickstart):
    limit = ("stages.measure.auditor=auditor", "stages.gate.min_own_voice=0.5")

    def heard(cosine: float | None) -> dict:
        return {"scores": [] if cosine is None else [{"head": "own_voice", "value": cosine}]}

    assert judge(quickstart, user=heard(0.1)).status == "kept", "no limit, no refusal"
    assert judge(quickstart, *limit, user=heard(0.5), agent=heard(0.9)).status == "kept"
    outcome = judge(quickstart, *limit, user=heard(0.9), agent=heard(0.31))
    assert (outcome.status, outcome.reason) == ("rejected", "other_voice")
    assert outcome.detail == "agent: 0.310 to its own voice v, at least 0.5"
    assert judge(quickstart, *limit, user=heard(None)).status == "kept", "too short to be heard so"
    assert judge(quickstart, *limit, user=heard(float("nan"))).reason == "other_voice"
