"""`kesc voices` over a recorded build."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.cli import app
from kespeechchat.config.load import load_pipeline
from kespeechchat.store.opening import open_store

CLIPS = np.eye(8, dtype=np.float32)


def voice(i: int, gender: str, role: str = "user", like: float = 0.5) -> dict:
    """Its speech lies `like` near to real clip i."""
    vector = like * CLIPS[i] + np.sqrt(1 - like**2) * CLIPS[i + 4]
    made = {"id": f"voice{i}", "role": role, "language": None, "gender": gender, "split": "train"}
    made |= {"parents": [f"p{i}", f"p{i + 4}"], "weights": [0.5, 0.5], "xvectors": [vector.tolist()] * 2}
    return made | {"nearest_speaker": f"r{i}", "nearest_speaker_cosine": like, "nearest_voice_cosine": 0.0}


@pytest.fixture
def kesc(tmp_path, quickstart):
    """Runs the command over a build with these voices."""

    def run(voices, *options: str, build: bool = True):
        def rows(order):
            if order.name == "voices":
                return voices
            start = 4 * order.key.shard
            if order.name == "clips":
                heard = {"xvector": CLIPS[7].tolist()}  # by the miner, who judges nothing
                clips = [{"id": f"c{start + i}", "recording": f"r{i}", **heard} for i in range(4)]
                return [{**clip, "auditor_xvector": CLIPS[i].tolist()} for i, clip in enumerate(clips)]
            return [{"id": f"{order.name}-{order.key.shard}"}]

        speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 20)}}}]"
        file = questions(tmp_path / "questions.jsonl", 4)
        pipeline = load_pipeline(quickstart, (speech,), inputs=[file], root=str(tmp_path / "root"))
        fill(pipeline, open_store(pipeline.root), None if build else ["ingest"], rows=rows)
        return CliRunner().invoke(app, ["voices", "--root", pipeline.root, *options])

    return run


GOOD = [voice(0, "female"), voice(1, "male"), voice(2, "female", "agent"), voice(3, "male", "agent")]


def test_a_good_library(kesc):
    result = kesc(GOOD, "--recompute")
    assert result.exit_code == 0, result.output
    assert "2 user voices, 2 agents" in result.output and "BROKEN" not in result.output
    assert "4 voices measured anew" in result.output
    assert "take the privacy measure for circular" in result.output.replace("\n", " ")  # recorded: no engine is named


def test_a_broken_promise_is_exit_code_one(kesc):
    result = kesc([*GOOD[:3], voice(3, "male", "agent", like=0.95)])
    assert result.exit_code == 1
    assert "BROKEN  each voice is further from every real speaker" in result.output
    assert "closest: voice3 at 0.950 to r3" in result.output


def test_json(kesc):
    result = kesc(GOOD, "--json")
    found = json.loads(result.output)
    assert found["privacy"]["closest"]["nearest_speaker_cosine"] == 0.5
    assert all(promise["holds"] for promise in found["promises"])


def test_one_voice_alone_has_nobody_to_be_like(kesc):
    assert kesc([GOOD[0]]).exit_code == 0


@pytest.mark.parametrize(("voices", "told"), [([], "the voice library is empty"), (None, "no voice library yet")])
def test_no_library(kesc, voices, told):
    result = kesc(voices, build=voices is not None)
    assert result.exit_code == 2 and told in result.output
