"""One small dataset in every layout, read by each layout's own reader: every reader finds the same samples, texts and
speakers of the same turn. All layouts are lossless, so the samples are equal to the last bit."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts import LAYOUTS, make_layout
from tests.export.gated_rows import GENDERS, RATE, dialogue, pcm, read_audio, selected
from tests.export.refused_takes import Refused

pytestmark = pytest.mark.slow

Heard = dict[tuple[str, str], tuple[np.ndarray, str | None, str | None]]
"""(dialogue, role) → int16 [T], and text and voice where the layout names them."""
SPLITS = ("train", "dev", "test")


def rows() -> list[dict]:
    """Every user says something else, test voices are not those of training, some dialogues are of a later round."""
    made = [dialogue(i, round=i % 2) for i in range(40)]
    for i, row in enumerate(made):
        row["turns"][0]["text"] = f"Question {chr(97 + i // 26)}{chr(97 + i % 26)}?"
        row["turns"][0]["voice"] = "SPK4f" if row["split"] == "test" else f"SPK{i % 4}f"
    return made


ROWS = rows()
BY_ID = {row["id"]: row for row in ROWS}
BOTH = {(row["id"], role) for row in ROWS for role in ("user", "agent")}
USERS = {key for key in BOTH if key[1] == "user"}


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def heard(source) -> np.ndarray:
    samples, rate = soundfile.read(io.BytesIO(source) if isinstance(source, bytes) else source, dtype="int16")
    assert rate == RATE
    return samples


def sides(id_: str, stereo: np.ndarray, left: str, texts=(None, None), voices=(None, None)) -> Heard:
    """Cuts int16 [T, 2], whose user speaks first, into its turns; the other side is silent."""
    channels = stereo.T if left == "user" else stereo.T[::-1]
    cut = len(pcm(BY_ID[id_], "user"))
    assert not channels[0, cut:].any() and not channels[1, :cut].any()
    turns = (channels[0, :cut], channels[1, cut:])
    return {(id_, role): of for role, of in zip(("user", "agent"), zip(turns, texts, voices, strict=True), strict=True)}


def int16(samples) -> np.ndarray:
    return np.rint(np.asarray(samples, dtype=np.float64) * 32768).astype(np.int16)


def webdataset(to: Path) -> Heard:
    found: Heard = {}
    for split in SPLITS:
        urls = sorted(map(str, to.glob(f"{split}-*.tar")))
        for one in import_module("webdataset").WebDataset(urls, shardshuffle=False).decode():
            for role in ("user", "agent"):
                of = one["json"]
                key = (of["id"], role)
                found[key] = (heard(one[f"{role}.flac"]), of[f"{role}_text"], of[f"{role}_voice"])
    return found


def _cuts(to: Path) -> list:
    return [cut for split in SPLITS for cut in import_module("lhotse").CutSet.from_shar(in_dir=to / split)]


def lhotse(to: Path) -> Heard:
    found: Heard = {}
    for cut in _cuts(to):
        for turn in cut.trim_to_supervisions(keep_all_channels=False):
            (said,) = turn.supervisions
            found[cut.id, said.custom["role"]] = (int16(turn.load_audio()[0]), said.text, said.speaker)
    return found


def nemo_duplex(to: Path) -> Heard:
    found: Heard = {}
    for cut in _cuts(to):
        stereo = np.stack([int16(cut.load_audio()[0]), int16(cut.load_target_audio()[0])], axis=1)
        said = cut.supervisions
        found |= sides(cut.id, stereo, "user", [s.text for s in said], [s.custom["voice"] for s in said])
    return found


def stereo(to: Path) -> Heard:
    found: Heard = {}
    for one in lines(to / "dialogues.jsonl"):
        texts, voices = ((one[f"user_{of}"], one[f"agent_{of}"]) for of in ("text", "voice"))
        found |= sides(one["id"], heard(to / one["audio"]), one["left"], texts, voices)
    return found


def ke_omni(to: Path) -> Heard:
    """Stage 1 has the users' audio; stage 2 needs a unit engine."""
    of = [one for split in SPLITS for one in lines(to / "stage1" / f"{split}.jsonl")]
    return {(one["id"], "user"): (heard(to / one["audio"]), one["text"], one["speaker"]) for one in of}


def messages(to: Path) -> Heard:
    of = [one for split in SPLITS for one in lines(to / f"{split}.jsonl")]
    assert all(one["messages"][1]["content"] == BY_ID[one["id"]]["turns"][1]["text"] for one in of)
    return {(one["id"], "user"): (heard(to / one["audios"][0]), None, None) for one in of}


def moshi(to: Path) -> Heard:
    found: Heard = {}
    for one in (one for split in SPLITS for one in lines(to / f"{split}.jsonl")):
        path = to / one["path"]
        words = json.loads(path.with_suffix(".json").read_text("utf-8"))["alignments"]
        between = " " if words[0][0].isascii() else ""
        spoken = between.join(word for word, *_ in words)
        found |= sides(path.stem, heard(path), "agent", (None, spoken))
    return found


def whisper(to: Path) -> Heard:
    of = [one for split in ("train", "test") for one in lines(to / f"{split}.jsonl")]
    paths = [(to / one["audio"]["path"], one["sentence"]) for one in of]
    return {(path.stem, "user"): (heard(path), text, None) for path, text in paths}


def cosyvoice(to: Path) -> Heard:
    found: Heard = {}
    for part in ("train", "test", "prompts"):
        of = {name: (to / part / name).read_text("utf-8").splitlines() for name in ("wav.scp", "text", "utt2spk")}
        for three in zip(*of.values(), strict=True):
            (utterance, path), (_, text), (_, voice) = (line.split(" ", 1) for line in three)
            id_, _, channel = utterance.rpartition("_")
            found[id_, ("user", "agent")[int(channel)]] = (heard(to / path), text, voice)
    return found


DECODE = """
import sys
import datasets, numpy as np
folder, cache, to, columns = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4].split(",")
found = {}
for split, rows in datasets.load_dataset(folder, cache_dir=cache).items():
    for row in rows:
        for column in columns:
            samples = row[column].get_all_samples()
            assert samples.data.shape[0] == 1
            found[f"{split} {row['id']} {column} {samples.sample_rate}"] = samples.data[0].numpy()
np.savez(to, **found)
"""


def decoded(to: Path, *columns: str) -> dict[tuple[str, str], np.ndarray]:
    """(row, column) → int16 [T], as `datasets` decodes them with torchcodec in a process of its own."""
    out = to.parent / "decoded.npz"
    command = [sys.executable, "-c", DECODE, str(to), str(to.parent / "cache"), str(out), ",".join(columns)]
    env = os.environ | {"LD_LIBRARY_PATH": _ffmpeg(to.parent / "ffmpeg"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {}
    for name, samples in np.load(out).items():
        split, id_, column, rate = name.split()
        assert int(rate) == RATE and split in SPLITS
        found[id_, column] = int16(samples)
    return found


def _ffmpeg(links: Path) -> str:
    """The folders for the dynamic linker: FFmpeg as PyAV brings it along, under the names that torchcodec asks for
    (`libavcodec.so.62`), before the system's own."""
    spec = importlib.util.find_spec("av")
    assert spec is not None and spec.origin is not None
    brought = Path(spec.origin).parent.parent / "av.libs"
    links.mkdir(exist_ok=True)
    for file in brought.glob("lib*.so.*") if brought.is_dir() else ():
        if name := re.fullmatch(r"(lib(?:av|sw)\w+)-\w+\.so\.(\d+)[\d.]*", file.name):
            (links / f"{name[1]}.so.{name[2]}").symlink_to(file)
    return os.pathsep.join([str(links), str(brought), os.environ.get("LD_LIBRARY_PATH", "")])


def ke_speechchat(to: Path) -> Heard:
    """Samples as `datasets` finds them by the lists, texts and voices as metadata.json has them."""
    sounds, found = decoded(to, "user", "agent"), {}
    for one in json.loads((to / "metadata.json").read_text("utf-8")):
        for turn in one["dialog"]:
            role = one["speaker"][turn["speaker"]]["role"]
            found[one["id"], role] = (sounds[one["id"], role], turn["text"], turn["speaker"])
    return found


def huggingface(to: Path) -> Heard:
    sounds, found = decoded(to, "user_audio", "agent_audio"), {}
    for row in _parquet(to):
        for role in ("user", "agent"):
            key = (row["id"], role)
            found[key] = (sounds[row["id"], f"{role}_audio"], row[f"{role}_text"], row[f"{role}_voice"])
    return found


def preference(to: Path) -> Heard:
    sounds = decoded(to, "chosen", "rejected")
    return {
        (row["dialogue"], row["role"]): (sounds[row["id"], "chosen"], row["prompt"], row["chosen_voice"])
        for row in _parquet(to)
    }


def _parquet(to: Path) -> list[dict]:
    files = sorted((to / "data").glob("*.parquet"))
    return [row for file in files for row in import_module("pyarrow.parquet").read_table(file).to_pylist()]


READERS: Mapping[str, tuple[Callable[[Path], Heard], set[tuple[str, str]] | None]] = {  # and what they find; None: some
    "ke-speechchat": (ke_speechchat, BOTH),
    "huggingface": (huggingface, BOTH),
    "webdataset": (webdataset, BOTH),
    "lhotse": (lhotse, BOTH),
    "stereo": (stereo, BOTH),
    "ke-omni": (ke_omni, USERS),
    "messages": (messages, USERS),
    "moshi": (moshi, BOTH),
    "nemo-duplex": (nemo_duplex, BOTH),
    "whisper": (whisper, None),
    "cosyvoice": (cosyvoice, None),
    "preference": (preference, {key for key in USERS if BY_ID[key[0]]["round"]}),
}


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "interleaved"])  # it holds no audio
def test_every_reader_hears_the_same_samples(layout, tmp_path):
    read, wanted = READERS[layout]
    made = make_layout(layout, {"refused": Refused})
    made.export(Dialogues(selected(ROWS), read_audio, GENDERS), tmp_path / "x", BuildFacts())
    found = read(tmp_path / "x")
    assert set(found) == wanted if wanted is not None else found and set(found) < BOTH
    for (id_, role), (samples, text, voice) in found.items():
        turn = BY_ID[id_]["turns"][role == "agent"]
        np.testing.assert_array_equal(samples, pcm(BY_ID[id_], role), f"{id_}, {role}")
        assert text in (None, turn["text"]) and voice in (None, turn["voice"])
