"""Loaded by every interpreter of a build under test (through PYTHONPATH): makes `ingest` slow, or faulty on some rows.

`KESC_FAULT_SLOW` seconds are spent on each call, and more while the file `KESC_FAULT_LOG`.held stands; shard, process
id and number of rows are appended to `KESC_FAULT_LOG`.
A row that holds one of the words of `_FAULTS` does what stands there. No hook stands in the product for this.
"""

import ctypes
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


_FAULTS = {
    "KILLED": lambda: os.kill(os.getpid(), signal.SIGKILL),  # as the system does when memory is short
    "SEGFAULT": lambda: ctypes.string_at(0),
    "HANGS": lambda: time.sleep(3600),
    "DEAF": lambda: ctypes.PyDLL(None).sleep(600),  # holds the interpreter's lock
    "RAISES": lambda: 1 / 0,
    "TOO LARGE": lambda: bytearray(1 << 62),
}


def _make_faulty(stage) -> None:
    real = stage.process

    def process(self, task):
        with open(os.environ["KESC_FAULT_LOG"], "a") as log:
            log.write(f"{task.shard} {os.getpid()} {len(task.rows)}\n")
        time.sleep(float(os.environ["KESC_FAULT_SLOW"]))
        while os.path.exists(os.environ["KESC_FAULT_LOG"] + ".held"):
            time.sleep(0.01)
        for row in task.rows:
            for word, fault in _FAULTS.items():
                if word in row["raw"]:
                    fault()
        return real(self, task)

    stage.process = process


if "KESC_FAULT_LOG" in os.environ:
    sys.meta_path.insert(0, _Finder())
