"""Guards: a phase stops early when a stage's yield over its first shards leaves the profile's range.

A wrong checkpoint must not burn a week of well-formed rejections.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from kespeechchat.config.stages import Guard
from kespeechchat.state.orders import Built


class GuardStop(RuntimeError):
    """A stage's yield is out of range. The message shows what was refused and how to go on."""


class Guards:
    def __init__(self, guards: Mapping[str, Guard]) -> None:
        self._guards = guards
        self._seen: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._examples: dict[str, list[str]] = defaultdict(list)

    def check(self, built: Built) -> None:
        """Takes note of a built shard; raises GuardStop when its stage has left its range."""
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
            examples = "\n  ".join(self._examples[stage][:5]) or "(none were refused)"
            raise GuardStop(
                f"{stage}: {kept} of {rows} rows kept ({share:.0%}) over its first {guard.after_shards} shards; the "
                f"profile expects {guard.min_kept:.0%} to {guard.max_kept:.0%}. Refused, for example:\n  {examples}\n"
                f"Mend the prompt, model or threshold and build again; or widen guards.{stage} with --set"
            )
