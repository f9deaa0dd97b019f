"""What a build did, and its closing lines."""

from __future__ import annotations

from dataclasses import dataclass, field

from kespeechchat.state.build_state import BuildState
from kespeechchat.state.orders import Built
from kespeechchat.store.commit import Counts


@dataclass
class Result:
    """What a build did, and what stands in the way of the rest."""

    built: int = 0
    failed: int = 0
    rows_failed: int = 0
    blocked: list[str] = field(default_factory=list)
    corrupt: int = 0  # shards whose bytes were not what their records say
    held: dict[str, int] = field(default_factory=dict)  # language → shards not begun, its target hours being reached
    learned: dict[str, dict[str, dict[str, Counts]]] = field(default_factory=dict)  # unit → record's stem → counts
    build_state: BuildState | None = None  # what stands at the end

    def add(self, built: Built) -> None:
        if built.status == "stale":
            self.corrupt += 1
            return
        self.built += built.status != "failed"
        self.failed += built.status == "failed"
        self.rows_failed += sum(counts.failed for counts in built.counts.values())
        if built.stem:
            self.learned.setdefault(built.unit, {})[built.stem] = built.counts

    @property
    def well(self) -> bool:
        return not (self.failed or self.rows_failed or self.blocked)

    def lines(self) -> str:
        """The closing lines of a build, for a reader."""
        if self.blocked:
            return "stopped: " + "; ".join(self.blocked)
        rows = f"{self.rows_failed} rows failed: `kesc errors` says why" if self.rows_failed else ""
        if self.failed:
            shards = f"{self.built} shards built, {self.failed} failed: `kesc errors` says why; build again to retry"
            return f"{shards}\n{rows}".strip()
        held = "".join(
            f"\n{language} has reached its target hours, {n} of its shards were not begun: raise "
            f"target_hours.{language} and build again to go on"
            for language, n in sorted(self.held.items())
        )
        if self.built:
            return f"{self.built} shards built, {f'{rows}; the rest stands' if rows else 'all well'}{held}"
        return f"nothing to do{held}" if held else "nothing to do: all shards are up to date"
