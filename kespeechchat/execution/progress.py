"""Progress of a build: shards, rows, audio seconds and time left per stage, for a terminal or for a log.

On a terminal a live table; elsewhere one plain line per interval, or JSON lines with `--log-format json`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from kespeechchat.display import counted
from kespeechchat.state.orders import Built, BuiltStatus

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

LogFormat = Literal["auto", "plain", "json"]
Level = Literal["info", "warning", "error"]


@dataclass
class UnitProgress:
    """Of one unit in one build."""

    total: int = 0  # shards that were to be built
    done: int = 0  # shards, the failed ones included
    failed: int = 0  # shards
    kept: int = 0  # rows
    lost: int = 0  # rejected and failed rows
    audio_seconds: float = 0.0
    busy: float = 0.0  # seconds of work, summed over actors

    def add(self, built: Built) -> None:
        """Counts a built shard."""
        self.done += 1
        self.failed += built.status is BuiltStatus.FAILED
        self.audio_seconds += built.audio_seconds
        self.busy += built.seconds
        for counts in built.counts.values():
            self.lost += sum(counts.rejected.values()) + counts.failed
        if built.unit in built.counts:
            self.kept += built.counts[built.unit].kept

    @property
    def left_seconds(self) -> float | None:
        """Seconds of work left at this unit's own pace, for one actor; None before its first shard is built."""
        return (self.total - self.done) * self.busy / self.done if self.done else None


class Progress:
    """Shows on stderr what is being built: a table, or a line at most every `interval` seconds; nothing if `quiet`."""

    def __init__(self, log_format: LogFormat = "auto", interval: float = 10.0, quiet: bool = False) -> None:
        self.units: dict[str, UnitProgress] = {}
        self.began = time.monotonic()
        self._format, self._interval, self._quiet = log_format, interval, quiet
        self._live: Live | None = None
        self._last_line = 0.0

    def expect(self, unit: str, shards: int) -> None:
        """So many more shards of the unit are to be built."""
        self.units.setdefault(unit, UnitProgress()).total += shards

    def built(self, built: Built) -> None:
        """A shard was built, or failed."""
        self.units.setdefault(built.unit, UnitProgress()).add(built)
        if built.status is BuiltStatus.FAILED:
            self.say(f"{built.unit} shard {built.shard:05d} failed: {(built.error or '').splitlines()[0]}", "error")
        if built.isolated:
            why = built.isolated.splitlines()[0][:300]
            self.say(f"{built.unit} shard {built.shard:05d}: {why}; its rows were made a few at a time", "warning")
        if self._live is not None:
            self._live.update(self._table())
        elif time.monotonic() - self._last_line >= self._interval or self._finished(built.unit):
            self._line(built.unit)

    def say(self, text: str, level: Level = "info") -> None:
        """Shows a message."""
        if self._format == "json":
            self._json({"level": level, "message": text})
        elif self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        elif not self._quiet:
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def shown(self) -> Iterator[Progress]:
        """Shows the table while the block runs, where stderr is a terminal."""
        if self._format == "auto" and not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            with Live(console=Console(stderr=True), refresh_per_second=4, transient=False) as live:
                self._live = live
                try:
                    yield self
                finally:
                    live.update(self._table())
                    self._live = None
        else:
            yield self

    def _finished(self, unit: str) -> bool:
        return self.units[unit].done >= self.units[unit].total

    def _line(self, unit: str) -> None:
        self._last_line = time.monotonic()
        p = self.units[unit]
        if self._format == "json":
            self._json(
                {
                    "level": "progress",
                    "stage": unit,
                    "shards": p.total,
                    "done": p.done,
                    "failed": p.failed,
                    "kept": p.kept,
                    "lost": p.lost,
                    "audio_seconds": round(p.audio_seconds, 1),
                    "left_seconds": p.left_seconds,
                }
            )
        elif not self._quiet:
            audio = f", {p.audio_seconds:.0f} s of audio" if p.audio_seconds else ""
            left = p.left_seconds
            eta = f", {_clock(left)} left" if left else ""
            print(
                f"[{_clock(time.monotonic() - self.began)}] {unit}: {p.done}/{counted(p.total, 'shard')}, "
                f"{counted(p.kept, 'row')} kept, {p.lost} rejected{audio}{eta}",
                file=sys.stderr,
                flush=True,
            )

    def _json(self, event: dict[str, Any]) -> None:
        print(json.dumps({"time": round(time.time(), 1), **event}, ensure_ascii=False), file=sys.stderr, flush=True)

    def _table(self) -> Table:
        from rich.table import Table

        table = Table(title=f"kesc build  {_clock(time.monotonic() - self.began)}", title_justify="left")
        table.add_column("stage")
        for column in ("shards", "failed", "rows kept", "rejected", "audio", "left"):
            table.add_column(column, justify="right")
        for name, p in self.units.items():
            left = p.left_seconds
            table.add_row(
                name,
                f"{p.done}/{p.total}",
                str(p.failed or ""),
                str(p.kept),
                str(p.lost),
                f"{p.audio_seconds:.0f} s" if p.audio_seconds else "",
                _clock(left) if left else "" if left is None else "done",
            )
        return table


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
