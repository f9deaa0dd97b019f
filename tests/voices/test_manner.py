"""The manners that are drawn: their shares, what they fit, and that nothing but the turn itself decides."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kespeechchat.config.manner import ENDINGS, Manner, check_manners
from kespeechchat.voices.manner import TurnText, ending, fits, manner_of

names = st.from_regex(r"[a-z]{3,8}", fullmatch=True).filter(lambda name: name != "plain")
spans = st.tuples(st.floats(0.5, 2), st.floats(0.5, 2)).map(sorted).filter(lambda s: s != [1.0, 1.0])


@st.composite
def manners(draw, most: int = 4) -> list[Manner]:
    """Together they take at most every turn."""
    count = draw(st.integers(1, most))
    found = draw(st.lists(names, min_size=count, max_size=count, unique=True))
    return [
        Manner(
            name=name,
            share=draw(st.floats(0.01, 1 / count)),
            role=draw(st.sampled_from(["user", "agent", "both"])),
            languages=draw(st.sampled_from([("zh",), ("en",), ("zh", "en")])),
            ends=draw(st.sampled_from([ENDINGS, ("question",), ("statement", "exclamation")])),
            speed=draw(spans),
        )
        for name in found
    ]


def said(dialogue="d", name="user", language="en", text="Is it so?") -> TurnText:
    return TurnText(dialogue, name, "user" if name.startswith("user") else "agent", language, text)


turns = st.builds(
    said,
    st.text("abc0123-", min_size=1, max_size=8),
    st.sampled_from(["user", "agent", "user2", "agent2"]),
    st.sampled_from(["zh", "en"]),
    st.sampled_from(["Is it?", "It is.", "Stop!", "好。", "好吗？"]),
)


@given(manners(), st.integers(0, 9), st.lists(turns, max_size=30), st.randoms(use_true_random=False))
def test_a_turn_has_its_manner_in_any_batch(found, seed, batch, shuffle: random.Random):
    alone = {turn: manner_of(found, seed, turn) for turn in batch}
    shuffle.shuffle(batch)
    assert {turn: manner_of(found, seed, turn) for turn in batch} == alone


@given(manners(), st.integers(0, 9), turns)
def test_a_drawn_manner_fits_and_its_speed_is_in_its_range(found, seed, turn):
    check_manners(found)
    if drawn := manner_of(found, seed, turn):
        (own,) = [manner for manner in found if manner.name == drawn["name"]]
        assert fits(own, turn) and own.speed[0] <= drawn["speed"] <= own.speed[1] and drawn["instruct"] is None


@given(manners(3), st.integers(0, 9), turns)
def test_one_that_comes_behind_changes_no_turn_that_has_one(found, seed, turn):
    *before, last = found
    drawn = manner_of(before, seed, turn)
    assert manner_of(found, seed, turn) == drawn or (drawn is None and fits(last, turn))


@given(st.lists(st.floats(0.02, 0.3), min_size=1, max_size=3), st.integers(0, 2**31))
def test_shares_are_what_they_say(shares, seed):
    found = [Manner(name=f"m{i}", share=share, speed=1.2) for i, share in enumerate(shares)]
    drawn = [manner_of(found, seed, said(f"d{n}", name)) for n in range(1000) for name in ("user", "agent")]
    counts = Counter(manner["name"] for manner in drawn if manner)
    for i, share in enumerate(shares):
        deviation = (share * (1 - share) / 2000) ** 0.5
        assert counts[f"m{i}"] / 2000 == pytest.approx(share, abs=5.5 * deviation)


def test_a_share_is_of_the_turns_that_it_fits():
    found = [
        Manner(name="asking", share=1, ends=["question"], speed=1.1),
        Manner(name="moved", share=1, ends=["exclamation"], role="agent", speed=1.1),
    ]
    check_manners(found)
    assert manner_of(found, 0, said(text="Is it?"))["name"] == "asking"
    assert manner_of(found, 0, said(name="agent", text="It is!"))["name"] == "moved"
    assert manner_of(found, 0, said(text="It is!")) is None and manner_of(found, 0, said(text="It is.")) is None


def test_another_seed_and_another_turn_draw_anew():
    found = [Manner(name="half", share=0.5, speed=(0.8, 1.2))]
    turns = [said(f"d{n}") for n in range(64)]
    assert [manner_of(found, 0, t) for t in turns] != [manner_of(found, 1, t) for t in turns]
    assert [manner_of(found, 0, t) for t in turns] != [manner_of(found, 0, said(t.dialogue, "user2")) for t in turns]
    assert len({m["speed"] for t in turns if (m := manner_of(found, 0, t))}) > 10


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *[("What is it?", "question"), ("“What?” ", "question"), ("真的吗？！", "question"), ("What?!", "question")],
        *[
            ("Stop!", "exclamation"),
            ("太好了！」", "exclamation"),
            ("太好了～！", "exclamation"),
            ("Go!)", "exclamation"),
        ],
        *[
            ("Yes.", "statement"),
            ("好。", "statement"),
            ("No? Fine.", "statement"),
            ("", "statement"),
            ("?", "question"),
        ],
    ],
)
def test_how_a_text_ends(text, wanted):
    assert ending(text) == wanted


def test_words_are_whole_ones_in_english_and_anywhere_in_chinese():
    manner = Manner(name="sad", share=1, words={"en": ["sorry", "I am afraid"], "zh": ["抱歉"]}, speed=0.9)
    assert fits(manner, said(text="Sorry, no.")) and fits(manner, said(text="Well, I am afraid so."))
    assert not fits(manner, said(text="A sorrysome day.")) and not fits(manner, said(text="抱歉。"))
    assert fits(manner, said(language="zh", text="非常抱歉。")) and not fits(manner, said(language="zh", text="sorry"))


def test_what_the_engine_is_told_is_in_the_dialogues_language():
    manner = Manner(name="calm", share=1, instruct={"en": "A calm man.", "zh": "平静的人。"})
    assert manner_of([manner], 0, said(language="zh")) == {"name": "calm", "speed": None, "instruct": "平静的人。"}
    assert manner_of([manner], 0, said())["instruct"] == "A calm man."


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "changes nothing: give it a `speed` other than 1.0, or `instruct`"),
        ({"speed": 1}, "changes nothing"),
        ({"speed": [1.2, 0.9]}, r"\[1.2, 0.9\]: a range goes from low to high"),
        ({"speed": 0}, "above 0"),
        ({"speed": 1.1, "name": "plain"}, "take another name"),
        ({"instruct": {"en": "A calm man."}}, r"instruct.zh: is missing: give it, or set languages: \[en\]"),
        ({"speed": 1.1, "words": {"zh": ["好"]}}, r"words.en: is missing: give it, or set languages: \[zh\]"),
        (
            {"languages": ["zh"], "instruct": {"zh": "快", "en": "Fast."}},
            r"m: instruct.en: no turn has it, for languages is \[zh\]: remove it, or add en to languages",
        ),
        ({"languages": ["en"], "speed": 1.1, "words": {"zh": ["好"], "en": ["fine"]}}, "m: words.zh: no turn has it"),
        ({"instruct": {"en": " ", "zh": "好"}}, "pattern"),
        ({"speed": 1.1, "share": 0}, "greater than 0"),
        ({"speed": 1.1, "ends": []}, "at least 1"),
    ],
)
def test_a_manner_that_cannot_be_is_refused(given, says):
    with pytest.raises(ValidationError, match=says):
        Manner.model_validate({"name": "m", "share": 0.5, **given})


def test_manners_that_take_more_than_all_turns_are_refused():
    alike = [Manner(name=name, share=0.6, role=role, speed=1.1) for name, role in (("a", "both"), ("b", "agent"))]
    with pytest.raises(ValueError, match=r"of the agent's turns in zh that are a question, a, b take 1.2 together"):
        check_manners(alike)
    with pytest.raises(ValueError, match="a: two manners have this name"):
        check_manners([alike[0], alike[0]])
    check_manners([Manner(name=e, share=1, ends=[e], speed=1.1) for e in ENDINGS])
