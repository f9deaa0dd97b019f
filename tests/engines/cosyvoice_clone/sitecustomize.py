"""Stands on PYTHONPATH where a profile has the clone of CosyVoice: makes cosyvoice-minicpmo load its LLM as that does.

A build's workers are processes of their own, so `tiny_cosyvoice.llm_loaded` must reach them by way of the interpreter.
"""

import importlib.util
import sys

_MODULE = "cosyvoice.cli.cosyvoice"


class _Finder:
    """Acts when the library is imported, so that processes which never import it start as fast as ever."""

    def find_spec(self, name, path=None, target=None):
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (load(module), _load_the_llm())
        return spec


def _load_the_llm():
    from tests.engines.tiny_cosyvoice import llm_loaded

    loaded = llm_loaded()
    loaded.__enter__()
    sys.modules[__name__].loaded = loaded  # for as long as the process lives


sys.meta_path.insert(0, _Finder())
