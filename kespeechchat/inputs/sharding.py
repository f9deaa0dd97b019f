"""The planning pass: one read of the inputs, in their order, that drops duplicates and gives shard numbers, once.

A row is known by its id, that is by its content, and by how often it has been seen in this pass. What the manifest
already holds is passed over; what is new fills new shards, one language each. The pass is published in one step, so a
pass killed in the middle leaves nothing, and the next one plans the same.

Tens of millions of rows pass through as Arrow batches, parsed by several processes and merged in the inputs' order.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.ids import appearance
from kespeechchat.inputs.read_report import FileReport
from kespeechchat.inputs.reading import input_batches, input_digest, passed_over
from kespeechchat.inputs.seen_ids import IdCounts, hashes_of
from kespeechchat.inputs.speech import CorpusFacts
from kespeechchat.records import Language
from kespeechchat.store.commit import new_attempt
from kespeechchat.store.interface import AlreadyExists, ObjectStore
from kespeechchat.store.manifest import ROW, Manifest, Packs, PlannedShard, Segment

_TOLD = 10  # malformed rows that are told at once; all of them are kept as rejected rows


def shard_inputs(store: ObjectStore, pipeline: Pipeline, branch: str, processes: int | None = None) -> Manifest:
    """The manifest of `branch` (instructions | speech), brought up to date with the profile's inputs.

    Raises ConfigError for an input that is missing or of an unknown kind.
    """
    settings = getattr(pipeline, branch)
    limit = getattr(settings, "limit", None)
    digests = {input_digest(item, f"{limit}{settings.shard_size}"): item.path for item in settings.inputs}
    for _ in range(5):
        manifest = Manifest(store, branch)
        if manifest.knows(digests):
            return manifest
        planning = _Pass(store, manifest, settings.shard_size)
        corpora = []
        for item in settings.inputs:
            planning.passed_over += passed_over(item)
            facts = CorpusFacts(Path(item.path).name)
            for batch in input_batches(item, limit, processes, planning.reports, facts):
                planning.take(batch)
            corpora += [facts.line()] if facts.layout else []
        segment = planning.segment(digests)
        segment.summary["corpora"] = corpora
        try:
            manifest.append(segment)
            return manifest
        except AlreadyExists:
            for file in {shard.file for shard in segment.shards}:
                store.delete(file)
    raise RuntimeError(f"{store.url}/plan/{branch}: other builds keep planning at the same time; try again")


class _Pass:
    """One planning pass: rows in, shards out."""

    def __init__(self, store: ObjectStore, manifest: Manifest, size: int) -> None:
        self._manifest, self._size = manifest, size
        self._planned = _seen(manifest.ids())  # by source: appearances that have their place already
        self._seen: defaultdict[str, IdCounts] = defaultdict(IdCounts)
        self._waiting: defaultdict[Language, list[pa.Table]] = defaultdict(list)  # by language: rows of its open shard
        self._packs = Packs(store, manifest.branch, new_attempt())
        self._shards: list[PlannedShard] = []
        self._malformed = 0
        self._problems: list[str] = []
        self.reports: list[FileReport] = []  # of the files of instructions
        self.passed_over: list[str] = []  # names of files of other kinds, in the folders named

    def take(self, batch: pa.RecordBatch) -> None:
        """Plans what is new in `batch` (schema BATCH, of one source)."""
        if not len(batch):
            return
        rows = self._new_rows(pa.Table.from_batches([batch]))
        problems = rows["problem"].drop_null()
        self._malformed += len(problems)
        self._problems += problems.slice(0, _TOLD - len(self._problems)).to_pylist()
        closed: list[
            tuple[int, Language, list[pa.Table]]
        ] = []  # with the row that closed it: they are numbered by that
        for language in pc.unique(rows["language"]).to_pylist():
            mine = np.flatnonzero(pc.equal(rows["language"], language))
            fresh, begin = _taken(rows.select(ROW.names), mine), 0
            have = sum(map(len, self._waiting[language]))
            for end in range(self._size - have, len(mine) + 1, self._size):
                closed.append((mine[end - 1], language, [*self._waiting.pop(language, []), fresh[begin:end]]))
                begin = end
            self._waiting[language].append(fresh[begin:])
        for _, language, tables in sorted(closed, key=lambda shard: shard[0]):
            self._close(language, tables)

    def _new_rows(self, rows: pa.Table) -> pa.Table:
        """The rows that have no place yet, with their `occurrence`; a duplicate's id ends in `-dK`."""
        source = rows["source"][0].as_py()
        hashes = hashes_of(rows["id"].combine_chunks(), source)
        order = np.argsort(hashes, kind="stable")
        hashes = hashes[order]
        place = np.arange(len(hashes))
        first = np.concatenate(([True], hashes[1:] != hashes[:-1]))
        occurrence = self._seen[source].count(hashes) + place - np.maximum.accumulate(np.where(first, place, 0)) + 1
        new = order[occurrence > self._planned[source].count(hashes)] if source in self._planned else order
        self._seen[source].add(hashes)
        nth = np.empty(len(order), np.int32)
        nth[order] = occurrence
        new.sort()
        rows, nth = _taken(rows, new), nth[new]
        ids = rows["id"]
        if (again := nth > 1).any():
            repeated = zip(ids.filter(again).to_pylist(), nth[again].tolist(), strict=True)
            named = pa.array([appearance(id_, n) for id_, n in repeated], pa.string())
            ids = pc.replace_with_mask(ids.combine_chunks(), pa.array(again), named)
        return rows.set_column(0, "id", ids).append_column("occurrence", pa.array(nth))

    def _close(self, language: Language, tables: list[pa.Table]) -> None:
        rows = pa.concat_tables(tables).combine_chunks()
        number = len(self._manifest.shards) + len(self._shards)
        self._shards.append(self._packs.add(number, language, rows, _checksum(rows)))

    def segment(self, digests: dict[str, str]) -> Segment:
        """Closes what is open, writes what is not written, and says what the pass was."""
        for language in sorted(self._waiting):
            tables = self._waiting.pop(language)
            if any(map(len, tables)):
                self._close(language, tables)
        self._packs.close()
        gone = 0
        for source, planned in self._planned.items():
            for known in planned.distinct():
                gone += int((self._seen[source].count(known) == 0).sum())
        summary: dict[str, Any] = {"rows": sum(s.rows for s in self._shards), "rows_no_longer_in_inputs": gone}
        summary |= {"malformed": self._malformed, "problems": self._problems}
        summary |= {"files": [report.summary() for report in self.reports], "passed_over": self.passed_over}
        return Segment(len(self._manifest.segments), digests, tuple(self._shards), summary)


def _seen(ids: Iterable[tuple[str, pa.StringArray]]) -> dict[str, IdCounts]:
    seen: defaultdict[str, IdCounts] = defaultdict(IdCounts)
    for source, some in ids:
        seen[source].add(np.sort(hashes_of(some, source)))
    return dict(seen)


def _taken(rows: pa.Table, places: np.ndarray) -> pa.Table:
    """The rows at these places, in ascending order; most often all, which need no copy."""
    return rows if len(places) == len(rows) else rows.take(places)


def _checksum(rows: pa.Table) -> str:
    """sha256 of what the rows say: what `ingest` depends on."""
    wide = pa.large_string()  # a shard may hold more text than an array of `string` can
    id_, raw, problem = (rows[name].cast(wide).combine_chunks() for name in ("id", "raw", "problem"))
    field, row, nothing = (pa.scalar(text, wide) for text in ("\x1f", "\x1e", ""))
    fields = (id_, field, raw, field, pc.fill_null(problem, "None"), row)
    _, ends, said = pc.binary_join_element_wise(*fields, nothing).buffers()
    size = np.frombuffer(ends, np.int64)[len(rows)] - 1  # \x1e is between rows only
    return hashlib.sha256(memoryview(said)[:size]).hexdigest()
