"""KE-Omni's two stages as files. The engine that makes units has tests of its own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.durations import character_frames
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts.ke_omni import KeOmni
from kespeechchat.records import RowError, Word
from tests.export.gated_rows import GENDERS, ROWS, dialogue, pcm, read_audio, selected, snapshot

BY_ID = {r["id"]: r for r in ROWS}


class Reader:
    """Numbers in order for units."""

    rate, size, settings = 50, 10, {"made": "by a test"}

    def __init__(self, deaf: tuple[str, ...] = ()) -> None:
        self._rows = {pcm(r, "agent").tobytes(): r for r in ROWS}
        self._deaf, self.calls = deaf, []

    def units(self, audios):
        self.calls.append(len(audios))
        return [self._one(audio) for audio in audios]

    def _one(self, audio):
        row = self._rows[np.rint(audio.samples * 32768).astype(np.int16).tobytes()]
        if row["id"] in self._deaf:
            return RowError("audio is silent")
        return np.arange(int(audio.seconds * self.rate), dtype=np.int32) % self.size


def run(to, rows=ROWS, content="", **more):
    return KeOmni(**more).export(Dialogues(selected(rows), read_audio, GENDERS, content), to, BuildFacts())


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_stage_1_is_the_users_audio_and_both_texts(tmp_path):
    done = run(tmp_path)
    assert done.notes == ("stage 1 alone: the profile names no unit engine (engines.units)",)
    assert not (tmp_path / "stage2").exists()
    for split in ("train", "dev", "test"):
        found = lines(tmp_path / "stage1" / f"{split}.jsonl")
        assert [x["id"] for x in found] == [r["id"] for r in ROWS if r["split"] == split]
        for line in found:
            row = BY_ID[line["id"]]
            samples, _ = soundfile.read(tmp_path / line["audio"], dtype="int16")
            np.testing.assert_array_equal(samples, pcm(row, "user"))
            assert [line["text"], line["response"]] == [t["text"] for t in row["turns"]]


def test_stage_2_has_units_and_durations_by_agent(tmp_path):
    reader = Reader()
    done = run(tmp_path, units=reader, per_shard=6)
    assert done.notes == ()
    assert json.loads((tmp_path / "stage2" / "units.json").read_text()) == {"units": 10, "per_second": 50}
    seen = set()
    for agent in ("agentMale", "agentFemale"):
        for path in sorted((tmp_path / "stage2" / agent).glob("*.jsonl")):
            for line in lines(path):
                row = BY_ID[line["id"]]
                assert row["turns"][1]["voice"] == agent and path.name.startswith(row["split"])
                assert len(line["durations"]) == len(line["text"]) == len(row["turns"][1]["text"])
                assert sum(line["durations"]) == len(line["units"])
                seen.add(line["id"])
    assert seen == set(BY_ID)
    assert all(n <= 6 for n in reader.calls)


def test_answers_without_units_are_told_of(tmp_path):
    done = run(tmp_path, units=Reader(deaf=("seed-003",)))
    assert done.notes == ("1 answers have no units and are left out, e.g. seed-003: audio is silent",)
    assert "seed-003" in (tmp_path / "stage1" / "train.jsonl").read_text()


def test_durations_are_made_of_the_stored_words(tmp_path):
    row = dialogue(1)
    agent = row["turns"][1]
    agent["words"] = [{"text": "Far,", "start": 0.0, "end": 0.02}, *agent["words"][1:]]
    run(tmp_path, rows=[row], units=Reader())
    (line,) = lines(tmp_path / "stage2" / agent["voice"] / f"{row['split']}-00000.jsonl")
    words = [Word(w["text"], w["start"], w["end"]) for w in agent["words"]]
    assert line["durations"] == character_frames(agent["text"], words, len(line["units"]), 50)
    assert sum(line["durations"][:3]) == 1  # 0.02 s at 50 units a second


@pytest.mark.parametrize("forget", [lambda t: t.pop("words"), lambda t: t.update(words=None)])
def test_a_root_without_word_times_is_told_how_to_get_them(tmp_path, forget):
    rows = [dialogue(1), dialogue(2)]
    for row in rows:
        forget(row["turns"][1])
    reader = Reader()
    done = run(tmp_path, rows=rows, units=reader)
    assert done.notes == (
        "2 answers have no units and are left out, e.g. seed-001: ROOT was measured before word times were stored; "
        "`kesc build` measures it again",
    )
    assert reader.calls == []


def test_units_that_stand_are_not_made_again(tmp_path):
    run(tmp_path, units=Reader(), per_shard=6, content="b")
    whole, reader = snapshot(tmp_path), Reader()
    (tmp_path / "stage2" / "agentMale" / "train-00001.jsonl").unlink()
    run(tmp_path, units=reader, per_shard=6, content="b")
    assert sum(reader.calls) == 6
    assert snapshot(tmp_path) == whole


def test_an_agents_name_is_a_folder(tmp_path):
    row = dialogue(1)
    row["turns"][1]["voice"] = "../up"
    dialogues = Dialogues(selected([row]), read_audio, {**GENDERS, "../up": "male"})
    with pytest.raises(ValueError, match="cannot be a file name"):
        KeOmni(units=Reader()).export(dialogues, tmp_path / "x", BuildFacts())
