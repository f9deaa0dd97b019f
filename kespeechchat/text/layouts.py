"""Instruction files come in layouts of their own; this reads them all into one.

Known layouts: Alpaca (`instruction/input/output`), Alpaca's seed tasks (`instruction`, `instances: [{input, output}]`,
`is_classification`), BELLE (`question/std_answer/class`). Any other file names its columns in the profile.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SourceRow:
    instruction: str
    input: str
    reference: str | None
    task: str | None


def detect(row: Mapping[str, Any]) -> str | None:
    """The layout's name, by the keys of one row; None where it is none of the known ones."""
    if "instruction" in row and isinstance(row.get("instances"), list):
        return "alpaca-seed"
    if "instruction" in row:
        return "alpaca"
    return "belle" if "question" in row else None


def read_row(row: Any, layout: str = "auto", columns: Mapping[str, str] | None = None) -> SourceRow:
    """One row of an instruction file. Raises ValueError that says what is missing and what to set."""
    if not isinstance(row, Mapping):
        raise ValueError(f"a row is a JSON object, this is a {type(row).__name__}")
    if columns:
        if columns.get("instruction") not in row:
            raise ValueError(f"no column {columns.get('instruction')!r} (the profile maps instruction to it)")
        got = {ours: row.get(theirs) for ours, theirs in columns.items()}
    else:
        kind = detect(row) if layout == "auto" else layout
        got = _known(kind, row)
    return SourceRow(
        _text(got.get("instruction"), "instruction") or "",
        _text(got.get("input"), "input") or "",
        _text(got.get("reference"), "reference") or None,
        _text(got.get("task"), "task") or None,
    )


def _known(kind: str | None, row: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "alpaca":
        return {
            "instruction": row.get("instruction"),
            "input": row.get("input"),
            "reference": row.get("output"),
            "task": row.get("task"),
        }
    if kind == "alpaca-seed":
        first = next((i for i in row.get("instances") or [] if isinstance(i, Mapping)), {})
        return {
            "instruction": row.get("instruction"),
            "input": first.get("input"),
            "reference": first.get("output"),
            "task": "classification" if row.get("is_classification") else None,
        }
    if kind == "belle":
        return {"instruction": row.get("question"), "reference": row.get("std_answer"), "task": row.get("class")}
    keys = ", ".join(sorted(map(str, row))[:8])
    raise ValueError(f"layout not recognized from its keys ({keys}); set columns: {{instruction: KEY}} for this input")


def _text(value: Any, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value.strip() if value else value
    raise ValueError(f"{name} is a {type(value).__name__}, not text")


def content_id(source: str, *parts: str) -> str:
    """`SOURCE-HASH`: 16 hex digits of the normalized content. Compatibility forms, case of width, runs of white space
    and Unicode composition do not make two rows different; upper and lower case do."""
    normal = "\x1f".join(" ".join(unicodedata.normalize("NFKC", part).split()) for part in parts)
    return f"{source}-{hashlib.sha256(normal.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
