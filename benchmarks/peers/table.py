"""`benchmarks/peers.md` and the bounds, from what `python -m benchmarks.peers` found."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path
from typing import Any

from benchmarks.bounds import Bounds, number
from benchmarks.peers.sides import SIDES, Side
from benchmarks.peers.works import AT_ONCE, LATENCY, PART

Results = dict[str, dict[str, Any]]  # work → side → version, rounds, figures or why; and `sizes`
LIMIT = 1000 * LATENCY / AT_ONCE  # ms a row, which no client can beat
NEAR = 1.1  # of that limit
SAME = 0.02  # by which the error rates of sides may differ that did the same work
OURS = SIDES[0].name
_HERE = Path(__file__).parent
Row = list[str]


def page(results: Results) -> str:
    """The whole page: what was run, a table a work, safety, and the notes that people wrote (`notes.md`)."""
    parts = [_HEAD.format(cores=len(os.sched_getaffinity(0)), python=platform.python_version()), _versions(results)]
    parts += [_TABLES[work](results[work]) for work in _TABLES if work in results]
    return "\n\n".join([*parts, _safety(), (_HERE / "notes.md").read_text(encoding="utf-8").strip()]) + "\n"


def judge(results: Results, bounds: Bounds) -> None:
    """Bounds of each work that has a figure of ours: ours against the best peer's."""
    for work, figure, unit in (
        ("generate", _longer_row, "ms a row"),
        ("generate", _seconds_of_all, "s"),
        ("six", _longer_row, "ms a row"),
        ("units", lambda found, _: found["seconds"], "s"),
        ("hear", lambda found, _: found["seconds"], "s"),
    ):
        found = results.get(work, {})
        values = {
            side.name: figure(found[side.name]["figures"], found["sizes"])
            for side in SIDES
            if "figures" in found.get(side.name, {})
        }
        ours = values.pop(OURS, None)
        if ours is not None and work == "generate" and figure is _longer_row:
            bounds.at_most("text generation, a further row", ours, NEAR * LIMIT, unit)
        if ours is not None and values:
            best = min(values, key=lambda name: (math.isnan(values[name]), values[name]))
            bounds.compare((f"{work}, ours", ours), (best, values[best]), unit, at_most=1.0)
    ours = results.get("killed", {}).get(OURS, {}).get("figures")
    if ours is not None:
        bounds.at_most("killed and run again: rows lost or doubled", ours["lost"] + ours["doubled"], 0)
    _same_work(results.get("hear", {}), bounds)


def _same_work(found: dict[str, Any], bounds: Bounds) -> None:
    """Sides that recognized the same speech alike have nearly the same error rate; and ours left out nothing."""
    heard = {side.name: found[side.name]["figures"] for side in SIDES if "figures" in found.get(side.name, {})}
    if OURS in heard:
        bounds.at_most("hear, ours: utterances without a result", heard[OURS]["missing"], 0)
    rates = [figures["error rate"] for figures in heard.values()]
    if len(rates) > 1:
        bounds.at_most("hear: the highest error rate less the lowest", max(rates) - min(rates), SAME)


def _longer_row(figures: dict[str, float], sizes: dict[str, Any]) -> float:
    """Milliseconds of one more row, from the two sizes. NaN, which holds no bound, where that is less than can be, or
    leaves less than nothing for the start: the sizes are then too small, or the machine was not the same for both."""
    few, many = _two(figures, sizes)
    least = LIMIT if (few, many) == tuple(sizes["rows"]) else 0
    row = 1000 * (figures[f"seconds of {many}"] - figures[f"seconds of {few}"]) / (many - few)
    return row if row > least and few * row < 1000 * figures[f"seconds of {few}"] else math.nan


def _told(value: float, digits: int) -> str:
    return "not resolved" if math.isnan(value) else f"{value:.{digits}f}"


def _seconds_of_all(figures: dict[str, float], sizes: dict[str, Any]) -> float:
    return figures[f"seconds of {_two(figures, sizes)[1]}"]


def _two(figures: dict[str, float], sizes: dict[str, Any]) -> tuple[int, int]:
    key = "rows" if f"seconds of {sizes['rows'][1]}" in figures else "six"
    few, many = sizes[key]
    return few, many


def _generate(found: dict[str, Any]) -> str:
    few, many = found["sizes"]["rows"]

    def cells(figures: dict[str, float]) -> Row:
        row = _longer_row(figures, found["sizes"])
        start = figures[f"seconds of {few}"] - few * row / 1000
        seconds = [f"{figures[f'seconds of {rows}']:.1f}" for rows in (few, many)]
        return [*seconds, _told(start, 1), _told(row, 2), _told(row / LIMIT, 2)]

    head = [f"{few:,} rows, s", f"{many:,} rows, s", "start, s", "a further row, ms", "times the limit"]
    return _table(f"## 1. Text generation through one server\n\n{_GENERATE.format(limit=LIMIT)}", head, found, cells)


def _six(found: dict[str, Any]) -> str:
    few, many = found["sizes"]["six"]

    def cells(figures: dict[str, float]) -> Row:
        row = _longer_row(figures, found["sizes"])
        seconds = [f"{figures[f'seconds of {rows}']:.1f}" for rows in (few, many)]
        return [*seconds, _told(row, 3), *(f"{figures[f'memory of {rows}']:,.0f}" for rows in (few, many))]

    head = [f"{few:,} rows, s", f"{many:,} rows, s", "a further row, ms", f"{few:,} rows, MiB", f"{many:,} rows, MiB"]
    return _table(f"## 2. Six trivial stages\n\n{_SIX.format(batch=found['sizes']['batch'])}", head, found, cells)


def _units(found: dict[str, Any]) -> str:
    text = f"## 3. Nothing to do again\n\n{_UNITS.format(units=found['sizes']['units'])}"
    return _table(text, ["s", "MiB"], found, lambda f: [f"{f['seconds']:.1f}", f"{f['memory']:,.0f}"])


def _killed(found: dict[str, Any]) -> str:
    def cells(figures: dict[str, float]) -> Row:
        counts = [number(figures[name]) for name in ("lost", "doubled", "made_twice")]
        return [*counts, f"{figures['seconds again']:.1f}"]

    head = ["rows lost", "rows doubled", "rows made twice", "second run, s"]
    text = f"## 4. Killed in the middle, run again\n\n{_KILLED.format(killed=found['sizes']['killed'])}"
    return _table(text, head, found, cells)


def _hear(found: dict[str, Any]) -> str:
    def cells(figures: dict[str, float]) -> Row:
        spent = [f"{figures['seconds']:.1f}", f"{figures['cpu']:.1f}", f"{figures['memory']:,.0f}"]
        return [*spent, number(figures["missing"]), f"{figures['error rate']:.4f}"]

    head = ["s", "CPU, s", "MiB", "utterances without a result", "mean WER"]
    text = _HEAR.format(utterances=found["sizes"]["utterances"], part=PART)
    return _table(f"## 5. Transcribing and scoring\n\n{text}", head, found, cells)


_TABLES = {"generate": _generate, "six": _six, "units": _units, "killed": _killed, "hear": _hear}


def _table(text: str, head: Row, found: dict[str, Any], cells: Any) -> str:
    lines = [_line(["", *head, "rounds"]), _line(["---"] * (len(head) + 2))]
    reasons = []
    for side in (side for side in SIDES if side.name in found):
        figures = found[side.name].get("figures")
        rounds = number(found[side.name]["rounds"])
        lines.append(_line([side.name, *(cells(figures) if figures else ["–"] * len(head)), rounds]))
        if not figures:
            reasons.append(f"{side.name} has no figure: {found[side.name]['why'].splitlines()[0]}.")
    return "\n".join([text, "", *lines, *(["", *reasons] if reasons else [])])


def _versions(results: Results) -> str:
    versions = {name: found["version"] for work in results.values() for name, found in work.items() if name != "sizes"}
    return (
        "Versions: " + ", ".join(f"{name} {version or '(not installed)'}" for name, version in versions.items()) + "."
    )


def _safety() -> str:
    def row(side: Side) -> str:
        return _line([side.name, side.unit, side.fsync, side.verifies, side.resumes])

    head = ["", "a finished unit", "fsyncs", "verifies", "a second run resumes"]
    return "\n".join(["## What each is safe against", "", _line(head), _line(["---"] * 5), *map(row, SIDES)])


def _line(cells: Row) -> str:
    return f"| {' | '.join(cells)} |"


_HEAD = """# Beside the peers
Made by `make peers` (`python -m benchmarks.peers --write`): the same works, on the same {cores} cores, in one go, the
sides in turn; medians over the rounds. Python {python}. **Seconds are those of the whole command**, from the start of
its process to its end. What each side does is `benchmarks/peers/side_NAME.py`. Speed is compared at unequal safety: see
the last table."""
_GENERATE = """A server on loopback answers every request after 100 ms, 32 at once. So a row takes at least
{limit:.3f} ms, whoever asks. Each side writes its answers where a second run would find them."""
_SIX = """Six steps that hand each row on, {batch:,} rows at once, from a file of JSON lines to the side's own output.
Memory is that of all processes together; pages that they share count in each."""
_UNITS = """The same command over {units:,} units that are finished: what it costs to see that. The benchmark recorded
the marks of finished units, in the side's own form; what is timed is the third look."""
_KILLED = """Text generation over {killed:,} rows. All processes of the side get SIGKILL when the server has answered
half of them; then the same command runs again. Lost: rows that are then in no output. Made twice: answers of the server
beyond one a row."""
_HEAR = """{utterances:,} short English sentences, spoken by the quick start's Kokoro before anything is timed, are
recognized by faster-whisper with the quick start's weights (Whisper base, int8, a beam of 1, the whole window of 30 s)
in two processes of one thread, {part} at a time, and scored against their texts. The mean WER says whether the sides
did the same: ours counts errors as the gate does, the peers with jiwer. Ours reads FLAC from its ROOT and also finds
the times of words and the silences; its search for marks is a double's. The peers read WAV files."""
