"""Which dialogues annotators listen to: some of every kind, chosen by a hash, so that the same seed draws the same.

Kinds are language, split, and how well the recognizer understood the dialogue. They take turns, so a rare kind is heard
as often as a common one; within a kind, the dialogue whose voices were drawn least often comes next.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from kespeechchat.rows import FinishedRow
from kespeechchat.seeds import stable_hash

COLUMNS = ("language", "split", "error_rate", *(f"turns.list.element.{name}" for name in ("role", "voice")))
_AHEAD = 4  # candidates of a kind for each dialogue that is wanted: voices are chosen among them
_NEXT = 64  # candidates that are compared for each dialogue
_EDGE = 0.5  # of the highest error rate of the language that the gate keeps: beyond, a dialogue is near the gate's edge


@dataclass(frozen=True, order=True)
class Drawn:
    """A dialogue that may be in the sample; `place`: its hash."""

    place: int
    id: str
    shard: int = field(compare=False)
    round: int = field(compare=False)
    kind: tuple[str, str, str] = field(compare=False)  # language, split, error rate
    voices: tuple[str, ...] = field(compare=False)


def draw(rows: Iterable[FinishedRow], count: int, seed: int, limits: dict[str, float | None]) -> list[Drawn]:
    """`count` dialogues (or all, where there are fewer), by shard and id. `limits`: language → highest error rate that
    the gate keeps, None where it does not judge it. Memory holds a few times `count` of each kind."""
    most = _AHEAD * count
    heaps: dict[tuple[str, str, str], list[tuple[int, Drawn]]] = defaultdict(list)
    for row in rows:
        kind = (row["language"], row["split"], _clarity(row["error_rate"], limits.get(row["language"])))
        place = stable_hash(seed, "review", row["id"])
        heap = heaps[kind]
        if len(heap) < most or place < -heap[0][0]:
            voices = tuple(turn["voice"] for turn in row["turns"])
            one = (-place, Drawn(place, row["id"], row["shard"], row["round"], kind, voices))
            if len(heap) < most:
                heapq.heappush(heap, one)
            else:
                heapq.heapreplace(heap, one)
    kinds = {kind: sorted(drawn for _, drawn in heap) for kind, heap in sorted(heaps.items())}
    chosen = _by_turns(kinds, count)
    return sorted(chosen, key=lambda drawn: (drawn.shard, drawn.id))


def _by_turns(kinds: dict[tuple[str, str, str], list[Drawn]], count: int) -> Iterator[Drawn]:
    """One of each kind, then another of each, until there are enough or none is left."""
    spoken: Counter[str] = Counter()
    taken = 0
    while kinds:
        for kind in list(kinds):
            left = kinds[kind]
            if not left:
                del kinds[kind]
            elif taken < count:
                least = min(left[:_NEXT], key=lambda drawn: (sum(spoken[voice] for voice in drawn.voices), drawn.place))
                left.remove(least)
                spoken.update(least.voices)
                taken += 1
                yield least
        if taken >= count:
            return


def _clarity(error_rate: float, limit: float | None) -> str:
    if error_rate == 0:
        return "understood"
    return "edge" if limit is not None and error_rate > _EDGE * limit else "some errors"
