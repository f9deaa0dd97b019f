"""`cosyvoice`: the utterances of `subsets/tts.json`, in data folders, read as CosyVoice's tools read them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kespeechchat.config.dataset import SubsetSettings, TTSSubset
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts.cosyvoice import CosyVoice
from kespeechchat.export.layouts.ke_speechchat import KeSpeechChat
from kespeechchat.export.selection import Subset
from tests.export.gated_rows import GENDERS, RATE, ROWS, dialogue, pcm, read_audio, selected, snapshot

PARTS = ("train", "test", "prompts")
BUILD = BuildFacts(subsets=SubsetSettings(tts=TTSSubset(speakers=2, utterances={"zh": 3, "en": 4})))


def rows() -> list[dict]:
    """Every user says something else, and test voices are not those of training."""
    made = [dialogue(i) for i in range(len(ROWS))]
    for i, row in enumerate(made):
        row["turns"][0]["text"] = f"Question {chr(97 + i // 26)}{chr(97 + i % 26)}?"
        row["turns"][0]["voice"] = "SPK4f" if row["split"] == "test" else f"SPK{i % 4}f"
    return made


def export(to: Path, made=None, read=read_audio, subset=None, **settings):
    dialogues = Dialogues(selected(made or rows(), subset=subset), read, GENDERS, "build-1")
    return CosyVoice(**settings).export(dialogues, to, BUILD)


def table(file: Path) -> dict[str, list[str]]:
    """A list as the tools cut it: at white space, the first part is the key."""
    with file.open() as lines:
        return {cut[0]: cut[1:] for cut in (line.replace("\n", "").split() for line in lines)}


def data(to: Path, part: str, monkeypatch) -> list[dict]:
    """Rows as `make_parquet_list.py --src_dir PART` makes them, run in the export's folder."""
    monkeypatch.chdir(to)
    wav, text, speaker = (table(Path(part) / name) for name in ("wav.scp", "text", "utt2spk"))
    instruct = Path(part) / "instruct"
    told = table(instruct) if instruct.exists() else {}
    return [
        {
            "utt": utt,
            "audio_data": Path(path[0]).read_bytes(),
            "text": " ".join(text[utt]),
            "spk": speaker[utt][0],
            **({"instruct": " ".join(told[utt])} if told else {}),
        }
        for utt, path in wav.items()
    ]


def turns(made) -> dict[str, tuple[dict, dict]]:
    return {f"{row['id']}_{i}": (row, turn) for row in made for i, turn in enumerate(row["turns"])}


def test_it_is_the_tts_subset_of_the_paper(tmp_path):
    done = export(tmp_path / "cosyvoice")
    dialogues = Dialogues(selected(rows()), None, GENDERS)
    KeSpeechChat().export(dialogues, tmp_path / "paper", BUILD)
    tts = json.loads((tmp_path / "paper" / "subsets" / "tts.json").read_text("utf-8"))
    for part in PARTS:
        said = sorted(table(tmp_path / "cosyvoice" / part / "wav.scp"))
        assert said and said == sorted(tts[part]["ids"])
    assert {i.rpartition("_")[0] for part in PARTS for i in tts[part]["ids"]} == done_ids(tmp_path / "cosyvoice")
    assert done.dialogues == len(done_ids(tmp_path / "cosyvoice"))


def done_ids(to: Path) -> set[str]:
    return {path.stem.rpartition("_")[0] for path in (to / "audio").iterdir()}


@pytest.mark.parametrize("container", ["wav", "flac"])
def test_the_tools_find_texts_voices_and_samples(container, tmp_path, monkeypatch):
    export(tmp_path, container=container)
    source = turns(rows())
    for part in PARTS:
        for found in data(tmp_path, part, monkeypatch):
            row, turn = source[found["utt"]]
            (tmp_path / "one").write_bytes(found["audio_data"])
            samples, rate = soundfile.read(tmp_path / "one", dtype="int16")
            assert rate == RATE and (found["text"], found["spk"]) == (turn["text"], turn["voice"])
            np.testing.assert_array_equal(samples, pcm(row, turn["role"]))


def test_a_voice_names_its_utterances(tmp_path):
    export(tmp_path)
    for part in PARTS:
        spoken = {utt: spk for spk, own in table(tmp_path / part / "spk2utt").items() for utt in own}
        assert spoken == {utt: spk[0] for utt, spk in table(tmp_path / part / "utt2spk").items()}


def test_white_space_in_a_text_ends_no_line(tmp_path, monkeypatch):
    made = rows()
    for row in made:
        if row["split"] == "train":
            row["turns"][1]["text"] = "One\nline,\u3000two  words. "
    export(tmp_path, made)
    agents = [found for found in data(tmp_path, "train", monkeypatch) if found["utt"].endswith("_1")]
    assert agents and {found["text"] for found in agents} == {"One line, two words."}


def test_the_recipe_of_cosyvoice_3_tells_every_utterance_what_to_do(tmp_path, monkeypatch):
    export(tmp_path, recipe="cosyvoice3")
    told = {found["instruct"] for part in PARTS for found in data(tmp_path, part, monkeypatch)}
    assert told == {"You are a helpful assistant.<|endofprompt|>"}
    export(tmp_path, recipe="cosyvoice2")
    assert not list(tmp_path.rglob("instruct"))


def test_what_the_tools_leave_is_kept_and_the_same_bytes_are_written_again(tmp_path):
    first = export(tmp_path)
    (tmp_path / "train" / "utt2embedding.pt").write_bytes(b"of the trainer")
    before = snapshot(tmp_path)
    again = export(tmp_path)
    assert snapshot(tmp_path) == before
    assert again.kept == len(list((tmp_path / "audio").iterdir())) and first.kept == 0


def test_a_language_is_taken_of_the_whole_builds_subset(tmp_path):
    export(tmp_path / "all")
    export(tmp_path / "en", subset=Subset(None, "en"))
    english = {r["id"] for r in rows() if r["language"] == "en"}
    for part in PARTS:
        whole = [utt for utt in table(tmp_path / "all" / part / "text") if utt.rpartition("_")[0] in english]
        assert list(table(tmp_path / "en" / part / "text")) == whole


def test_without_audio_the_lists_alone_and_a_low_rate_is_said(tmp_path):
    done = export(tmp_path, read=None)
    assert not (tmp_path / "audio").exists() and table(tmp_path / "train" / "text")
    assert any("leaves out audio below 16,000 Hz" in note for note in done.notes)


def test_the_estimate_is_no_less_than_what_is_written(tmp_path):
    export(tmp_path)
    dialogues = Dialogues(selected(rows()), read_audio, GENDERS)
    held = sum(len(table(tmp_path / part / "text")) for part in PARTS)
    assert held / (2 * len(ROWS)) <= CosyVoice().share(dialogues, BUILD) <= 1
