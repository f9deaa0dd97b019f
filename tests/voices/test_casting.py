"""Who speaks a dialogue: voices of its split and language, each as often as the next."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.voices.casting import VoiceIndex, assign_voices, voices_after

VOICES = [
    {"id": f"SPK{i:04d}f", "role": "user", "language": None, "gender": "female", "split": split}
    for i, split in enumerate(("train", "dev", "test") * 10)
] + [
    {"id": f"agent{g}-{t}", "role": "agent", "language": t, "gender": g.lower(), "split": "train"}
    for g in ("Female", "Male")
    for t in ("zh", "en")
]


def test_voices_come_from_the_split_and_speak_the_language():
    library = VoiceIndex.of(VOICES)
    assert library == VoiceIndex.of(VOICES[::-1])
    split_of = {v["id"]: v["split"] for v in VOICES}
    users, agents = Counter(), Counter()
    for i in range(3000):
        user, agent = assign_voices(f"d{i}", "dev", "zh", library, seed=1)
        assert split_of[user] == "dev"
        users[user] += 1
        agents[agent] += 1
    assert set(agents) == {"agentFemale-zh", "agentMale-zh"}
    assert len(users) == 10
    assert all(200 < n < 400 for n in users.values())


MANY = [
    {"id": f"{split}-{gender}-{language}-{i}", "role": "user", "language": language, "gender": gender, "split": split}
    for split in ("train", "test")
    for gender, language in (("female", None), ("male", None), ("male", "zh"))
    for i in range(3 if language is None else 5)
] + [
    {"id": f"agent-{gender}", "role": "agent", "language": None, "gender": gender, "split": "train"}
    for gender in ("female", "male")
]
_KIND = {v["id"]: (v["role"], v["split"], v["gender"]) for v in MANY}


@given(st.text(max_size=8), st.lists(st.sampled_from(["seed", "voice"]), max_size=6), st.integers(0, 3))
def test_a_round_takes_another_voice_of_the_kind_until_there_is_none(dialogue_id, ways, seed):
    library = VoiceIndex.of(MANY)
    said = [voices_after(ways[:k], dialogue_id, "train", "en", library, seed) for k in range(len(ways) + 1)]
    assert said[0] == assign_voices(dialogue_id, "train", "en", library, seed)
    users = [user for user, _ in said]
    assert {_KIND[user] for user in users} == {_KIND[users[0]]}
    assert len({agent for _, agent in said}) == 1  # the only one of its gender
    assert len(set(users)) == min(1 + ways.count("voice"), 3)
    for way, before, after in zip(ways, users, users[1:], strict=False):
        if way == "seed":
            assert before == after


def test_which_voice_a_round_takes_never_changes():
    """A library of days of audio was spoken by them: a change here needs a new version of `synthesize`."""
    library = VoiceIndex.of(MANY)
    ways = (["seed"], ["voice"], ["seed", "voice"], ["voice", "voice"])
    users = [voices_after(w, "alpaca-1", "train", "en", library, 2412)[0] for w in ways]
    assert users == [f"train-female-None-{n}" for n in (2, 0, 1, 1)]


def test_the_voices_of_a_round_are_spread_evenly():
    library = VoiceIndex.of(MANY)
    drawn = Counter(voices_after(["voice"], f"d{i}", "train", "zh", library, 1)[0] for i in range(9000))
    for gender, count in (("female", 3), ("male", 8)):
        of_gender = [n for voice, n in drawn.items() if gender in voice.split("-")]
        assert len(of_gender) == count
        assert max(of_gender) < 1.3 * min(of_gender)


def test_a_missing_voice_is_named():
    with pytest.raises(ValueError, match="no agent that speaks en"):
        assign_voices("d", "train", "en", VoiceIndex.of(VOICES[:30]), 0)
    with pytest.raises(ValueError, match="no user voice of split dev that speaks zh"):
        assign_voices("d", "dev", "zh", VoiceIndex.of(VOICES[30:]), 0)
