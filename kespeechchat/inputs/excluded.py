"""Texts that must not be in the dataset, such as the questions of a benchmark, and which rows overlap with them.

A row overlaps with an excluded text where they have a share of their n-grams in common, counted against the one that
has fewer: so a question is found inside a longer one, whichever of the two is the longer. Questions are compared alone:
the dataset's answers are written anew, and those of a benchmark are often one word.

An n-gram is held as 12 bytes (its hash and the number of its text), a text as 24: the ten thousand questions of some
benchmarks take 2 MB. `MOST` n-grams, 240 MB in each process, are the limit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from kespeechchat.config.inputs import InstructionInput
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.screening import Overlap
from kespeechchat.display import counted
from kespeechchat.inputs.files import expanded
from kespeechchat.inputs.reading import check_exists, input_batches, input_digest
from kespeechchat.records import Language
from kespeechchat.text.ngrams import ngrams, tokens

MOST = 20_000_000  # n-grams of all excluded texts together
_TOLD = 5  # unreadable rows of a file that are told
Hashes = npt.NDArray[np.uint64]


class Found(NamedTuple):
    """The excluded text that a row overlaps with most: its file, its line (or item) there, and the share."""

    file: str
    line: int
    share: float


def questions(planned: Mapping[str, Any]) -> list[str]:
    """What the user asks in a planned row (its `raw`, parsed): the instruction with its input, then later turns."""
    later = [turn["content"] for turn in planned.get("turns") or () if turn["role"] == "user"][1:]
    return [f"{planned['instruction']}\n{planned['input']}".strip(), *later]


def with_excluded_digests(pipeline: Pipeline) -> Pipeline:
    """`pipeline` with `excluded`: path of each excluded file (or folder) → digest of what it holds and how it is read.
    Raises ConfigError for one that is missing."""
    found = {}
    for item in pipeline.instructions.exclude:
        _check_exists(item)
        found[item.path] = input_digest(item, "")
    return pipeline.model_copy(update={"excluded": found})


@dataclass(frozen=True)
class ExcludedTexts:
    """The n-grams of all excluded texts. Texts are numbered; where two overlap as much, the first one counts."""

    overlap: Overlap
    hashes: Hashes  # sorted
    texts: npt.NDArray[np.int32]  # whose n-gram it is
    sizes: npt.NDArray[np.int32]  # of each text: how many n-grams it has
    lines: npt.NDArray[np.int64]  # of each text: its line in its file
    files: tuple[str, ...]
    ends: npt.NDArray[np.int64]  # of each file: the number of the text after its last

    def find(self, rows: Sequence[list[str]], language: Language) -> list[Found | None]:
        """Of each row, given as its questions, the excluded text that it overlaps with most, if it does with any."""
        n = self.overlap.ngram[language]
        grams = [ngrams(tokens(question), n) for asked in rows for question in asked]
        best = iter(self._best(grams))
        found = []
        for asked in rows:
            of_row = [one for _, one in zip(asked, best, strict=False) if one is not None]
            found.append(max(of_row, key=lambda one: one.share) if of_row else None)
        return found

    def _best(self, grams: Sequence[set[str]]) -> Iterator[Found | None]:
        flat, sizes = hashes_of(grams)
        left = np.searchsorted(self.hashes, flat)
        hit = self.hashes[np.minimum(left, len(self.hashes) - 1)] == flat
        right = np.where(hit, np.searchsorted(self.hashes, flat, "right"), left)
        ends = np.cumsum(sizes)
        hits = np.concatenate(([0], np.cumsum(hit)))[ends]
        before = 0
        for end, upto, size in zip(ends.tolist(), hits.tolist(), sizes.tolist(), strict=True):
            yield self._of(left[end - size : end], right[end - size : end]) if upto > before else None
            before = upto

    def _of(self, left: npt.NDArray[np.intp], right: npt.NDArray[np.intp]) -> Found | None:
        spans = [self.texts[a:b] for a, b in zip(left.tolist(), right.tolist(), strict=True) if b > a]
        texts, common = np.unique(np.concatenate(spans), return_counts=True)
        shares = common / np.minimum(self.sizes[texts], len(left))
        at = int(np.argmax(shares))
        if shares[at] < self.overlap.share:
            return None
        file = self.files[int(np.searchsorted(self.ends, texts[at], "right"))]
        return Found(file, int(self.lines[texts[at]]), float(shares[at]))


def hashes_of(grams: Sequence[set[str]]) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """64-bit hashes of the n-grams of each text, one text after the other, and how many each text has."""
    sizes = np.fromiter(map(len, grams), np.int64, len(grams))
    hashed = RMinHash.hash_token_sets(grams)
    return np.fromiter(chain.from_iterable(hashed), np.uint64, int(sizes.sum())), sizes


def read_excluded(items: Sequence[InstructionInput], overlap: Overlap) -> ExcludedTexts | None:
    """The texts of the files of `instructions.exclude`; None where there are no files.

    Raises ConfigError, with file, line and fix, for a file that is missing or empty, and for a row that cannot be read:
    what it says could be in the dataset.
    """
    hashes, sizes, lines, files, ends = [], [], [], [], []
    texts = held = 0
    for item in (file for one in items for file in _files(one)):
        before = texts
        for grams, line in _texts(item, overlap):
            found, count = hashes_of(grams)
            hashes.append(found)
            sizes.append(count)
            lines.append(line)
            texts, held = texts + len(count), held + len(found)
            if held > MOST:
                raise ConfigError(
                    f"instructions.exclude: {item.path}: over {MOST:,} n-grams with the files before it; exclude fewer "
                    "files, or make instructions.overlap.ngram longer"
                )
        if texts == before:
            raise ConfigError(
                f"instructions.exclude: {item.path}: no text in it; name the file that holds the texts, or take it out"
            )
        files.append(Path(item.path).name)
        ends.append(texts)
    if not files:
        return None
    counts, grams_ = np.concatenate(sizes), np.concatenate(hashes)
    owners = np.repeat(np.arange(texts, dtype=np.int32), counts)
    order = np.argsort(grams_, kind="stable")
    kept = (overlap, grams_[order], owners[order], counts.astype(np.int32), np.concatenate(lines))
    return ExcludedTexts(*kept, tuple(files), np.array(ends, np.int64))


def _check_exists(item: InstructionInput) -> None:
    try:
        check_exists(item)
    except ConfigError:
        raise ConfigError(
            f"instructions.exclude: {item.path}: no such file; name one that exists, or take it out"
        ) from None


def _files(item: InstructionInput) -> list[InstructionInput]:
    _check_exists(item)
    return expanded(item)[0]


def _texts(item: InstructionInput, overlap: Overlap) -> Iterator[tuple[list[set[str]], npt.NDArray[np.int64]]]:
    """(n-grams of each text, line of each text), a batch of rows at a time."""
    problems: list[str] = []
    for batch in input_batches(item, None, 1):
        grams, lines = [], []
        for row in batch.select(["line", "language", "raw", "problem"]).to_pylist():
            if row["problem"] is not None:
                problems.append(row["problem"])
                continue
            n = overlap.ngram[row["language"]]
            asked = [found for text in questions(json.loads(row["raw"])) if (found := ngrams(tokens(text), n))]
            grams += asked
            lines += [row["line"]] * len(asked)
        if grams and not problems:
            yield grams, np.array(lines, np.int64)
    if problems:
        more = "".join(f"\n  {problem}" for problem in problems[:_TOLD])
        raise ConfigError(
            f"instructions.exclude: {item.path}: {counted(len(problems), 'row')} cannot be read, so what they say "
            f"could be in the dataset: correct the file, or set the input's `layout` or `columns`; the first:{more}"
        )
