"""distilabel's side of `python -m benchmarks.peers`, in an environment of its own, without this project's code.

    python side_distilabel.py WORK JOB.json

One `Pipeline` with a cache, so that a second run resumes the first. Annotations are no strings here: `step` reads them.
"""

import json
import sys
from pathlib import Path
from typing import Any

import hearing
from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts, Step, StepInput, StepResources, step
from distilabel.steps.tasks import TextGeneration

BATCH = 320  # rows that a step gets at once: a batch waits for its slowest row, so few and large ones


def rows(job: dict) -> list[dict]:
    return [json.loads(line) for line in open(job["rows"], encoding="utf-8")]


def generate(job: dict) -> None:
    with Pipeline(name="peers", cache_dir=job["state"]) as pipeline:
        load = LoadDataFromDicts(data=rows(job), batch_size=BATCH)
        llm = OpenAILLM(model="m", base_url=job["url"], api_key="none", generation_kwargs={"max_new_tokens": 48})
        load >> TextGeneration(llm=llm, input_batch_size=BATCH)
    pipeline.run(use_cache=True).save_to_disk(job["out"], save_card=False, save_pipeline_config=False)


@step(inputs=["row"], outputs=["row"])
def trivial(inputs: StepInput):
    yield inputs


def six(job: dict) -> None:
    with Pipeline(name="six", cache_dir=job["state"]) as pipeline:
        last = LoadDataFromDicts(data=rows(job), batch_size=job["batch"])
        for n in range(6):
            last = last >> trivial(name=f"trivial_{n}", input_batch_size=job["batch"])
    pipeline.run(use_cache=True).save_to_disk(job["out"], save_card=False, save_pipeline_config=False)


class Transcribe(Step):
    how: dict[str, Any]

    @property
    def inputs(self):
        return ["path", "reference"]

    @property
    def outputs(self):
        return ["transcript", "error_rate"]

    def process(self, inputs: StepInput):
        yield [row | hearing.heard(row["path"], row["reference"], self.how) for row in inputs]


def hear(job: dict) -> None:
    """Two replicas of one step."""
    with Pipeline(name="hear", cache_dir=job["state"]) as pipeline:
        load = LoadDataFromDicts(data=rows(job), batch_size=job["part"])
        two = StepResources(replicas=hearing.AT_ONCE)
        load >> Transcribe(how=job["how"], input_batch_size=job["part"], resources=two)
    pipeline.run(use_cache=True).save_to_disk(job["out"], save_card=False, save_pipeline_config=False)


def read(job: dict) -> None:
    """What `generate` left, as JSON lines of row and text."""
    from distilabel.distiset import Distiset

    data = Distiset.load_from_disk(job["out"])["default"]["train"]
    with open(job["read"], "w", encoding="utf-8") as out:
        for row in data:
            out.write(json.dumps({"row": row["row"], "text": row["generation"]}) + "\n")


def read_heard(job: dict) -> None:
    """What `hear` left."""
    from distilabel.distiset import Distiset

    hearing.write_heard(job, Distiset.load_from_disk(job["out"])["default"]["train"])


if __name__ == "__main__":
    works = {"generate": generate, "six": six, "read": read, "hear": hear, "read_heard": read_heard}
    works[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text()))
