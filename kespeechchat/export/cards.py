"""The card of an export in another layout than the paper's: that its speech is synthetic, what is in it, licences.

The paper's layout has a card of its own (`dataset.card`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.hub import LICENCE_FILE, DataFiles, front_matter, licence_file, licence_table, unfinished
from kespeechchat.dataset.scene_shares import scene_section
from kespeechchat.display import counted, hours
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layout import Layout
from kespeechchat.export.lists import SPLITS
from kespeechchat.whole_file import write_text

_SYNTHETIC = (
    "Spoken dialogues in virtual voices, made by `kesc build` after the construction of Ke-SpeechChat (arXiv "
    "2412.01078). **All speech here is synthetic and watermarked.** Please leave the mark in: it lets others tell "
    "synthetic speech from real. To find it in a file: `kesc detect FILE...`."
)


def write_card(
    to: Path, dialogues: Dialogues, build: BuildFacts, counts: Mapping[str, int], about: str, called: str
) -> None:
    """README.md, whose front matter maps splits to Parquet files, and the licences. `counts`: rows by split, of the
    splits that have a file; `about`: the card's paragraph about the rows; `called`: what they are, in the plural."""
    names = [split for split in SPLITS if split in counts]
    data_files: DataFiles = [{"split": split, "path": f"data/{split}-*.parquet"} for split in names]
    listed = "\n".join(f"- {split}: {counts[split]:,} {called}" for split in names)
    _write(to, dialogues, build, sum(counts.values()), data_files, [about, listed])


def write_plain_card(to: Path, dialogues: Dialogues, build: BuildFacts, layout: Layout, written: int) -> None:
    """The card of a layout that has none of its own, with `written` dialogues."""
    of_language = ", ".join(f"{language} {hours(h)} h" for language, h in dialogues.selection.hours.items())
    files = f"Layout `{layout.name}`: {layout.writes}. Read by {layout.read_by}."
    about = f"{counted(written, 'dialogue')}; chosen from {counted(len(dialogues), 'dialogue')} ({of_language})."
    _write(to, dialogues, build, written, [], [f"# {build.name}", _SYNTHETIC, about, files])


def _write(
    to: Path, dialogues: Dialogues, build: BuildFacts, size: int, data_files: DataFiles, paragraphs: list[str]
) -> None:
    head = front_matter(build, sorted(dialogues.selection.hours), size, data_files)
    silent = "" if dialogues.audio else "This export is without audio."
    scene = scene_section(build.scenes().result()) if build.scenes is not None else ""
    body = [*paragraphs, unfinished(build), silent, scene, licence_table(build.licences)]
    write_text(to / "README.md", head + "\n" + "\n\n".join(filter(None, body)) + "\n")
    write_text(to / LICENCE_FILE, licence_file(build.licences))
