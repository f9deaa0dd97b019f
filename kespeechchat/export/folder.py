"""The folder of an export that is made of files: claimed by a note, filled by renames, resumable.

The note (`.kesc-export.json`) says what the folder holds: layout, content, subset, options. A file that is there is
whole; where the note is the same, it is also the right one, because a layout's files depend on nothing else. Of speech
in a scene, the journal must have the facts of the files too, so it notes under which note they were written. Where
either differs, the layout's own files are removed before the new note is written. Other files are never touched.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kespeechchat.dataset.hub import LICENCE_FILE
from kespeechchat.display import counted
from kespeechchat.export.audio_files import Speech
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.errors import ExportError
from kespeechchat.rows import FinishedRow
from kespeechchat.whole_file import PART, part_of, put_in_place, whole_file, write_text

STATE = ".kesc-export.json"
JOURNAL = ".kesc-scenes.sqlite"  # what is known of the scenes of an export's turns
SCENES = "scenes.jsonl"  # the same, for a reader
LOCK = ".kesc-export.lock"  # there while an export writes
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)  # what a file system without locks answers


@dataclass(frozen=True)
class Done:
    """What an export did: its files (by shard, of some layouts), and what the user should know."""

    dialogues: int
    written: int
    kept: int  # files of an earlier run
    notes: tuple[str, ...] = ()
    example: Path | None = None  # a file to listen to
    carded: bool = False  # whether it wrote README.md and LICENSE.md; else the command does


def check_claim(to: Path, layout: str) -> None:
    """Raises ExportError where an export of `layout` may not write into `to`: it holds another layout's, or files and
    no note. What an export was killed over before it made its note does not count."""
    state = to / STATE
    if not state.exists():
        names = [path.name for path in to.iterdir()] if to.exists() else []
        if any(name not in (STATE + PART, LOCK) and not name.startswith(JOURNAL) for name in names):
            raise ExportError(f"{to}: holds files that no export made; export to another folder or empty it")
    elif (found := json.loads(state.read_text("utf-8")).get("layout")) != layout:
        raise ExportError(f"{to}: holds an export of layout {found}; export {layout} to another folder")


def claim(to: Path, layout: str, note: str, dialogues: Dialogues) -> bool:
    """Whether `to` holds files of the same `note` (the text of its state file), so that they can be kept.

    Raises ExportError as `check_claim`. Where files cannot be kept, remove them, then `settle`.
    """
    check_claim(to, layout)
    state = to / STATE
    same = state.exists() and state.read_text("utf-8") == note
    return bool(dialogues.content) and same and dialogues.knows(note)


def settle(to: Path, note: str, dialogues: Dialogues) -> None:
    """From now on, files of `note` are written into `to`, which has none of another. A list of what a scene did goes
    with the files that it was of; clean speech has no journal of it."""
    (to / SCENES).unlink(missing_ok=True)
    if not dialogues.in_scene:
        for path in to.glob(f"{JOURNAL}*"):
            path.unlink()
    write_text(to / STATE, note)
    dialogues.begin(note)


@contextmanager
def alone_in(to: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Makes the folder `to` where it is missing, and keeps other exports out of it. The lock is the system's, so it
    ends with the process, whatever ends it. `tell` gets a line where the file system has no locks. A new folder into
    which nothing is written goes again.

    Raises ExportError where another export writes into `to`.
    """
    made, locked = not to.exists(), False
    to.mkdir(parents=True, exist_ok=True)
    while not locked:
        lock = os.open(to / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if locked := _lock(lock, to, tell):
                try:
                    yield
                finally:
                    (to / LOCK).unlink(missing_ok=True)
                    if made and not os.listdir(to):
                        to.rmdir()
        finally:
            os.close(lock)


def _lock(lock: int, to: Path, tell: Callable[[str], None]) -> bool:
    """Whether the lock's file is still there: one that has just ended takes it with it, and the lock holds nothing."""
    taken = ExportError(f"{to}: another export writes into it; wait until it ends, or export to another folder")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise taken from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        tell(f"{to}: its file system has no locks ({error.strerror}); see to it that no other export writes into it")
        return True
    try:
        there = os.stat(to / LOCK)
    except FileNotFoundError:
        return False
    if there.st_ino != os.fstat(lock).st_ino:
        raise taken  # the file is another one's by now
    return True


class ExportFolder:
    """`to`, for a `layout` whose files match `ours` (a pattern of their path below `to`).

    `options`: what the files depend on beside the dialogues. Raises ExportError where `to` holds another layout, or
    files and no note.
    """

    def __init__(self, to: Path, layout: str, ours: str, dialogues: Dialogues, options: Mapping[str, object]) -> None:
        self.to, self._ours = to, re.compile(rf"(?:{ours})(?:\.part)?")
        self.written = self.kept = self._removed = 0
        to.mkdir(parents=True, exist_ok=True)
        content, digest = dialogues.content, dialogues.selection.digest()
        facts = {"layout": layout, "content": content, "selection": digest, "options": options}
        note = json.dumps(facts, sort_keys=True)
        self._trusted = claim(to, layout, note, dialogues)
        if not self._trusted:
            for name in ("README.md", LICENCE_FILE):  # what they say is of the files that go
                (to / name).unlink(missing_ok=True)
        self._remove(parts_only=self._trusted)
        if not self._trusted:
            settle(to, note, dialogues)

    def done(self, dialogues: int, *notes: str, carded: bool = False) -> Done:
        """What the export did, with the notes of its layout."""
        if self._removed:
            notes = (f"{counted(self._removed, 'file')} of an earlier export removed before these were written", *notes)
        return Done(dialogues, self.written, self.kept, notes, carded=carded)

    def has(self, *names: str) -> bool:
        """Whether these files are here from an earlier run of the same export; counts them."""
        there = self._trusted and all((self.to / name).is_file() for name in names)
        self.kept += len(names) * there
        return there

    def write(self, name: str, data: bytes) -> None:
        """A file in one go."""
        path = self.to / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(data)
        self.written += 1

    def parts(self, names: Sequence[str]) -> list[Path]:
        """Where to write the files `names` until `publish` gives them their names or `drop` removes them."""
        found = [part_of(self.to / name) for name in names]
        for part in found:
            part.parent.mkdir(parents=True, exist_ok=True)
        return found

    def publish(self, names: Sequence[str]) -> None:
        """The written files get their names, the last name last."""
        for name in names:
            put_in_place(self.to / name)
            self.written += 1

    def drop(self, names: Sequence[str]) -> None:
        """Removes what was written of them."""
        for name in names:
            part_of(self.to / name).unlink(missing_ok=True)

    def _remove(self, parts_only: bool) -> None:
        for folder, _, files in os.walk(self.to, topdown=False):
            for name in files:
                path = Path(folder) / name
                if self._ours.fullmatch(path.relative_to(self.to).as_posix()) and (
                    not parts_only or name.endswith(PART)
                ):
                    path.unlink()
                    self._removed += not parts_only
            if Path(folder) != self.to and not os.listdir(folder):
                Path(folder).rmdir()


class ShardWriter(Protocol):
    """Writes one shard's files."""

    def add(self, row: FinishedRow, speech: Speech) -> None:
        """One more dialogue."""
        ...

    def close(self) -> None:
        """All dialogues are in."""
        ...


def write_shards(
    folder: ExportFolder,
    dialogues: Dialogues,
    per_shard: int,
    names: Callable[[str, int], tuple[str, ...]],
    open_writer: Callable[[list[Path]], ShardWriter],
    group: Callable[[FinishedRow], str] = lambda row: row["split"],
    rows: Iterable[FinishedRow] | None = None,
) -> dict[str, list[tuple[str, int]]]:
    """Deals the dialogues to shards of `per_shard`, by `group` (their split), in the order of the rows; every group's
    shard is open while its dialogues pass, so that audio is read once and in order. `names(group, i)`: a shard's files;
    `rows`: those of the dialogues that are dealt, where not all are.

    Gives per group the (first file, dialogues) of its shards, those that an earlier run wrote included.
    """
    seen: Counter[str] = Counter()
    shards = _OpenShards(folder, names, open_writer)
    try:
        for row in dialogues if rows is None else rows:
            name = group(row)
            at, place = divmod(seen[name], per_shard)
            seen[name] += 1
            if place == 0:
                shards.begin(name, at)
            if writer := shards.writer(name):
                writer.add(row, dialogues.speech(row))
        shards.finish()
    finally:
        shards.drop()
    return {
        name: [(names(name, i)[0], min(per_shard, n - i * per_shard)) for i in range(-(-n // per_shard))]
        for name, n in seen.items()
    }


@dataclass
class _OpenShards:
    """The shard of each group that is being written. One that an earlier run wrote has no writer."""

    folder: ExportFolder
    names: Callable[[str, int], tuple[str, ...]]
    open_writer: Callable[[list[Path]], ShardWriter]
    _open: dict[str, tuple[tuple[str, ...], ShardWriter]] = field(default_factory=dict)

    def begin(self, group: str, number: int) -> None:
        """The group's next shard; ends the one before it."""
        self._finish(group)
        files = self.names(group, number)
        if not self.folder.has(*files):
            self._open[group] = (files, self.open_writer(self.folder.parts(files)))

    def writer(self, group: str) -> ShardWriter | None:
        return self._open[group][1] if group in self._open else None

    def finish(self) -> None:
        for group in list(self._open):
            self._finish(group)

    def drop(self) -> None:
        """An export that breaks off leaves no shard that is not whole."""
        for files, _ in self._open.values():
            self.folder.drop(files)

    def _finish(self, group: str) -> None:
        if group in self._open:
            files, writer = self._open[group]
            writer.close()
            self.folder.publish(files)
            del self._open[group]
