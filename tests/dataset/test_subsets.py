from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.dataset import ASRSubset, SubsetSettings, TTSSubset
from kespeechchat.dataset.subsets import Subsets

PARENTS = {f"train{i}": [f"p{i}", f"p{i + 1}"] for i in range(8)} | {f"test{i}": [f"q{i}", "q9"] for i in range(6)}


def row(i: int, split: str = "train", voice: int = 0, language: str = "zh", text: str | None = None) -> dict:
    turns = [
        {"role": "user", "voice": f"{split}{voice}", "text": text or f"question {i}", "seconds": 2.0},
        {"role": "agent", "voice": f"agent{i % 2}", "text": f"answer {i}", "seconds": 3.0},
    ]
    return {"id": f"d{i}", "language": language, "split": split, "turns": turns, "small": i % 2 == 0}


def chosen(rows, asr=None, tts=None, parents=PARENTS, seed=0):
    subsets = Subsets(SubsetSettings(asr=asr or ASRSubset(), tts=tts or TTSSubset()), seed)
    offered = [one for one in (subsets.add(r, r["small"]) for r in rows) if one]
    picked = subsets.choose(parents)
    return picked, sorted((one for one in offered if picked.asr_trains(one)), key=lambda u: u.id)


MANY = [row(i, "test" if i % 4 == 0 else "train", i % 7 % 6, ("zh", "en")[i % 5 == 0]) for i in range(400)]
_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["train", "dev", "test"]),
        st.integers(0, 5),
        st.sampled_from(["zh", "en"]),
        st.integers(0, 9),
    ),
    max_size=60,
)
_ASR = st.builds(ASRSubset, speakers=st.none() | st.integers(1, 3), test_speakers=st.integers(0, 3))
_COUNTS = st.fixed_dictionaries({"zh": st.integers(0, 4), "en": st.integers(0, 4)})
_TTS = st.builds(
    TTSSubset,
    speakers=st.integers(1, 4),
    utterances=_COUNTS,
    test_speakers=st.integers(0, 3),
    prompts=st.integers(1, 2),
    test_utterances=_COUNTS,
)


@settings(max_examples=150, deadline=None)
@given(_ROWS, _ASR, _TTS, st.booleans(), st.randoms())
def test_training_and_test_share_nothing_and_order_does_not_matter(draws, asr, tts, related, random):
    rows = [row(i, split, voice, lang, f"text {text}") for i, (split, voice, lang, text) in enumerate(draws)]
    parents = {**PARENTS, "train1": ["p1", "q9"]} if related else PARENTS
    picked, asr_train = chosen(rows, asr, tts, parents)
    tests = [*picked.asr_test, *picked.tts_prompts, *picked.tts_test]
    trains = [*asr_train, *picked.tts_train]
    assert not {u.speaker for u in trains} & {u.speaker for u in tests}
    assert not {u.text for u in trains} & {u.text for u in tests}
    assert not {p for u in trains for p in parents.get(u.speaker, ())} & {p for u in tests for p in parents[u.speaker]}
    assert {u.speaker[:4] for u in tests} <= {"test"}
    assert not {u.id for u in picked.tts_prompts} & {u.id for u in picked.tts_test}
    for counted, most in ((picked.tts_train, tts.utterances), (picked.tts_test, tts.test_utterances)):
        assert all(n <= most[lang] for (_, lang), n in Counter((u.speaker, u.language) for u in counted).items())
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert chosen(shuffled, asr, tts, parents) == (picked, asr_train)
    parts = [Subsets(SubsetSettings(asr=asr, tts=tts), 0) for _ in range(2)]
    for i, one in enumerate(shuffled):
        parts[i % 2].add(one, one["small"])
    parts[0].merge(parts[1])
    assert parts[0].choose(parents) == picked


def test_the_counts_of_the_paper_s_table_in_small():
    asr = ASRSubset(speakers=2, test_speakers=2)
    tts = TTSSubset(speakers=3, utterances={"zh": 4, "en": 2}, test_speakers=2, test_utterances={"zh": 3, "en": 1})
    picked, asr_train = chosen(MANY, asr, tts)
    for said in (asr_train, picked.asr_test):
        speakers = {(u.language, u.speaker) for u in said}
        assert Counter(lang for lang, _ in speakers) == {"zh": 2, "en": 2}
        assert len({s for _, s in speakers}) == 4  # each speaks for one language
        assert all(u.id.endswith("_0") for u in said)
    users = Counter((u.speaker, u.language) for u in picked.tts_train)
    assert len({s for s, _ in users}) == 3 + 2
    assert all(n == tts.utterances[lang] for (_, lang), n in users.items())
    assert Counter((u.speaker, u.language) for u in picked.tts_prompts).total() == 2 * 2
    assert {n for n in Counter((u.speaker, u.language) for u in picked.tts_test).values()} == {3, 1}


def test_asr_trains_on_its_partition_alone_and_on_all_of_it():
    _, asr_train = chosen(MANY)
    assert {u.id for u in asr_train} == {f"{r['id']}_0" for r in MANY if r["split"] == "train" and r["small"]}


def test_small_data_give_what_they_have():
    picked, asr_train = chosen([row(0), row(2), row(4, "test"), row(6, "test", text="Another")])
    assert (len(asr_train), len(picked.asr_test), len(picked.tts_prompts), len(picked.tts_test)) == (2, 2, 1, 1)
    assert Counter(u.speaker for u in picked.tts_train) == {"train0": 2, "agent0": 2}
    assert chosen([])[0].asr_test == ()


def test_later_dialogues_move_no_speaker_that_is_still_among_the_lowest():
    few, _ = chosen(MANY[:200], tts=TTSSubset(speakers=2))
    many, _ = chosen(MANY, tts=TTSSubset(speakers=2))
    assert {u.speaker for u in few.tts_train} == {u.speaker for u in many.tts_train}


def test_one_text_is_said_once_in_a_voice_s_test():
    rows = [row(i, "test", 0, "zh", text=f"Say {i % 3}!") for i in range(9)]
    picked, _ = chosen(rows)
    said = [*picked.tts_prompts, *picked.tts_test]
    assert len(said) == len({u.text for u in said}) == 3


def test_settings_name_what_is_wrong():
    with pytest.raises(ValueError, match="speakers"):
        ASRSubset(speakers=0)
