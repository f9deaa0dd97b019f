"""The items of a JSON array of any size, block by block: found by its structure, parsed later and elsewhere.

Only quotation marks, brackets and commas are looked at, a block at a time with numpy, so the array is never held whole.
Where an item is not closed (a bracket or a quotation mark is missing), what follows is split where one object visibly
ends and the next begins, so that a broken item costs itself and the rest goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kespeechchat.inputs.json_lines import MAX_LINE

BLOCK = 1 << 20  # bytes read at once
_LONGEST = 4 * MAX_LINE  # bytes after which an item that has not ended is taken for broken
_BACKSLASH, _END = 92, 93
_OPENS, _CLOSES, _COMMA, _QUOTE = 1, 2, 3, 4  # kinds of bytes, 0 is any other
_KIND_OF = dict(zip(b'[{]},"', (_OPENS, _OPENS, _CLOSES, _CLOSES, _COMMA, _QUOTE), strict=True))
_KINDS = bytes(_KIND_OF.get(byte, 0) for byte in range(256))
_STEP = np.array([0, 1, -1, 0, 0], np.int8)  # of depth, by kind
_SEAM = re.compile(rb"(?<=\})\s*,\s*(?=\{)")  # between two objects

Places = npt.NDArray[np.intp]


class TornArray(ValueError):
    """The array does not end as one does; everything before has been handed out."""


def items(read: Callable[[int], bytes], block: int = BLOCK) -> Iterator[bytes]:
    """The bytes of each item of an array, in order, blank ones too.

    `read(n)` returns up to n bytes of what follows the opening bracket, none at the end. Raises TornArray after the
    last item where the array does not end, or where something follows it.
    """
    scan, rest = _Scan(), b""
    while data := read(block):
        ends, closed = scan.separators(data)
        begin = 0
        for end in ends.tolist():
            yield rest + data[begin:end]
            rest, begin = b"", end + 1
        if closed:
            _check_end(read, data[begin:])
            return
        rest += data[begin:]
        if len(rest) > _LONGEST:
            *broken, rest = _SEAM.split(rest)
            yield from broken
            if len(rest) > _LONGEST:
                yield rest
                rest = b""
            scan = _Scan.inside(rest)
    *broken, last = _SEAM.split(rest)
    yield from broken
    last = last.rstrip()
    if item := last.removesuffix(b"]"):
        yield item
    if not last.endswith(b"]"):
        raise TornArray("the array does not end with ]: is the file whole?")


def _check_end(read: Callable[[int], bytes], data: bytes) -> None:
    """Raises TornArray where anything but white space follows the array."""
    while data:
        if text := data.strip():
            raise TornArray(f"{text[:40].decode('utf-8', 'replace')!r} follows the end of the array; it is not read")
        data = read(BLOCK)


@dataclass
class _Scan:
    """Where the scan is: how deep (between the array's items: 1), and whether inside a string."""

    depth: int = 1
    in_string: bool = False
    escaped: bool = False  # whether a backslash escapes the next byte

    @classmethod
    def inside(cls, item: bytes) -> _Scan:
        """The state after the beginning of an item."""
        scan = cls()
        if item:
            scan.separators(item)
        return scan

    def separators(self, data: bytes) -> tuple[Places, bool]:
        """The places of the array's own commas in the next `data`, and of its end, if that is here (then True)."""
        block = np.frombuffer(data, np.uint8)
        kinds = np.frombuffer(data.translate(_KINDS), np.uint8)
        places = np.flatnonzero(kinds)
        kinds = kinds[places]
        quotes = (kinds == _QUOTE) & ~self._escaped(block)[places]
        before = np.cumsum(quotes) + self.in_string
        outside = (before % 2 == 0) & (kinds != _QUOTE)
        if len(places):
            self.in_string = bool(before[-1] % 2)
        places, steps = places[outside], _STEP[kinds[outside]]
        if not len(places):
            return places, False
        depth = np.cumsum(steps, dtype=np.int64) + self.depth
        # one closing bracket too many leaves the depth at 1: it ends the array if it is ], else its item is broken
        lift = np.maximum(0, 1 - np.minimum.accumulate(depth))
        depth += lift
        ends = np.flatnonzero((np.diff(lift, prepend=0) > 0) & (block[places] == _END))
        commas = (steps == 0) & (depth == 1)
        if len(ends):
            return np.append(places[: ends[0]][commas[: ends[0]]], places[ends[0]]), True
        self.depth = int(depth[-1])
        return places[commas], False

    def _escaped(self, block: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Of each byte, whether a backslash escapes it."""
        found = np.zeros(len(block) + 1, np.bool_)
        found[0], self.escaped = self.escaped, False
        slashes = np.flatnonzero(block == _BACKSLASH)
        if len(slashes):
            begins = np.append(True, np.diff(slashes) > 1)  # of each run of backslashes
            first = slashes[np.maximum.accumulate(np.where(begins, np.arange(len(slashes)), 0))]
            odd = (slashes - first) % 2 == 0  # the first, third, … of a run escapes what follows
            if found[0] and slashes[0] == 0:
                odd[first == 0] ^= True
            found[slashes[odd] + 1] = True
        self.escaped = bool(found[-1])
        return found[:-1]
