"""What a profile's inputs hold: row by row for a look at them, or in batches, read by several processes, for a plan."""

from __future__ import annotations

import gc
import hashlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.config.inputs import InstructionInput, SpeechInput
from kespeechchat.config.load import ConfigError
from kespeechchat.inputs.files import Kind, expanded, input_file
from kespeechchat.inputs.instructions import PART_BYTES, Part, part_rows, parts, source_of
from kespeechchat.inputs.read_report import FileReport, PartFacts
from kespeechchat.inputs.speech import CorpusFacts, audio_files, speech_files, speech_rows
from kespeechchat.pandas_spared import spare_pandas
from kespeechchat.store.manifest import PlannedRow

Input = InstructionInput | SpeechInput
BATCH = pa.schema([(name, pa.int64() if name == "line" else pa.string()) for name in PlannedRow._fields])
_READER = b"2"  # raised when files are read otherwise: then the next build looks at all of them again
_PROCESSES = 8  # more than one process can merge
_SMALL = 32 << 20  # bytes of an input that is read before another process has started
_ROWS = 8192  # of a batch of a speech input


def input_rows(item: Input, facts: CorpusFacts | None = None) -> Iterator[PlannedRow]:
    """Every row of one input, sound or not, in its order; `facts` counts those of a speech corpus.

    Raises ConfigError for an input that is missing or unknown.
    """
    check_exists(item)
    if isinstance(item, SpeechInput):
        yield from speech_rows(item, facts)
        return
    for file in expanded(item)[0]:
        for batch in _read(_report(file), 1):
            yield from (PlannedRow(**row) for row in batch.to_pylist())


def check_exists(item: Input) -> None:
    if not Path(item.path).exists():
        raise ConfigError(f"{item.path}: no such input file; name one that exists under inputs or with --input")


def input_batches(
    item: Input,
    limit: int | None,
    processes: int | None = None,
    reports: list[FileReport] | None = None,
    facts: CorpusFacts | None = None,
) -> Iterator[pa.RecordBatch]:
    """The same rows as :func:`input_rows`, `limit` of them at most, in batches of schema BATCH.

    `processes`: how many read at once; None: as many as the machine and the size of the input ask for. `reports`: gets
    what was read of each file of instructions. `facts`: what is learned of a speech corpus.
    """
    if isinstance(item, SpeechInput):
        rows = islice(input_rows(item, facts), limit)
        yield from iter(lambda: _columns(list(islice(rows, _ROWS))), _columns([]))
        return
    check_exists(item)
    left = limit
    for file in expanded(item)[0]:
        report = _report(file)
        if reports is not None:
            reports.append(report)
        for batch in _read(report, _processes(file, left) if processes is None else processes):
            taken = batch if left is None else batch.slice(0, left)
            report.count(len(taken), taken["problem"].drop_null().to_pylist())
            report.limited |= left is not None and len(batch) >= left
            left = None if left is None else left - len(taken)
            yield taken
            if left == 0:
                return


def passed_over(item: Input) -> list[str]:
    """The files of a folder of instructions that are of no kind that is read."""
    return [] if isinstance(item, SpeechInput) else expanded(item)[1]


def _processes(item: InstructionInput, limit: int | None) -> int:
    small = Path(item.path).stat().st_size < _SMALL or (limit is not None and limit < 100_000)
    return 1 if small else min(_PROCESSES, len(os.sched_getaffinity(0)))


def _report(item: InstructionInput) -> FileReport:
    file = input_file(Path(item.path))
    return FileReport(item, file)


def _read(report: FileReport, processes: int) -> Iterator[pa.RecordBatch]:
    item, name, before = report.item, report.file.path.name, 0
    source = source_of(item)
    place = f"{name}: item " if report.file.kind is Kind.ARRAY else f"{name}:"
    for rows, lines, facts in _parsed(parts(item, report.file, PART_BYTES), processes):
        report.add(facts)
        id_, line, language, raw, problem = rows.columns
        line = pa.array(line.to_numpy() + before)
        if problem.null_count < len(problem):
            where = pc.binary_join_element_wise(place, line.cast("string"), "")
            problem = pc.binary_join_element_wise(where, problem, ": ")
        names = [pa.repeat(text, len(rows)) for text in (source, name)]
        yield pa.record_batch([id_, *names, line, language, raw, problem], schema=BATCH)
        before += lines


def _parsed(work: Iterable[Part], processes: int) -> Iterator[tuple[pa.RecordBatch, int, PartFacts]]:
    """What `part_rows` makes of each part, in order; never more than a few parts ahead of the reader."""
    if processes == 1:
        yield from map(part_rows, work)
        return
    # spawned: a forked process would inherit threads' locks without the threads
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, _begin)
    try:
        waiting: deque[Any] = deque()
        for part in work:
            waiting.append(pool.submit(part_rows, part))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _columns(rows: Sequence[PlannedRow]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else [()] * len(BATCH)
    return pa.record_batch([pa.array(c, t) for c, t in zip(columns, BATCH.types, strict=True)], BATCH)


def _begin() -> None:
    """Makes a process ready to read, and lets it end with its parent: Ctrl-C is the parent's to handle; and who was
    killed cannot tell its children to go."""
    spare_pandas()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # rows are tuples of text, without cycles; looking through them for some is a tenth of the time
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def input_digest(item: Input, how: str) -> str:
    """What a pass over this input depends on: its bytes, and `how` it is read. Of a folder: the names of its audio, and
    the names, sizes and times of the files with its texts."""
    check_exists(item)
    path = Path(item.path)
    digest = hashlib.sha256((item.model_dump_json(exclude={"path", "origin", "licence"}) + how).encode())
    if isinstance(item, InstructionInput):
        digest.update(_READER)
        for file in expanded(item)[0]:
            _update(digest, Path(file.path))
        return digest.hexdigest()
    if path.is_dir():
        digest.update("\n".join(str(p.relative_to(path)) for p in audio_files(path)).encode())
        texts = [(str(f.relative_to(path)), f.stat().st_size, f.stat().st_mtime_ns) for f in speech_files(path)]
        digest.update(repr(texts).encode())
        return digest.hexdigest()
    for name in speech_files(path):
        _update(digest, name)
    return digest.hexdigest()


def _update(digest: hashlib._Hash, path: Path) -> None:
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
