"""An export's note on its audio, shard by shard.

An export over an earlier one writes anew what changed since, and nothing else. No file goes before its successor is
there: a file of a shard that the note does not name is written again, whatever it holds, and what belongs to no
dialogue any more is removed at the end. A file of the right size that belongs to a named shard is whole and right.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import STATE, check_claim, settle
from kespeechchat.rows import FinishedRow
from kespeechchat.whole_file import write_text

_NOTES = 64  # of an export at most, while it writes: what is not noted yet is written again after a kill


def shard_of(row: FinishedRow) -> str:
    """The name of the row's shard, and of the round that spoke it, in `Dialogues.shards`."""
    return f"{row['shard']}/{row['round']}"


@dataclass
class ShardNotes:
    """Of which shards the audio in the folder `to` is that of now. `facts`: what all of it depends on, `layout` among
    them; `shards`: by name, what their audio came from."""

    to: Path
    facts: Mapping[str, object]
    shards: Mapping[str, str]
    _sound: dict[str, str] = field(default_factory=dict)
    _at: str | None = None
    _done: set[str] = field(default_factory=set)
    _unnoted: int = 0

    def begin(self, dialogues: Dialogues) -> None:
        """Reads the folder's note, and makes it this export's. Raises ExportError as `folder.check_claim`."""
        check_claim(self.to, str(self.facts["layout"]))
        state = self.to / STATE
        found = json.loads(state.read_text("utf-8")) if state.exists() else None
        if found is None:  # a new folder: all files in it will be of this export
            self._sound = dict(self.shards)
        elif all(found.get(name) == fact for name, fact in self.facts.items()):
            earlier = found.get("shards", {})
            self._sound = {name: source for name, source in self.shards.items() if earlier.get(name) == source}
        if found != self._note():
            settle(self.to, json.dumps(self._note()), dialogues)

    @property
    def whole(self) -> bool:
        """Whether all files that are there are right."""
        return self._sound == self.shards

    def has(self, row: FinishedRow) -> bool:
        """Whether files of the row that are there are right."""
        return shard_of(row) in self._sound

    def reach(self, row: FinishedRow) -> None:
        """The row is written next; rows come shard by shard, so those of the row before may be done. Raises ValueError
        where they do not."""
        shard, last = shard_of(row), self._at
        if shard == last:
            return
        if shard in self._done:
            raise ValueError(f"dialogue {row['id']}: rows of shard {shard} come in two places")
        if last is not None and last not in self._sound:
            self._sound[last] = self.shards[last]
            self._unnoted += 1
            if self._unnoted * _NOTES >= len(self.shards):
                self._write()
        self._done.add(shard)
        self._at = shard

    def finish(self) -> None:
        """All audio is written, and nothing else is there."""
        if not self.whole:
            self._sound = dict(self.shards)
            self._write()

    def _note(self) -> dict[str, object]:
        return {**self.facts, "shards": self._sound}

    def _write(self) -> None:
        write_text(self.to / STATE, json.dumps(self._note()))
        self._unnoted = 0
