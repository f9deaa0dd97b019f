"""Keys and values of rows of unlike length, aligned at their newest position.

Every row ends at the same column, so a new position is one column for all, and the distance from the newest position to
a column is the same in all rows: relative positions need no gathering. Columns before a row's first are masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_CHUNK = 128  # columns: how far the cache grows at once


@dataclass(frozen=True)
class Shape:
    """What one position of one row takes: in each of `layers`, keys and values of `heads` times `size` numbers."""

    layers: int
    heads: int
    size: int
    dtype: torch.dtype
    device: torch.device

    def bytes(self, rows: int, columns: int) -> int:
        """Bytes of a cache that holds `columns` positions of each of `rows` rows."""
        return rows * self.columns(columns) * self.layers * 2 * self.heads * self.size * self.dtype.itemsize

    def columns(self, wanted: int) -> int:
        """`wanted` columns rounded up as the cache allocates them."""
        return -(-wanted // _CHUNK) * _CHUNK


class Cache:
    """Keys and values of the active rows, the first `len(lengths)`; each layer is [rows, heads, columns, size].

    `lengths`: positions of each active row. A row leaves by `drop`, which moves the last active row into its place.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.lengths: list[int] = []
        self._end = 0  # the column after the newest position
        self._keys = [self._empty(0, 0) for _ in range(shape.layers)]
        self._values = [self._empty(0, 0) for _ in range(shape.layers)]
        self._mask: torch.Tensor | None = None

    @property
    def span(self) -> int:
        """Columns of the longest active row."""
        return max(self.lengths, default=0)

    def admit(self, keys: Sequence[torch.Tensor], values: Sequence[torch.Tensor], rows: int) -> None:
        """A new last row of n positions; `keys` and `values` have [heads, n, size] for each layer.

        `rows`: how many rows to make room for where the cache must grow, this one included.
        """
        row, length = len(self.lengths), keys[0].shape[1]
        if length > self._end or row >= len(self._keys[0]):
            self._allocate(max(rows, row + 1), max(self.span, length))
        self.lengths.append(length)
        for layer in range(self.shape.layers):
            self._keys[layer][row, :, self._end - length : self._end] = keys[layer]
            self._values[layer][row, :, self._end - length : self._end] = values[layer]
        self._clear(row)

    def advance(self) -> None:
        """Opens the next position in every active row; `write` then fills it, layer by layer."""
        if self._end == self._keys[0].shape[2]:
            self._allocate(len(self.lengths), self.span)
        self._end += 1
        self.lengths = [length + 1 for length in self.lengths]
        self._mask = None

    def write(self, layer: int, keys: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Fills the newest position ([rows, heads, size]); returns all keys and values, [rows, heads, span, size]."""
        rows, start = len(self.lengths), self._end - self.span
        self._keys[layer][:rows, :, self._end - 1] = keys
        self._values[layer][:rows, :, self._end - 1] = values
        return self._keys[layer][:rows, :, start : self._end], self._values[layer][:rows, :, start : self._end]

    def mask(self) -> torch.Tensor | None:
        """Boolean [rows, span], true where a row has a position; None where all rows are equally long."""
        import torch

        if min(self.lengths) == self.span:
            return None
        if self._mask is None:
            ages = torch.arange(self.span, 0, -1, device=self.shape.device)
            self._mask = ages <= torch.tensor(self.lengths, device=self.shape.device)[:, None]
        return self._mask

    def drop(self, row: int) -> None:
        """Ends `row`; the last active row takes its place."""
        last = len(self.lengths) - 1
        if row != last:
            held = slice(self._end - self.lengths[last], self._end)
            for table in (*self._keys, *self._values):
                table[row, :, held] = table[last, :, held]
            self.lengths[row] = self.lengths[last]
            self._clear(row)
        self.lengths.pop()
        self._mask = None

    def _clear(self, row: int) -> None:
        """Zeros before the first position of `row`: NaN that a broken row left there would pass through the mask."""
        for table in (*self._keys, *self._values):
            table[row, :, : self._end - self.lengths[row]] = 0
        self._mask = None

    def _allocate(self, rows: int, end: int) -> None:
        """Tables of `rows` rows with at least one column after `end`, where the newest position then is."""
        held, columns = min(self._end, end), self.shape.columns(end + 1)
        for tables in (self._keys, self._values):
            for layer, old in enumerate(tables):  # one after the other: one table twice, never the whole cache
                tables[layer] = fresh = self._empty(rows, columns)
                both = min(rows, len(old))
                fresh[:both, :, end - held : end] = old[:both, :, self._end - held : self._end]
        self._end = end

    def _empty(self, rows: int, columns: int) -> torch.Tensor:
        import torch

        of = self.shape
        return torch.zeros(rows, of.heads, columns, of.size, dtype=of.dtype, device=of.device)
