"""The viewer's index: one SQLite file with a line for each take of a build, made from the shards' columns.

It is a cache on the local disk, never in ROOT: ROOT may be an object store, a network disk (on which SQLite's
write-ahead log does not work) or another's, and two people who look at one build must not wait for each other. It may
be deleted at any time. A shard's lines and the mark that they are there are one transaction, so a killed run goes on
where it was; a shard that was made again has another mark, and its lines are replaced. What is known of all lines (the
partitions, the counts) is forgotten with the first line that changes, and made when all shards are in. Texts have a
table of their own: what cuts partitions and counts reads all lines, which are a tenth of the texts.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from kespeechchat.commands.view.cache_file import alone, named, opened
from kespeechchat.commands.view.takes import PLACES, Shard, Take, shards_of, takes_of
from kespeechchat.config.load import ConfigError
from kespeechchat.dataset.partitions import Cuts, TrainingDialogues, cut_partitions
from kespeechchat.display import counted
from kespeechchat.records import KEPT
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.finished_rows import prefetch

_HEAD = re.compile(r"[a-z0-9_]{1,60}")
_BATCH = 64  # shards between two words on progress
_INDEXES = {
    "takes_id": "(id, round)",
    "takes_reason": "(reason, stage, n) WHERE reason IS NOT NULL",
    "takes_user": "(user_voice, n)",
    "takes_agent": "(agent_voice, n)",
    "takes_part": "(status, language, split, n)",
    "takes_split": "(split, status, n)",
    "takes_error_rate": "(error_rate, n)",
    "takes_seconds": "(seconds, n)",
}
_MANY = 0.1  # of all shards: where more of them are new, SQLite's indexes are made after the lines, see `_fill`
_COLUMNS = (  # those that a take brings; the partition's level and the scores have their own ways
    *("n", "shard", "round", "id", "status", "stage", "reason", "detail", "language", "split", "error_rate"),
    *("seconds", "user_voice", "agent_voice", "user_error", "agent_error"),
)
_FACETS = ("language", "split", "status", "reason", "stage", "round", "level")
Tell = Callable[[str], None]


def update(build_state: BuildState, file: Path, tell: Tell = lambda line: None) -> int:
    """Brings the index in `file` up to date and returns how many takes it holds. `tell` hears of progress.

    Raises ConfigError where the file cannot be an index, CorruptShard where a shard is not what its record says.
    """
    wanted = {(shard.unit.name, shard.number): shard for shard in shards_of(build_state)}
    with alone(file, tell), closing(opened(file)) as db, named(file):
        had = {(u, s): (mark, first) for u, s, mark, first in db.execute("SELECT unit, shard, mark, first FROM shards")}
        gone = [key for key in had if key not in wanted]
        fresh = [
            s for key, s in wanted.items() if had.get(key, ("", 0))[0] != s.order.key.stem or had[key][1] != s.first
        ]
        for unit, number in gone:
            with db:
                _forget_facts(db)
                _remove(db, unit, number)
        _fill(db, build_state, fresh, len(wanted), tell)
        missing = _missing(db)
        if missing or _fact(db, "facets") is None or _fact(db, "cut") != _cut_by(build_state):
            tell("index: partitions and counts")
            for name, columns in missing.items():
                db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON takes {columns}")
            _finish(db, build_state)
        return int(json.loads(_fact(db, "facets") or "{}").get("takes", 0))


def _fill(db: sqlite3.Connection, build_state: BuildState, fresh: list[Shard], of: int, tell: Tell) -> None:
    """The lines of the shards `fresh`. Where these are many, without SQLite's indexes, which are then made in one go:
    lines come in no order that an index has, so each would change pages all over a file that outgrows the memory."""
    if len(fresh) > _MANY * of:
        for name in _wanted_indexes(db):
            db.execute(f"DROP INDEX IF EXISTS {name}")
    heads = set(heads_of(db))
    for k, takes in enumerate(prefetch(lambda shard: takes_of(build_state, shard), fresh)):
        shard = fresh[k]
        if k % _BATCH == 0:
            tell(f"index: {of - len(fresh) + k:,} of {counted(of, 'shard')}")
        for head in sorted({head for take in takes for head in take.scores} - heads):
            _add_head(db, head)
            heads.add(head)
        with db:
            _forget_facts(db)
            _remove(db, shard.unit.name, shard.number)
            _insert(db, takes, sorted(heads))
            key = (shard.unit.name, shard.number, shard.order.key.stem, shard.first, len(takes))
            db.execute("INSERT INTO shards VALUES (?, ?, ?, ?, ?)", key)


def _insert(db: sqlite3.Connection, takes: list[Take], heads: list[str]) -> None:
    names = [*_COLUMNS, *(column_of(head) for head in heads)]
    marks = ", ".join("?" * len(names))
    lines = [(*(getattr(t, name) for name in _COLUMNS), *(t.scores.get(head) for head in heads)) for t in takes]
    db.executemany(f"INSERT INTO takes ({', '.join(names)}) VALUES ({marks})", lines)
    texts = [(take.n, take.said) for take in takes]
    db.executemany("INSERT INTO spoken VALUES (?, ?)", texts)
    db.executemany("INSERT INTO texts (rowid, said) VALUES (?, ?)", texts)


def _remove(db: sqlite3.Connection, unit: str, shard: int) -> None:
    """The lines of a shard, and its mark."""
    found = db.execute("SELECT first FROM shards WHERE unit = ? AND shard = ?", (unit, shard)).fetchone()
    if found is None:
        return
    lines = (found[0], found[0] + PLACES - 1)
    old = "SELECT 'delete', n, said FROM spoken WHERE n BETWEEN ? AND ?"
    db.execute(f"INSERT INTO texts (texts, rowid, said) {old}", lines)
    for table in ("takes", "spoken"):
        db.execute(f"DELETE FROM {table} WHERE n BETWEEN ? AND ?", lines)
    db.execute("DELETE FROM shards WHERE unit = ? AND shard = ?", (unit, shard))


def column_of(head: str) -> str:
    """The column of a score. Raises ConfigError for a name that is none."""
    if not _HEAD.fullmatch(head):
        raise ConfigError(f"score {head!r}: a head's name has small letters, digits and underscores, 60 at most")
    return f"mos_{head}"


def heads_of(db: sqlite3.Connection) -> list[str]:
    """The scores that the index has a column for."""
    columns = (name for _, name, *_ in db.execute("PRAGMA table_info(takes)"))
    return [name.removeprefix("mos_") for name in columns if name.startswith("mos_")]


def _add_head(db: sqlite3.Connection, head: str) -> None:
    db.execute(f"ALTER TABLE takes ADD COLUMN {column_of(head)} REAL")


def _wanted_indexes(db: sqlite3.Connection) -> dict[str, str]:
    """Name → columns of what SQLite is to have an index of."""
    return _INDEXES | {f"takes_{column_of(head)}": f"({column_of(head)}, n)" for head in heads_of(db)}


def _missing(db: sqlite3.Connection) -> dict[str, str]:
    """Those that it has not: none were made yet, or a run was killed before."""
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    return {name: columns for name, columns in _wanted_indexes(db).items() if name not in there}


def _finish(db: sqlite3.Connection, build_state: BuildState) -> None:
    """The smallest partition of each training dialogue, the counts that the filters show, and figures for SQLite."""
    cuts = _cuts(db, build_state)

    def level(id_: str, language: str, user: str, agent: str) -> int:
        return cuts.level(id_, language, (user, agent))

    db.create_function("level_of", 4, level, deterministic=True)
    with db:
        train = "status = 'kept' AND split = 'train'"
        db.execute(
            "UPDATE takes SET level = level_of(id, language, user_voice, agent_voice) "
            f"WHERE {train} AND level IS NOT level_of(id, language, user_voice, agent_voice)"
        )
        found: dict[str, object] = {
            "names": cuts.names,
            "takes": db.execute("SELECT count(*) FROM takes").fetchone()[0],
        }
        for name in _FACETS:
            counted = db.execute(f"SELECT {name}, count(*) FROM takes GROUP BY {name} ORDER BY 2 DESC")
            found[name] = [[value, n] for value, n in counted if value is not None]
        _set_fact(db, "facets", json.dumps(found))
        _set_fact(db, "cut", _cut_by(build_state))
    db.execute("ANALYZE")


def _cuts(db: sqlite3.Connection, build_state: BuildState) -> Cuts:
    """The cuts of all kept training dialogues. An export cuts without those that annotators rejected and those that say
    what a held-out dialogue says, so a few dialogues at a partition's edge may be on its other side."""
    dialogues = TrainingDialogues(build_state.pipeline.seed)
    columns = "id, language, user_voice, agent_voice, seconds"
    for line in db.execute(f"SELECT {columns} FROM takes WHERE status = ? AND split = 'train'", (KEPT,)):
        dialogues.add(*line)
    return cut_partitions(dialogues, build_state.pipeline.partitions).cuts


def _cut_by(build_state: BuildState) -> str:
    """What the cuts depend on beside the lines."""
    return json.dumps([build_state.pipeline.seed, build_state.pipeline.partitions.model_dump(mode="json")])


def _fact(db: sqlite3.Connection, name: str) -> str | None:
    found = db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if found is None else str(found[0])


def _set_fact(db: sqlite3.Connection, name: str, value: str) -> None:
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


def _forget_facts(db: sqlite3.Connection) -> None:
    """They are of other lines than there will be; in the transaction that changes lines, so that a run that ends before
    its end leaves none that are wrong."""
    db.execute("DELETE FROM facts")


def facets_of(db: sqlite3.Connection) -> dict[str, list[list[object]]]:
    """What the filters offer: by column its values, each with its number of takes; `names`: the partitions'."""
    found: dict[str, list[list[object]]] = json.loads(_fact(db, "facets") or "{}")
    return found
