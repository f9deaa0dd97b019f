"""Loaded by every interpreter of a build under test (through PYTHONPATH): makes `ingest` slow, or deadly on one row.

`KESC_FAULT_SLOW` seconds are spent on each shard; its process id is appended to `KESC_FAULT_LOG`. A shard with a row
that says POISON kills its process. No hook stands in the product for this.
"""

import importlib.util
import os
import signal
import sys
import time

_MODULE = "kespeechchat.stages.ingest"


class _Finder:
    """Changes the stage when it is imported, so that processes which never import it start as fast as ever."""

    def find_spec(self, name, path=None, target=None):
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (load(module), _make_faulty(module.Ingest))
        return spec


def _make_faulty(stage) -> None:
    real = stage.process

    def process(self, task):
        with open(os.environ["KESC_FAULT_LOG"], "a") as log:
            log.write(f"{task.shard} {os.getpid()}\n")
        time.sleep(float(os.environ["KESC_FAULT_SLOW"]))
        if any("POISON" in row["raw"] for row in task.rows):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, task)

    stage.process = process


if "KESC_FAULT_LOG" in os.environ:
    sys.meta_path.insert(0, _Finder())
