"""Timelines: exact to the sample, the same whenever they are drawn, and as the distributions say."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kespeechchat.config.timing import BargeIn, Offsets, TimingSettings
from kespeechchat.dataset.durations import text_until
from kespeechchat.dataset.timeline import Timing, length_of, words_of
from kespeechchat.dataset.timeline_statistics import Timelines
from kespeechchat.records import Word

RATE = 24_000
NATURAL = TimingSettings(
    agent_after_user=Offsets(mean=0.2, std=0.35, low=-0.5, high=1.5),
    user_after_agent=Offsets(mean=0.4, std=0.4, low=-0.5, high=2.0),
)
INTERRUPTS = NATURAL.model_copy(update={"barge_in": BargeIn(probability=1.0)})
HASTY = TimingSettings(  # all speak at once, and at once again
    agent_after_user=Offsets(mean=-4.0),
    user_after_agent=Offsets(mean=-4.0),
    barge_in=BargeIn(probability=1.0, after=0.01, before_end=0.01, reaction=Offsets(mean=0.0, low=0.0), fade=0.5),
)
SAID = "one two three four five six seven eight nine ten"


def dialogue(*samples: int, id_: str = "d-1", rate: int = RATE) -> dict:
    turns = []
    for index, count in enumerate(samples):
        words = SAID.split()
        edges = np.linspace(0, count / rate, len(words) + 1).tolist()
        turns.append(
            {
                "role": "agent" if index % 2 else "user",
                "voice": "agentMale" if index % 2 else "SPK1f",
                "text": SAID,
                "sample_rate": rate,
                "seconds": float(np.float32(count / rate)),
                "words": [{"text": w, "start": a, "end": b} for w, a, b in zip(words, edges, edges[1:], strict=False)],
            }
        )
    return {"id": id_, "language": "en", "turns": turns}


LENGTHS = st.lists(st.integers(2_400, 400_000), min_size=1, max_size=4).map(
    lambda pairs: [n for n in pairs for _ in "ab"]
)


@given(LENGTHS)
def test_the_papers_timeline_has_no_gap(samples):
    places = Timing().places(dialogue(*samples))
    assert [p.samples for p in places] == samples
    assert all(after.start == before.end for before, after in itertools.pairwise(places))
    assert length_of(places) == sum(samples)


@given(LENGTHS, st.text(min_size=1, max_size=8), st.sampled_from([NATURAL, INTERRUPTS, HASTY]))
def test_no_channel_speaks_twice_and_no_turn_is_drowned(samples, id_, settings):
    row = dialogue(*samples, id_=id_)
    timing = Timing(settings, seed=7)
    places = timing.places(row)
    assert places == timing.places(copy.deepcopy(row)), "drawn by hash"
    assert places[0].start == 0
    for before, after in zip(places, places[2:], strict=False):
        assert after.start >= before.end, "a voice overlaps itself"
    for before, after in itertools.pairwise(places):
        assert after.start > before.start and after.offset == after.start - before.end
        assert before.fade <= before.samples
        if not before.cut:
            assert before.end - after.start <= min(before.samples, after.samples) // 2


def test_another_seed_draws_other_times():
    row = dialogue(*[48_000] * 6)
    drawn = {tuple(Timing(NATURAL.model_copy(update={"seed": k}), 7).places(row)) for k in range(20)}
    assert len(drawn) == 20
    assert len({tuple(Timing(NATURAL, seed).places(row)) for seed in range(20)}) == 20, "and another build"


def test_the_user_barges_in_and_the_agent_ends_a_reaction_time_later():
    row = dialogue(48_000, 240_000, 48_000, 48_000)
    settings = TimingSettings(barge_in=BargeIn(probability=1.0, reaction=Offsets(mean=0.5, low=0.2, high=1.0)))
    user, agent, again, last = Timing(settings, 3).places(row)
    assert agent.cut and agent.whole == 240_000 and agent.end - again.start == RATE // 2 == -again.offset
    assert again.start - agent.start >= RATE, "heard for a second at least"
    assert agent.fade == RATE // 20
    reached = int(np.ceil(agent.samples / 24_000))  # each word lasts one second
    assert agent.text == " ".join(SAID.split()[:reached])
    words = words_of(row["turns"][1], agent)
    assert [w.text for w in words] == agent.text.split() and words[-1].end <= agent.samples / RATE
    assert not (user.cut or again.cut or last.cut)


def test_as_much_as_was_asked_for_is_cut_off():
    settings = TimingSettings(barge_in=BargeIn(probability=1.0, before_end=4.0))
    for k in range(50):
        agent = Timing(settings, 3).places(dialogue(48_000, 240_000, 48_000, 48_000, id_=f"d-{k}"))[1]
        assert agent.cut and agent.whole - agent.samples >= 4 * RATE


@pytest.mark.parametrize(
    ("overlap", "after", "earliest"),
    [
        (2.0, 0.5, 2.0),  # the user's own last turn is over then
        (2.0, 3.0, 3.0),  # and as much is heard as was asked for
    ],
)
def test_the_user_ends_its_own_turn_before_it_barges_in(overlap: float, after: float, earliest: float):
    """The agent begins while the user still speaks; a reaction as long as that overlap leaves half of what is heard
    alone. Over many draws the earliest barge-in comes close to the limit, and none before it."""
    timing = TimingSettings(
        agent_after_user=Offsets(mean=-overlap),
        barge_in=BargeIn(probability=1.0, after=after, reaction=Offsets(mean=3.0, low=0.0)),
    )
    onsets = []
    for k in range(200):
        user, agent, again, _ = Timing(timing, 3).places(dialogue(96_000, 240_000, 48_000, 48_000, id_=f"d-{k}"))
        assert user.end - agent.start == overlap * RATE and agent.cut
        assert again.start >= user.end, "a voice overlaps itself"
        onsets.append((again.start - agent.start) / RATE)
    assert earliest <= min(onsets) < earliest + 0.15


def test_a_turn_of_which_no_word_was_reached_is_heard_whole():
    row = dialogue(48_000, 240_000, 48_000, 48_000)
    row["turns"][1]["words"] = [{"text": "nine", "start": 9.0, "end": 9.4}, {"text": "ten", "start": 9.5, "end": 9.9}]
    settings = TimingSettings(barge_in=BargeIn(probability=1.0, before_end=3.0))
    assert not any(place.cut for k in range(20) for place in Timing(settings, k).places(row))


def test_a_turn_too_short_for_a_barge_in_is_heard_whole():
    places = Timing(INTERRUPTS, 3).places(dialogue(48_000, 24_000, 48_000, 48_000))
    assert not any(place.cut for place in places)


def test_a_barge_in_needs_word_times():
    row = dialogue(48_000, 240_000, 48_000, 48_000)
    row["turns"][1]["words"] = None
    with pytest.raises(ValueError, match=r"dialogue d-1, turn 1: timing.barge_in needs word times"):
        Timing(INTERRUPTS).places(row)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda turns: turns[3].update(sample_rate=22_050), "different sample rates: \\[22050, 24000\\]"),
        (lambda turns: turns.pop(), "expected a user's turn and an agent's"),
        (lambda turns: turns[2].update(role="agent"), "expected a user's turn and an agent's"),
        (lambda turns: turns[2].update(voice="SPK2f"), "turn 2 is spoken by SPK2f, its user by SPK1f"),
    ],
)
def test_rows_that_are_no_dialogue(change, told):
    row = dialogue(*[48_000] * 4)
    change(row["turns"])
    with pytest.raises(ValueError, match=f"dialogue d-1: .*{told}"):
        Timing().places(row)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"low": 1.0, "high": 0.5}, "low 1.0 is above high 0.5"),
        ({"mean": 9.0, "std": 0.1, "high": 1.0}, "of that distribution .* is between"),
        ({"mean": 2.0, "high": 1.0}, "of that distribution 0 is between"),
        ({"std": -1.0}, "greater than or equal to 0"),
    ],
)
def test_distributions_that_cannot_be(values, told):
    with pytest.raises(ValidationError, match=told):
        Offsets(**values)


def test_nobody_reacts_before_it_happens():
    with pytest.raises(ValidationError, match="nobody reacts before"):
        BargeIn(reaction=Offsets(mean=0.0, std=0.1, low=-0.5, high=0.5))


def test_offsets_of_many_dialogues_are_the_distributions():
    timelines, timing = Timelines(), Timing(NATURAL, 5)
    offsets = []
    for k in range(2000):
        row = dialogue(96_000, 96_000, 96_000, 96_000, id_=f"d-{k}")
        places = timing.places(row)
        timelines.add(row, places)
        offsets += [places[1].offset / RATE, places[3].offset / RATE]
    wanted = [NATURAL.agent_after_user.at((k + 0.5) / 4000) for k in range(4000)]
    edges = np.quantile(wanted, np.linspace(0, 1, 11))
    found = np.histogram(offsets, edges)[0]
    assert found.sum() >= 3990 and np.abs(found - 400).max() < 4 * np.sqrt(400 * 0.9)
    result = timelines.result()
    assert result["dialogues_by_turns"] == {"4": 2000}
    assert result["offsets"]["agent_after_user"]["count"] == 4000
    assert result["offsets"]["agent_after_user"]["mean"] == pytest.approx(np.mean(wanted), abs=0.02)
    assert result["gaps"]["count"] + result["overlaps"]["count"] == pytest.approx(6000, abs=5)


def test_statistics_do_not_depend_on_how_the_work_was_divided():
    rows = [dialogue(*[48_000 + 100 * k] * (2 + 2 * (k % 3)), id_=f"d-{k}") for k in range(40)]
    timing = Timing(INTERRUPTS, 5)
    whole, halves = Timelines(), [Timelines(), Timelines()]
    for k, row in enumerate(rows):
        whole.add(row, timing.places(row))
        halves[k % 2].add(row, timing.places(row))
    halves[1].merge(halves[0])
    assert halves[1].result() == whole.result() and whole.result()["cut"]["count"]


def test_statistics_of_one_dialogue():
    timing = TimingSettings(agent_after_user=Offsets(mean=-0.25), user_after_agent=Offsets(mean=0.5))
    row, timelines = dialogue(48_000, 48_000, 48_000, 48_000), Timelines()
    timelines.add(row, Timing(timing).places(row))
    found = timelines.result()
    assert (found["overlaps"]["count"], found["overlaps"]["mean"]) == (2, 0.25)
    assert (found["gaps"]["count"], found["gaps"]["mean"]) == (1, 0.5)
    assert found["offsets"]["agent_after_user"]["histogram"] == {"-0.3": 2}
    assert found["seconds"]["mean"] == 8.0
    barged, places = Timelines(), Timing(INTERRUPTS, 3).places(dialogue(48_000, 240_000, 48_000, 48_000))
    barged.add(dialogue(48_000, 240_000, 48_000, 48_000), places)
    assert barged.result()["cut"]["mean"] == pytest.approx(10 - places[1].samples / RATE, abs=1e-3)


def test_the_papers_shape_says_nothing_of_time():
    timelines = Timelines()
    row = dialogue(48_000, 48_000)
    timelines.add(row, Timing().places(row))
    assert timelines.result() == {}


@pytest.mark.parametrize(
    ("text", "words", "seconds", "found"),
    [
        (
            "潮水每天涨落两次。",
            [("潮水", 0, 0.5), ("每天", 0.5, 1.0), ("涨落", 1.0, 1.5), ("两次", 1.5, 2.0)],
            1.1,
            "潮水每天涨",
        ),
        (
            "It is, well, cold.",
            [("It", 0, 0.2), ("is", 0.2, 0.4), ("well", 0.5, 0.8), ("cold", 0.9, 1.2)],
            0.6,
            "It is, well",
        ),
        ("It is cold.", [("It", 0, 0.2), ("is", 0.2, 0.4), ("cold", 0.5, 0.8)], 2.0, "It is cold."),
        ("It is cold.", [("It", 0.5, 0.7)], 0.3, ""),
        ("I don't know.", [("I", 0, 0.2), ("don't", 0.3, 0.6), ("know.", 0.7, 1.0)], 0.35, "I don't"),
        ("A café's menu.", [("A", 0, 0.2), ("café's", 0.3, 0.7), ("menu.", 0.8, 1.0)], 0.35, "A café's"),
        ("A well-known dish.", [("A", 0, 0.1), ("well-known", 0.2, 0.7), ("dish", 0.8, 1.0)], 0.3, "A well-known"),
        (
            "It is 3.5 metres.",
            [("It", 0, 0.1), ("is", 0.2, 0.3), ("3.5", 0.4, 0.7), ("metres", 0.8, 1)],
            0.45,
            "It is 3.5",
        ),
        ("用iPhone拍。", [("用", 0, 0.2), ("iPhone", 0.2, 0.7), ("拍", 0.7, 0.9)], 0.3, "用iPhone"),
    ],
)
def test_a_text_is_cut_at_the_word_that_was_reached(text, words, seconds, found):
    assert text_until(text, [Word(*word) for word in words], seconds) == found
