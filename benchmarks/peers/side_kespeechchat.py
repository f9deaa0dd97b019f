"""Our side of `python -m benchmarks.peers`: `kesc build` in place of this process, or what it left.

python side_kespeechchat.py WORK JOB.json
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SIX = ("ingest", "rewrite", "filter", "spoken", "synthesize", "measure")  # with `watermark`, in one actor: six units
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
    from kespeechchat.state.build_state import BuildState, State
    from kespeechchat.state.saved_profile import load_profile
    from kespeechchat.store.commit import read_record
    from kespeechchat.store.opening import open_store
    from kespeechchat.store.shards import read_table

    store = open_store(job["state"])
    done = [
        state.order.key
        for state in BuildState(load_profile(job["state"]), store).states("rewrite").values()
        if state.state is State.DONE
    ]
    with open(job["read"], "w", encoding="utf-8") as out:
        for key in done:
            for row in read_table(store, "rewrite", read_record(store, "rewrite", key)).to_pylist():
                if row["status"] == "kept":
                    out.write(json.dumps({"row": row_of(row["instruction"]), "text": row["question"]}) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    works = {"generate": generate, "six": six, "units": units, "read": read}
    works |= {"prepare_six": prepare_six, "prepare_units": prepare_units}
    works[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()))
