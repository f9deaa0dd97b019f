"""A release: the partitions' cuts of one day, frozen. Data that is added later may join a partition, none leaves it.

What a release froze is a rule (`partitions.Cuts`) and not a list of ids, so it stays small: a rank for each partition
and language, and one for each voice. Beside it stand the figures of that day, to compare later days with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from re import fullmatch
from typing import Any

from kespeechchat.dataset.partitions import Content, Cuts, PartitionCuts
from kespeechchat.display import counted


@dataclass(frozen=True)
class Release:
    """`contents`: each partition's figures when it was frozen. `source` tells what data that was (a hash)."""

    name: str
    cuts: Cuts
    contents: Mapping[str, Content]
    source: str = ""

    @classmethod
    def of(cls, name: str, cuts: PartitionCuts, source: str = "") -> Release:
        """Raises ValueError for a name that cannot be a file's."""
        return cls(checked_name(name), cuts.cuts, cuts.contents, source)

    def to_json(self) -> dict[str, Any]:
        """Plain data, as it is kept in ROOT."""
        contents = {name: asdict(content) for name, content in self.contents.items()}
        return {"name": self.name, "source": self.source, "contents": contents, **self.cuts.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Release:
        """What `to_json` gave. Raises KeyError or TypeError for other data."""
        contents = {name: Content(**content) for name, content in data["contents"].items()}
        return cls(data["name"], Cuts.from_json(data), contents, data["source"])


def checked_name(name: str) -> str:
    """`name`, if a release may have it. Raises ValueError if not."""
    if not fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*", name) or len(name) > 64:
        raise ValueError(f"release {name!r}: up to 64 letters, digits, '-', '_' and single dots inside")
    return name


@dataclass(frozen=True)
class Change:
    """One partition and language: what was released, what lies under the same cut now, what a new cut would hold."""

    partition: str
    language: str
    released: int  # dialogues
    now: int
    recut: int
    released_hours: float
    hours: float

    def __str__(self) -> str:
        gone = f", AT LEAST {self.released - self.now:,} GONE" if self.now < self.released else ""
        return (
            f"{self.partition} {self.language}: {counted(self.released, 'dialogue')} released "
            f"({self.released_hours:.2f} h), "
            f"{self.now:,} under its cut now ({self.hours:.2f} h){gone}; a new cut would hold {self.recut:,}"
        )


def compare(release: Release, now: PartitionCuts, recut: PartitionCuts) -> list[Change]:
    """What differs between the release and today's data. `now` is the data under the release's cuts
    (`partitions.apply_cuts`), `recut` under cuts of its own (`partitions.cut_partitions`). Empty where nothing was
    added or lost."""
    found = []
    for name, frozen in release.contents.items():
        here, fresh = now.contents[name], recut.contents.get(name)
        if here.digest == frozen.digest:
            continue
        for language in sorted({*frozen.dialogues, *here.dialogues}):
            counts = [c.dialogues.get(language, 0) if c else 0 for c in (frozen, here, fresh)]
            hours = [c.hours.get(language, 0.0) for c in (frozen, here)]
            found.append(Change(name, language, *counts, *hours))
    return found
