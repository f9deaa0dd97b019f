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
        "alignments": [["很远，朋友。", [0.1, 0.2375], "SPEAKER_MAIN"]]
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
        for word, heard in zip(words, row["turns"][1]["words"], strict=True):
            assert word[1][0] == pytest.approx(len(user) / rate + heard["start"], abs=1e-4)
            assert word[1][0] < word[1][1] <= line["duration"]


def test_words_are_sorted_as_the_trainer_searches_them(tmp_path):
    row = dialogue(0)
    later, sooner = {"text": "friend", "start": 0.06, "end": 0.09}, {"text": "far", "start": 0.01, "end": 0.05}
    row["turns"][1]["words"] = [later, sooner]
    export(tmp_path, [row])
    words = json.loads((tmp_path / "audio/seed-000.json").read_text())["alignments"]
    assert [w[0] for w in words] == ["far", "friend"]


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
