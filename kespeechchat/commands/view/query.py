"""What a page asks of the index: filters, an order, and the place to go on from. All of it is in the page's address.

Pages follow each other by key: a page begins after the last line of the one before, wherever that is among millions of
lines, so the hundred-thousandth page costs what the first one does.
"""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlencode

from kespeechchat.commands.view.index import column_of, facets_of, heads_of
from kespeechchat.commands.view.marks import marks_file
from kespeechchat.records import KEPT, Language, Split, status_named

SIZE = 20  # takes of a page
_COUNTED = 10_000  # matches that are counted; beyond, "more than"
_PATIENCE = 10.0  # seconds after which a question is given up
_EQUAL = ("status", "stage", "reason", "language", "split")
_SAID = "(SELECT said FROM spoken WHERE spoken.n = takes.n)"
_LINES = f"SELECT *, {_SAID} AS said FROM takes"
_SHORTEST = 3  # characters that the index of texts can look up; fewer are looked for in every line


class BadQuery(ValueError):
    """An address that asks for nothing that there is. The message names the part and what it may be."""


class TookTooLong(RuntimeError):
    """The index has no short way to the answer."""


@dataclass(frozen=True)
class Query:
    """One page. `equal`: column → value. `least`, `most`: bounds by `error_rate`, `seconds` or a score. `sort`: one of
    these, or `""` for the build's own order; `after` and `before`: (value, n) of the neighbouring page's line."""

    equal: Mapping[str, str] = field(default_factory=dict)
    round: int | None = None
    partition: str | None = None
    voice: str | None = None
    id: str | None = None
    text: str | None = None
    marked: bool = False
    least: Mapping[str, float] = field(default_factory=dict)
    most: Mapping[str, float] = field(default_factory=dict)
    sort: str = ""
    down: bool = False
    after: tuple[float, int] | None = None
    before: tuple[float, int] | None = None

    @classmethod
    def parse(cls, given: Mapping[str, str], heads: list[str]) -> Query:
        """The query of an address. Raises BadQuery. Without `status`, the takes that are in the dataset."""
        given = {name: value.strip() for name, value in given.items() if value.strip()}
        figures = ("error_rate", "seconds", *heads)
        known = {*_EQUAL, "round", "partition", "voice", "id", "text", "marked", "sort", "down", "after", "before"}
        known |= {f"{bound}_{name}" for bound in ("least", "most") for name in figures}
        if unknown := sorted(given.keys() - known):
            raise BadQuery(f"{unknown[0]}: no such filter; there are {', '.join(sorted(known))}")
        sort = given.get("sort", "")
        if sort not in ("", *figures):
            raise BadQuery(f"sort={sort}: no such order; there are {', '.join(figures)}")
        equal = {name: given[name] for name in _EQUAL if name in given}
        if equal.setdefault("status", KEPT) == "any":
            del equal["status"]
        return cls(
            equal=equal,
            round=_whole(given, "round"),
            partition=given.get("partition"),
            voice=given.get("voice"),
            id=given.get("id"),
            text=given.get("text"),
            marked=_ticked(given, "marked"),
            least={name: _number(given, f"least_{name}") for name in figures if f"least_{name}" in given},
            most={name: _number(given, f"most_{name}") for name in figures if f"most_{name}" in given},
            sort=sort,
            down=_ticked(given, "down"),
            after=_place(given, "after"),
            before=_place(given, "before"),
        )

    def address(self, **changes: Any) -> str:
        """The query as the part of an address after `?`."""
        query = replace(self, **changes)
        pairs: list[tuple[str, object]] = [("status", query.equal.get("status", "any"))]
        pairs += [(name, value) for name, value in query.equal.items() if name != "status"]
        pairs += [(n, v) for n in ("round", "partition", "voice", "id", "text") if (v := getattr(query, n)) is not None]
        pairs += [(f"least_{name}", value) for name, value in query.least.items()]
        pairs += [(f"most_{name}", value) for name, value in query.most.items()]
        pairs += [(name, 1) for name in ("marked", "down") if getattr(query, name)]
        pairs += [("sort", query.sort)] if query.sort else []
        for name in ("after", "before"):
            if (place := getattr(query, name)) is not None:
                pairs.append((name, f"{place[0]!r}~{place[1]}"))
        return urlencode(pairs)


@dataclass(frozen=True)
class Page:
    """Lines of the index in order, the pages beside it, and how many lines match: `more` than counted, or exactly."""

    lines: list[dict[str, Any]]
    earlier: Query | None
    later: Query | None
    matches: int
    more: bool


class Index:
    """The index in `file`, for readers. Each answer has a connection of its own, so threads may ask at once."""

    def __init__(self, file: Path) -> None:
        self._file, self._marks = file, marks_file(file)
        with self._reading() as db:
            self.heads, self.facets = heads_of(db), facets_of(db)

    @property
    def partitions(self) -> list[str]:
        """Names of the partitions, smallest first."""
        return [str(name) for name in self.facets.get("names", [])]

    def check(self, query: Query) -> None:
        """Raises BadQuery, with the values that there are, for one that no take can have."""
        for name, value in query.equal.items():
            if name != "status":
                _among(name, value, self._values(name))
                continue
            try:
                status_named(value)
            except ValueError as error:
                raise BadQuery(f"status={error}; any shows every row") from None
        if query.round is not None:
            _among("round", str(query.round), self._values("round"))
        if query.partition is not None:
            _among("partition", query.partition, self.partitions)

    def _values(self, name: str) -> list[str]:
        """What a filter may be: what the index has, and what every build may have."""
        always: dict[str, tuple[str, ...]] = {"language": get_args(Language), "split": get_args(Split)}
        return [*dict.fromkeys([*always.get(name, ()), *(str(value) for value, _ in self.facets.get(name, []))])]

    def page(self, query: Query, size: int = SIZE) -> Page:
        """The lines of a page. Raises BadQuery, and TookTooLong after ten seconds."""
        self.check(query)
        with self._reading() as db:
            where, values = self._where(query, _looked_up(db, query))
            counted = f"SELECT count(*) FROM (SELECT 1 FROM takes WHERE {where} LIMIT {_COUNTED + 1})"
            matches = db.execute(counted, values).fetchone()[0]
            lines = _lines(db, query, where, values, size, matches <= _COUNTED)
            begun = query.after is not None if query.before is None else len(lines) > size
            ended = query.before is None and len(lines) <= size
            lines = lines[:size] if query.before is None else lines[-size:]
        earlier = replace(query, after=None, before=_key(lines[0], query)) if lines and begun else None
        later = replace(query, before=None, after=_key(lines[-1], query)) if lines and not ended else None
        return Page(lines, earlier, later, min(matches, _COUNTED), matches > _COUNTED)

    def takes(self, id_: str) -> list[dict[str, Any]]:
        """All lines of an id, round by round."""
        with self._reading() as db:
            return [dict(line) for line in db.execute(f"{_LINES} WHERE id = ? ORDER BY n", (id_,))]

    def _where(self, query: Query, looked_up: bool) -> tuple[str, list[Any]]:
        """Conditions, which hold no text of the address, and their values. `looked_up`: see `_looked_up`."""
        parts, values = [f"{name} = ?" for name in query.equal], list[Any](query.equal.values())
        bounds = [
            (f"{_column(n)} {sign} ?", v)
            for sign, by in ((">=", query.least), ("<=", query.most))
            for n, v in by.items()
        ]
        optional: list[tuple[str, Any]] = [("round = ?", query.round), ("id = ?", query.id), *bounds]
        for condition, value in optional:
            if value is not None:
                parts.append(condition)
                values.append(value)
        if query.voice:
            parts.append("(user_voice = ? OR agent_voice = ?)")
            values += [query.voice] * 2
        if query.partition:
            parts.append("level <= ?")
            values.append(self.partitions.index(query.partition))
        if query.text:
            if looked_up:
                parts.append("n IN (SELECT n FROM found)")
            elif len(query.text) >= _SHORTEST:
                parts.append("n IN (SELECT rowid FROM texts WHERE said LIKE ?)")
                values.append(f"%{query.text}%")
            parts.append(f"instr(lower({_SAID}), lower(?)) > 0")
            values.append(query.text)
        if query.marked:
            parts.append("(id, round) IN (SELECT id, round FROM marks.marks)")
        if query.sort:
            parts.append(f"{_column(query.sort)} IS NOT NULL")
        return " AND ".join(parts) or "1", values

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(f"file:{self._file.absolute()}?mode=ro", uri=True, timeout=30)) as db:
            db.row_factory = sqlite3.Row
            if self._marks.exists():
                db.execute("ATTACH DATABASE ? AS marks", (f"file:{self._marks.absolute()}?mode=ro",))
            end = time.monotonic() + _PATIENCE
            db.set_progress_handler(lambda: int(time.monotonic() > end), 10_000)
            try:
                yield db
            except sqlite3.OperationalError as error:
                if "interrupted" not in str(error):
                    raise
                raise TookTooLong(
                    f"no answer within {_PATIENCE:.0f} s; add a filter, or sort by another column"
                ) from None


def _looked_up(db: sqlite3.Connection, query: Query) -> bool:
    """Puts the lines of the query's text into the temporary table `found` if they are few: looking up a text takes
    seconds in millions of lines, and they are counted and then shown."""
    if not query.text or len(query.text) < _SHORTEST:
        return False
    lines = "SELECT rowid FROM texts WHERE said LIKE ? LIMIT ?"
    found = db.execute(lines, (f"%{query.text}%", _COUNTED + 1)).fetchall()
    if len(found) > _COUNTED:
        return False
    db.execute("CREATE TEMP TABLE found (n INTEGER PRIMARY KEY)")
    db.executemany("INSERT INTO found VALUES (?)", found)
    return True


def _lines(
    db: sqlite3.Connection, query: Query, where: str, values: list[Any], size: int, few: bool
) -> list[dict[str, Any]]:
    """One more than a page holds, in the order of the page. `few` matches are found by a filter and then sorted (`+`
    keeps SQLite from the index of the order): walking in order, it would pass millions of lines to find them."""
    back = query.before is not None
    place = query.before or query.after
    down = query.down != back
    plain = "+" if few else ""
    order = f"{plain}{_column(query.sort)}, {plain}n" if query.sort else f"{plain}n"
    if place is not None:
        where += f" AND ({order}) {'<' if down else '>'} ({'?, ?' if query.sort else '?'})"
        values = [*values, *(place if query.sort else place[1:])]
    turned = ", ".join(f"{name} {'DESC' if down else 'ASC'}" for name in order.split(", "))
    found = db.execute(f"{_LINES} WHERE {where} ORDER BY {turned} LIMIT {size + 1}", values)
    lines = [dict(line) for line in found]
    return lines[::-1] if back else lines


def _key(line: Mapping[str, Any], query: Query) -> tuple[float, int]:
    return (float(line[_column(query.sort)]) if query.sort else 0.0, line["n"])


def _column(name: str) -> str:
    return name if name in ("error_rate", "seconds") else column_of(name)


def _among(name: str, value: str, there: Sequence[str]) -> None:
    if value not in there:
        raise BadQuery(f"{name}={value}: no such {name}; there is {', '.join(there) or 'none in this build'}")


def _ticked(given: Mapping[str, str], name: str) -> bool:
    if given.get(name, "1") != "1":
        raise BadQuery(f"{name}={given[name]}: write {name}=1, or leave it out")
    return name in given


def _number(given: Mapping[str, str], name: str) -> float:
    try:
        value = float(given[name])
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise BadQuery(f"{name}={given[name]}: write a number")
    return value


def _whole(given: Mapping[str, str], name: str) -> int | None:
    if name not in given:
        return None
    if not given[name].isdecimal() or len(given[name]) > 9:
        raise BadQuery(f"{name}={given[name]}: write a whole number")
    return int(given[name])


def _place(given: Mapping[str, str], name: str) -> tuple[float, int] | None:
    if name not in given:
        return None
    value, _, n = given[name].partition("~")
    try:
        found = float(value), int(n)
    except ValueError:
        raise BadQuery(f"{name}={given[name]}: not a place that a page of the viewer names") from None
    if not 0 <= found[1] < 1 << 63 or math.isnan(found[0]):
        raise BadQuery(f"{name}={given[name]}: not a place that a page of the viewer names")
    return found
