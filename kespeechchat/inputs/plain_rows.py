"""Rows whose fields are plain texts, read in columns: what `layouts.read_row` makes of each, in half the time.

Most files hold nothing but such rows. Every other row (a conversation, a value that is no text, unknown keys) is left
to `read_row`, which also says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kespeechchat.inputs.conversations import marked
from kespeechchat.inputs.layouts import FIELDS, FIRST_OF_NOTHING, Column, reading, something

Keys = tuple[str, ...]
_Fields = tuple[str | None, ...]  # the keys that hold the first four fields of a SourceRow
_TEXT = {str, type(None)}


class PlainRows(NamedTuple):
    """The fields of some rows, as a SourceRow has them; `places` are the rows' in what was read."""

    places: Sequence[int]
    instruction: list[str]
    input: list[str]
    reference: list[str | None]
    task: list[str | None]


def plain_rows(
    rows: Sequence[Any], keys: Sequence[Keys | None], layout: str, columns: Mapping[Column, str]
) -> Iterator[PlainRows]:
    """Those of `rows` that are plain, the ones with the same fields together.

    `keys` [n]: the keys of each row; None for what is no object.
    """
    fields = {one: _fields(one, layout, columns) if one is not None else None for one in set(keys)}
    if len(fields) == 1:
        groups: dict[tuple[_Fields, bool] | None, Sequence[int]] = {next(iter(fields.values())): range(len(rows))}
    else:
        places: dict[tuple[_Fields, bool] | None, list[int]] = {}
        for place, one in enumerate(keys):
            places.setdefault(fields[one], []).append(place)
        groups = {**places}
    for group, of_group in groups.items():
        if group is not None:
            found = _plain([rows[place] for place in of_group], of_group, *group)
            if found.places:
                yield found


def _fields(keys: Keys, layout: str, columns: Mapping[Column, str]) -> tuple[_Fields, bool] | None:
    """The keys that hold the fields, and whether `history` is to be looked at; None where they hold something else."""
    if columns:
        found = tuple(columns[name] if columns.get(name) in keys else None for name in FIELDS)
        return (found, False) if found[0] else None
    try:
        how = reading(layout, keys)
    except ValueError:
        return None
    return (how.keys, how.history) if how.plain else None


def _plain(rows: list[dict[str, Any]], places: Sequence[int], fields: _Fields, history: bool) -> PlainRows:
    """The plain ones of rows that hold their fields under the same keys."""
    others = {n for n, row in enumerate(rows) if row["history"]} if history else set()
    columns: list[list[Any]] = []
    for key in fields:
        values = [row[key] for row in rows] if key is not None else [None] * len(rows)
        kinds = set(map(type, values))
        if not kinds <= _TEXT:
            others.update(n for n, value in enumerate(values) if type(value) not in _TEXT)
        if kinds != {type(None)}:
            values = [value.strip() if type(value) is str else value for value in values]
        columns.append(values)
    asked = enumerate(columns[0])
    others.update(n for n, text in asked if type(text) is str and (":" in text or "：" in text) and marked(text))
    if others:
        keep = [n for n in range(len(rows)) if n not in others]
        places = [places[n] for n in keep]
        columns = [[column[n] for n in keep] for column in columns]
    instruction, input_, reference, task = columns
    return PlainRows(
        places,
        [text or "" for text in instruction],
        _without_nothings(input_, ""),
        _without_nothings(reference, None),
        [text or None for text in task],
    )


def _without_nothings(texts: list[Any], empty: str | None) -> list[Any]:
    """The texts, `empty` in place of those that say nothing."""
    return [
        empty if not text else text if text[0] not in FIRST_OF_NOTHING else something(text) or empty for text in texts
    ]
