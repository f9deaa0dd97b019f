"""Which row is it? A shard that killed its worker, or raised, is made a few rows at a time, and loses that row alone.

First in groups of about √n rows, so that engines still get batches. What a group raises is asked of each of its rows,
at once and in the same process. A group that kills its worker is named in the attempt journal: the next attempt takes
its rows first and one by one, and a row that has killed twice by itself is settled as failed (once may be chance: the
system kills whom it likes when memory is short). So one deadly row in a shard costs it three workers after the first,
whatever the shard's size, and what was made before each death is made again only once or twice.

A shard that loses too many rows so is no shard with bad rows but a broken engine, and fails as a whole.

Rows made few at a time get what they get in a full batch from engines that do not mind their neighbours (all that the
commit record calls deterministic); from others, another of their equally good answers.
"""

from __future__ import annotations

import contextlib
import gc
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kespeechchat.execution.worker.shard_maker import NO_ROWS_FAULT, MadeRows, one_line
from kespeechchat.store.journal import Attempt

MAX_DEATHS = 3  # of a worker that ran the shard alone and had no row under way, before the shard is given up
ROW_DEATHS = 2  # of a worker that had only this row under way, before the row is given up
MAX_DEADLY = 10  # rows of a shard that may cost their workers; each takes several loadings of the engines
DEADLY_SHARE = 0.1  # of a shard's rows that may; one row always may
MAX_LONE = 40  # deaths of one shard's workers in all, whatever was under way

Row = dict[str, Any]


class ShardGivenUp(RuntimeError):
    """Too much of the shard is lost to call the rest of it a shard."""


@dataclass(frozen=True)
class Deaths:
    """What the journal tells of workers that died alone with this shard."""

    whole: int = 0  # with no row named
    suspects: frozenset[str] = frozenset()  # rows of the groups that were under way
    by_row: Counter[str] = field(default_factory=Counter)  # with that row alone under way
    words: dict[str, str] = field(default_factory=dict)  # row → why its worker left, where that is known
    total: int = 0

    @staticmethod
    def of(attempts: Sequence[Attempt]) -> Deaths:
        lone = [a for a in attempts if a.alone]
        single = [a for a in lone if len(a.rows) == 1]
        return Deaths(
            sum(1 for a in lone if not a.rows),
            frozenset(row for a in lone for row in a.rows),
            Counter(a.rows[0] for a in single),
            {a.rows[0]: a.ended for a in single if a.ended},
            len(lone),
        )

    @property
    def too_many(self) -> bool:
        return self.whole >= MAX_DEATHS or self.total >= MAX_LONE

    def verdict(self, row: str) -> str | None:
        """The error of a row that is to be given up."""
        if self.by_row[row] < ROW_DEATHS:
            return None
        why = self.words.get(row, "killed from outside (for memory?), or a crash inside a library")
        return f"its worker died on this row {self.by_row[row]} times, with nothing else under way: {why}"


class Isolation:
    """Makes one shard a few rows at a time.

    `make(rows, single)` makes some of its rows; `note(ids)` writes into the journal which are under way;
    `given_up(row, error)` settles a row unmade.
    """

    def __init__(
        self,
        make: Callable[[list[Row], bool], MadeRows],
        note: Callable[[Sequence[str]], None],
        given_up: Callable[[Row, str], MadeRows],
    ) -> None:
        self._make, self._note, self._given_up = make, note, given_up

    def run(self, rows: list[Row], deaths: Deaths) -> MadeRows:
        """Raises ShardGivenUp where too many rows are lost, and whatever no row can be blamed for."""
        if not rows:
            return self._make([], False)
        made = MadeRows()
        deadly = {row["id"]: verdict for row in rows if (verdict := deaths.verdict(row["id"]))}
        if len(deadly) > min(MAX_DEADLY, max(1, int(DEADLY_SHARE * len(rows)))):
            row, last = list(deadly.items())[-1]
            raise ShardGivenUp(f"{len(deadly)} of its {len(rows)} rows killed their worker; the last: {row}: {last}")
        for row in rows:
            if row["id"] in deadly:
                made.add(self._given_up(row, deadly[row["id"]]))
        for group in groups(rows, deaths.suspects - set(deadly), set(deadly)):
            made.add(self._group(group))
            if 2 * len(made.raised) > len(rows):
                error = made.raised[-1]
                raise ShardGivenUp(f"{one_line(error)} ({len(made.raised)} of its {len(rows)} rows)") from error
        self._note(())
        _in_order(made, rows)
        return made

    def _group(self, rows: list[Row]) -> MadeRows:
        if len(rows) > 1:
            self._note([row["id"] for row in rows])
            with contextlib.suppress(_Raised):
                return self._whole(rows)
        made = MadeRows()
        for row in rows:
            self._note([row["id"]])
            made.add(self._make([row], True))
        return made

    def _whole(self, rows: list[Row]) -> MadeRows:
        try:
            return self._make(rows, False)
        except NO_ROWS_FAULT:
            raise
        except Exception as error:
            free_memory()
            raise _Raised from error


class _Raised(Exception):
    """A group did: now each of its rows is asked."""


def groups(rows: list[Row], suspects: frozenset[str], settled: set[str]) -> Iterator[list[Row]]:
    """The suspects one by one, then the rest in groups of about √n."""
    yield from ([row] for row in rows if row["id"] in suspects)
    others = [row for row in rows if row["id"] not in suspects and row["id"] not in settled]
    size = max(1, math.isqrt(len(rows)))
    yield from (others[start : start + size] for start in range(0, len(others), size))


def free_memory() -> None:
    """After an exception, which may have been the want of it."""
    gc.collect()
    if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
        torch.cuda.empty_cache()


def _in_order(made: MadeRows, rows: list[Row]) -> None:
    """What was settled in the order of the rows, whichever were taken first; variants are named after their row."""
    place = {row["id"]: n for n, row in enumerate(rows)}

    def position(pair: tuple[str, Any]) -> int:
        id_ = pair[1].row["id"]
        return place[id_] if id_ in place else place[id_.rpartition("-v")[0]]

    made.settled.sort(key=position)
