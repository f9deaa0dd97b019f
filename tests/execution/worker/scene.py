"""One shard to build by workers that really die: each is a forked process, and is started again."""

from __future__ import annotations

import os
from threading import Thread

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.config.flow import TRAITS
from kespeechchat.config.load import load_pipeline
from kespeechchat.execution.worker.time_limit import record_crashes
from kespeechchat.execution.worker.worker import Worker
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.orders import Order
from kespeechchat.store.commit import FAILED, CommitRecord, read_record, record_key
from kespeechchat.store.opening import open_store
from kespeechchat.store.shards import read_table

ROWS = 12
IDS = [f"row-{n:02d}" for n in range(ROWS)]


class Scene:
    """One shard of `unit` to build, of ROWS rows. What each stage of the unit does with a row is `act(id)`."""

    def __init__(self, folder, profile, stage: str, *overrides: str) -> None:
        inputs = {"instructions": questions(folder / "questions.jsonl", 2), "speech": recipe(folder / "s.yaml", 10)}
        speech = f"speech.inputs=[{{path: {inputs['speech']}}}]"
        root = str(folder / "root")
        self.pipeline = load_pipeline(profile, (speech, *overrides), inputs=[inputs["instructions"]], root=root)
        self.store = open_store(root)
        unit = self.pipeline.unit_of(stage)
        before = list(TRAITS)[: list(TRAITS).index(unit.first)]
        fill(self.pipeline, self.store, before, lambda order: [{"id": id_} for id_ in IDS])
        self.order = BuildState(self.pipeline, self.store).states(stage)[0].order
        self.orders = {"the one": self.order}  # each is built by a thread of that name

    def build(self, **who: str) -> str:
        """The end of a build whose workers, when they die, are started again: its status and how often they died."""
        for deaths in range(100):
            worker = os.fork()
            if not worker:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                self._work({"session": "run", "node": "here", **who})
            _, ended = os.waitpid(worker, 0)
            if os.waitstatus_to_exitcode(ended) == 0:
                self.deaths = deaths
                return "failed" if self._record(FAILED) else "committed"
        raise AssertionError("the shard is tried without end")

    def _work(self, who: dict[str, str]) -> None:
        try:
            record_crashes()
            worker = Worker(self.pipeline, self.order.unit, **who, leave=lambda: os._exit(1))
            threads = [Thread(target=self._one, args=(worker, o), name=name) for name, o in self.orders.items()]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            os._exit(0)
        finally:
            os._exit(1)

    def _one(self, worker: Worker, order: Order) -> None:
        try:
            worker.build(order)
        except BaseException:
            os._exit(1)

    def _record(self, kind: str | None = None) -> CommitRecord | None:
        try:
            return CommitRecord.from_json(self.store.get(record_key(self.order.name, self.order.key, kind)))
        except FileNotFoundError:
            return None

    @property
    def failure(self) -> str:
        return self._record(FAILED).error

    def rows(self, status: str) -> dict[str, dict]:
        record = read_record(self.store, self.order.name, self.order.key)
        found = read_table(self.store, self.order.name, record, kept_only=False).to_pylist()
        return {row["id"]: row for row in found if row["status"] == status}

    def start_again(self) -> None:
        """Forgets what was built."""
        for folder in ("commits", "data", "attempts"):
            for key, _ in self.store.list(f"{self.order.name}/{folder}"):
                self.store.delete(key)
