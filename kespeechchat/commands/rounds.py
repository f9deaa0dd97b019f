"""What each round of speech brought back, and what was dropped in the end, by language: from cached counts alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kespeechchat.config.rounds import REPEATED, in_round
from kespeechchat.display import columns
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.counts_cache import CountsCache
from kespeechchat.store.commit import Counts


def rounds_of(build_state: BuildState, rollup: Callable[[str], CountsCache]) -> dict[str, Any]:
    """{"names": of the rounds, "languages": {language: {"rows_in": [by round], "kept": [by round], "hours": [by
    round], "dropped": {reason: rows}}}}; empty where the profile has no rounds, or nothing is spoken.

    Rows are those of the shards that are done, hours those of kept dialogues; dropped is what the last round rejected,
    by reason, or could not make (`failed`). `rollup`: of the unit of that name.
    """
    pipeline = build_state.pipeline
    count = len(pipeline.in_rounds(REPEATED[0]))
    if count == 1:
        return {}
    languages: dict[str, dict[str, Any]] = {}
    for round_ in range(count):
        for stage in REPEATED:
            for language, counts in _by_language(build_state, in_round(stage, round_), rollup):
                found = languages.setdefault(language, _nothing(count))
                if stage == REPEATED[0]:
                    found["rows_in"][round_] = counts.rows_in
                if stage == REPEATED[-1]:
                    found["kept"][round_] = counts.kept
                    found["hours"][round_] = round(sum(counts.seconds.values()) / 3600, 6)
                if round_ == count - 1:
                    for reason, rows in (*counts.rejected.items(), ("failed", counts.failed)):
                        if rows:
                            found["dropped"][reason] = found["dropped"].get(reason, 0) + rows
    if not languages:
        return {}
    names = [pipeline.round_name(round_) for round_ in range(count)]
    return {"names": names, "languages": dict(sorted(languages.items(), reverse=True))}


def _nothing(count: int) -> dict[str, Any]:
    return {"rows_in": [0] * count, "kept": [0] * count, "hours": [0.0] * count, "dropped": {}}


def _by_language(
    build_state: BuildState, stage: str, rollup: Callable[[str], CountsCache]
) -> Iterator[tuple[str, Counts]]:
    done = build_state.done(stage)
    counts = rollup(build_state.pipeline.unit_of(stage).name).counts(order.key for order in done)
    for language in {order.language for order in done if order.language}:
        own = (counts[order.key] for order in done if order.language == language)
        yield language, sum((summary[stage] for summary in own if stage in summary), Counts())


def rounds_table(found: dict[str, Any]) -> str:
    """For a reader, aligned: rows that went into each round and dialogues that it kept."""
    languages = found["languages"]
    head = ["speech", *(f"{language} {what}" for language in languages for what in ("in", "kept"))]
    rows = [
        [name, *(str(part[what][k]) for part in languages.values() for what in ("rows_in", "kept"))]
        for k, name in enumerate(found["names"])
    ]
    dropped = [f"{lang} {reason} {n}" for lang, part in languages.items() for reason, n in part["dropped"].items()]
    return "\n".join([*columns([head, *rows]), f"dropped after the last: {', '.join(dropped) or 'nothing'}"])
