"""What was read of each file, in one line for people: "alpaca.json: a JSON array of 52,002 rows in Alpaca's layout"."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TypedDict

from kespeechchat.config.inputs import InstructionInput
from kespeechchat.display import counted
from kespeechchat.inputs.files import InputFile, Kind
from kespeechchat.inputs.layouts import LAYOUTS, detect
from kespeechchat.store.manifest import Manifest

_TOLD = 3  # reasons and sets of keys that are told
_LANGUAGE_KEYS = {
    "language",
    "lang",
    "locale",
    "lang_id",
    "langid",
    "language_code",
    "lang_code",
    "language_id",
    "语言",
}
_MOST_KEYS = 12  # keys that are named as not used


class FileSummary(TypedDict):
    """What the manifest keeps of a file."""

    path: str
    read: str  # the line for people
    rows: int
    malformed: int
    problems: list[str]  # the first ones


@dataclass(frozen=True)
class PartFacts:
    """Of a part's sound rows: how many have which keys, and how many are conversations of several exchanges."""

    shapes: Counter[tuple[str, ...]]
    several: int = 0


@dataclass
class FileReport:
    """What is known of a file so far."""

    item: InstructionInput
    file: InputFile
    limited: bool = False  # whether only its first rows are taken
    shapes: Counter[tuple[str, ...]] = field(default_factory=Counter)
    several: int = 0
    rows: int = 0
    malformed: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, facts: PartFacts) -> None:
        """Takes note of a part that was parsed."""
        self.shapes += facts.shapes
        self.several += facts.several

    def count(self, rows: int, problems: list[str]) -> None:
        """Takes note of rows that are planned, `problems` of them malformed."""
        self.rows += rows
        self.malformed += len(problems)
        self.problems += problems[: _TOLD - len(self.problems)]

    def summary(self) -> FileSummary:
        """For the manifest."""
        return FileSummary(
            path=self.item.path, read=str(self), rows=self.rows, malformed=self.malformed, problems=self.problems
        )

    def __str__(self) -> str:
        rows = counted(self.rows, "row")
        which = f"the first {rows} of {self.file.kind}" if self.limited else f"{self.file.kind} of {rows}"
        told = [f"{self.file.path.name}: {which}{self._layout()}"]
        if unused := self._unused():
            names = ", ".join(f"`{key}`" for key in unused[:_MOST_KEYS])
            names += f" and {len(unused) - _MOST_KEYS} more" if len(unused) > _MOST_KEYS else ""
            told.append(f"{names} {'is' if len(unused) == 1 else 'are'} not used")
            told += self._language_hint(unused)
        if self.several:
            what = counted(self.several, "conversation has", "conversations have")
            told.append(f"{what} several turns, of which stages.ingest.max_turns are used")
        if self.malformed:
            told.append(f"{self.malformed:,} cannot be read")
        return "; ".join(told)

    def _language_hint(self, unused: list[str]) -> list[str]:
        """What to do where an unused column seems to name each row's language."""
        named = next((key for key in unused if key.lower().replace("-", "_") in _LANGUAGE_KEYS), None)
        if named is None or self.item.language:
            return []
        return [
            f"each row's language is recognized from its text; where that is not what `{named}` says, split the file "
            f"by `{named}` and set `language: zh` or `language: en` on each input"
        ]

    def _names(self) -> Counter[str]:
        """Layout → its rows."""
        found: Counter[str] = Counter()
        for keys, count in self.shapes.items():
            name = self.item.layout if self.item.layout != "auto" else detect({key: [] for key in keys})
            found[name or ""] += count
        return found

    def _layout(self) -> str:
        if self.file.kind is Kind.TEXT:
            return ""
        if self.item.columns:
            pairs = ", ".join(f"{ours} from `{theirs}`" for ours, theirs in self.item.columns.items())
            return f" with the profile's columns ({pairs})"
        titles: Counter[str] = Counter()
        for name, count in self._names().items():
            titles[LAYOUTS[name].title] += count
        if len(titles) == 1:
            return f" in {next(iter(titles))}"
        return ": " + ", ".join(f"{n:,} in {title}" for title, n in titles.most_common()) if titles else ""

    def _unused(self) -> list[str]:
        keys = dict.fromkeys(key for shape in self.shapes for key in shape)
        if self.item.columns:
            used = set(self.item.columns.values())
        else:
            used = {key for name in self._names() for key in LAYOUTS[name].used}
        return [key for key in keys if key not in used]


def told(manifest: Manifest) -> tuple[list[str], list[str]]:
    """What the last planning pass read, a line a file; and the files of which no row can be read, with reasons."""
    summary = manifest.segments[-1].summary if manifest.segments else {}
    files: list[FileSummary] = summary.get("files", [])
    lines = [file["read"] for file in files]
    if others := summary.get("passed_over"):
        lines.append(f"skipped, not files of rows: {', '.join(others)}")
    return lines, [_unread(file) for file in files if file["rows"] == file["malformed"]]


def _unread(file: FileSummary) -> str:
    if not file["rows"]:
        return f"{file['path']}: no row in it"
    reasons = "".join(f"\n  {problem}" for problem in file["problems"])
    return f"{file['path']}: none of its {counted(file['rows'], 'row')} can be read; the first reasons:{reasons}"


def nothing_to_build(manifest: Manifest) -> bool:
    """Whether no planned row can be read, of whichever pass."""
    rows = sum(shard.rows for shard in manifest.shards)
    return bool(rows == sum(segment.summary.get("malformed", 0) for segment in manifest.standing))
