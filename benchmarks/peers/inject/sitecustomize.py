"""Loaded by every interpreter of our side's six trivial stages (through PYTHONPATH): they get a `process` that hands
each row on. `KESC_TRIVIAL` names them, with commas between. No hook stands in the product for this.
"""

import importlib.util
import os
import sys

_FLOW = "kespeechchat.stages.flow"


class _Finder:
    """Changes how `stages.flow` finds a class, when that module is imported."""

    def find_spec(self, name, path=None, target=None):
        if name != _FLOW:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (execute(module), _replace(module))
        return spec


def _replace(flow):
    names, real = os.environ["KESC_TRIVIAL"].split(","), flow._class_of

    def class_of(name):
        found = real(name)
        if name in names:
            found.setup, found.process = _nothing, _handed_on
        return found

    flow._class_of = class_of


def _nothing(stage):
    pass


def _handed_on(stage, task):
    from kespeechchat.records import COMMON, Outcome

    known = (set(stage.schema.names) - set(COMMON.names)) | {"id"}
    for row in task.rows:
        yield Outcome({name: value for name, value in row.items() if name in known})


if "KESC_TRIVIAL" in os.environ:
    sys.meta_path.insert(0, _Finder())
