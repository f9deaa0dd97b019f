"""data-juicer's side of `python -m benchmarks.peers`, in an environment of its own, without this project's code.

    python side_data_juicer.py WORK JOB.json

Its own operator asks a server one row after the other in each process, so it gets a process for each place there. Its
checkpoint is on, which is what a second run resumes from.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import hearing
import yaml
from data_juicer.config import init_configs
from data_juicer.core import DefaultExecutor
from data_juicer.ops.base_op import OPERATORS, Mapper

AT_ONCE = 32


def run(job: dict, process: list[dict], np: int, text: str = "instruction") -> None:
    out = Path(job["out"]) / "rows.jsonl"
    config = {
        "project_name": "peers",
        "dataset_path": job["rows"],
        "export_path": str(out),
        "work_dir": job["state"],
        "np": np,
        "text_keys": text,
        "use_checkpoint": True,
        "open_monitor": False,
        "process": process,
    }
    file = Path(job["rows"]).with_name("recipe.yaml")
    file.write_text(yaml.safe_dump(config))
    DefaultExecutor(init_configs(["--config", str(file)])).run()


def generate(job: dict) -> None:
    operator = {
        "api_model": "m",
        "query_key": "instruction",
        "response_key": "output",
        "model_params": {"base_url": job["url"], "api_key": "none"},
        "num_proc": AT_ONCE,
    }
    run(job, [{"calibrate_query_mapper": operator}], AT_ONCE)


def six(job: dict) -> None:
    """Its own operators, of those that change nothing in these rows."""
    trivial = ["clean_email_mapper", "clean_links_mapper", "clean_ip_mapper", "clean_copyright_mapper"]
    trivial += ["whitespace_normalization_mapper", "remove_repeat_sentences_mapper"]
    run(job, [{name: {"text_key": "instruction"}} for name in trivial], 2)


@OPERATORS.register_module("transcribe_mapper")
class Transcribe(Mapper):
    def __init__(self, weights: str = "", compute_type: str = "int8", beam: int = 1, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.how = {"weights": weights, "compute_type": compute_type, "beam": beam}

    def process_single(self, sample: dict) -> dict:
        return sample | hearing.heard(sample["path"], sample["reference"], self.how)


def hear(job: dict) -> None:
    """An operator of its own kind in two processes."""
    operator = {**job["how"], "text_key": "reference", "num_proc": hearing.AT_ONCE}
    run(job, [{"transcribe_mapper": operator}], hearing.AT_ONCE, "reference")


def read(job: dict) -> None:
    """What `generate` left, as JSON lines of row and text."""
    with open(job["read"], "w", encoding="utf-8") as out:
        for file in sorted(Path(job["out"]).glob("rows*.jsonl")):
            for line in file.open(encoding="utf-8"):
                row = json.loads(line)
                if not row["instruction"].startswith("Could you say"):  # it keeps the text where no answer came
                    out.write(json.dumps({"row": row["row"], "text": row["instruction"]}) + "\n")


def read_heard(job: dict) -> None:
    """What `hear` left."""
    hearing.write_heard(job, hearing.json_rows(job["out"], "rows*.jsonl"))


if __name__ == "__main__":
    works = {"generate": generate, "six": six, "read": read, "hear": hear, "read_heard": read_heard}
    works[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()))
