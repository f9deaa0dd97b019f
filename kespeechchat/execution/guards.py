"""Guards: a build stops early when a stage's yield over its first shards is outside the profile's range.

Otherwise a wrong checkpoint could spend a week on refusing rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from kespeechchat.config.resources import Guard
from kespeechchat.display import counted
from kespeechchat.state.orders import Built


class GuardStop(RuntimeError):
    """A stage's yield is out of range. The message shows rejected rows and says what to do."""


class Guards:
    """Watches the yields of one segment's stages. `guards`: stage → its range."""

    def __init__(self, guards: Mapping[str, Guard]) -> None:
        self._guards = guards
        self._seen: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._examples: dict[str, list[str]] = defaultdict(list)

    def check(self, built: Built) -> None:
        """Counts a built shard. Raises GuardStop when a stage has built enough shards and its yield is out of range."""
        for stage, counts in built.counts.items():
            guard = self._guards.get(stage)
            if guard is None or len(self._seen[stage]) >= guard.after_shards:
                continue
            self._seen[stage].append((counts.kept, counts.rows_out))
            self._examples[stage] += [e for e in built.examples if f": {stage}: " in e]
            if len(self._seen[stage]) == guard.after_shards:
                self._judge(stage, guard)

    def _judge(self, stage: str, guard: Guard) -> None:
        kept, rows = (sum(column) for column in zip(*self._seen[stage], strict=True))
        share = kept / rows if rows else guard.min_kept
        if not guard.min_kept <= share <= guard.max_kept:
            examples = "\n  ".join(self._examples[stage][:5]) or "(none was rejected)"
            raise GuardStop(
                f"{stage}: {kept:,} of {counted(rows, 'row')} kept ({share:.0%}) over its first "
                f"{counted(guard.after_shards, 'shard')}; the profile expects {guard.min_kept:.0%} "
                f"to {guard.max_kept:.0%}. Rejected, for example:\n  {examples}\n"
                f"Fix the prompt, model or threshold and build again; or widen guards.{stage} with --set"
            )
