"""`whisper`: the same utterances as `subsets/asr.json` of the paper's layout, in Whisper-Finetune's lines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts.ke_speechchat import KeSpeechChat
from kespeechchat.export.layouts.whisper import Whisper
from kespeechchat.export.selection import Subset
from tests.export.gated_rows import GENDERS, RATE, ROWS, dialogue, pcm, read_audio, selected

TEXTS = [f"Question {chr(97 + i // 26)}{chr(97 + i % 26)}?" for i in range(40)]


def rows() -> list[dict]:
    """Every user says something else, and test voices are not those of training."""
    made = [dialogue(i) for i in range(len(ROWS))]
    for row, text in zip(made, TEXTS, strict=True):
        row["turns"][0]["text"] = text
        row["turns"][0]["voice"] = "SPK4f" if row["split"] == "test" else f"SPK{int(row['id'][-1]) % 4}f"
    return made


def lines(to: Path, side: str) -> list[dict]:
    return [json.loads(line) for line in (to / f"{side}.jsonl").read_text("utf-8").splitlines()]


def ids(to: Path, side: str) -> list[str]:
    return [Path(line["audio"]["path"]).stem for line in lines(to, side)]


def export(cls, to, read=read_audio, **more):
    return cls().export(Dialogues(selected(rows(), **more), read, GENDERS), to, BuildFacts())


def test_it_is_the_asr_subset_of_the_paper(tmp_path):
    done = export(Whisper, tmp_path / "whisper")
    export(KeSpeechChat, tmp_path / "paper", read=None)
    asr = json.loads((tmp_path / "paper" / "subsets" / "asr.json").read_text("utf-8"))
    for side in ("train", "test"):
        found = ids(tmp_path / "whisper", side)
        assert found and sorted(f"{id_}_0" for id_ in found) == sorted(asr[side]["ids"])
    assert done.dialogues == len(asr["train"]["ids"]) + len(asr["test"]["ids"]) < len(ROWS)


def test_lines_and_samples(tmp_path):
    export(Whisper, tmp_path)
    by_id = {r["id"]: r for r in rows()}
    for line in lines(tmp_path, "train") + lines(tmp_path, "test"):
        row = by_id[Path(line["audio"]["path"]).stem]
        samples, rate = soundfile.read(tmp_path / line["audio"]["path"], dtype="int16")
        np.testing.assert_array_equal(samples, pcm(row, "user"))
        seconds, text = line["duration"], row["turns"][0]["text"]
        assert round(seconds * RATE) == len(samples) and rate == RATE
        assert line["sentence"] == text and line["sentences"] == [{"start": 0, "end": seconds, "text": text}]
        assert line["language"] == {"zh": "Chinese", "en": "English"}[row["language"]]


def test_a_language_is_taken_of_the_whole_builds_subset(tmp_path):
    export(Whisper, tmp_path / "all")
    export(Whisper, tmp_path / "en", subset=Subset(None, "en"))
    english = {r["id"] for r in rows() if r["language"] == "en"}
    for side in ("train", "test"):
        assert ids(tmp_path / "en", side) == [i for i in ids(tmp_path / "all", side) if i in english]
