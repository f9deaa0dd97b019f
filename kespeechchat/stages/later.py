"""What the text stages share of a dialogue's later exchanges: each made in its turn, for all rows of a shard at once.

Exchange k + 1 is made when exchange k is known, because a later turn leans on what was said before. What cannot be made
ends the dialogue there; the reason is in the row's `ended` and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from kespeechchat.records import KEPT, Outcome, RowError, failed
from kespeechchat.stages.base import Row
from kespeechchat.stages.candidates import Judged
from kespeechchat.text.compose import Dialogue

SEVERAL = ("later", "ended")  # columns that a row of one exchange does not have


@dataclass
class Growing:
    """A kept row whose later exchanges are being made. `wanted`: what they are made of, one each; `said`: the exchanges
    so far, the first one included, as a prompt shows them; `made`: their columns; `ended`: why there are no more."""

    outcome: Outcome
    wanted: Sequence[Row]
    said: list[Dialogue]
    made: list[Row] = field(default_factory=list)
    ended: str | None = None
    error: str | None = None  # of the engine: the row has failed

    @property
    def id(self) -> str:
        """Of the row."""
        found: str = self.outcome.row["id"]
        return found

    @property
    def place(self) -> int:
        """Of the exchange that is made next: 1 is the second."""
        return len(self.made) + 1

    @property
    def next(self) -> Row:
        """What the next exchange is made of."""
        return self.wanted[len(self.made)]

    @property
    def open(self) -> bool:
        """Whether there is an exchange to make."""
        return self.ended is None and self.error is None and len(self.made) < len(self.wanted)

    def settled(self) -> Outcome:
        """The row with its exchanges. A stage before may have ended it already, for a reason that its count has."""
        row = {name: value for name, value in self.outcome.row.items() if name not in SEVERAL}
        if self.error is not None:
            return failed(row, self.error)
        row |= {"later": self.made} if self.made else {}
        ended = self.ended or self.outcome.row.get("ended")
        return replace(self.outcome, row=row | ({"ended": ended} if ended else {}), ended=self.ended)


def grown(
    outcomes: Iterable[Outcome],
    begin: Callable[[Outcome], Growing | None],
    advance: Callable[[list[Growing]], None],
) -> list[Outcome]:
    """The outcomes, in their order, with their later exchanges. `begin`: None for a row that has none; `advance` makes
    the next exchange of each, or ends it."""
    settled: list[Outcome | Growing] = [
        (begin(outcome) or outcome) if outcome.status == KEPT else outcome for outcome in outcomes
    ]
    rows = [one for one in settled if isinstance(one, Growing)]
    while open_ := [one for one in rows if one.open]:
        before = [one.place for one in open_]
        advance(open_)
        stuck = [one.id for one, place in zip(open_, before, strict=True) if one.open and one.place == place]
        assert not stuck, f"an exchange was neither made nor ended: {stuck[0]}"
    return [one.settled() if isinstance(one, Growing) else one for one in settled]


def usable(rows: Sequence[Growing], found: Sequence[Judged | RowError]) -> Iterator[tuple[Growing, str]]:
    """(row, text) of the rows whose text, in the same order, can be used; the others end, or have failed."""
    for one, judged in zip(rows, found, strict=True):
        if isinstance(judged, RowError):
            one.error = judged.message
        elif judged.reason:
            one.ended = judged.reason
        else:
            yield one, judged.answer
