"""Golden outputs: a stage whose output changes must change its version, or finished builds would mix both in silence.

Stages without a model are run on fixed rows. Of a stage with a model the output depends on weights and CPU; what is
the stage's own there is held by `tests/test_quickstart.py`. After a wanted change: bump the stage's `version` and run

    python tests/stages/test_golden.py
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kespeechchat.config.load import load_pipeline
from kespeechchat.seeds import stable_hash
from kespeechchat.stages.base import Task
from kespeechchat.stages.flow import STAGE_CLASSES

HERE = Path(__file__).parent
GOLDEN = HERE / "golden.json"
PROFILE = HERE.parent.parent / "pipelines" / "quickstart.yaml"
# the golden figures hold for these settings, whatever becomes of the profile's own
SETTINGS = (
    "seed=1",
    "stages.ingest={code_switching: true}",
    "stages.speakers.mining={corpus_score: {required: false}, min_clips: 3, similarity: 0.8, pairs_per_two_clips: 2}",
    "stages.blend.blending={users: {train: 4}, agents_per_gender: 0, rate_bin: 0.5, same_language: true, oversample: 1}",  # noqa: E501
    "stages.voices.privacy={speaker_threshold: 0.99, voice_threshold: 0.999}",
    "stages.clips.auditor=null",
    "stages.audition.speaker=resemblyzer",
    "stages.measure.auditor=null",
    "stages.gate={max_error: {zh: 0.05, en: 0.1}, unit: {zh: syllable, en: word}}",
)


def _unit(*parts: object, near: np.ndarray | None = None) -> list[float]:
    noise = np.array([stable_hash(*parts, i) % 2001 - 1000 for i in range(8)], dtype=np.float64) / 1000
    vector = noise if near is None else near + 0.1 * noise
    return (vector / np.linalg.norm(vector)).astype(np.float32).tolist()


def _ingest() -> Task:
    texts = ["What is rain?", "", "Translate this into French.", "x" * 101, "Write a Python function that sorts."]
    rows = [
        {
            "id": f"t-{n}",
            "occurrence": 1,
            "source": "t",
            "file": "t.jsonl",
            "line": n,
            "raw": json.dumps({"instruction": text, "input": "", "reference": None, "task": None}),
            "problem": None,
        }
        for n, text in enumerate(texts, 1)
    ]
    rows.append({**rows[0], "id": "t-1-d2", "occurrence": 2, "line": 9})
    rows.append({**rows[0], "id": "t-8", "raw": "{", "problem": "t.jsonl:8: no JSON"})
    return Task(0, "en", rows)


def _clips() -> Task:
    rows = []
    for speaker in range(8):
        own = np.asarray(_unit("speaker", speaker))
        for clip in range(3):
            other = speaker == 7 and clip == 2
            rows.append(
                {
                    "id": f"c-{speaker}-{clip}",
                    "recording": f"r{speaker}",
                    "language": "en",
                    "gender": "female" if speaker % 2 else "male",
                    "transcript": "hello there",
                    "seconds": 2.0 + clip / 10,
                    "characters": 20,
                    "scores": [],
                    "xvector": _unit("stranger") if other else _unit("clip", speaker, clip, near=own),
                    "tts_embedding": _unit("tts", speaker, clip),
                }
            )
    return Task(0, None, rows)


def _kept(name: str, task: Task, pipeline) -> list[dict]:
    return [o.row for o in STAGE_CLASSES[name](pipeline).process(task) if o.status == "kept"]


def _auditions(pipeline) -> Task:
    rows = _kept("blend", Task(0, None, _kept("speakers", _clips(), pipeline)), pipeline)
    for row in rows:
        row |= {"xvectors": [_unit("voice", row["id"])], "error_rate": 0.0, "spoken_seconds_per_character": 0.08}
        row["scores"] = []
    clips = pa.Table.from_pylist([{k: r[k] for k in ("recording", "language", "xvector")} for r in _clips().rows])
    vectors = pa.array([r["xvector"] for r in _clips().rows], pa.list_(pa.float32()))
    return Task(0, None, rows, {"clips": clips.set_column(2, "xvector", vectors)})


def _measured() -> Task:
    def turn(role: str, text: str, transcript: str, mark: float = 1.0) -> dict:
        fields = {"voice": "v", "seed": 1, "tries": 1, "sample_rate": 24000, "seconds": 2.0, "scores": []}
        fields |= {"words": [], "silences": [], "leading_silence": 0.1, "trailing_silence": 0.2, "longest_silence": 0.3}
        return {"role": role, "text": text, "transcript": transcript, "watermark_score": mark, **fields}

    def row(id_: str, language: str, *turns: dict) -> dict:
        return {"id": id_, "source": "t", "language": language, "split": "train", "turns": list(turns)}

    good = turn("user", "How far is it?", "how far is it")
    return Task(
        0,
        "en",
        [
            row("g-1", "en", good, turn("agent", "It is twenty-five miles.", "It is 25 miles.")),
            row("g-2", "en", good, turn("agent", "It is close by.", "Buy some clothes.")),
            row("g-3", "en", good, turn("agent", "It is close by.", "It is close by.", mark=0.2)),
            row("g-4", "zh", turn("user", "他在哪里？", "她再哪里"), turn("agent", "他在家。", "他在家")),
        ],
    )


def _outputs() -> dict[str, dict]:
    pipeline = load_pipeline(PROFILE, SETTINGS)
    speakers = Task(0, None, _kept("speakers", _clips(), pipeline))
    tasks = {
        "ingest": _ingest(),
        "speakers": _clips(),
        "blend": speakers,
        "voices": _auditions(pipeline),
        "gate": _measured(),
    }
    found = {}
    for name, task in tasks.items():
        outcomes = list(STAGE_CLASSES[name](pipeline).process(task))
        told = [[o.status, o.reason, _rounded(o.row)] for o in outcomes]
        digest = hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
        found[name] = {"version": STAGE_CLASSES[name].version, "rows": len(outcomes), "digest": digest}
    return found


def _rounded(value):
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["ingest", "speakers", "blend", "voices", "gate"])
def test_an_output_changes_only_with_its_version(stage):
    golden = json.loads(GOLDEN.read_text())[stage]
    found = _outputs()[stage]
    assert found["rows"] > 0
    if found["digest"] != golden["digest"]:
        assert found["version"] != golden["version"], f"{stage}: its output changed and its version did not; see above"
        pytest.fail(f"{stage}: new version, so write the new figures: python tests/stages/test_golden.py")
    assert found["version"] == golden["version"]


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(_outputs(), indent=1) + "\n")
