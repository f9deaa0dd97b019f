"""Progress of a build: shards, rows, seconds of audio, rates and time left per stage, for a terminal or for a log.

On a terminal a live table; elsewhere one plain line per interval, or JSON lines with `--log-format json`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from kespeechchat.display import columns_of, counted, folded, hours, number
from kespeechchat.execution.pace import Ahead, UnitProgress, time_left
from kespeechchat.state.orders import Built, BuiltStatus

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

LogFormat = Literal["auto", "plain", "json"]
Level = Literal["info", "warning", "error"]


class Progress:
    """Shows on stderr what `kesc COMMAND` makes: a table, or a line at most every `interval` seconds; nothing if
    `quiet`."""

    def __init__(
        self, log_format: LogFormat = "auto", interval: float = 10.0, quiet: bool = False, command: str = "build"
    ) -> None:
        self._command = command
        self.units: dict[str, UnitProgress] = {}
        self.began = time.monotonic()
        self._format, self._interval, self._quiet = log_format, interval, quiet
        self._live: Live | None = None
        self._whole = False  # the table's last picture has every unit
        self._last_line = 0.0
        self._running: list[str] = []
        self._ahead: Ahead | None = None
        self.unsaid = False  # whether something could not be printed
        self._told: set[str] = set()  # units of which it was said what was done before

    def expect(
        self,
        left: Mapping[str, Mapping[str | None, int]],
        done: Mapping[str, int],
        ahead: Ahead | None = None,
        most: Mapping[str, int] | None = None,
    ) -> None:
        """Units run from here on, overlapped, each of which feeds the next. `left`: unit → language → shards to build;
        `done`: unit → shards that are in ROOT already, also of units that have none left; `most`: unit → shards that
        its actors take at once."""
        fresh = [unit for unit in done if unit not in self._told]
        for unit, shards in left.items():
            self.units.setdefault(unit, UnitProgress((most or {}).get(unit, 1))).expect(shards, done[unit])
        self._running, self._ahead = list(left), ahead
        self._told |= set(done)
        if line := _done_before({u: (done[u], sum(left.get(u, {}).values())) for u in fresh if done[u]}):
            self.say(line)

    def built(self, built: Built) -> None:
        """A shard was built, or failed."""
        self.units.setdefault(built.unit, UnitProgress()).add(built, time.monotonic())
        if built.status is BuiltStatus.FAILED:
            self.say(f"{built.unit} shard {built.shard:05d} failed: {_first_line(built.error)}", "error")
        if built.isolated:
            why = _first_line(built.isolated)[:300]
            self.say(f"{built.unit} shard {built.shard:05d}: {why}; its rows were made a few at a time", "warning")
        if self._live is not None:
            return  # it draws the table again by itself
        if time.monotonic() - self._last_line >= self._interval or not self.units[built.unit].left:
            self._line(built.unit)

    @property
    def left(self) -> dict[str, float | None]:
        """Unit → seconds until it is done, of those that run; None while that is not known."""
        return time_left({unit: self.units[unit] for unit in self._running}, self._ahead)

    def say(self, text: str, level: Level = "info") -> None:
        """Shows a message."""
        if self._format == "json":
            self._json({"level": level, "message": text})
        elif self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        elif not self._quiet:
            self._print(folded(text, columns_of(sys.stderr)))

    @contextmanager
    def shown(self) -> Iterator[Progress]:
        """Shows the table while the block runs, where stderr is a terminal."""
        if self._format != "auto" or self._quiet or not sys.stderr.isatty():
            yield self
            return
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True)
        if console.is_dumb_terminal:  # it cannot move its cursor, so nothing would be seen until the end
            yield self
            return
        with Live(console=console, refresh_per_second=4, get_renderable=self._table) as live:
            self._live = live
            try:
                yield self
            finally:
                self._whole, live.vertical_overflow = True, "visible"
                live.refresh()
                self._live = None

    def _line(self, unit: str) -> None:
        self._last_line = time.monotonic()
        p, left = self.units[unit], self.left.get(unit)
        if self._format == "json":
            self._json({"level": "progress", "stage": unit, **_figures(p), "left_seconds": left})
        elif not self._quiet:
            parts = [
                f"{p.done}/{counted(p.total, 'shard')}",
                f"{counted(p.kept, 'row')} kept",
                f"{p.rejected:,} rejected",
            ]
            parts += [f"{counted(p.failed_rows, 'row')} failed"] if p.failed_rows else []
            parts += [f"{_audio(p)} of audio"] if p.audio_seconds else []
            parts += [f"{number(p.rows_per_second)} rows/s"] if p.rows_per_second else []
            parts += [f"{_clock(left)} left"] if left else []
            clock = _clock(time.monotonic() - self.began)
            self._print(f"[{clock}] {unit}: {', '.join(parts)}")

    def _json(self, event: dict[str, Any]) -> None:
        self._print(json.dumps({"time": round(time.time(), 1), **event}, ensure_ascii=False))

    def _print(self, line: str) -> None:
        """To standard error, if it can be: a full disk under a log does not end a build of weeks."""
        try:
            print(line, file=sys.stderr, flush=True)
        except (OSError, ValueError):
            self.unsaid = True

    def _table(self) -> Table:
        """The units, as wide as their figures: without lines, like the closing table, and in the terminal's own
        colours. While the build runs, the last ones (those that run), as many as the terminal has lines."""
        from rich.table import Table

        clock = _clock(time.monotonic() - self.began)
        gap = 2 if self._live is not None and self._live.console.width >= 100 else 1
        table = Table(
            title=f"kesc {self._command}  {clock}",
            title_justify="left",
            title_style="bold",
            box=None,
            padding=(0, gap, 0, 0),
        )
        table.add_column("stage", no_wrap=True)
        for column in ("shards", "failed", "kept", "rejected", "audio", "rows/s", "left"):
            table.add_column(column, justify="right", no_wrap=column != "failed")
        room = self._live.console.height - 3 if self._live is not None and not self._whole else None
        left, rows = self.left, list[list[str]]()
        for name in reversed(list(self.units)):
            cells = _cells(self.units[name], left.get(name))
            room = None if room is None else room - 1 - cells[1].count("\n")
            if room is not None and room < 0:
                break
            rows.append([name, *cells])
        for row in reversed(rows):
            table.add_row(*row)
        return table


def _first_line(text: str | None) -> str:
    return next(iter((text or "").splitlines()), "no error was written")


def _done_before(units: Mapping[str, tuple[int, int]]) -> str:
    """What a resumed build need not do. `units`: unit → shards that are done, and left.

    >>> _done_before({"clips": (4, 0), "blend": (1, 0), "audition": (3, 4)})
    'done before: all of clips, blend; 3 of 7 shards of audition'
    """
    whole = [unit for unit, (_, left) in units.items() if not left]
    parts = [f"{done:,} of {counted(done + left, 'shard')} of {unit}" for unit, (done, left) in units.items() if left]
    parts = [*([f"all of {', '.join(whole)}"] if whole else []), *parts]
    return f"done before: {'; '.join(parts)}" if parts else ""


def _figures(p: UnitProgress) -> dict[str, Any]:
    """For a machine. `done` and `shards` count what was done before; rows and audio are of this build."""
    return {
        "shards": p.total,
        "done": p.done,
        "done_before": p.before,
        "failed": p.failed,
        "kept": p.kept,
        "rejected": p.rejected,
        "failed_rows": p.failed_rows,
        "audio_seconds": round(p.audio_seconds, 1),
        "rows_per_second": p.rows_per_second,
    }


def _cells(p: UnitProgress, left: float | None) -> list[str]:
    """Of the table, behind the unit's name."""
    failed = [counted(n, thing) for n, thing in ((p.failed, "shard"), (p.failed_rows, "row")) if n]
    return [
        f"{p.done}/{p.total}",
        "\n".join(failed),
        _rows(p.kept),
        _rows(p.rejected),
        _audio(p) if p.audio_seconds else "",
        number(p.rows_per_second) if p.rows_per_second else "",
        "done" if not p.left else _clock(left) if left is not None else "",
    ]


def _rows(count: int) -> str:
    return f"{count:,}" if count < 1_000_000 else f"{count / 1e6:.2f} M"


def _audio(p: UnitProgress) -> str:
    return f"{p.audio_seconds:.0f} s" if p.audio_seconds < 3600 else f"{hours(p.audio_seconds / 3600)} h"


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds; from 100 hours on, days.

    >>> _clock(75), _clock(4000), _clock(1e6)
    ('1:15', '1:06:40', '11.6 days')
    """
    if seconds >= 360_000:
        return f"{seconds / 86400:,.1f} days"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
