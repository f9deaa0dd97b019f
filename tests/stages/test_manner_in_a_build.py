"""Manners in a build: what reaches the engine, what a turn keeps of it, and what an export says."""

from __future__ import annotations

import gzip
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kespeechchat.commands.export import Wanted, export
from kespeechchat.records import Audio
from kespeechchat.stages.base import Task
from kespeechchat.stages.flow import stage_class
from kespeechchat.state.finished_rows import FinishedRows
from tests.spoken_again import RATE, ROWS, VOICES, Ground

pytestmark = pytest.mark.slow
ENGINE = (  # beside that of the recorded voices
    "engines.tts.told={use: cosyvoice, model: unused, mode: instruct, instruct_text: A speaker.}",
    "stages.synthesize.tts=told",
)
HURRIED = "{name: hurried, share: 0.5, role: user, ends: [question], speed: [1.8, 2]}"
CALM = "{name: calm, share: 0.5, role: agent, languages: [en], instruct: {en: A calm speaker.}}"
MANNER = f"manner=[{HURRIED}, {CALM}]"


@pytest.fixture
def ground(tmp_path, quickstart, monkeypatch) -> Ground:
    """An engine that speaks at the speed it is asked for, at the same pace in any language: near the lower limit in
    Chinese, so that twice the speed is below it."""
    ground = Ground(tmp_path, quickstart, monkeypatch)
    engines = ground.engines
    engines.asked = []

    def said(utterance):
        engines.asked.append(utterance)
        length = round(0.12 * len(utterance.text) * RATE / utterance.speed)
        while length in engines._heard:
            length += 1
        engines._heard[length] = utterance.text
        return Audio(np.resize(np.array([0.1, -0.1], dtype=np.float32), length), RATE)

    engines._said = said
    return ground


def _turns(ground: Ground, *settings: str) -> dict[tuple[str, str], dict]:
    rows = FinishedRows(ground.pipeline(*settings), ground.store)
    return {(row["id"], turn["role"]): turn | {"language": row["language"]} for row in rows for turn in row["turns"]}


def test_what_was_drawn_is_spoken_kept_counted_and_exported(ground, tmp_path):
    assert ground.build(*ENGINE, MANNER).ok
    turns = _turns(ground, *ENGINE, MANNER)
    assert len(turns) == 8 * ROWS  # at twice the speed nothing is off pace
    asked = {utterance.text: (utterance.speed, utterance.instruct) for utterance in ground.engines.asked}
    for (_, role), turn in turns.items():
        manner = turn["manner"]
        if manner is None:
            assert asked[turn["text"]] == (1.0, None)
        elif role == "user":
            assert manner["name"] == "hurried" and 1.8 <= manner["speed"] <= 2 and manner["instruct"] is None
            assert asked[turn["text"]] == (manner["speed"], None)
        else:
            assert manner == {"name": "calm", "speed": None, "instruct": "A calm speaker."}
            assert asked[turn["text"]] == (1.0, "A calm speaker.") and turn["language"] == "en"
    drawn = {turn["manner"]["name"] if turn["manner"] else None for turn in turns.values()}
    assert drawn == {"hurried", "calm", None}

    export(ground.pipeline(*ENGINE, MANNER), ground.store, str(tmp_path / "to"), Wanted(audio=False))
    for dialogue in json.loads((tmp_path / "to" / "metadata.json").read_text()):
        for role, said in zip(("user", "agent"), dialogue["dialog"], strict=True):
            manner = turns[dialogue["id"], role]["manner"]
            assert said.get("manner") == (manner and {k: v for k, v in manner.items() if v is not None})
    figures = json.loads((tmp_path / "to" / "statistics.json").read_text())
    for language, unit in (("zh", "seconds_per_character"), ("en", "seconds_per_word")):
        found = figures[language]["manners"]
        hurried, plain = found["user"]["hurried"], found["user"]["plain"]
        assert hurried["turns"] == sum(
            bool(turn["manner"]) for (_, role), turn in turns.items() if role == "user" and turn["language"] == language
        )
        assert hurried["share"] + plain["share"] == pytest.approx(1, abs=1e-5)
        assert hurried[unit]["mean"] == pytest.approx(plain[unit]["mean"] / 1.9, rel=0.1)
        assert found["agent"].keys() == ({"plain"} if language == "zh" else {"calm", "plain"})
    for page in ("README.md", "statistics.md"):
        text = (tmp_path / "to" / page).read_text()
        assert "## Manners of speaking" in text and "| zh | user | hurried |" in text
    card = (tmp_path / "to" / "README.md").read_text()
    assert "- `hurried`: speed 1.8 to 2\n- `calm`: the engine is told en “A calm speaker.”" in card


@pytest.mark.parametrize("layout", ["huggingface", "lhotse", "stereo", "webdataset"])
def test_other_layouts_name_it(ground, tmp_path, layout):
    assert ground.build(*ENGINE, MANNER).ok
    turns = _turns(ground, *ENGINE, MANNER)
    to = tmp_path / "to"
    export(ground.pipeline(*ENGINE, MANNER), ground.store, str(to), Wanted(audio=False, layout=layout))
    named = {key: turn["manner"] and turn["manner"]["name"] for key, turn in turns.items()}
    found = {}
    for row in _lines(to, layout):
        if layout == "lhotse":
            for turn in row["supervisions"]:
                found[row["id"], turn["custom"]["role"]] = turn["custom"].get("manner")
        else:
            found |= {(row["id"], role): row[f"{role}_manner"] for role in ("user", "agent")}
    assert found == named


def _lines(to, layout):
    if layout == "huggingface":
        return [row for file in to.glob("data/*.parquet") for row in pq.read_table(file).to_pylist()]
    if layout == "lhotse":
        texts = [gzip.decompress(file.read_bytes()).decode() for file in to.glob("*/cuts.*.jsonl.gz")]
    elif layout == "stereo":
        texts = [(to / "dialogues.jsonl").read_text()]
    else:
        texts = []
        for file in to.glob("*.tar"):
            with tarfile.open(file) as tar:
                texts += [tar.extractfile(one).read().decode() for one in tar]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def test_a_row_draws_the_same_alone_as_in_a_shard_and_in_any_round(ground):
    pipeline = ground.pipeline(*ENGINE, MANNER, "rounds=[seed]")
    said = {"split": "train", "source": "t", "instruction": "What is it?", "response": "It is so.", "later": None}
    rows = [{"id": f"row{n}", "language": "en", **said} for n in range(12)]
    library = pa.Table.from_pylist([{**voice, "language": None} for voice in VOICES])

    def manners(rows: list[dict], stage: str = "synthesize") -> list:
        made = stage_class(stage)(pipeline)
        made.setup()
        outcomes = made.process(Task(0, "en", rows, {"voices": library}))
        return [[turn.get("manner") for turn in outcome.row["turns"]] for outcome in outcomes]

    together = manners(rows)
    assert [own for row in reversed(rows) for own in manners([row])] == together[::-1]
    assert manners(rows, "synthesize.r1") == together
    assert {turn and turn["name"] for turns in together for turn in turns} == {"hurried", "calm", None}


def test_a_turn_off_pace_without_its_speed_is_rejected(ground):
    said = ground.engines._said

    def slower(utterance):  # as if the engine did not know speeds: 0.3 s a character at twice the speed
        audio = said(utterance)
        return Audio(np.resize(audio.samples, 5 * len(audio.samples)), RATE) if utterance.speed > 1 else audio

    ground.engines._said = slower
    result = ground.build(*ENGINE, MANNER)
    assert result.ok
    turns = _turns(ground, *ENGINE, MANNER)
    assert turns and not any(turn["manner"] and turn["manner"]["name"] == "hurried" for turn in turns.values())


def test_without_manners_rows_and_export_are_what_they_were(ground, tmp_path):
    assert ground.build(*ENGINE).ok
    turns = _turns(ground, *ENGINE)
    assert all(turn["manner"] is None for turn in turns.values())
    export(ground.pipeline(*ENGINE), ground.store, str(tmp_path / "to"), Wanted(audio=False))
    assert "manner" not in (tmp_path / "to" / "metadata.json").read_text()
    assert "manner" not in (tmp_path / "to" / "statistics.json").read_text()
    assert ground.stale(*ENGINE, MANNER) == {
        "watermark",
        "measure",
        "gate",
    }  # `synthesize` is published with `watermark`
