"""Instruction files come in layouts of their own; this reads them all into one.

Known layouts: Alpaca (`instruction/input/output`), Alpaca's seed tasks (`instruction`, `instances: [{input, output}]`,
`is_classification`), BELLE (`question/std_answer/class`). Any other file names its columns in the profile.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple


class SourceRow(NamedTuple):  # millions of them: five times as quick to make as a frozen dataclass
    instruction: str
    input: str
    reference: str | None
    task: str | None


# layout → its keys for instruction, input, reference, task
_KEYS = {
    "alpaca": ("instruction", "input", "output", "task"),
    "belle": ("question", None, "std_answer", "class"),
}
_FIELDS = SourceRow._fields


def detect(row: Mapping[str, Any]) -> str | None:
    """The layout's name, by the keys of one row; None where it is none of the known ones."""
    if "instruction" in row:
        return "alpaca-seed" if isinstance(row.get("instances"), list) else "alpaca"
    return "belle" if "question" in row else None


def read_row(row: Any, layout: str = "auto", columns: Mapping[str, str] | None = None) -> SourceRow:
    """One row of an instruction file. Raises ValueError that says what is missing and what to set."""
    if type(row) is not dict and not isinstance(row, Mapping):
        raise ValueError(f"a row is a JSON object, this is {type(row).__name__}")
    if columns:
        if columns.get("instruction") not in row:
            raise ValueError(f"no column {columns.get('instruction')!r} (the profile maps instruction to it)")
        values = [row.get(columns[name]) if name in columns else None for name in _FIELDS]
    else:
        values = _values(detect(row) if layout == "auto" else layout, row)
    for place, value in enumerate(values):
        if type(value) is str:
            values[place] = value.strip()
        elif value is not None:
            raise ValueError(f"{_FIELDS[place]} is {type(value).__name__}, not text")
    instruction, input_, reference, task = values
    return SourceRow(instruction or "", input_ or "", reference or None, task or None)


def _values(kind: str | None, row: Mapping[str, Any]) -> list[Any]:
    """What the row has for each field of a SourceRow."""
    if keys := _KEYS.get(kind or ""):
        return [row.get(key) for key in keys]
    if kind == "alpaca-seed":
        first = next((i for i in row.get("instances") or [] if isinstance(i, Mapping)), {})
        task = "classification" if row.get("is_classification") else None
        return [row.get("instruction"), first.get("input"), first.get("output"), task]
    known = ", ".join(sorted(map(str, row))[:8])
    raise ValueError(f"layout not recognized from its keys ({known}); set columns: {{instruction: KEY}} for this input")


def content_id(source: str, *parts: str) -> str:
    """`SOURCE-HASH`: 16 hex digits of the normalized content. Compatibility forms, case of width, runs of white space
    and Unicode composition do not make two rows different; upper and lower case do."""
    normal = "\x1f".join([" ".join(_composed(part).split()) if part else part for part in parts])
    return f"{source}-{hashlib.sha256(normal.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def slug(name: str) -> str:
    """`name` as the source part of an id."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)[:32].strip("_")
    return plain or "source"
