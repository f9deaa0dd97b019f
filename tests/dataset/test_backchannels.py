"""Backchannels: inside pauses, apart from all that the listener says, the same whenever they are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kespeechchat.config.backchannels import BackchannelTiming
from kespeechchat.config.timing import BargeIn, Offsets, TimingSettings
from kespeechchat.dataset.backchannels import Drawn, Sound
from kespeechchat.dataset.timeline import Timing
from kespeechchat.dataset.timeline_statistics import Timelines

RATE = 8000
SHORT, LONG = Sound("mm", 2400, RATE), Sound("I see", 5600, RATE)
SOUNDS = {("SPK1f", "en"): [SHORT, LONG], ("agentMale", "en"): [SHORT]}
OFTEN = BackchannelTiming(probability=1.0, gap=1.0, min_pause=0.2, beyond=0.1)


def dialogue(*seconds: float, pauses=((2.0, 2.3), (4.0, 4.7), (4.9, 5.2), (8.0, 8.1)), id_: str = "d-1") -> dict:
    turns = []
    for index, length in enumerate(seconds):
        words = [{"text": "w", "start": k, "end": k + 1.0} for k in range(int(length))]
        inside = [{"start": a, "end": b} for a, b in pauses if b < length]
        turns.append(
            {
                "role": "agent" if index % 2 else "user",
                "voice": "agentMale" if index % 2 else "SPK1f",
                "text": " ".join("w" * len(words)),
                "sample_rate": RATE,
                "seconds": float(np.float32(length)),
                "words": words,
                "silences": [{"start": 0.0, "end": 0.3}, *inside, {"start": length - 0.1, "end": float(length)}],
            }
        )
    return {"id": id_, "language": "en", "turns": turns}


def drawn(row: dict, settings: BackchannelTiming = OFTEN, sounds=SOUNDS, timing: TimingSettings | None = None) -> Drawn:
    made = Timing((timing or TimingSettings()).model_copy(update={"backchannels": settings}), 7, sounds)
    return made.backchannels(row, made.places(row))


def test_a_word_begins_at_each_pause_that_is_long_enough_and_far_enough():
    found, too_long = drawn(dialogue(2.0, 10.0))
    assert [(one.turn, one.role, one.voice, one.start) for one in found] == [
        (1, "user", "SPK1f", (2 + 2) * RATE),
        (1, "user", "SPK1f", (2 + 4) * RATE),
    ], "of the pauses, one is too near, and one too short"
    assert found[0].text == "mm", "only that fits a pause of 0.3 s"
    assert [one.name for one in found] == ["back0", "back1"] and too_long == 0
    texts = {drawn(dialogue(2.0, 10.0, id_=f"d-{k}")).backchannels[1].text for k in range(20)}
    assert texts == {"mm", "I see"}, "where both fit, either is said"


def test_a_word_that_is_longer_than_its_pause_is_not_said_and_counted():
    found, too_long = drawn(dialogue(2.0, 10.0), sounds={("SPK1f", "en"): [LONG]})
    assert [one.start for one in found] == [(2 + 4) * RATE] and too_long == 1
    nothing = drawn(dialogue(2.0, 10.0), sounds={("SPK1f", "en"): [Sound("very long", 9000, RATE)]})
    assert nothing == Drawn((), 3)


def test_near_the_end_a_shorter_word_is_taken_and_pauses_behind_it_are_none():
    pauses, both = ((7.4, 8.1), (8.9, 9.6)), {("SPK1f", "en"): [LONG, SHORT]}
    for k in range(20):  # the turn ends at 10 s, and a word at 9 s at the latest
        row = dialogue(2.0, 8.0 + 0.8, pauses=pauses, id_=f"d-{k}")
        found, too_long = drawn(row, sounds=both)
        assert [(one.text, one.start) for one in found] == [("mm", round((2 + 7.4) * RATE))] and too_long == 0
    assert drawn(dialogue(2.0, 8.8, pauses=pauses), sounds={("SPK1f", "en"): [LONG]}) == Drawn((), 1)


def test_the_agent_listens_too_and_short_turns_have_none():
    assert {one.role for one in drawn(dialogue(10.0, 2.0)).backchannels} == {"agent"}
    assert drawn(dialogue(2.0, 2.0)) == Drawn()
    assert drawn(dialogue(10.0, 10.0), sounds={}) == Drawn()
    assert drawn(dialogue(10.0, 10.0), BackchannelTiming()) == Drawn(), "off by default"


def test_words_tell_the_pauses_where_silences_are_unknown():
    row = dialogue(2.0, 10.0)
    row["turns"][1]["words"] = [{"text": "a", "start": 0.0, "end": 4.0}, {"text": "b", "start": 4.6, "end": 9.0}]
    row["turns"][1]["silences"] = None
    assert [one.start for one in drawn(row).backchannels] == [6 * RATE]
    row["turns"][1]["words"] = []
    assert drawn(row) == Drawn()
    row["turns"][1]["words"] = None
    with pytest.raises(ValueError, match=r"dialogue d-1, turn 1: timing.backchannels needs `silences` or `words`"):
        drawn(row)


def test_a_word_at_another_rate_is_refused():
    with pytest.raises(ValueError, match=r"dialogue d-1: 8000 Hz, but 'mm' of SPK1f has 24000 Hz"):
        drawn(dialogue(2.0, 10.0), sounds={("SPK1f", "en"): [Sound("mm", 2400, 24_000)]})


def test_beyond_is_within_the_gap():
    with pytest.raises(ValidationError, match=r"beyond: 2.0 is over gap: 1.0"):
        BackchannelTiming(beyond=2.0, gap=1.0)


@given(
    st.lists(st.integers(2, 20), min_size=1, max_size=3).map(lambda pairs: [n for n in pairs for _ in "ab"]),
    st.text(min_size=1, max_size=6),
    st.sampled_from([0.0, -2.0, 0.5]),
    st.lists(st.integers(3, 190), max_size=12).map(lambda places: sorted({p / 10 for p in places})),
)
def test_no_listener_speaks_twice_and_all_lies_inside_the_turn(seconds, id_, offset, starts):
    row = dialogue(*seconds, id_=id_, pauses=[(a, a + 0.25) for a in starts])
    settings = TimingSettings(
        agent_after_user=Offsets(mean=offset),
        user_after_agent=Offsets(mean=offset),
        barge_in=BargeIn(probability=0.5),
        backchannels=OFTEN,
    )
    timing = Timing(settings, 7, SOUNDS)
    places = timing.places(row)
    found = timing.backchannels(row, places).backchannels
    assert found == timing.backchannels(row, places).backchannels
    for one in found:
        assert places[one.turn].start < one.start and one.end < places[one.turn].end
        own = [place for place, turn in zip(places, row["turns"], strict=True) if turn["role"] == one.role]
        for other in [*own, *(o for o in found if o != one and o.role == one.role)]:
            assert one.start >= other.end + RATE or one.end <= other.start - RATE, "a second apart"


def test_probability_and_seeds():
    rows = [dialogue(2.0, 10.0, id_=f"d-{k}") for k in range(400)]
    half = OFTEN.model_copy(update={"probability": 0.5})
    count = sum(len(drawn(row, half).backchannels) for row in rows)
    assert count == pytest.approx(400 * 0.5 + 400 * 0.75, rel=0.1), "a pause near one that was used is not asked"
    one, other = (tuple(drawn(row, half, timing=TimingSettings(seed=k)).backchannels for row in rows) for k in (1, 2))
    assert one != other


def test_statistics_count_them():
    row = dialogue(2.0, 10.0)
    timing = Timing(TimingSettings(backchannels=OFTEN), 7, {("SPK1f", "en"): [LONG]})
    whole, part = Timelines(), Timelines()
    for timelines in (whole, part):
        timelines.add(row, timing.places(row), timing.backchannels(row, timing.places(row)))
    whole.merge(part)
    found = whole.result()["backchannels"]
    assert found["words"] == {"I see": 2} and found["too_long"] == 2
    assert (found["seconds"]["count"], found["seconds"]["mean"]) == (2, 0.7)
