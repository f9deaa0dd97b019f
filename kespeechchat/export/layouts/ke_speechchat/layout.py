"""The paper's own layout: metadata.json, audio/, partitions/, splits/, subsets/, statistics, quality and a card.

The rows are read twice: to cut the partitions (`selection.select`), and to write all of this; once more for audio. Many
are read by several processes. Every file appears whole, by rename, so an export that was killed is simply run again.
Same rows, same bytes. Memory grows with the dialogues by some 40 bytes each.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.blocks import Block, Ints
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.card import CardFacts, card
from kespeechchat.dataset.facts import COLUMNS as FACTS
from kespeechchat.dataset.hub import LICENCE_FILE, licence_file
from kespeechchat.dataset.json_array import JsonArray
from kespeechchat.dataset.json_columns import joined, lines_of, together
from kespeechchat.dataset.overlaps import Overlap
from kespeechchat.dataset.statistics import COLUMNS
from kespeechchat.dataset.text_keys import text_hashes
from kespeechchat.dataset.timeline import Timing
from kespeechchat.display import counted
from kespeechchat.export.audio_files import MANY_FILES
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done
from kespeechchat.export.layout import AudioRates, Need
from kespeechchat.export.layouts.ke_speechchat import loading
from kespeechchat.export.layouts.ke_speechchat.figures import Figures
from kespeechchat.export.layouts.ke_speechchat.lines import Lines
from kespeechchat.export.layouts.ke_speechchat.lists import ListFiles, Members
from kespeechchat.export.layouts.ke_speechchat.subsets import SubsetFiles
from kespeechchat.export.layouts.ke_speechchat.wav_tree import WavTree
from kespeechchat.export.selection import Rule
from kespeechchat.export.survey import Part
from kespeechchat.processes import spread
from kespeechchat.records import Split
from kespeechchat.seeds import stable_hash
from kespeechchat.whole_file import whole_file, write_text

WRITTEN = (*COLUMNS, *FACTS, "seconds", "turns.list.element.sample_rate", "turns.list.element.manner")  # Parquet


@dataclass(frozen=True)
class Report:
    """What an export did; `audio` counts WAV files written, kept and removed, and names foreign ones."""

    dialogues: int
    audio: WavTree
    statistics: Mapping[str, Any]
    overlaps: list[Overlap]  # between splits: must be empty


@dataclass(frozen=True)
class KeSpeechChat:
    """`fan_out_beyond`: dialogues that one folder may hold; `processes` as in `processes.spread`."""

    name: ClassVar[str] = "ke-speechchat"
    writes: ClassVar[str] = (
        "the paper's metadata.json, facts.jsonl, audio/ (WAV a turn), partitions/, splits/, subsets/, statistics, card"
    )
    read_by: ClassVar[str] = 'anything; datasets.load_dataset("FOLDER")'
    loadable: ClassVar[bool] = True
    several: ClassVar[bool] = True
    backchannels: ClassVar[bool] = True
    needs: ClassVar[frozenset[Need]] = frozenset({"yields"})
    files_per_dialogue: ClassVar[int] = 2
    text_bytes: ClassVar[int] = 2100

    fan_out_beyond: int = MANY_FILES
    processes: int | None = None

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """WAV of one channel."""
        return rates.pcm

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`."""
        report = self.write(dialogues, to, build)
        notes = tuple(f"OVERLAP: {overlap}" for overlap in report.overlaps)
        if report.audio.removed:
            removed = counted(report.audio.removed, "file")
            notes += (f"{removed} of an earlier export removed: their dialogues are gone, or written otherwise now",)
        if not dialogues.audio:
            return Done(report.dialogues, 0, 0, notes, carded=True)
        audio = report.audio
        return Done(report.dialogues, audio.written, audio.kept, notes, audio.example(), carded=True)

    def write(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Report:
        """`export`, with all that is known of it afterwards."""
        selection, rule = dialogues.selection, dialogues.selection.rule
        to.mkdir(parents=True, exist_ok=True)
        tree = WavTree(to, self.name, fan_out=len(dialogues) > self.fan_out_beyond)
        tree.prepare(dialogues)
        if dialogues.audio:
            _write_audio(dialogues, tree)
        figures = Figures(rule, dialogues.genders, build)
        writing = _Writing(rule, dialogues.genders, dialogues.timing, tree, dialogues.audio, Members(rule), figures)
        lists = ListFiles(to, selection)
        subset_files = SubsetFiles(to, build.subsets, rule.without) if figures.subsets else None
        with (
            JsonArray(to / "metadata.json") as metadata,
            whole_file(to / "facts.jsonl") as facts,
            loading.SplitLists(to) as splits,
        ):
            for piece in chain.from_iterable(spread(writing, selection.rows.parts(), self.processes)):
                metadata.extend(piece.metadata)
                facts.write(piece.facts)
                splits.extend(piece.splits)
                lists.extend(piece.ids)
                if subset_files and piece.offered is not None:
                    subset_files.offer(piece.offered)
        contents = lists.close(writing.members)
        written = figures.write(to, build, contents, selection.splits, subset_files)
        overlaps = [str(overlap) for overlap in written.overlaps]
        of_card = _card_facts(dialogues, build, written.statistics, contents, overlaps, writing.examples)
        write_text(to / "README.md", card(of_card))
        write_text(to / LICENCE_FILE, licence_file(build.licences))
        return Report(writing.dialogues, tree, written.statistics, written.overlaps)


@dataclass(frozen=True)
class _Piece:
    """What the files get from one block of the rows."""

    metadata: pa.Buffer
    facts: pa.Buffer
    splits: dict[Split, pa.Buffer]  # lines of each split's list
    ids: dict[str, pa.Buffer]  # of each list
    offered: pa.Table | None  # to the ASR subset


@dataclass
class _Writing:
    """Makes pieces of the files for `processes.spread`, and gathers the figures of all rows."""

    rule: Rule
    genders: Mapping[str, str]
    timing: Timing
    tree: WavTree
    audio: bool
    members: Members
    figures: Figures
    dialogues: int = 0
    examples: dict[Split, str] = field(default_factory=dict)  # a dialogue of each split: the folder of its audio

    def do(self, part: Part) -> list[_Piece]:
        """The pieces of one part, one a block."""
        return [self._piece(block) for block in part.blocks(WRITTEN)]

    def _piece(self, read: Block) -> _Piece:
        cut, levels = self.rule.cut_block(read)
        hashes, kept, subsets = text_hashes(cut.of_turns("text")), self.rule.kept(cut), self.figures.subsets
        if subsets:  # with what is left out: nothing takes its place
            subsets.add(cut, hashes, levels)
        block, levels, hashes = cut.take(kept), levels[kept], hashes[kept[cut.dialogue_of]]
        timeline = self.timing.of_block(block)
        folders = self.tree.folders(block.ids.to_pylist())
        names = (*self.rule.cuts.names, None)
        partitions = [names[level] for level in levels.tolist()]
        lines = Lines(block, timeline, self.timing, partitions, self.genders, folders, self.audio)
        self._gather(block, levels, folders)
        self.figures.add(block, levels, timeline, hashes)
        listed, splits = lines.listed(), block.codes("split")
        return _Piece(
            together(lines.metadata(), ",\n"),
            lines_of(lines.facts()),
            {split: lines_of(listed.filter(pa.array(splits.where(split)))) for split in loading.SPLITS},
            self.members.take(),
            subsets.take() if subsets else None,
        )

    def merge(self, other: _Writing) -> None:
        """Takes in what another process gathered."""
        self.dialogues += other.dialogues
        self.members.merge(other.members)
        self.figures.merge(other.figures)
        for split, example in other.examples.items():
            self.examples[split] = min(example, self.examples.get(split, example))

    def _gather(self, block: Block, levels: Ints, folders: Sequence[str]) -> None:
        self.dialogues += len(block)
        self.members.add(block, levels)
        examples = joined(pa.array(folders, pa.string()), block.ids)
        splits = block.codes("split")
        for split in cast(list[Split], splits.present()):
            example = pc.min(examples.filter(pa.array(splits.where(split)))).as_py()
            self.examples[split] = min(example, self.examples.get(split, example))


def _card_facts(
    dialogues: Dialogues,
    build: BuildFacts,
    statistics: Mapping[str, Any],
    partitions: Mapping[str, Mapping[str, Any]],
    overlaps: list[str],
    examples: Mapping[Split, str],
) -> CardFacts:
    return CardFacts(
        build=build,
        statistics=statistics,
        partitions=partitions,
        splits=dict(dialogues.selection.splits),
        overlaps=overlaps,
        checked=["user voice", "text of any turn", *(["parent of a user voice"] if build.parents else [])],
        with_audio=dialogues.audio,
        data_files=loading.data_files(examples, dialogues.audio),
        loading=loading.options(dialogues.audio),
    )


def _write_audio(dialogues: Dialogues, tree: WavTree) -> None:
    keys = array("Q")
    for row in dialogues:
        keys.append(stable_hash(row["id"]))
        places = dialogues.places(row)
        said = dialogues.backchannels(row, places)
        if not tree.has(row, places, said):
            tree.write(row, places, dialogues.speech(row), said)
    tree.finish(np.sort(np.frombuffer(keys, dtype=np.uint64)) if keys else np.zeros(0, dtype=np.uint64))
