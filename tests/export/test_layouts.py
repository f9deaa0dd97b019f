"""What every layout of shards or files promises: same bytes, resume, safety; and what its real reader finds."""

from __future__ import annotations

import io
import json
from importlib import import_module

import numpy as np
import pytest
import soundfile

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.errors import ExportError
from kespeechchat.export.folder import STATE, Done
from kespeechchat.export.layout import AudioRates, HoldsSome, check_many_files
from kespeechchat.export.layouts import LAYOUTS as NAMES
from kespeechchat.export.layouts import layout_class, make_layout
from kespeechchat.export.layouts.webdataset import key_of
from kespeechchat.export.selection import Subset
from tests.export.gated_rows import GENDERS, RATE, ROWS, dialogue, flac, pcm, read_audio, selected, snapshot, split_ids

pytestmark = pytest.mark.slow

LAYOUTS = ["huggingface", "webdataset", "lhotse", "stereo", "ke-omni", "messages", "moshi", "nemo-duplex"]
OF_TOKENS = ["interleaved"]  # it needs an engine, and has tests of its own
PARTIAL = ["whisper", "cosyvoice", "preference"]  # they hold some of the dialogues, and have tests of their own
SHARDED = ["huggingface", "webdataset", "lhotse", "nemo-duplex"]
BY_ID = {r["id"]: r for r in ROWS}


def run(layout: str, to, selection=None, read=read_audio, content="", **more) -> Done:
    if layout in SHARDED:
        more.setdefault("per_shard", 7)
    dialogues = Dialogues(selection or selected(), read, GENDERS, content)
    return layout_class(layout)(**more).export(dialogues, to, BuildFacts())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_rows_same_bytes(layout, tmp_path):
    run(layout, tmp_path / "a")
    run(layout, tmp_path / "b")
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_killed_export_goes_on_and_ends_alike(layout, tmp_path):
    run(layout, tmp_path / "whole", content="build-1")
    calls = []

    def dies(row):
        calls.append(row["id"])
        if len(calls) == 25:
            raise KeyboardInterrupt
        return read_audio(row)

    with pytest.raises(KeyboardInterrupt):
        run(layout, tmp_path / "x", read=dies, content="build-1")
    if layout in SHARDED:
        assert not list((tmp_path / "x").rglob("*.part"))
    (tmp_path / "x" / "leftover.part").write_bytes(b"somebody else's")
    done = run(layout, tmp_path / "x", content="build-1")
    (tmp_path / "x" / "leftover.part").unlink()
    assert done.kept > 0
    assert snapshot(tmp_path / "x") == snapshot(tmp_path / "whole")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_another_run_wrote_is_kept_only_if_it_is_the_same(layout, tmp_path):
    first = run(layout, tmp_path, content="build-1")
    assert first.kept == 0
    again = run(layout, tmp_path, content="build-1", read=_fails)
    assert again.kept >= first.written - 4  # lists are written anew
    fewer = selected(ROWS[:10])
    done = run(layout, tmp_path, fewer, content="build-2")
    assert done.kept == 0
    (tmp_path.parent / f"{tmp_path.name}-fresh").mkdir()
    run(layout, tmp_path.parent / f"{tmp_path.name}-fresh", fewer, content="build-2")
    assert snapshot(tmp_path) == snapshot(tmp_path.parent / f"{tmp_path.name}-fresh")


def _fails(row):
    raise AssertionError("audio was read though all of it is there")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_of_others_are_refused(layout, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ExportError, match="no export made"):
        run(layout, tmp_path)
    assert snapshot(tmp_path) == {"thesis.txt": b"mine"}
    other = LAYOUTS[LAYOUTS.index(layout) - 1]
    run(other, tmp_path / "x")
    with pytest.raises(ExportError, match=f"holds an export of layout {other}"):
        run(layout, tmp_path / "x")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_audio_that_does_not_fit_its_row(layout, tmp_path):
    with pytest.raises(ExportError, match="seed-000, user: the audio has 840 samples at 8000 Hz, its row says 800"):
        run(layout, tmp_path, read=lambda row: read_audio(ROWS[1]))


@pytest.mark.parametrize("layout", ["huggingface", "lhotse", "stereo"])
def test_one_sample_rate_only(layout, tmp_path):
    odd = dialogue(1)
    for turn in odd["turns"]:
        turn["sample_rate"] = 16000
    with pytest.raises(ExportError, match="8000, 16000 Hz"):
        run(layout, tmp_path, selected([ROWS[0], odd]))


@pytest.mark.slow
def test_huggingface_datasets_reads_it(tmp_path):
    datasets = import_module("datasets")
    run("huggingface", tmp_path / "export")
    cache = str(tmp_path / "cache")
    whole = datasets.load_dataset(str(tmp_path / "export"), cache_dir=cache)
    assert {s: whole[s]["id"][:] for s in whole} == {s: split_ids(s) for s in ("train", "dev", "test")}
    files = [str(p) for p in sorted((tmp_path / "export" / "data").glob("train-*.parquet"))]
    assert len(files) == 5
    train = datasets.load_dataset("parquet", data_files={"train": files}, split="train", cache_dir=cache)
    for column in ("user_audio", "agent_audio"):
        assert train.features[column] == datasets.Audio(sampling_rate=RATE)
        train = train.cast_column(column, datasets.Audio(decode=False))
    for row in train:
        for role in ("user", "agent"):
            samples, rate = soundfile.read(io.BytesIO(row[f"{role}_audio"]["bytes"]), dtype="int16")
            assert rate == RATE
            np.testing.assert_array_equal(samples, pcm(BY_ID[row["id"]], role))
            assert row[f"{role}_text"] == BY_ID[row["id"]]["turns"][role == "agent"]["text"]
    assert set(train["partition"]) <= {"XS", "S", "M", "L", "XL"}
    assert set(whole["test"]["partition"]) == {None}


def test_webdataset_reads_it(tmp_path):
    wds = import_module("webdataset")
    run("webdataset", tmp_path)
    urls = sorted(str(p) for p in tmp_path.glob("train-*.tar"))
    samples = list(wds.WebDataset(urls, shardshuffle=False).decode())
    assert [s["__key__"] for s in samples] == split_ids("train")
    for sample in samples:
        for role in ("user", "agent"):
            found, _ = soundfile.read(io.BytesIO(sample[f"{role}.flac"]), dtype="int16")
            np.testing.assert_array_equal(found, pcm(BY_ID[sample["__key__"]], role))
        assert sample["json"]["id"] == sample["__key__"]
        assert sample["json"]["user_gender"] == "female"
    listed = json.loads((tmp_path / "shards.json").read_text())
    assert [e["dialogues"] for e in listed["train"]] == [7, 7, 7, 7, 4]


def test_webdataset_keys_have_no_dot_and_stay_apart(tmp_path):
    wds = import_module("webdataset")
    long = "x" * 195 + "-1.5"
    rows = [dialogue(i, id=name, split="train") for i, name in enumerate(["a.b-000", "a_b-000", long])]
    speech = {"user": "user", "agent": "agent"}
    run("webdataset", tmp_path, selected(rows), read=lambda row: {r: flac(_tone(row, r)) for r in speech})
    samples = list(wds.WebDataset(str(tmp_path / "train-000000.tar"), shardshuffle=False).decode())
    assert [s["json"]["id"] for s in samples] == ["a.b-000", "a_b-000", long]
    assert len({s["__key__"] for s in samples}) == 3
    assert key_of("a.b") != key_of("a_b")


def _tone(row, role) -> np.ndarray:
    turn = next(t for t in row["turns"] if t["role"] == role)
    return np.full(round(turn["seconds"] * RATE), 5, dtype=np.int16)


def test_lhotse_reads_it(tmp_path):
    CutSet = import_module("lhotse").CutSet
    run("lhotse", tmp_path)
    cuts = list(CutSet.from_shar(in_dir=tmp_path / "train"))
    assert [c.id for c in cuts] == split_ids("train")
    for cut in cuts:
        row = BY_ID[cut.id]
        audio = np.rint(cut.load_audio() * 32768).astype(np.int16)
        user, agent = pcm(row, "user"), pcm(row, "agent")
        np.testing.assert_array_equal(audio, [np.r_[user, 0 * agent], np.r_[0 * user, agent]])
        assert [s.text for s in cut.supervisions] == [t["text"] for t in row["turns"]]
        assert [s.speaker for s in cut.supervisions] == [t["voice"] for t in row["turns"]]
        assert cut.custom["partition"] == selected().partition(row)
        turns = cut.trim_to_supervisions(keep_all_channels=False)
        for turn, samples in zip(turns, (user, agent), strict=True):
            np.testing.assert_array_equal(np.rint(turn.load_audio()[0] * 32768).astype(np.int16), samples)


def test_lhotse_without_audio(tmp_path):
    CutSet = import_module("lhotse").CutSet
    run("lhotse", tmp_path, read=None)
    assert [c.id for c in CutSet.from_shar(in_dir=tmp_path / "test")] == split_ids("test")


@pytest.mark.parametrize("container", ["flac", "wav"])
def test_stereo_is_user_left_agent_right_one_after_the_other(container, tmp_path):
    run("stereo", tmp_path, container=container)
    lines = [json.loads(line) for line in (tmp_path / "dialogues.jsonl").read_text("utf-8").splitlines()]
    assert [x["id"] for x in lines] == [r["id"] for r in ROWS]
    for line, row in zip(lines, ROWS, strict=True):
        audio, rate = soundfile.read(tmp_path / line["audio"], dtype="int16")
        user, agent = pcm(row, "user"), pcm(row, "agent")
        assert rate == RATE
        np.testing.assert_array_equal(audio.T, [np.r_[user, 0 * agent], np.r_[0 * user, agent]])
        assert line["agent_start"] == pytest.approx(len(user) / RATE, abs=1e-4)


@pytest.mark.parametrize("layout", ["stereo", "ke-omni", "messages", "moshi"])
def test_many_files_fan_out(layout, tmp_path):
    run(layout, tmp_path, fan_out_beyond=39)
    audio = [p for p in (tmp_path / "audio").rglob("*") if p.suffix in (".flac", ".wav")]
    assert all(p.parent.parent.name == "audio" for p in audio)
    assert len(audio) == 40


@pytest.mark.parametrize("layout", NAMES)
def test_many_files_must_be_asked_for(layout):
    dialogues, made = Dialogues(selected(), read_audio, GENDERS), make_layout(layout)
    if made.files_per_dialogue:
        with pytest.raises(ExportError, match=f"40 dialogues make {40 * made.files_per_dialogue} audio files: ask"):
            check_many_files(made, dialogues, most=39)
    check_many_files(made, dialogues, most=40)
    check_many_files(made, Dialogues(selected(), None, GENDERS), most=39)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_partition_of_one_language(layout, tmp_path):
    selection = selected(subset=Subset("M", "en"))
    done = run(layout, tmp_path, selection, read=None)
    ids = {r["id"] for r in selection}
    assert done.dialogues == len(ids) == selection.dialogues > 0
    assert all(BY_ID[i]["language"] == "en" and BY_ID[i]["split"] == "train" for i in ids)
    assert not [p for p in tmp_path.rglob("*") if p.suffix in (".flac", ".wav")]
    assert (tmp_path / STATE).exists()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_to_export(layout, tmp_path):
    assert run(layout, tmp_path, selected([])).dialogues == 0


@pytest.mark.parametrize("layout", NAMES)
def test_a_layout_says_what_it_is(layout):
    cls = layout_class(layout)
    assert cls.name == layout and cls.writes and cls.read_by and cls.text_bytes > 0
    assert layout in {*LAYOUTS, *PARTIAL, *OF_TOKENS, "ke-speechchat"}
    assert isinstance(make_layout(layout), HoldsSome) is (layout in PARTIAL)


def test_a_layout_gets_what_it_needs_and_is_not_asked_otherwise():
    def asked():
        raise AssertionError

    assert make_layout("ke-omni", {"units": lambda: "a reader", "refused": asked}).units == "a reader"
    assert make_layout("stereo", {"units": asked}).name == "stereo"


@pytest.mark.parametrize("layout", [name for name in NAMES if name not in (*PARTIAL, *OF_TOKENS)])
def test_a_layout_knows_its_weight(layout, tmp_path):
    """The estimate is near what is written: of longer audio, the rest is soon forgotten."""
    rates = AudioRates(flac=_flac_rate(), pcm=2 * RATE, user_share=selected().user_share)
    made, dialogues = make_layout(layout), Dialogues(selected(), read_audio, GENDERS)
    made.export(dialogues, tmp_path, BuildFacts())
    audio = sum(p.stat().st_size for p in tmp_path.rglob("*") if p.suffix in (".flac", ".wav", ".parquet", ".tar"))
    seconds = sum(row["seconds"] for row in ROWS)
    padding = 40 * {"webdataset": 3072, "lhotse": 3072, "nemo-duplex": 6144}.get(layout, 1000)
    assert made.audio_bytes_per_second(rates) * seconds == pytest.approx(audio, rel=0.2, abs=padding)


def _flac_rate() -> float:
    return sum(len(data) for row in ROWS for data in read_audio(row).values()) / sum(row["seconds"] for row in ROWS)
