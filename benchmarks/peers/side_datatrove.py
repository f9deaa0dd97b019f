"""datatrove's side of `python -m benchmarks.peers`, in an environment of its own, without this project's code.

python side_datatrove.py WORK JOB.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import hearing
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

AT_ONCE = 48  # requests: more than the server answers at once, so that none of its places waits for a client
CHUNK = 100  # rows of a checkpoint: as many as our shards have


def reader(job: dict) -> JsonlReader:
    file = Path(job["rows"])
    return JsonlReader(str(file.parent), glob_pattern=file.name, text_key="instruction", id_key="id")


def writer(folder: str, name: str) -> JsonlWriter:
    return JsonlWriter(folder, output_filename=name, compression=None)


async def ask(document, generate):
    answer = await generate({"messages": [{"role": "user", "content": document.text}], "max_tokens": 48})
    return answer.text


def generate(job: dict) -> None:
    from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner

    runner = InferenceRunner(
        rollout_fn=ask,
        config=InferenceConfig(
            server_type="endpoint",
            model_name_or_path="m",
            endpoint_url=job["url"].removesuffix("/v1"),
            max_concurrent_generations=AT_ONCE,
        ),
        output_writer=writer(job["out"], "${rank}_chunk_${chunk_index}.jsonl"),
        checkpoints_local_dir=job["state"] + "/checkpoints",
        records_per_chunk=CHUNK,
    )
    LocalPipelineExecutor([reader(job), runner], tasks=1, workers=1, logging_dir=job["state"] + "/logs").run()


class Trivial(PipelineStep):
    name = "trivial"

    def run(self, data, rank: int = 0, world_size: int = 1):
        for document in data:
            with self.track_time():
                self.stat_update("documents")
            yield document


def six(job: dict) -> None:
    steps = [reader(job), *(Trivial() for _ in range(6)), writer(job["out"], "${rank}.jsonl")]
    LocalPipelineExecutor(steps, tasks=1, workers=1, logging_dir=job["state"] + "/logs").run()


class Transcribe(PipelineStep):
    name = "transcribe"

    def __init__(self, how: dict) -> None:
        super().__init__()
        self.how = how

    def run(self, data, rank: int = 0, world_size: int = 1):
        for document in data:
            with self.track_time():
                document.metadata |= hearing.heard(document.metadata["path"], document.text, self.how)
            yield document


def hear(job: dict) -> None:
    """Two tasks at once, which share the files of the rows."""
    folder = hearing.parts(job["rows"], job["part"])
    read = JsonlReader(str(folder), text_key="reference", id_key="id")
    steps = [read, Transcribe(job["how"]), writer(job["out"], "${rank}.jsonl")]
    at_once = hearing.AT_ONCE
    LocalPipelineExecutor(steps, tasks=at_once, workers=at_once, logging_dir=job["state"] + "/logs").run()


def no_rows(data, rank: int = 0, world_size: int = 1):
    return iter(())


def prepare_units(job: dict) -> None:
    """The empty files that its executor leaves for completed tasks (`PipelineExecutor.mark_rank_as_completed`)."""
    completions = Path(job["state"]) / "logs" / "completions"
    completions.mkdir(parents=True)
    for rank in range(job["units"]):
        (completions / f"{rank:05d}").touch()


def units(job: dict) -> None:
    tasks = job["units"]
    LocalPipelineExecutor([no_rows], tasks=tasks, workers=1, logging_dir=job["state"] + "/logs").run()


def read(job: dict) -> None:
    """What `generate` left, as JSON lines of row and text."""
    with open(job["read"], "w", encoding="utf-8") as out:
        for file in sorted(Path(job["out"]).glob("*.jsonl")):
            for line in file.open(encoding="utf-8"):
                row = json.loads(line)
                text = row["metadata"]["rollout_results"][0]
                out.write(json.dumps({"row": row["metadata"]["row"], "text": text}) + "\n")


def read_heard(job: dict) -> None:
    """What `hear` left."""
    hearing.write_heard(job, (row["metadata"] | {"id": row["id"]} for row in hearing.json_rows(job["out"])))


if __name__ == "__main__":
    works = {"generate": generate, "six": six, "units": units, "read": read, "prepare_units": prepare_units}
    works |= {"hear": hear, "read_heard": read_heard}
    works[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()))
