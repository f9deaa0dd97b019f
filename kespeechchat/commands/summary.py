"""The table a build ends in: rows in, kept, rejected by reason; hours, voices, error rates, quality by language."""

from __future__ import annotations

import json
import shlex
from typing import Any

from kespeechchat import __version__
from kespeechchat.commands.counted_rows import counted_rows
from kespeechchat.commands.status import render, status
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.dataset.origins import corpus_of, departures_of
from kespeechchat.display import NOTHING, columns, counted, hours, percent
from kespeechchat.records import LANGUAGES, Language
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.interface import ObjectStore

_KEPT = "report.json"


def summary(
    pipeline: Pipeline, store: ObjectStore, build_state: BuildState | None = None, width: int | None = None
) -> str:
    """The table as text; the shards and rows alone where nothing is gated yet. `build_state`: where it is known;
    `width`: columns of the terminal, None where there is none."""
    build_state = build_state or BuildState(pipeline, store)
    standing = status(pipeline, store, build_state)
    parts = ["\n".join([render(standing, width), *_rejected(standing)])]
    try:
        rows = FinishedRows(pipeline, store, build_state)
    except ConfigError:
        rows = None
    if rows is not None:
        parts.append(_quality(_figures(rows), rows))
    if departures := departures_of(pipeline, corpus_of(planned_inputs(build_state))):
        settings = counted(len(departures), "setting departs", "settings depart")
        parts.append(f"{settings} from the paper; the dataset card gives each reason")
    return "\n\n".join(parts)


def _rejected(standing: dict[str, Any]) -> list[str]:
    """How to see the rows that the first such stage rejected."""
    names = [stage["name"] for stage in standing["stages"] if stage["rejected"]][:1]
    root = shlex.quote(standing["root"])
    return [f"each with its reason: kesc rows --stage {name} --status rejected --root {root}" for name in names]


def planned_inputs(build_state: BuildState) -> dict[str, list[str]]:
    """Branch → paths of all inputs that are part of the build."""
    return {branch: manifest.input_paths for branch, manifest in build_state.manifests.items()}


def _figures(rows: FinishedRows) -> dict[str, Any]:
    """Statistics of the gated rows, kept in ROOT for as long as no gated shard changes: a large build has many."""
    of = f"{__version__} {rows.content}"
    try:
        kept = json.loads(rows.store.get(_KEPT))
        if kept["of"] == of:
            saved: dict[str, Any] = kept["figures"]
            return saved
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass  # none yet, or torn: it is only a cache
    figures = counted_rows(rows.store, rows.shards, rows.pipeline.watermark_threshold).result()
    rows.store.put(_KEPT, json.dumps({"of": of, "figures": figures}, ensure_ascii=False).encode())
    return figures


def _quality(figures: dict[str, Any], rows: FinishedRows) -> str:
    head = ("", "dialogues", "hours", "user voices", "error rate", "DNSMOS OVRL", "DistillMOS", "marked")
    lines = [head, *(_line(language, figures[language]) for language in LANGUAGES if language in figures)]
    users = sum(1 for voice in rows.voices if voice["role"] == "user")
    library = f"voice library: {counted(users, 'user voice')}, {counted(len(rows.voices) - users, 'agent')}"
    return "\n".join([*columns(lines, ">"), library])


def _line(language: Language, part: dict[str, Any]) -> tuple[str, ...]:
    quality = part["quality"]
    error = quality["error_rate"]
    return (
        language,
        f"{part['dialogues']:,}",
        hours(part["hours"]),
        f"{part['speakers'].get('user', 0):,}",
        f"{error['metric']} {percent(error['pooled'])}" if error["pooled"] is not None else NOTHING,
        *(_spread(quality["scores"].get(head)) for head in ("dnsmos_ovrl", "distillmos")),
        percent(quality["watermark"]["rate"], 0),
    )


def _spread(score: dict[str, float] | None) -> str:
    return f"{score['mean']:.2f} ± {score['std']:.2f}" if score else NOTHING
