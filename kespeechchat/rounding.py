"""Numbers of a column as Python rounds them one by one, so that a file is the same whoever counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_SURE = 1 << 36  # below it, a scaled number is exact to less than `_NEAR`
_NEAR = 1e-3  # of a tie between two roundings


def rounded(values: npt.NDArray[np.float64], digits: int) -> npt.NDArray[np.float64]:
    """`round(value, digits)` of each, to the last bit: Python decides where two roundings are nearly as near.

    >>> rounded(np.array([1 / 16000, 2.675, 0.1]), 2).tolist()
    [0.0, 2.67, 0.1]
    """
    scale = float(10**digits)
    scaled = values * scale
    whole = np.rint(scaled)
    found: npt.NDArray[np.float64] = whole / scale
    unsure = ~((np.abs(scaled) < _SURE) & (np.abs(np.abs(scaled - whole) - 0.5) > _NEAR))
    found[unsure] = [round(value, digits) for value in values[unsure].tolist()]
    return found
