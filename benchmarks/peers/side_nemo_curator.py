"""NeMo Curator's side of `python -m benchmarks.peers`, in an environment of its own, without this project's code.

    python side_nemo_curator.py WORK JOB.json

Resuming wants a Ray that was started before and a folder for its counters, so both are there, on Ray Data. That Ray
needs a token that all processes know: the driver gives each run one (RAY_AUTH_TOKEN).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import hearing
import ray
from nemo_curator.backends.ray_data import RayDataExecutor
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.resources import Resources
from nemo_curator.stages.text.io.reader import JsonlReader
from nemo_curator.stages.text.io.writer import JsonlWriter
from nemo_curator.tasks import DocumentBatch

AT_ONCE = 48  # requests: more than the server answers at once, so that none of its places waits for a client
PART = 100  # rows of an input file, which is what is resumed: as many as our shards have
CPUS = 8  # as Ray counts them: its readers and writers ask for one each, and on two cores some would never begin
SHARE = Resources(cpus=0.2)  # of each stage: two cores hold the actors of all


@contextlib.contextmanager
def own_ray() -> Iterator[None]:
    """A Ray for the block, which Curator finds by RAY_ADDRESS. Not started by Curator's own client: that starts Ray's
    dashboard too, a dozen more processes, so that on a busy machine `ray start` is over Ray's own limit of 30 s."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as short:  # its sockets want a short path
        words = ["ray", "start", "--head", "--block", "--port", address.split(":")[1], "--temp-dir", short]
        words += ["--num-cpus", str(CPUS), "--include-dashboard=false", "--disable-usage-stats"]
        process = subprocess.Popen(words, start_new_session=True)
        try:
            wait_for(process, address)
            os.environ["RAY_ADDRESS"] = address
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def wait_for(process: subprocess.Popen, address: str) -> None:
    """Returns once that Ray can be used. Raises RuntimeError where it has ended."""
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"ray start ended in {process.returncode}")
        try:
            with ray.init(address=address, log_to_driver=False):
                return
        except (ConnectionError, RuntimeError):
            time.sleep(0.5)


def run(job: dict, name: str, stages: list, size: int) -> None:
    Path(job["out"]).mkdir(exist_ok=True)
    reader = JsonlReader(file_paths=str(hearing.parts(job["rows"], size)), files_per_partition=1)
    with own_ray():
        pipeline = Pipeline(name=name, stages=[reader, *stages, JsonlWriter(path=job["out"])])
        pipeline.run(RayDataExecutor(), checkpoint_path=job["state"])


def generate(job: dict) -> None:
    from nemo_curator.models.client.openai_client import AsyncOpenAIClient
    from nemo_curator.stages.synthetic.nemotron_cc.base import BaseSyntheticStage

    client = AsyncOpenAIClient(max_concurrent_requests=AT_ONCE, base_url=job["url"], api_key="none")
    ask = BaseSyntheticStage(
        prompt="{document}", input_field="instruction", output_field="text", client=client, model_name="m"
    )
    run(job, "peers", [ask.with_(resources=SHARE)], PART)


class Trivial(ProcessingStage[DocumentBatch, DocumentBatch]):
    resources = SHARE

    def __init__(self, number: int) -> None:
        self.name = f"trivial_{number}"

    def inputs(self) -> tuple[list[str], list[str]]:
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        return ["data"], []

    def process(self, batch: DocumentBatch) -> DocumentBatch:
        return batch


def six(job: dict) -> None:
    run(job, "six", [Trivial(number) for number in range(6)], job["batch"])


class Transcribe(ProcessingStage[DocumentBatch, DocumentBatch]):
    """Two workers of one file at a time."""

    name = "transcribe"
    resources = Resources(cpus=1.0)

    def __init__(self, how: dict) -> None:
        self.how = how

    def inputs(self) -> tuple[list[str], list[str]]:
        return ["data"], ["path", "reference"]

    def outputs(self) -> tuple[list[str], list[str]]:
        return ["data"], ["transcript", "error_rate"]

    def num_workers(self) -> int:
        return hearing.AT_ONCE

    def setup(self, worker_metadata=None) -> None:
        hearing.recognizer(self.how["weights"], self.how["compute_type"])

    def process(self, batch: DocumentBatch) -> DocumentBatch:
        rows = batch.to_pandas()
        found = [
            hearing.heard(path, text, self.how) for path, text in zip(rows["path"], rows["reference"], strict=True)
        ]
        for name in ("transcript", "error_rate"):
            rows[name] = [one[name] for one in found]
        batch.data = rows
        return batch


def hear(job: dict) -> None:
    run(job, "hear", [Transcribe(job["how"])], job["part"])


def prepare_units(job: dict) -> None:
    """Its own run over files of one row, since nobody but it can write its counters."""
    units(job)


def units(job: dict) -> None:
    run(job, "units", [Trivial(0)], 1)


def read(job: dict) -> None:
    """What `generate` left, as JSON lines of row and text."""
    with open(job["read"], "w", encoding="utf-8") as out:
        for file in sorted(Path(job["out"]).glob("*.jsonl")):
            for line in file.open(encoding="utf-8"):
                row = json.loads(line)
                out.write(json.dumps({"row": row["row"], "text": row["text"]}) + "\n")


def read_heard(job: dict) -> None:
    """What `hear` left."""
    hearing.write_heard(job, hearing.json_rows(job["out"]))


if __name__ == "__main__":
    works = {"generate": generate, "six": six, "units": units, "prepare_units": prepare_units, "read": read}
    works |= {"hear": hear, "read_heard": read_heard}
    works[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()))
