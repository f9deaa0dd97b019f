"""The screening of planned rows, before any model: rows that are like an excluded text, and rows that are like an
earlier row. What it finds is kept in ROOT beside the plan (`store/screened.py`), and `ingest` rejects by it.

Shards are read by several processes, which cut texts into n-grams, hold them to the excluded texts and make the keys of
near duplicates. One process then goes through the rows of each language in the order of the plan, so what it finds is
the same whatever their number. A shard that was screened is never screened again under the same settings: rows that
come later are held to the keys that ROOT keeps of those before.

Only rows that `ingest` would take stand for others: what is malformed, an exact duplicate, contaminated, or rejected by
`ingest` for what it says itself (too long, a task for code, no reference where one is required) is in no index.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.screening import NearDuplicates
from kespeechchat.config.text_stages import Ingest
from kespeechchat.display import counted
from kespeechchat.inputs.excluded import ExcludedTexts, Found, questions, read_excluded
from kespeechchat.inputs.near_duplicates import Keys, bands_of, keys_of, likenesses
from kespeechchat.inputs.screened_texts import Record, ScreenedTexts
from kespeechchat.processes import spread
from kespeechchat.records import Language
from kespeechchat.stages.ingest import refused_by_itself
from kespeechchat.store.commit import new_attempt
from kespeechchat.store.interface import AlreadyExists, ObjectStore
from kespeechchat.store.manifest import Manifest, Packs, PlannedShard, Segment, planned_rows
from kespeechchat.store.opening import open_store
from kespeechchat.store.screened import SCREENED, refusals_checksum, screened_branch
from kespeechchat.text.ngrams import ngrams, tokens

CONTAMINATED, NEAR_DUPLICATE = "contaminated", "near_duplicate"
_SHARDS = 8  # of a part that a process takes at once
_ATTEMPTS = 5  # where other builds screen at the same time
Refusal = tuple[int, str, str]  # place in the shard, reason, detail
_Row = tuple[int, str | None, str | None, bytes | None]  # of schema SCREENED


def screen(store: ObjectStore, pipeline: Pipeline, manifest: Manifest, processes: int | None = None) -> Manifest | None:
    """Screens the shards of `manifest` that were not screened yet. Returns what ROOT knows then; None where the profile
    screens nothing.

    `processes`: how many read at once; None: as many as the machine and the number of shards ask for. Raises
    ConfigError for an excluded file that cannot be read.
    """
    relevant = pipeline.screening
    if relevant is None:
        return None
    ours = pipeline.instructions
    excluded: ExcludedTexts | None = None
    for _ in range(_ATTEMPTS):
        screened = Manifest(store, screened_branch(relevant))
        known = {shard.number: shard for shard in screened.shards}
        new = [shard for shard in manifest.shards if shard.number not in known]
        if not new:
            return screened
        excluded = excluded or read_excluded(ours.exclude, ours.overlap)
        job = _Sift(store.url, ours.near_duplicates, excluded, pipeline.stages.ingest)
        screening = _Screening(store, screened, manifest, known, job, processes)
        segment = screening.segment(new)
        try:
            screened.append(segment)
            return screened
        except AlreadyExists:
            for file in {shard.file for shard in segment.shards}:
                store.delete(file)
    raise RuntimeError(f"{store.url}/plan/{screened.branch}: other builds keep screening at the same time; try again")


def told(screened: Manifest) -> list[str]:
    """How many planned rows all screenings found, a line for each reason."""
    near: int = sum(segment.summary.get(NEAR_DUPLICATE, 0) for segment in screened.segments)
    by_file: Counter[str] = Counter()
    for segment in screened.segments:
        by_file.update(segment.summary.get(CONTAMINATED, {}))
    lines = [f"{counted(near, 'row')} rejected as {NEAR_DUPLICATE}: nearly the same as an earlier one"] if near else []
    if by_file:
        files = ", ".join(f"{file} {count:,}" for file, count in by_file.most_common())
        lines.append(f"{counted(by_file.total(), 'row')} rejected as {CONTAMINATED}, found in excluded files: {files}")
    return lines


@dataclass
class _Sifted:
    """What a process found of some shards: the rejected rows by shard, and of the rows to be compared their shard,
    place, keys and record."""

    refused: dict[int, list[Refusal]] = field(default_factory=dict)
    files: Counter[str] = field(default_factory=Counter)  # of the excluded texts
    shards: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    keys: list[Keys] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


@dataclass
class _Sift:
    """What can be said of a row by itself (a job of `processes.spread`)."""

    root: str
    near: NearDuplicates | None
    excluded: ExcludedTexts | None
    ingest: Ingest

    def do(self, part: Sequence[PlannedShard]) -> _Sifted:
        """Reads the shards and sifts their rows."""
        found, store = _Sifted(), open_store(self.root)
        for shard in part:
            rows = planned_rows(store, shard, ["id", "occurrence", "raw", "problem"]).to_pylist()
            self._sift(shard, rows, found)
        return found

    def merge(self, other: Any) -> None:
        """Nothing is gathered."""

    def _sift(self, shard: PlannedShard, rows: list[dict[str, Any]], found: _Sifted) -> None:
        language: Language = shard.language or "en"
        asked: list[tuple[int, str, list[str]]] = []
        for place, row in enumerate(rows):
            if row["problem"] is None and row["occurrence"] == 1:
                planned = json.loads(row["raw"])
                if refused_by_itself(planned, language, self.ingest) is None:
                    asked.append((place, row["id"], questions(planned)))
        clean = list(self._clean(shard.number, asked, language, found))
        if self.near is None or not clean:
            return
        words = [tokens("\n".join(texts)) for _, _, texts in clean]
        grams = [ngrams(one, self.near.ngram[language]) for one in words]
        texts = [" ".join(one) for one in words]
        found.keys.append(keys_of(texts, grams, *bands_of(self.near.threshold, self.near.permutations)))
        found.shards += [shard.number] * len(clean)
        found.places += [place for place, _, _ in clean]
        found.records += [Record(id_, text) for (_, id_, _), text in zip(clean, texts, strict=True)]

    def _clean(
        self, shard: int, asked: list[tuple[int, str, list[str]]], language: Language, found: _Sifted
    ) -> Iterator[tuple[int, str, list[str]]]:
        """The rows that overlap with no excluded text; the others are rejected."""
        overlaps: list[Found | None] = [None] * len(asked)
        if self.excluded is not None:
            overlaps = self.excluded.find([texts for _, _, texts in asked], language)
        for row, overlap in zip(asked, overlaps, strict=True):
            if overlap is None:
                yield row
                continue
            detail = f"has {overlap.share:.0%} of its n-grams in common with {overlap.file}:{overlap.line}"
            found.refused.setdefault(shard, []).append((row[0], CONTAMINATED, detail))
            found.files[overlap.file] += 1


class _Screening:
    """One screening: shards in, a segment out."""

    def __init__(
        self,
        store: ObjectStore,
        screened: Manifest,
        manifest: Manifest,
        known: dict[int, PlannedShard],
        job: _Sift,
        processes: int | None,
    ) -> None:
        self._store, self._screened, self._manifest, self._known = store, screened, manifest, known
        self._job, self._processes = job, processes
        self._packs = Packs(store, screened.branch, new_attempt())
        self._shards: list[PlannedShard] = []
        self._files: Counter[str] = Counter()
        self._near = 0

    def segment(self, new: Sequence[PlannedShard]) -> Segment:
        """Screens the shards `new`, language by language, and says what was found."""
        for language in sorted({shard.language or "en" for shard in new}):
            self._screen([shard for shard in new if (shard.language or "en") == language], language)
        self._packs.close()
        shards = tuple(sorted(self._shards, key=lambda shard: shard.number))
        summary = {NEAR_DUPLICATE: self._near, CONTAMINATED: dict(self._files)}
        return Segment(len(self._screened.segments), {}, shards, summary)

    def _screen(self, new: list[PlannedShard], language: Language) -> None:
        """Screens the shards `new`, all of this language, and writes what was found."""
        near = self._job.near
        before = [s for s in self._manifest.shards if s.number in self._known and (s.language or "en") == language]
        texts = ScreenedTexts(self._store, {shard.number: shard for shard in (*before, *new)})
        bands = 0 if near is None else 1 + bands_of(near.threshold, near.permutations)[0]
        most = sum(shard.rows for shard in (*before, *new)) if near else 0
        keys = np.empty((most, bands), np.uint32)  # the system gives memory to the part that is written
        for shard in before if near else ():
            texts.add_known(shard.number, planned_rows(self._store, self._known[shard.number]), keys)
        first = len(texts)
        refused: dict[int, list[Refusal]] = {}
        parts = [new[at : at + _SHARDS] for at in range(0, len(new), _SHARDS)]
        for sifted in spread(self._job, parts, self._processes):
            refused |= sifted.refused
            self._files.update(sifted.files)
            if sifted.keys:
                texts.add(sifted.shards, sifted.places, sifted.records, np.concatenate(sifted.keys), keys)
        found = _like(texts, keys, first, near, language) if near else iter(())
        waiting = next(found, None)
        for shard in new:
            rows: list[_Row] = [(*refusal, None) for refusal in refused.get(shard.number, ())]
            while waiting is not None and waiting[0] == shard.number:
                rows.append(waiting[1])
                waiting = next(found, None)
            self._write(shard, sorted(rows, key=lambda row: row[0]))

    def _write(self, shard: PlannedShard, rows: list[_Row]) -> None:
        self._near += sum(reason == NEAR_DUPLICATE for _, reason, _, _ in rows)
        columns = zip(*rows, strict=True) if rows else [()] * len(SCREENED)
        table = pa.table([pa.array(c, f.type) for c, f in zip(columns, SCREENED, strict=True)], schema=SCREENED)
        assert shard.language is not None
        self._shards.append(self._packs.add(shard.number, shard.language, table, refusals_checksum(table)))


def _like(
    texts: ScreenedTexts, keys: Keys, first: int, near: NearDuplicates, language: Language
) -> Iterator[tuple[int, _Row]]:
    """(shard, what was found) of each text from `first` on: it is kept, with its keys, or like an earlier one."""
    n = near.ngram[language]
    of, shares = likenesses(
        keys[: len(texts)], first, lambda text: ngrams(texts.text(text).split(" "), n), near.threshold
    )
    for text, other, share in zip(range(first, len(texts)), of.tolist(), shares.tolist(), strict=True):
        if other < 0:
            yield texts.shard(text), (texts.place(text), None, None, texts.keys(text))
        else:
            detail = f"is {share:.0%} like {texts.id(other)}"
            yield texts.shard(text), (texts.place(text), NEAR_DUPLICATE, detail, None)
