"""Loaded by every interpreter that has this folder on its PYTHONPATH: engines of tones in place of the models.

`KESC_TONAL_SLOW`: seconds that each attempt at a shard takes at least, so that a kill at a random moment meets one.
`KESC_TONAL_LOG`: a file that gets process id and shard of each attempt as it begins.
`KESC_TONAL_CLOCK`: seconds by which the wall clock jumps at random, forwards or backwards, every time it is read.
No hook stands in the product for any of it.
"""

import importlib.util
import os
import random
import sys
import time

_REGISTRY = "kespeechchat.engines.registry"
_JOURNAL = "kespeechchat.store.journal"


class _Finder:
    """Changes modules when they are imported, so that processes which never import them start as fast as ever."""

    def find_spec(self, name, path=None, target=None):
        change = {_JOURNAL: _slow, _REGISTRY: _replace}.get(name)
        if change is None:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        sys.meta_path.insert(0, self)
        load = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (load(module), change(module))
        return spec


def _replace(registry):
    def load(settings):
        import tonal  # here: it imports the package that is being changed

        return tonal.ENGINES[settings.capability](settings)

    registry.load = load


def _slow(module):
    seconds, real = float(os.environ.get("KESC_TONAL_SLOW", "0")), module.Journal.open

    def opened(self, key, *args, **kwargs):
        entry = real(self, key, *args, **kwargs)
        with open(os.environ.get("KESC_TONAL_LOG", os.devnull), "a") as log:
            log.write(f"{os.getpid()} {self._unit}/{key.stem}\n")
        time.sleep(seconds)
        return entry

    module.Journal.open = opened


def _jumping(real, unit):
    most = float(os.environ["KESC_TONAL_CLOCK"])
    return lambda: real() + type(real())(random.uniform(-most, most) * unit)


sys.meta_path.insert(0, _Finder())
if "KESC_TONAL_CLOCK" in os.environ:
    time.time, time.time_ns = _jumping(time.time, 1), _jumping(time.time_ns, 1_000_000_000)
