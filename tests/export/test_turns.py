"""Dialogues of several exchanges on a timeline, in every layout: what metadata says is what the channels hold."""

from __future__ import annotations

import copy
import gzip
import io
import itertools
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kespeechchat.config.timing import BargeIn, Offsets, TimingSettings
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.dialogue_splits import text_key
from kespeechchat.dataset.tables import ended_line
from kespeechchat.dataset.timeline import Timing
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts import make_layout
from tests.export.gated_rows import GENDERS, RATE, dialogue, flac, selected

TIMING = TimingSettings(
    agent_after_user=Offsets(mean=0.02, std=0.03, low=-0.05, high=0.2),
    user_after_agent=Offsets(mean=0.05, std=0.02, low=-0.05, high=0.2),
    barge_in=BargeIn(
        probability=0.5, reaction=Offsets(mean=0.03, low=0.0, high=0.1), after=0.05, before_end=0.01, fade=0.005
    ),
)
BUILD = BuildFacts(name="test", licences=(), departures=(), parents={})


def longer(i: int, exchanges: int = 2) -> dict:
    row = dialogue(i)
    turns = [copy.deepcopy(turn) for _ in range(exchanges) for turn in row["turns"]]
    for place, turn in enumerate(turns):
        if turn["role"] == "user" or place > 1:
            turn["text"] = f"{turn['text'][:-1]} {i} {place}{turn['text'][-1]}"
    return row | {"turns": turns, "seconds": sum(turn["seconds"] for turn in turns)}


ROWS = [longer(i, 1 + i % 3) for i in range(20)]
for _row in ROWS:
    for _turn in _row["turns"]:  # a silence behind all that is heard of a turn that is cut
        _turn["silences"] = [*_turn["silences"], {"start": _turn["seconds"] - 0.001, "end": _turn["seconds"]}]


def pcm(row: dict, index: int) -> np.ndarray:
    """int16 [T]: what the turn sounds like; no sample of it is 0."""
    rng = np.random.default_rng([int(row["id"][-3:]), index])
    return rng.integers(1, 8000, round(row["turns"][index]["seconds"] * RATE)).astype(np.int16)


def read_audio(row: dict) -> dict[str, bytes]:
    names = ("user", "agent", "user2", "agent2", "user3", "agent3")
    return {name: flac(pcm(row, k)) for k, name in zip(range(len(row["turns"])), names, strict=False)}


def export(to: Path, layout: str, timing: TimingSettings = TIMING, rows=ROWS, content="c"):
    made = make_layout(layout)
    of = Dialogues(selected(rows), read_audio, GENDERS, content, Timing(timing, 5), first_alone=not made.several)
    return made.export(of, to, BUILD)


def rebuilt(item: dict, row: dict, audio: Path) -> np.ndarray:
    """int16 [T, 2], from metadata.json and the files that it names alone."""
    rate = item["audio"]["sample_rate"]
    out = np.zeros((round(item["audio"]["duration"] * rate), 2), np.int16)
    for turn in item["dialog"]:
        samples = soundfile.read(audio / turn["audio_path"], dtype="int16")[0]
        start = round(turn["start"] * rate)
        assert round(turn["end"] * rate) - start == len(samples)
        out[start : start + len(samples), turn["channel"]] = samples
    return out


def test_the_channels_can_be_rebuilt_from_metadata_and_turns(tmp_path):
    export(tmp_path / "paper", "ke-speechchat")
    export(tmp_path / "stereo", "stereo")
    items = {item["id"]: item for item in json.loads((tmp_path / "paper" / "metadata.json").read_text())}
    lines = {
        line["id"]: line for line in map(json.loads, (tmp_path / "stereo" / "dialogues.jsonl").read_text().splitlines())
    }
    cut = 0
    for row in ROWS:
        item = items[row["id"]]
        both = soundfile.read(tmp_path / "stereo" / lines[row["id"]]["audio"], dtype="int16")[0]
        assert np.array_equal(rebuilt(item, row, tmp_path / "paper" / "audio"), both)
        assert [turn["channel"] for turn in item["dialog"]] == [0, 1] * (len(row["turns"]) // 2)
        for index, (turn, own) in enumerate(zip(item["dialog"], row["turns"], strict=True)):
            start, end = round(turn["start"] * RATE), round(turn["end"] * RATE)
            whole, heard = pcm(row, index), both[start:end, turn["channel"]]
            faded = round(0.005 * RATE) if len(heard) < len(whole) else 0
            assert np.array_equal(heard[: len(heard) - faded], whole[: len(heard) - faded])
            assert own["text"].startswith(turn["text"]) and (len(turn["text"]) < len(own["text"])) == bool(faded)
            cut += bool(faded)
        if len(row["turns"]) > 2:
            times = [(turn["start"], turn["end"], turn["text"]) for turn in item["dialog"]]
            assert [(t["start"], t["end"], t["text"]) for t in lines[row["id"]]["turns"]] == times
    assert cut >= 3, "some barge-ins were drawn"


def test_facts_keep_the_whole_of_what_was_cut(tmp_path):
    export(tmp_path, "ke-speechchat")
    items = {item["id"]: item for item in json.loads((tmp_path / "metadata.json").read_text())}
    cuts = 0
    for line in map(json.loads, (tmp_path / "facts.jsonl").read_text().splitlines()):
        row = next(row for row in ROWS if row["id"] == line["id"])
        for turn, own, said in zip(line["turns"], row["turns"], items[line["id"]]["dialog"], strict=True):
            if "cut" in turn:
                cuts += 1
                assert turn["cut"]["text"] == own["text"] != said["text"]
                assert turn["words"][-1][2] <= said["end"] - said["start"] + 1e-3
                assert turn["silences"] == [[0.0, 0.025]], "what is behind the cut is not heard"
    for line in map(json.loads, (tmp_path / "train.jsonl").read_text().splitlines()):
        agent = items[line["id"]]["dialog"][1]
        assert line["agent_text"] == agent["text"]
        assert line["agent_seconds"] == pytest.approx(agent["end"] - agent["start"], abs=1e-3)
    for page in ("statistics.md", "README.md"):
        assert "## Turns and time" in (tmp_path / page).read_text()
    found = json.loads((tmp_path / "statistics.json").read_text())["timeline"]
    assert cuts == found["cut"]["count"] == found["offsets"]["barge_in"]["count"]
    assert found["dialogues_by_turns"] == {"2": 7, "4": 7, "6": 6}


def test_shar_and_moshi_have_the_same_times(tmp_path):
    for layout in ("ke-speechchat", "lhotse", "nemo-duplex", "moshi"):
        export(tmp_path / layout, layout)
    items = {item["id"]: item for item in json.loads((tmp_path / "ke-speechchat" / "metadata.json").read_text())}
    for layout in ("lhotse", "nemo-duplex"):
        for file in (tmp_path / layout).glob("*/cuts.*.jsonl.gz"):
            for cut in map(json.loads, gzip.decompress(file.read_bytes()).splitlines()):
                found = [(s["start"], s["start"] + s["duration"], s["text"]) for s in cut["supervisions"]]
                for (start, end, text), turn in zip(found, items[cut["id"]]["dialog"], strict=True):
                    assert (round(start, 6), text) == (turn["start"], turn["text"])
                    assert end == pytest.approx(turn["end"], abs=1e-6)
    with tarfile.open(next((tmp_path / "lhotse").glob("train/recording.*.tar"))) as tar:
        member = next(m for m in tar.getmembers() if m.name.endswith(".flac"))
        sound, _ = soundfile.read(io.BytesIO(tar.extractfile(member).read()), dtype="int16")
    assert len(sound) == round(items[member.name.removesuffix(".flac")]["audio"]["duration"] * RATE)
    for row in ROWS:
        item = items[row["id"]]
        said = json.loads((tmp_path / "moshi" / "audio" / f"{row['id']}.json").read_text())["alignments"]
        agents = [turn for turn in item["dialog"] if turn["channel"] == 1]
        for _, (start, end), _ in said:
            assert any(turn["start"] - 1e-4 <= start <= end <= turn["end"] + 1e-4 for turn in agents)


def test_messages_have_all_turns_and_a_file_for_each_user_turn(tmp_path):
    export(tmp_path, "messages")
    for line in map(json.loads, (tmp_path / "train.jsonl").read_text().splitlines()):
        row = next(row for row in ROWS if row["id"] == line["id"])
        assert [m["role"] for m in line["messages"]] == ["user", "assistant"] * (len(row["turns"]) // 2)
        for index, name in enumerate(line["audios"]):
            assert np.array_equal(soundfile.read(tmp_path / name, dtype="int16")[0], pcm(row, 2 * index))


@pytest.mark.parametrize("layout", ["huggingface", "webdataset", "ke-omni", "whisper", "cosyvoice"])
def test_layouts_of_one_exchange_take_the_first(layout, tmp_path):
    one = [row | {"turns": row["turns"][:2]} for row in ROWS]
    several = export(tmp_path / "several", layout)
    single = export(tmp_path / "single", layout, rows=one)
    assert several.dialogues == single.dialogues
    files = {p.relative_to(tmp_path / "single") for p in (tmp_path / "single").rglob("*") if p.is_file()}
    assert files == {p.relative_to(tmp_path / "several") for p in (tmp_path / "several").rglob("*") if p.is_file()}
    for file in files:
        if not file.name.startswith(".") and file.suffix != ".md":
            assert (tmp_path / "several" / file).read_bytes() == (tmp_path / "single" / file).read_bytes(), file


@pytest.mark.parametrize("index", [0, 1, 2, 3])
@pytest.mark.parametrize(("kept", "barred"), [("test", "train"), ("dev", "train"), ("test", "dev")])
def test_no_turn_is_in_two_splits(kept, barred, index, tmp_path):
    rows = [longer(i, 2) for i in range(20)]
    held = next(row for row in rows if row["split"] == kept)
    leaves = next(row for row in rows if row["split"] == barred)
    leaves["turns"][index]["text"] = held["turns"][3]["text"].upper() + "!"
    found = selected(rows)
    ids = [row["id"] for row in found]
    assert leaves["id"] not in ids and held["id"] in ids and len(ids) == found.dialogues == len(rows) - 1
    assert len(found.barred) == 1 and sum(found.splits.values()) == len(rows) - 1
    texts: dict[str, set[str]] = {}
    for row in found:
        texts.setdefault(row["split"], set()).update(text_key(turn["text"]) for turn in row["turns"])
    assert all(a.isdisjoint(b) for a, b in itertools.combinations(texts.values(), 2))
    export(tmp_path, "ke-speechchat", rows=rows)
    assert {item["id"] for item in json.loads((tmp_path / "metadata.json").read_text())} == set(ids)


def test_no_dialogue_is_barred_where_no_text_is_shared():
    assert not len(selected(ROWS).barred) and selected(ROWS).longer == 13


def test_dialogues_that_end_early_are_told():
    line = ended_line({"name": "rewrite", "ended": {"too_short": 2, "asked_before": 1}})
    assert line == "rewrite ended 3 dialogues early: too_short 2, asked_before 1"


def test_another_timeline_replaces_the_files(tmp_path):
    export(tmp_path, "stereo", content="a")
    before = {p.name: p.read_bytes() for p in (tmp_path / "audio").iterdir()}
    done = export(tmp_path, "stereo", TIMING.model_copy(update={"seed": 9}), content="b")
    assert done.kept == 0
    after = {p.name: p.read_bytes() for p in (tmp_path / "audio").iterdir()}
    assert before.keys() == after.keys() and before != after
