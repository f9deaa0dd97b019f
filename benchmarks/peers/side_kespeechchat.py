"""Our side of `python -m benchmarks.peers`: `kesc build` in place of this process, or what it left.

python side_kespeechchat.py WORK JOB.json
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SIX = ("ingest", "rewrite", "filter", "spoken", "synthesize", "measure")  # with `watermark`, in one actor: six units
_BEFORE = ("ingest", "rewrite", "filter", "spoken", "corpus", "clips", "speakers", "blend", "audition", "voices")
_BEFORE += ("watermark",)  # with `synthesize` in it
SHARD = 100  # rows
AT_ONCE = 48  # requests: more than the server answers at once, so that none of its places waits for a client


def generate(job: dict[str, Any]) -> None:
    """`ingest` and `rewrite`, by a server; one candidate and nothing by rule, so that each row is asked once."""
    server = f"engines.llm.server={{use: openai, url: {job['url']}, model: m, concurrency: {AT_ONCE}}}"
    settings = ("stages.rewrite.llm=server", "stages.rewrite.by_rule=false", "stages.rewrite.candidates=1", server)
    resources = "resources.rewrite={num_cpus: 0.5, shards_in_flight: 4}"
    _build(job, ("ingest", "rewrite"), (*_plain(SHARD), *settings, resources))


def prepare_six(job: dict[str, Any]) -> None:
    """Records a voice library, which `synthesize` asks for."""
    from benchmarks.recorded import Unsynced, fill, recipe
    from kespeechchat.config.flow import of_branch

    recipe(Path(job["recipe"]), 20)
    fill(_pipeline(job, _six(job)), Unsynced(job["state"]), of_branch("voices"))


def six(job: dict[str, Any]) -> None:
    """Six units whose stages hand their rows on: `benchmarks/inject` has their `process`."""
    paths = (str(ROOT / "benchmarks" / "inject"), str(ROOT), os.environ.get("PYTHONPATH", ""))
    os.environ |= {"KESC_TRIVIAL": ",".join((*SIX, "watermark")), "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    _build(job, SIX, _six(job))


def prepare_units(job: dict[str, Any]) -> None:
    """Records `ingest` and `rewrite` with a shard for each row."""
    from benchmarks.recorded import Unsynced, fill

    fill(_pipeline(job, _plain(1)), Unsynced(job["state"]), ("ingest", "rewrite"))


def units(job: dict[str, Any]) -> None:
    """The same build once more."""
    _build(job, ("ingest", "rewrite"), _plain(1))


def prepare_hear(job: dict[str, Any]) -> None:
    """Records what comes before `measure`: the marked speech, a dialogue of one turn for each utterance."""
    from benchmarks.recorded import Unsynced, fill
    from kespeechchat.store.audio import encode_flac, read

    spoken = [json.loads(line) for line in Path(job["rows"]).read_text(encoding="utf-8").splitlines()]
    shards = [spoken[start : start + job["part"]] for start in range(0, len(spoken), job["part"])]
    with _questions(job).open("w", encoding="utf-8") as out:  # one a shard, so that there are as many shards
        out.writelines(json.dumps({"instruction": f"How far is place {n}?"}) + "\n" for n in range(len(shards)))

    def rows(order: Any) -> list[dict[str, Any]]:
        if order.name == "voices":
            return [{"id": "somebody", "role": "user"}]
        if order.name != "watermark":
            return [{"id": f"{order.name}-{order.key.shard}"}]
        return [_dialogue(one, read(one["path"]), encode_flac) for one in shards[order.key.shard]]

    fill(_heard_pipeline(job), Unsynced(job["state"]), _BEFORE, rows)


def _dialogue(utterance: dict[str, Any], audio: Any, encode: Any) -> dict[str, Any]:
    turn = {"role": "user", "voice": "somebody", "text": utterance["reference"], "seed": 0, "tries": 1}
    turn |= {"sample_rate": audio.sample_rate, "seconds": audio.seconds, "audio": encode(audio)}
    return {"id": utterance["id"], "source": "peers", "language": "en", "split": "train", "turns": [turn]}


def hear(job: dict[str, Any]) -> None:
    """`measure` and `gate` in one go, two actors that recognize. The search for marks is a double's, which answers at
    once: no other side searches any."""
    paths = (str(ROOT / "benchmarks" / "inject"), str(ROOT), os.environ.get("PYTHONPATH", ""))
    os.environ |= {"KESC_RECORDED": json.dumps({"only": ["watermark"]})}
    os.environ |= {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    _build({**job, "rows": str(_questions(job))}, ("measure", "gate"), _hear(job))


def _questions(job: dict[str, Any]) -> Path:
    return Path(job["rows"]).with_name("questions.jsonl")


def _heard_pipeline(job: dict[str, Any]) -> Any:
    return _pipeline({**job, "rows": str(_questions(job))}, _hear(job))


def _hear(job: dict[str, Any]) -> tuple[str, ...]:
    from benchmarks.recorded import ANY_LANGUAGE

    how, recognizer = job["how"], "engines.asr.whisper"
    heard = (f"{recognizer}.padding=null", f"{recognizer}.threads=1", f"{recognizer}.beam={how['beam']}")
    heard += (f"{recognizer}.compute_type={how['compute_type']}",)
    alone = ("stages.measure.mos=null", "stages.measure.auditor=null", "stages.gate.min_mos={}")
    alone += ("stages.gate.min_own_voice=null", "stages.gate.max_silence={}", "stages.gate.hallucinations=false")
    alone += ("stages.gate.max_error.en=null", "rounds=[]", ANY_LANGUAGE)
    actors = "resources.measure={num_cpus: 0.8, max_actors: 2, min_actors: 2}"
    return (*_plain(1), *heard, *alone, actors, "resources.gate={num_cpus: 0.2}")


def _plain(shard_size: int) -> tuple[str, ...]:
    return (f"instructions.shard_size={shard_size}", "instructions.near_duplicates=null", "guards={}")


def _six(job: dict[str, Any]) -> tuple[str, ...]:
    from benchmarks.recorded import ANY_LANGUAGE

    return (*_plain(job["batch"]), ANY_LANGUAGE, f"speech.inputs=[{{path: {job['recipe']}}}]")


def _pipeline(job: dict[str, Any], settings: tuple[str, ...]) -> Any:
    from benchmarks.measured import PROFILE
    from kespeechchat.config.load import load_pipeline

    return load_pipeline(PROFILE, settings, inputs=[Path(job["rows"])], root=job["state"])


def _build(job: dict[str, Any], stages: tuple[str, ...], settings: tuple[str, ...]) -> None:
    words = ["build", str(ROOT / "pipelines" / "quickstart.yaml"), "--root", job["state"], "--input", job["rows"]]
    words += [word for stage in stages for word in ("--stage", stage)]
    words += [word for setting in settings for word in ("--set", setting)]
    os.execv(sys.executable, [sys.executable, "-m", "kespeechchat", *words])


def read(job: dict[str, Any]) -> None:
    """What `generate` left, as JSON lines of row and text."""
    from benchmarks.peers.server import row_of

    with open(job["read"], "w", encoding="utf-8") as out:
        for row in _kept(job, "rewrite"):
            out.write(json.dumps({"row": row_of(row["instruction"]), "text": row["question"]}) + "\n")


def read_heard(job: dict[str, Any]) -> None:
    """What `hear` left, as JSON lines of id, transcript and error rate."""
    with open(job["read"], "w", encoding="utf-8") as out:
        for row in _kept(job, "gate"):
            found = {"transcript": row["turns"][0]["transcript"], "error_rate": row["error_rate"]}
            out.write(json.dumps({"id": row["id"], **found}) + "\n")


def _kept(job: dict[str, Any], stage: str) -> Iterator[dict[str, Any]]:
    """Rows that `stage` kept, of its finished shards."""
    from kespeechchat.state.build_state import BuildState, State
    from kespeechchat.state.saved_profile import load_profile
    from kespeechchat.store.commit import read_record
    from kespeechchat.store.opening import open_store
    from kespeechchat.store.shards import read_table

    store = open_store(job["state"])
    for state in BuildState(load_profile(job["state"]), store).states(stage).values():
        if state.state is State.DONE:
            rows = read_table(store, stage, read_record(store, stage, state.order.key)).to_pylist()
            yield from (row for row in rows if row["status"] == "kept")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    works = {"generate": generate, "six": six, "units": units, "read": read}
    works |= {"prepare_six": prepare_six, "prepare_units": prepare_units}
    works |= {"hear": hear, "prepare_hear": prepare_hear, "read_heard": read_heard}
    works[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()))
    os._exit(0)  # as `kesc` ends: native threads of libraries have ended a process that was all well with an abort
