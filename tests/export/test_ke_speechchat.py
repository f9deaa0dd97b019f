from __future__ import annotations

import io
import json
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from kespeechchat.config.dataset import PartitionSettings, PartitionSize
from kespeechchat.config.provenance import Departure, Licence
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.audio_files import safe_name
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.errors import ExportError
from kespeechchat.export.folder import STATE
from kespeechchat.export.layouts.ke_speechchat import KeSpeechChat
from kespeechchat.export.selection import InMemory, Subset, select

RATE = 8000
NAMES = ("XS", "S", "M", "L", "XL")
PARTITIONS = PartitionSettings(
    sizes={n: PartitionSize(fraction=f) for n, f in zip(NAMES, (1 / 40, 0.1, 0.25, 0.5, 1), strict=True)}
)
GENDERS = {f"SPK{i}f": "female" for i in range(5)} | {"agentMale": "male"}


def turn(role: str, voice: str, samples: int) -> dict:
    return {
        "role": role,
        "voice": voice,
        "text": "good day",
        "transcript": "Good day.",
        "seed": 7,
        "tries": 1,
        "error_rate": 0.0,
        "sample_rate": RATE,
        "seconds": float(np.float32(samples / RATE)),
        "watermark_score": 1.0,
        "scores": [{"head": "dnsmos_ovrl", "value": 3.4}],
    }


def dialogue(i: int, **changes) -> dict:
    split = changes.get("split", "test" if i % 10 == 9 else "train")
    turns = [turn("user", f"SPK{i % 5}f", 80 + i), turn("agent", "agentMale", 160 + i)]
    if split != "train":  # what two splits say is left out
        turns = [{**one, "text": "good evening"} for one in turns]
    words = [{"text": "Good", "start": 0.0, "end": 0.004}, {"text": "day.", "start": 0.005, "end": 0.01200001}]
    turns[0] |= {"words": words, "silences": [{"start": 0.0, "end": 0.001}], "loudness": -20.126, "gain": -2.874}
    # the agent's: of an older `measure`
    return {
        "id": f"seed-{i:03d}",
        "source": "seed",
        "shard": 0,
        "round": i % 2,
        "language": "en" if i % 3 else "zh",
        "split": split,
        "metric": "WER",
        "error_rate": 0.0,
        "edits": 0,
        "units": 4,
        "seconds": sum(t["seconds"] for t in turns),
        "turns": turns,
    } | changes


ROWS = [dialogue(i) for i in range(40)]


def pcm(row: dict, role: str) -> np.ndarray:
    found = next(t for t in row["turns"] if t["role"] == role)
    return np.arange(round(found["seconds"] * RATE), dtype=np.int16) * 7 - 300


def read_audio(row: dict) -> dict[str, bytes]:
    return {role: flac(pcm(row, role)) for role in ("user", "agent")}


def flac(samples: np.ndarray) -> bytes:
    data = io.BytesIO()
    soundfile.write(data, samples, RATE, format="FLAC", subtype="PCM_16")
    return data.getvalue()


def run(to: Path, rows=ROWS, read=read_audio, subset=None, release=None, content="", build=None, **settings):
    selection = select(InMemory(rows), seed=5, partitions=PARTITIONS, subset=subset, release=release)
    shards = {} if isinstance(content, str) else {f"{n}/0": of for n, of in enumerate(content)}
    dialogues = Dialogues(selection, read, GENDERS, str(content), shards=shards)
    return KeSpeechChat(**settings).write(dialogues, to, build or BuildFacts())


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def load(path: Path):
    return json.loads(path.read_text("utf-8"))


def test_the_whole_layout(tmp_path):
    run(tmp_path)
    metadata = load(tmp_path / "metadata.json")
    assert [d["id"] for d in metadata] == [r["id"] for r in ROWS]
    for data, row in zip(metadata, ROWS, strict=True):
        for said, role in zip(data["dialog"], ("user", "agent"), strict=True):
            with wave.open(str(tmp_path / "audio" / said["audio_path"])) as file:
                assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
                np.testing.assert_array_equal(np.frombuffer(file.readframes(10**6), "<i2"), pcm(row, role))
    lists = [load(tmp_path / "partitions" / f"{n}.json") for n in NAMES]
    for small, large in pairwise(lists):
        assert set(small["ids"]) <= set(large["ids"])
    held = load(tmp_path / "splits" / "chat-test.json")
    assert {*lists[-1]["ids"], *held["ids"]} == {r["id"] for r in ROWS}
    for one, name in zip(lists, NAMES, strict=True):
        assert one["name"] == name
        assert one["speakers"] == 6
        assert sum(one["dialogues"].values()) == len(one["ids"])
        assert one["hours"] == select(InMemory(ROWS), seed=5, partitions=PARTITIONS).partitions.contents[name].hours
    assert load(tmp_path / "statistics.json")["all"]["dialogues"] == 40
    assert not list(tmp_path.rglob("*.part"))


def test_again_gives_the_same_bytes(tmp_path):
    run(tmp_path / "a")
    run(tmp_path / "b")
    first = snapshot(tmp_path / "a")
    assert first == snapshot(tmp_path / "b")
    assert run(tmp_path / "a").audio.written == 80
    assert snapshot(tmp_path / "a") == first


def test_a_killed_export_goes_on(tmp_path):
    run(tmp_path / "whole", content="build-1")
    calls = []

    def dies(row):
        calls.append(row["id"])
        if len(calls) == 15:
            raise KeyboardInterrupt
        return read_audio(row)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "x", read=dies, content="build-1")
    assert not (tmp_path / "x" / "metadata.json").exists()
    (tmp_path / "x" / "audio" / ROWS[3]["id"] / f"{ROWS[3]['id']}_0_mark.wav").write_bytes(b"cut short")
    report = run(tmp_path / "x", content="build-1")
    assert (report.audio.kept, report.audio.written) == (26, 54)
    assert snapshot(tmp_path / "x") == snapshot(tmp_path / "whole")


def test_audio_of_another_content_is_never_kept(tmp_path):
    run(tmp_path, content="build-1")

    def quiet(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, read=quiet, content="build-2")
    assert run(tmp_path, content="build-2").audio.written == 80


def test_of_an_export_over_another_only_what_changed_is_written_and_nothing_goes_before_that(tmp_path):
    """Two of five shards have changed. The first attempt ends in the middle of the second of them."""
    rows = [dialogue(i, shard=i // 8, round=0) for i in range(40)]
    run(tmp_path / "x", rows, content=["a"] * 5)
    before, calls = snapshot(tmp_path / "x"), []

    def another(row):
        calls.append(row["id"])
        if len(calls) == 12:
            raise OSError(28, "No space left on device")
        return {role: flac(pcm(row, role) // 2) for role in ("user", "agent")}

    def mixed(row):
        return another(row) if row["shard"] in (1, 3) else read_audio(row)

    changed = ["a", "b", "a", "b", "a"]
    with pytest.raises(OSError, match="No space"):
        run(tmp_path / "x", rows, another, content=changed)
    assert snapshot(tmp_path / "x").keys() == before.keys(), "every file is there, old or new"
    report = run(tmp_path / "x", rows, another, content=changed)
    assert (report.audio.written, report.audio.kept, report.audio.removed) == (16, 64, 0)
    run(tmp_path / "whole", rows, mixed)
    whole, found = snapshot(tmp_path / "whole"), snapshot(tmp_path / "x")
    assert {n: d for n, d in found.items() if n != STATE} == {n: d for n, d in whole.items() if n != STATE}
    assert run(tmp_path / "x", rows, content=changed).audio.kept == 80
    fewer = run(tmp_path / "x", rows[8:], content=["gone", *changed[1:]]).audio
    assert (fewer.written, fewer.kept, fewer.removed) == (0, 64, 16)


def test_rows_of_a_shard_in_two_places_are_refused(tmp_path):
    rows = [dialogue(i, shard=i % 2, round=0) for i in range(4)]
    with pytest.raises(ValueError, match="seed-002: rows of shard 0/0 come in two places"):
        run(tmp_path, rows, content=["a", "a"])


def test_leftovers_go_and_foreign_files_stay(tmp_path):
    run(tmp_path, content="x")
    (tmp_path / "audio" / "notes.txt").write_text("mine")
    (tmp_path / "audio" / "seed-000" / "seed-000_0_mark.wav.part").write_bytes(b"half")
    report = run(tmp_path, rows=ROWS[:10], content="x")
    assert sorted(p.name for p in (tmp_path / "audio").iterdir()) == ["notes.txt", *sorted(r["id"] for r in ROWS[:10])]
    assert report.audio.foreign == ["audio/notes.txt"]
    assert report.audio.removed == 61


def test_a_folder_of_somebody_elses_is_refused(tmp_path):
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "song.wav").write_bytes(b"x")
    with pytest.raises(ExportError, match="no export made"):
        run(tmp_path)


@pytest.mark.parametrize("name", ["README.md", "train.jsonl", "notes.txt"])
@pytest.mark.parametrize("read", [read_audio, None])
def test_no_file_of_somebody_elses_is_replaced(tmp_path, name, read):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ExportError, match="holds files that no export made; export to another folder or empty it"):
        run(tmp_path, read=read)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "mine"}


def test_audio_comes_into_a_folder_without_and_files_of_others_stay(tmp_path):
    run(tmp_path, read=None)
    (tmp_path / "notes.txt").write_text("mine")
    assert run(tmp_path).audio.written == 2 * len(ROWS)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_of_another_layout_is_refused(tmp_path):
    (tmp_path / STATE).write_text('{"layout": "stereo"}')
    with pytest.raises(ExportError, match="holds an export of layout stereo"):
        run(tmp_path)


def test_one_partition_is_the_one_of_the_whole(tmp_path):
    run(tmp_path / "whole")
    run(tmp_path / "s", subset=Subset(partition="S"))
    whole, part = load(tmp_path / "whole" / "partitions" / "S.json"), load(tmp_path / "s" / "partitions" / "S.json")
    assert whole == part
    assert {d["id"] for d in load(tmp_path / "s" / "metadata.json")} == set(whole["ids"])
    assert sorted(p.stem for p in (tmp_path / "s" / "partitions").iterdir()) == ["S", "XS"]
    run(tmp_path / "en", subset=Subset(language="en"))
    english = load(tmp_path / "en" / "partitions" / "S.json")
    by_id = {r["id"]: r["language"] for r in ROWS}
    assert english["ids"] == [i for i in whole["ids"] if by_id[i] == "en"]
    assert set(english["hours"]) == set(english["excess"]) == {"en"}
    with pytest.raises(ExportError, match="no partition 'XXL'; there is XS, S"):
        run(tmp_path / "y", subset=Subset(partition="XXL"))


def test_a_release_keeps_its_cut(tmp_path):
    run(tmp_path / "old", rows=ROWS[:20])
    released = select(InMemory(ROWS[:20]), seed=5, partitions=PARTITIONS).partitions.cuts
    run(tmp_path / "new", release=released)
    old, new = (set(load(tmp_path / d / "partitions" / "M.json")["ids"]) for d in ("old", "new"))
    assert old <= new
    assert new & {r["id"] for r in ROWS[:20]} == old


def test_many_dialogues_fan_out(tmp_path):
    run(tmp_path, fan_out_beyond=39)
    paths = [t["audio_path"] for d in load(tmp_path / "metadata.json") for t in d["dialog"]]
    assert all(p.count("/") == 2 and (tmp_path / "audio" / p).is_file() for p in paths)


def test_without_audio(tmp_path):
    report = run(tmp_path, read=None)
    assert report.audio.written == report.audio.removed == 0
    assert not (tmp_path / "audio").exists()
    assert (tmp_path / STATE).exists()  # so that the next export knows the folder as ours


@pytest.mark.parametrize(
    "bad", ["../up", "a/b", "", ".hidden", "a" * 201, "a..b", "nul\0", "trailing.", "空", "-x", "a\n"]
)
def test_unsafe_ids_are_refused(bad, tmp_path):
    with pytest.raises(ExportError, match="cannot be a file name"):
        safe_name(bad)
    with pytest.raises(ExportError):
        run(tmp_path / "x", rows=[dialogue(1, id=bad)])
    assert not (tmp_path / "x").exists()


def test_ids_that_come_twice(tmp_path):
    with pytest.raises(ExportError, match="'seed-001' comes twice"):
        run(tmp_path, rows=[ROWS[1], ROWS[2], ROWS[1]])


def test_audio_that_does_not_fit_its_row(tmp_path):
    with pytest.raises(ExportError, match="seed-000, user: the audio has 81 samples at 8000 Hz, its row says 80"):
        run(tmp_path, read=lambda row: read_audio(ROWS[1]))


def test_nothing_to_export(tmp_path):
    run(tmp_path, rows=[])
    assert load(tmp_path / "metadata.json") == []
    assert load(tmp_path / "partitions" / "XL.json")["ids"] == []


def test_what_the_splits_share_is_told(tmp_path):
    report = run(tmp_path / "a", build=BuildFacts(parents={"SPK4f": ["x"], "SPK3f": ["x"]}))
    assert {o.kind for o in report.overlaps} == {"voice", "parent"}
    assert "The splits overlap" in (tmp_path / "a" / "README.md").read_text("utf-8")
    clean = [dialogue(i, split="train") for i in range(5)]
    assert run(tmp_path / "b", rows=clean).overlaps == []
    text = (tmp_path / "b" / "README.md").read_text("utf-8")
    assert "no user voice and no text of any turn is in more than one split" in text


def test_the_card_says_what_matters(tmp_path):
    build = BuildFacts(
        name="Demo",
        licences=(Licence(name="Kokoro", use="speech", origin="hexgrad/Kokoro-82M", licence="Apache-2.0"),),
        departures=(Departure(setting="gate.max_error.zh", paper="5 %", here="20 %", reason="a|small model"),),
        watermark="Perth",
        privacy={"circular": True, "note": "the measure is circular", "lowest margin": 0.07},
        rejected={"gate": {"error_rate": 3}},
    )
    run(tmp_path, build=build)
    text = (tmp_path / "README.md").read_text("utf-8")
    front = yaml.safe_load(text.split("---")[1])
    assert front["language"] == ["zh", "en"]
    assert front["license"] == "apache-2.0" and "license_name" not in front
    for expected in (
        "# Demo",
        "synthetic and watermarked",
        "kesc detect",
        "(Perth)",
        "hexgrad/Kokoro-82M",
        "gate.max_error.zh",
        "a\\|small model",
        "the measure is circular",
        "lowest margin: 0.07",
        "| gate | error_rate | 3 |",
        "chat-test: 4",
        "3.40 ± 0.00",
    ):
        assert expected in text


def test_the_metadata_has_the_paper_s_keys_and_the_rest_is_in_the_facts(tmp_path):
    run(tmp_path)
    first = load(tmp_path / "metadata.json")[1]
    assert first == {
        "id": "seed-001",
        "speaker": {
            "SPK1f": {"role": "user", "gender": "female"},
            "agentMale": {"role": "agent", "gender": "male"},
        },
        "audio": {"channel": 2, "duration": 0.03025, "sample_rate": 8000},
        "channel": [{"channel_index": 0, "language": "en"}, {"channel_index": 1, "language": "en"}],
        "dialog": [
            {
                "channel": 0,
                "speaker": "SPK1f",
                "text": "good day",
                "start": 0.0,
                "end": 0.010125,
                "audio_path": "seed-001/seed-001_0_mark.wav",
            },
            {
                "channel": 1,
                "speaker": "agentMale",
                "text": "good day",
                "start": 0.010125,
                "end": 0.03025,
                "audio_path": "seed-001/seed-001_1_mark.wav",
            },
        ],
    }
    facts = [json.loads(line) for line in (tmp_path / "facts.jsonl").read_text("utf-8").splitlines()]
    assert [fact["id"] for fact in facts] == [row["id"] for row in ROWS]
    heard = {"transcript": "Good day.", "error_rate": 0.0, "watermark_score": 1.0, "scores": {"dnsmos_ovrl": 3.4}}
    timed = {"words": [["Good", 0.0, 0.004], ["day.", 0.005, 0.012]], "silences": [[0.0, 0.001]]}
    users = {"role": "user", **heard, "seed": 7, "tries": 1, **timed, "loudness": -20.13, "gain": -2.87}
    agents = {"role": "agent", **heard, "seed": 7, "tries": 1, "words": None, "silences": None}
    agents |= {"loudness": None, "gain": None}
    partition = next(name for name in NAMES if "seed-001" in load(tmp_path / "partitions" / f"{name}.json")["ids"])
    assert facts[1] == {
        "id": "seed-001",
        "split": "train",
        "partition": partition,
        "metric": "WER",
        "error_rate": 0.0,
        "source": "seed",
        "shard": 0,
        "round": 1,
        "review": None,
        "turns": [users, agents],
    }
    assert facts[9]["split"] == "test" and facts[9]["partition"] is None
