"""partitions/NAME.json and splits/chat-NAME.json: ids in the order of the rows, and the figures of what they hold."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kespeechchat.blocks import Block, Bools, Ints
from kespeechchat.dataset.json_columns import joined, together
from kespeechchat.dataset.seconds import ByLanguage
from kespeechchat.export.selection import Rule, Selection
from kespeechchat.records import Split
from kespeechchat.whole_file import part_of, put_in_place

HELD_OUT: tuple[Split, ...] = ("dev", "test")
_NO_ID = pa.array([], pa.string())


@dataclass
class Held:
    """What some dialogues are, by language; exact, so the same in any order."""

    dialogues: ByLanguage = field(default_factory=ByLanguage)
    voices: set[str] = field(default_factory=set)

    def add(self, block: Block, wanted: Bools) -> None:
        """The wanted dialogues of a block, bool [n]."""
        self.dialogues.add_all(block.codes("language").take(wanted), block.numbers("seconds")[wanted])
        for voices in block.speakers():
            self.voices.update(voices.take(wanted).present())

    def merge(self, other: Held) -> None:
        """Takes in others; the order does not matter."""
        self.dialogues.merge(other.dialogues)
        self.voices |= other.voices

    def figures(self) -> dict[str, Any]:
        """`dialogues` and `hours` by language, `speakers`."""
        held = self.dialogues
        return {"dialogues": held.numbers(), "hours": held.hours(), "speakers": len(self.voices)}


def listed(rule: Rule) -> tuple[str, ...]:
    """The partitions that an export lists: where it holds one alone, those inside it too."""
    names, last = rule.cuts.names, rule.subset.partition
    return names if last is None else names[: names.index(last) + 1]


@dataclass
class Members:
    """Collects: the ids of each list since the last `take`, the figures of all rows."""

    rule: Rule
    held: dict[str | int, Held] = field(default_factory=lambda: defaultdict(Held))  # by held-out split, or level
    ids: dict[str, list[pa.Array]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._names = listed(self.rule)
        self.take()

    def add(self, block: Block, levels: Ints) -> None:
        """The dialogues of a block; `levels`: their places in the rule's partitions, int64 [n]."""
        splits, ids = block.codes("split"), block.ids
        train = splits.where("train")
        for level in np.unique(levels[train]).tolist():
            self.held[level].add(block, train & (levels == level))
        for place, name in enumerate(self._names):
            self.ids[name].append(ids.filter(pa.array(train & (levels <= place))))
        for split in set(splits.present()) - {"train"}:
            self.held[split].add(block, splits.where(split))
            self.ids[split].append(ids.filter(pa.array(splits.where(split))))

    def take(self) -> dict[str, pa.Buffer]:
        """Name of a partition or held-out split → the ids since the last time, as items of a JSON array."""
        taken, self.ids = self.ids, {name: [] for name in (*self._names, *HELD_OUT)}
        return {name: _items(pa.concat_arrays([_NO_ID, *ids])) for name, ids in taken.items()}

    def merge(self, other: Members) -> None:
        """Takes in the figures that another process gathered; the order does not matter."""
        for place, held in other.held.items():
            self.held[place].merge(held)

    def figures(self) -> dict[str, dict[str, Any]]:
        """Of each list: dialogues and hours by language, speakers."""
        found: dict[str, dict[str, Any]] = {split: self.held[split].figures() for split in HELD_OUT}
        inside = Held()
        for level, name in enumerate(self._names):
            inside.merge(self.held[level])
            found[name] = inside.figures()
        return found


class ListFiles:
    """The files themselves: `extend` with what `Members.take` gave, in order, then `close`."""

    def __init__(self, to: Path, selection: Selection) -> None:
        self._selection, self._folder = selection, to / "partitions"
        self._lists = {name: _IdList(self._folder / f"{name}.json", name) for name in listed(selection.rule)}
        self._held = {split: _IdList(to / "splits" / f"chat-{split}.json", f"chat-{split}") for split in HELD_OUT}

    def extend(self, ids: Mapping[str, pa.Buffer]) -> None:
        """More ids of each list, as `Members.take` gives them."""
        for name, one in (self._lists | self._held).items():
            one.extend(ids[name])

    def close(self, members: Members) -> dict[str, dict[str, Any]]:
        """Ends the files and removes those of other partitions; gives the partitions' figures."""
        figures, subset = members.figures(), self._selection.subset
        for split, one in self._held.items():
            one.close(figures.pop(split))
        for name, one in self._lists.items():
            content = self._selection.partitions.contents[name]
            shown = {"target": subset.languages(content.target), "excess": subset.languages(content.excess)}
            figures[name] |= shown if subset.language else {**shown, "digest": content.digest}
            one.close(figures[name])
        _remove_other(self._folder, {one.path for one in self._lists.values()})
        return {name: {"name": name, **own} for name, own in figures.items()}


class _IdList:
    """A JSON object of `name`, `ids` (streamed, one a line) and figures."""

    def __init__(self, path: Path, name: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._empty = path, True
        self._file = part_of(path).open("wb")
        self._file.write(f'{{"name": {json.dumps(name)}, "ids": ['.encode())

    def extend(self, items: pa.Buffer) -> None:
        """More items; none where the buffer is empty."""
        if len(items):
            self._file.write(b"\n" if self._empty else b",\n")
            self._file.write(items)
            self._empty = False

    def close(self, figures: Mapping[str, Any]) -> None:
        """Ends the file and puts it in place."""
        with self._file as file:
            file.write(("\n], " + json.dumps(figures)[1:] + "\n").encode())
        put_in_place(self.path)


def _items(ids: pa.Array) -> pa.Buffer:
    """Ids are safe names, so they need no escaping."""
    return together(joined('"', ids, '"'), ",\n")


def _remove_other(folder: Path, wanted: set[Path]) -> None:
    """Lists of partitions that an earlier export had and this one has not."""
    for path in set(folder.glob("*.json")) - wanted:
        head = '{"name": ' + json.dumps(path.stem) + ', "ids": ['
        with path.open(encoding="utf-8") as file:
            ours = file.read(len(head)) == head
        if ours:
            path.unlink()
