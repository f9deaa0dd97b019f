"""Loaded by every interpreter of a benchmark's build (through PYTHONPATH): changes one module when it is imported, so
that what never imports it starts as fast as ever. No hook stands in the product for this.

`KESC_RECORDED` gives the build engines of recorded times. It is JSON: capability → seconds of a call, `log` → file that
each call writes to, `only` → the capabilities that are replaced (without it: all of `_RECORDED`). `KESC_TRIVIAL` names
stages, with commas between, that hand each row on.
"""

import importlib.util
import json
import os
import sys

_RECORDED = ("tts", "watermark", "asr", "mos")


class _Finder:
    """Hands `module` to `change` once it is imported."""

    def __init__(self, module, change):
        self.module, self.change = module, change

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (execute(module), self.change(module))
        return spec


def _recorded_engines(registry):
    recorded, real = json.loads(os.environ["KESC_RECORDED"]), registry.load

    def load(settings):
        if settings.capability not in recorded.get("only", _RECORDED):
            return real(settings)
        from pathlib import Path

        from benchmarks.doubles import Recorded

        log = recorded.get("log")
        return Recorded(settings.capability, recorded.get(settings.capability, 0.0), Path(log) if log else None)

    registry.load = load


def _trivial_stages(flow):
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


if "KESC_RECORDED" in os.environ:
    sys.meta_path.insert(0, _Finder("kespeechchat.engines.registry", _recorded_engines))
if "KESC_TRIVIAL" in os.environ:
    sys.meta_path.insert(0, _Finder("kespeechchat.stages.flow", _trivial_stages))
