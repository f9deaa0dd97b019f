"""`messages`: read as LLaMA-Factory does (`datasets` reads the list that `dataset_info.json` names), and by schema."""

from __future__ import annotations

import json
from importlib import import_module

import numpy as np
import pytest
import soundfile

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts.messages import Messages
from tests.export.gated_rows import GENDERS, RATE, ROWS, pcm, read_audio, selected, split_ids

BY_ID = {r["id"]: r for r in ROWS}


def export(to, read=read_audio, rows=ROWS) -> dict:
    Messages().export(Dialogues(selected(rows), read, GENDERS), to, BuildFacts())
    return json.loads((to / "dataset_info.json").read_text("utf-8"))


def test_the_first_record_is_as_documented(tmp_path):
    export(tmp_path)
    assert json.loads((tmp_path / "train.jsonl").read_text("utf-8").splitlines()[0]) == {
        "id": "seed-000",
        "messages": [{"role": "user", "content": "<audio>"}, {"role": "assistant", "content": "很远，朋友。"}],
        "audios": ["audio/seed-000.flac"],
    }


@pytest.mark.slow
def test_the_registered_lists_are_read_with_their_audio(tmp_path):
    datasets = import_module("datasets")
    info = export(tmp_path / "x")
    assert set(info) == {"kespeechchat_train", "kespeechchat_dev", "kespeechchat_test"}
    for split in ("train", "dev", "test"):
        entry = info[f"kespeechchat_{split}"]
        file = str(tmp_path / "x" / entry["file_name"])
        rows = datasets.load_dataset("json", data_files=file, split="train", cache_dir=str(tmp_path / "cache"))
        assert rows["id"][:] == split_ids(split)
        for row in rows:
            said = row[entry["columns"]["messages"]]
            audios = row[entry["columns"]["audios"]]
            assert [m[entry["tags"]["role_tag"]] for m in said] == ["user", "assistant"]
            assert sum(m["content"].count("<audio>") for m in said) == len(audios) == 1
            assert said[1]["content"] == BY_ID[row["id"]]["turns"][1]["text"]
            samples, rate = soundfile.read(tmp_path / "x" / audios[0], dtype="int16")
            assert rate == RATE
            np.testing.assert_array_equal(samples, pcm(BY_ID[row["id"]], "user"))


def test_without_audio_the_user_writes(tmp_path):
    info = export(tmp_path, read=None)
    line = json.loads((tmp_path / "test.jsonl").read_text("utf-8").splitlines()[0])
    assert "audios" not in line and line["messages"][0]["content"] == BY_ID[line["id"]]["turns"][0]["text"]
    assert info["kespeechchat_test"]["columns"] == {"messages": "messages"}


def test_no_empty_list_is_registered(tmp_path):
    assert set(export(tmp_path, rows=ROWS[:5])) == {"kespeechchat_train"}
