"""`moshi`: the agent left, the user right, the agent's words at their place, as moshi-finetune reads them."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import soundfile

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.errors import ExportError
from kespeechchat.export.layouts.moshi import Moshi
from tests.export.gated_rows import GENDERS, RATE, ROWS, dialogue, pcm, read_audio, selected, snapshot


def export(to, rows=ROWS, **settings):
    return Moshi(**settings).export(Dialogues(selected(rows), read_audio, GENDERS), to, BuildFacts())


def test_the_first_record_is_as_documented(tmp_path):
    export(tmp_path)
    assert json.loads((tmp_path / "train.jsonl").read_text("utf-8").splitlines()[0]) == {
        "path": "audio/seed-000.wav",
        "duration": 1900 / RATE,
    }
    assert json.loads((tmp_path / "audio/seed-000.json").read_text("utf-8")) == {
        "alignments": [
            ["很", [0.1, 0.1344], "SPEAKER_MAIN"],
            ["远，", [0.1344, 0.1688], "SPEAKER_MAIN"],
            ["朋友。", [0.1688, 0.2375], "SPEAKER_MAIN"],
        ]
    }


@pytest.mark.parametrize("container", ["wav", "flac"])
def test_agent_left_user_right_and_words_where_they_are(container, tmp_path):
    export(tmp_path, container=container)
    rows = {r["id"]: r for r in ROWS}
    lines = [json.loads(line) for s in ("train", "dev", "test") for line in (tmp_path / f"{s}.jsonl").open()]
    assert len(lines) == len(rows)
    for line in lines:
        samples, rate = soundfile.read(tmp_path / line["path"], dtype="int16")
        row = rows[os.path.splitext(os.path.basename(line["path"]))[0]]
        user, agent = pcm(row, "user"), pcm(row, "agent")
        np.testing.assert_array_equal(samples.T, [np.r_[0 * user, agent], np.r_[user, 0 * agent]])
        assert line["duration"] == len(samples) / rate
        words = json.loads((tmp_path / (os.path.splitext(line["path"])[0] + ".json")).read_text())["alignments"]
        assert "".join(word[0] for word in words) == row["turns"][1]["text"].replace(" ", "")
        starts = [word[1][0] for word in words]
        for heard in row["turns"][1]["words"]:
            assert len(user) / rate + heard["start"] == pytest.approx(
                min(starts, key=lambda s, heard=heard: abs(s - len(user) / rate - heard["start"])), abs=1e-4
            )
        assert all(start < end <= line["duration"] for _, (start, end), _ in words)


def test_the_words_are_the_texts_and_not_what_the_recognizer_made_of_them(tmp_path):
    """A traditional character, a homophone and a word that was not heard change nothing but times."""
    row = dialogue(0)
    agent = row["turns"][1]
    agent["text"], agent["seconds"] = "守门员在操场，等我们。", 2.0
    agent["words"] = [{"text": w, "start": s, "end": s + 0.3} for w, s in (("首門員", 0.1), ("操場", 0.9))]
    export(tmp_path, [row])
    words = json.loads((tmp_path / "audio/seed-000.json").read_text("utf-8"))["alignments"]
    assert "".join(word for word, *_ in words) == agent["text"]
    times = {word: start - 0.1 for word, (start, _), _ in words}
    assert times["守门员"] == pytest.approx(0.1, abs=1e-3) and times["操场，"] == pytest.approx(0.9, abs=1e-3)
    assert 0.4 <= times["在"] < 0.9 and 1.2 < times["等"] < times["我们。"] < 2.0


def test_a_dialogue_of_whose_agent_nothing_was_heard_is_left_out(tmp_path):
    silent = dialogue(1)
    silent["turns"][1]["words"] = []
    done = export(tmp_path, [silent, dialogue(2)])
    assert done.dialogues == 1
    assert done.notes == ("left out, for nothing was heard of the agent: 1 dialogue, e.g. seed-001: no word was heard",)
    assert [path.stem for path in sorted((tmp_path / "audio").glob("*.json"))] == ["seed-002"]


def test_words_are_sorted_as_the_trainer_searches_them(tmp_path):
    row = dialogue(1)
    later, sooner = {"text": "friend", "start": 0.06, "end": 0.09}, {"text": "far", "start": 0.01, "end": 0.05}
    row["turns"][1]["words"] = [later, sooner]
    export(tmp_path, [row])
    words = json.loads((tmp_path / "audio/seed-001.json").read_text())["alignments"]
    assert [w[0] for w in words] == ["Far,", "my", "friend!"]
    assert [w[1] for w in words] == sorted(w[1] for w in words)


@pytest.mark.parametrize("missing", [True, False])
def test_a_build_without_word_times_is_refused_and_the_folder_left_alone(missing, tmp_path):
    export(tmp_path)
    before, old = snapshot(tmp_path), dialogue(0)
    if missing:
        del old["turns"][1]["words"]
    else:
        old["turns"][1]["words"] = None
    with pytest.raises(ExportError, match=r"seed-000, agent: no word times .* run `kesc build` again"):
        export(tmp_path, [old])
    assert snapshot(tmp_path) == before
