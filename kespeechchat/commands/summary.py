"""The table a build ends in: rows in, kept, rejected by reason; hours, voices, error rates, quality by language."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from kespeechchat import __version__
from kespeechchat.commands.status import render, status
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.dataset.statistics import COLUMNS, Statistics
from kespeechchat.processes import spread
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.finished_rows import FinishedPart, FinishedRows
from kespeechchat.store.interface import ObjectStore

_KEPT = "report.json"


def summary(pipeline: Pipeline, store: ObjectStore, build_state: BuildState | None = None) -> str:
    build_state = build_state or BuildState(pipeline, store)
    parts = [render(status(pipeline, store, build_state))]
    try:
        rows = FinishedRows(pipeline, store, build_state)
    except ConfigError:
        rows = None  # nothing gated yet: the table of shards and rows says so
    if rows is not None:
        parts.append(_quality(_figures(rows), rows))
    if pipeline.departures:
        parts.append(f"{len(pipeline.departures)} settings depart from the paper; the dataset card gives each reason")
    return "\n\n".join(parts)


def _figures(rows: FinishedRows) -> dict[str, Any]:
    """Statistics of the gated rows, kept in ROOT for as long as no gated shard changes: a large build has many."""
    of = f"{__version__} {rows.content}"
    try:
        kept = json.loads(rows.store.get(_KEPT))
        if kept["of"] == of:
            return kept["figures"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass  # none yet, or torn: it is only a cache
    counted = _Counted(Statistics(rows.pipeline.stages.gate.watermark_threshold))
    for _ in spread(counted, rows.parts()):
        pass
    figures = counted.statistics.result()
    rows.store.put(_KEPT, json.dumps({"of": of, "figures": figures}, ensure_ascii=False).encode())
    return figures


@dataclass(frozen=True)
class _Counted:
    """Statistics of parts, for `processes.spread`."""

    statistics: Statistics

    def do(self, part: FinishedPart) -> None:
        for row in part.rows(COLUMNS):
            self.statistics.add(row)

    def merge(self, other: _Counted) -> None:
        self.statistics.merge(other.statistics)


def _quality(figures: dict[str, Any], rows: FinishedRows) -> str:
    lines = [("", "dialogues", "hours", "user voices", "error rate", "DNSMOS OVRL", "watermark found")]
    for language in ("zh", "en"):
        if language in figures:
            part = figures[language]
            quality = part["quality"]
            error = quality["error_rate"]
            ovrl = quality["scores"].get("dnsmos_ovrl")
            lines.append(
                (
                    language,
                    str(part["dialogues"]),
                    f"{part['hours']:.4f}",
                    str(part["speakers"].get("user", 0)),
                    f"{error['metric']} {error['pooled']:.2%}" if error["pooled"] is not None else "–",
                    f"{ovrl['mean']:.2f} ± {ovrl['std']:.2f}" if ovrl else "–",
                    f"{quality['watermark']['rate']:.0%}" if quality["watermark"]["rate"] is not None else "–",
                )
            )
    voices = rows.voices()
    users = sum(1 for v in voices if v["role"] == "user")
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    table = "\n".join("  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in lines)
    library = f"voice library: {users} user voices, {len(voices) - users} agents"
    return f"{table}\n{library}"
