"""What a build did, and its closing lines."""

from __future__ import annotations

from dataclasses import dataclass, field

from kespeechchat.display import counted
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.counts_cache import StageCounts
from kespeechchat.state.orders import Built, BuiltStatus


@dataclass
class Result:
    """What a build did, and what keeps it from doing the rest."""

    built: int = 0  # shards
    failed: int = 0  # shards
    rows_failed: int = 0
    blocked: list[str] = field(default_factory=list)  # why segments could not start, each with what to do
    unread: list[str] = field(default_factory=list)  # input files without one row that can be read, each with reasons
    corrupt: int = 0  # shards whose bytes were not what their records say
    held: dict[str, int] = field(default_factory=dict)  # language → shards not begun: its target hours are reached
    counts: dict[str, dict[str, StageCounts]] = field(default_factory=dict)  # unit → record's stem → counts
    build_state: BuildState | None = None  # at the end

    def add(self, built: Built) -> None:
        """Counts a shard that a worker reported."""
        if built.status is BuiltStatus.STALE:
            self.corrupt += 1
            return
        self.built += built.status is BuiltStatus.COMMITTED
        self.failed += built.status is BuiltStatus.FAILED
        self.rows_failed += sum(counts.failed for counts in built.counts.values())
        if built.stem:
            self.counts.setdefault(built.unit, {})[built.stem] = built.counts

    @property
    def ok(self) -> bool:
        """Whether nothing failed, nothing was blocked, and each input file gave rows."""
        return not (self.failed or self.rows_failed or self.blocked or self.unread)

    def lines(self) -> str:
        """The closing lines of a build, for a reader."""
        if self.blocked:
            return "stopped: " + "; ".join(self.blocked)
        built = f"{counted(self.built, 'shard')} built"
        if self.unread:
            return "\n".join([f"{built}, but nothing from some inputs:", *self.unread])
        rows = f"{counted(self.rows_failed, 'row')} failed: `kesc errors` says why" if self.rows_failed else ""
        if self.failed:
            shards = f"{built}, {self.failed:,} failed: `kesc errors` says why; build again to retry"
            return f"{shards}\n{rows}".strip()
        if self.built:
            return f"{built}, {f'{rows}; all others are done' if rows else 'all well'}{self._held()}"
        return f"nothing to do{self._held() or ': all shards are up to date'}"

    def _held(self) -> str:
        return "".join(
            f"\n{language} has reached its target hours, {counted(n, 'shard')} of it not begun: raise "
            f"target_hours.{language} and build again to make them"
            for language, n in sorted(self.held.items())
        )
