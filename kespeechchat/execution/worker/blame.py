"""Finds the row that crashed or failed a shard by retrying in small groups, and drops only that row.

A shard of n rows that raised, or whose worker died, is made again in groups of about √n rows, so that engines still get
batches. The attempt journal names the group under way, so after a death it is known which rows are suspects:

    a group raised                                  each of its rows is made singly, in the same process
    a row raised while it was made singly           the row fails
    a worker died with a group under way            the next attempt makes these rows first, and singly
    a worker died twice with one row under way      the row fails (one death may be the kernel's, short of memory)
    a worker died three times with no row named     the shard fails
    over 10 % of the rows, or over 10, killed       the shard fails: that is a broken engine, not bad rows
    over 50 % of the rows raised                    the shard fails, for the same reason

So one deadly row costs a shard three workers after the first, whatever the shard's size. Deterministic engines give the
same result in small groups as in a full batch; others may give a different, equally valid one.
"""

from __future__ import annotations

import gc
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kespeechchat.display import counted
from kespeechchat.execution.worker.shard_maker import NO_ROWS_FAULT, MadeRows, one_line
from kespeechchat.ids import parent
from kespeechchat.store.journal import Attempt

MAX_DEATHS = 3  # with no row named, before the shard fails
ROW_DEATHS = 2  # with one row alone under way, before the row fails
MAX_DEADLY = 10  # rows of a shard that may kill their workers; each costs several loadings of the engines
DEADLY_SHARE = 0.1  # of a shard's rows that may kill their workers; one row always may
RAISED_SHARE = 0.5  # of a shard's rows that may raise
MAX_DEATHS_IN_ALL = 40  # of one shard's workers, whatever was under way

Row = dict[str, Any]


class ShardGivenUp(RuntimeError):
    """Too many of the shard's rows are lost; the message names the last one's error."""


@dataclass(frozen=True)
class Deaths:
    """What the journal says of the workers that died while they ran this shard alone."""

    total: int = 0
    without_row: int = 0  # of them, with no row named
    suspects: frozenset[str] = frozenset()  # rows that were under way, alone or in a group
    by_row: Counter[str] = field(default_factory=Counter)  # deaths with that row alone under way
    reasons: dict[str, str] = field(default_factory=dict)  # row → why its worker ended, where that is known

    @staticmethod
    def of(attempts: Sequence[Attempt]) -> Deaths:
        """The deaths that these left-over attempts show. A worker that held other shards too blames none of them."""
        alone = [a for a in attempts if a.alone]
        single = [a for a in alone if len(a.rows) == 1]
        return Deaths(
            total=len(alone),
            without_row=sum(1 for a in alone if not a.rows),
            suspects=frozenset(row for a in alone for row in a.rows),
            by_row=Counter(a.rows[0] for a in single),
            reasons={a.rows[0]: a.ended for a in single if a.ended},
        )

    @property
    def too_many(self) -> bool:
        """Whether the shard fails without another attempt."""
        return self.without_row >= MAX_DEATHS or self.total >= MAX_DEATHS_IN_ALL

    def error_of(self, row: str) -> str | None:
        """The error of a row that fails because of its deaths, None for any other."""
        if self.by_row[row] < ROW_DEATHS:
            return None
        why = self.reasons.get(row, "killed from outside (for memory?), or a crash inside a library")
        return f"its worker died on this row {self.by_row[row]} times, with nothing else under way: {why}"


class Isolation:
    """Makes one shard a few rows at a time.

    `make(rows, single)` makes some of its rows; `single` turns what one row raises into that row's failure.
    `note(ids)` writes into the journal which rows are under way. `fail(row, error)` settles a row without making it.
    """

    def __init__(
        self,
        make: Callable[[list[Row], bool], MadeRows],
        note: Callable[[Sequence[str]], None],
        fail: Callable[[Row, str], MadeRows],
    ) -> None:
        self._make, self._note, self._fail = make, note, fail

    def run(self, rows: list[Row], deaths: Deaths) -> MadeRows:
        """The outcomes of all rows, in their order. Raises ShardGivenUp where too many are lost, and what no row can be
        blamed for (NO_ROWS_FAULT)."""
        if not rows:
            return self._make([], False)
        made = MadeRows()
        deadly = _deadly(rows, deaths)
        for row in rows:
            if row["id"] in deadly:
                made.add(self._fail(row, deadly[row["id"]]))
        for group in groups(rows, deaths.suspects - set(deadly), set(deadly)):
            made.add(self._make_group(group))
            if len(made.raised) > RAISED_SHARE * len(rows):
                error = made.raised[-1]
                raise ShardGivenUp(
                    f"{one_line(error)} ({len(made.raised)} of its {counted(len(rows), 'row')})"
                ) from error
        self._note(())
        _in_order(made, rows)
        return made

    def _make_group(self, rows: list[Row]) -> MadeRows:
        """Makes the rows together; singly where there is only one, or where they raise together."""
        if len(rows) > 1:
            self._note([row["id"] for row in rows])
            try:
                return self._make(rows, False)
            except NO_ROWS_FAULT:
                raise
            except Exception:
                pass  # a row that is to blame raises again below, when it is made singly
            free_memory()
        made = MadeRows()
        for row in rows:
            self._note([row["id"]])
            made.add(self._make([row], True))
        return made


def _deadly(rows: list[Row], deaths: Deaths) -> dict[str, str]:
    """Row → error, of the rows that killed their workers too often. Raises ShardGivenUp where these are too many."""
    deadly = {row["id"]: error for row in rows if (error := deaths.error_of(row["id"]))}
    if len(deadly) > min(MAX_DEADLY, max(1, int(DEADLY_SHARE * len(rows)))):
        row, last = list(deadly.items())[-1]
        raise ShardGivenUp(
            f"{len(deadly)} of its {counted(len(rows), 'row')} killed their worker; the last: {row}: {last}"
        )
    return deadly


def groups(rows: list[Row], suspects: frozenset[str], settled: set[str]) -> Iterator[list[Row]]:
    """The suspects singly, then the rest in groups of about √n rows; `settled` rows are left out."""
    yield from ([row] for row in rows if row["id"] in suspects)
    others = [row for row in rows if row["id"] not in suspects and row["id"] not in settled]
    size = max(1, math.isqrt(len(rows)))
    yield from (others[start : start + size] for start in range(0, len(others), size))


def free_memory() -> None:
    """Frees what an exception left behind: it may have been raised for want of memory."""
    gc.collect()
    if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _in_order(made: MadeRows, rows: list[Row]) -> None:
    """Sorts what was settled by the order of the rows. A variant's id begins with its row's (`Stage.ids`)."""
    place = {row["id"]: n for n, row in enumerate(rows)}

    def position(pair: tuple[str, Any]) -> int:
        id_ = pair[1].row["id"]
        return place[id_] if id_ in place else place[parent(id_)]

    made.settled.sort(key=position)
