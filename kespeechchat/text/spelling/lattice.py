"""The least edits between two texts that may each be read in several ways.

Both texts become graphs: an edge says one unit (a word, a character, a syllable), and each path from the first node to
the last is a reading. The search runs over pairs of nodes, cheapest first, so texts that agree cost as much time as
they are long, whatever the number of their readings. No list of whole readings is ever made.

**Bounds.** The edits between the two first readings are an upper bound, so the search never returns more. A search that
has seen `STATES` pairs of nodes stops and returns that bound: two graphs of up to 440 nodes are always searched to the
end, larger ones that differ much are compared by their first readings.
"""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

STATES = 200_000  # pairs of nodes, some 0.3 s of search

Alternatives = tuple[tuple[str, ...], ...]
"""One segment: its readings, each in units. The first reading counts as the segment's length."""

_Graph = list[list[tuple[str | None, int]]]  # node → (unit or None for none, next node)


def first_reading(segments: Sequence[Alternatives]) -> list[str]:
    """The units of the first readings, in order."""
    return [unit for segment in segments for unit in segment[0]]


def least_edits(left: Sequence[Alternatives], right: Sequence[Alternatives]) -> int:
    """Substitutions, insertions and deletions between the two readings that are nearest to each other.

    >>> least_edits([(("nine",), ("ninth",))], [(("ninth",),)])
    0
    """
    bound = int(Levenshtein.distance(first_reading(left), first_reading(right)))
    if bound == 0 or (all(len(s) == 1 for s in left) and all(len(s) == 1 for s in right)):
        return bound
    return _search(_graph(_useful(left, right)), _graph(_useful(right, left)), bound)


def _useful(segments: Sequence[Alternatives], other: Sequence[Alternatives]) -> list[Alternatives]:
    """`segments` without readings that cannot help: all their units are missing in `other`, and a reading that is no
    longer remains. Such a reading costs a substitution or a deletion for each unit, as the shorter one does at most."""
    known = {unit for segment in other for reading in segment for unit in reading}
    out = []
    for segment in segments:
        if len(segment) > 1:
            shortest = min(segment, key=len)
            segment = tuple(r for r in segment if r == shortest or not known.isdisjoint(r))
        out.append(segment)
    return out


def _graph(segments: Sequence[Alternatives]) -> _Graph:
    graph: _Graph = [[]]
    for segment in segments:
        start, last_edges = len(graph) - 1, []
        for reading in segment:
            node = start
            for unit in reading[:-1]:
                graph.append([])
                graph[node].append((unit, len(graph) - 1))
                node = len(graph) - 1
            last_edges.append((node, reading[-1] if reading else None))
        graph.append([])
        for node, last in last_edges:
            graph[node].append((last, len(graph) - 1))
    return graph


def _search(left: _Graph, right: _Graph, bound: int) -> int:
    """The cost of the cheapest path through both graphs, or `bound` if none is cheaper or `STATES` pairs were seen."""
    width, goal = len(right), len(left) * len(right) - 1
    seen: set[int] = set()
    level = {0}
    for cost in range(bound):
        waiting, level = list(level), set()
        while waiting:
            state = waiting.pop()
            if state in seen:
                continue
            if state == goal:
                return cost
            seen.add(state)
            if len(seen) > STATES:
                return bound
            at, by = divmod(state, width)
            _expand(left[at], right[by], at, by, width, waiting, level)
    return bound


def _expand(
    here: list[tuple[str | None, int]],
    there: list[tuple[str | None, int]],
    at: int,
    by: int,
    width: int,
    free: list[int],
    paid: set[int],
) -> None:
    """Adds the pairs reached from (`at`, `by`) without an edit to `free`, those reached by one edit to `paid`."""
    if len(here) == len(there) == 1 and here[0][0] == there[0][0] is not None:
        free.append(here[0][1] * width + there[0][1])  # the only unit on both sides: to take it is never worse
        return
    for unit, after in here:
        if unit is None:
            free.append(after * width + by)
            continue
        paid.add(after * width + by)
        for other, then in there:
            if other is not None:
                (free.append if other == unit else paid.add)(after * width + then)
    for other, then in there:
        (free.append if other is None else paid.add)(at * width + then)
