"""JSON of many values at once, as `orjson` writes each: columns of its pieces, which Arrow joins.

All columns are Arrow strings of UTF-8, one value for each item.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.blocks import Bools, Floats, Ints, check_finite

_COMMA, _SPACE = 0x2C, 0x20


def quoted(strings: pa.Array) -> pa.Array:
    """Each string as JSON, the word `null` where it is null."""
    escaped = strings.cast(pa.string())
    data = np.frombuffer(_bytes(escaped), np.uint8)
    if (data == ord('"')).any() or (data == ord("\\")).any():
        escaped = pc.replace_substring(pc.replace_substring(escaped, "\\", "\\\\"), '"', '\\"')
    if data.min(initial=_SPACE) < _SPACE:
        odd = pc.match_substring_regex(strings, r"[\x00-\x1f]")
        own = [orjson.dumps(text)[1:-1] for text in strings.filter(odd).to_pylist()]
        escaped = pc.replace_with_mask(escaped, pc.fill_null(odd, False), pa.array(own, pa.string()))
    return or_null(joined('"', escaped, '"'), strings)


def numbers(values: Floats | Ints) -> pa.Array:
    """Each number as JSON; null where it is not finite, as JSON has it."""
    if not len(values):
        return pa.array([], pa.string())
    written = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    data = np.frombuffer(written, np.uint8)[1:-1]
    commas = np.flatnonzero(data == _COMMA)
    edges = np.concatenate(([0], commas - np.arange(len(commas)), [len(data) - len(commas)])).astype(np.int32)
    digits = pa.py_buffer(data[data != _COMMA].tobytes())
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(edges.tobytes()), digits)


def whole_numbers(values: pa.Array) -> pa.Array:
    """Each integer as JSON, the word `null` where it is null."""
    return or_null(numbers(pc.fill_null(values.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)), values)


def in_parts(values: pa.Array | Floats, parts: int, name: str) -> pa.Array:
    """`round(value * parts) / parts` of each as JSON, the word `null` where it is null. Raises ValueError where a value
    of the column, `name`, is not finite."""
    column = values if isinstance(values, pa.Array) else pa.array(values)
    filled = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    check_finite(name, filled)
    return or_null(numbers(np.rint(filled * parts) / parts + 0.0), column)  # + 0.0: no -0.0


def or_null(written: pa.Array, values: pa.Array) -> pa.Array:
    """`written`, with the word `null` where `values` is null."""
    return pc.if_else(values.is_null(), "null", written) if values.null_count else written


def joined(*pieces: pa.Array | str) -> pa.Array:
    """The pieces of each item behind each other; a `str` is the same for all. Null where one is null."""
    return pc.binary_join_element_wise(*(p if isinstance(p, pa.Array) else pa.scalar(p) for p in pieces), "")


def listed(items: pa.Array, first: npt.NDArray[Any]) -> pa.Array:
    """Items `first[i]` to `first[i + 1]`, each such list with commas between them."""
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(first, pa.int32()), items), ",")


def named(names: Iterable[str], codes: Ints) -> pa.Array:
    """Of each code its name. These are few: the caller writes each name once."""
    return pa.array(list(names), pa.string()).take(pa.array(codes))


def replaced(written: pa.Array, wanted: Bools, by: Iterable[bytes]) -> pa.Array:
    """`written`, with others where `wanted`, in order."""
    if not wanted.any():
        return written
    return pc.replace_with_mask(written, pa.array(wanted), pa.array(list(by), pa.string()))


def together(written: pa.Array, separator: str) -> pa.Buffer:
    """All items in one, parted by the separator."""
    if not len(written):
        return pa.py_buffer(b"")
    whole = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(written)], pa.int32()), written), separator)
    return whole[0].as_buffer()


def lines_of(written: pa.Array) -> pa.Buffer:
    """All items as JSON lines."""
    return together(joined(written, "\n"), "")


def _bytes(strings: pa.Array) -> memoryview:
    """The UTF-8 bytes of all strings, concatenated."""
    _, offsets, data = strings.buffers()
    if data is None or not len(strings):
        return memoryview(b"")
    edges = np.frombuffer(offsets, np.int32)
    return memoryview(data)[edges[strings.offset] : edges[strings.offset + len(strings)]]
