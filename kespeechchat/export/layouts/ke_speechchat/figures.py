"""What an export says of itself: statistics.json, quality.json, quality_voices.json, statistics.md and subsets/.

One more look at each dialogue while the export writes it; memory grows with the voices, not with the dialogues, but for
8 bytes a turn (see `dataset.overlaps.OverlapCheck`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kespeechchat.blocks import Block, Ints
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.json_array import JsonArray
from kespeechchat.dataset.overlaps import Overlap, OverlapCheck
from kespeechchat.dataset.quality import Quality
from kespeechchat.dataset.statistics import Statistics
from kespeechchat.dataset.tables import statistics_markdown
from kespeechchat.dataset.text_keys import Hashes
from kespeechchat.dataset.timeline import Timeline
from kespeechchat.dataset.timeline_statistics import Timelines
from kespeechchat.export.layouts.ke_speechchat.subsets import SubsetChoice, SubsetFiles, remove_subsets
from kespeechchat.export.selection import Rule
from kespeechchat.records import Split
from kespeechchat.whole_file import write_json, write_text


@dataclass(frozen=True)
class Written:
    """What is in statistics.json, and what the splits share."""

    statistics: dict[str, Any]
    overlaps: list[Overlap]


class Figures:
    """`add` every dialogue that `rule` chooses, `merge` what others have added, then `write`. `genders`: voice → female
    | male. `subsets` gets the dialogues that `rule` leaves out too; it is None where only one partition is chosen: they
    need every split."""

    def __init__(self, rule: Rule, genders: Mapping[str, str], build: BuildFacts) -> None:
        self._smallest = rule.cuts.names[0] if rule.cuts.names else None
        self._statistics = Statistics(build.watermark_threshold)
        self._quality = Quality(genders, build.watermark_threshold)
        self._timelines = Timelines()
        self._overlap = OverlapCheck()
        self.subsets = SubsetChoice(rule, build.subsets) if rule.subset.partition is None else None

    def add(self, block: Block, levels: Ints, timeline: Timeline, hashes: Hashes) -> None:
        """Dialogues with their timeline; `levels`: their places in the rule's partitions, int64 [n]; `hashes`: of the
        texts of all their turns, uint64 [m]."""
        self._statistics.add_block(block)
        self._timelines.add_block(block, timeline)
        self._overlap.add_block(block, hashes)
        if len(smallest := block.take(levels == 0)):
            self._quality.add_block(smallest)

    def merge(self, other: Figures) -> None:
        """Takes in what another of the same rule has added; the order does not matter."""
        self._statistics.merge(other._statistics)
        self._timelines.merge(other._timelines)
        self._quality.merge(other._quality)
        self._overlap.merge(other._overlap)
        if self.subsets and other.subsets:
            self.subsets.merge(other.subsets)

    def write(
        self,
        to: Path,
        build: BuildFacts,
        partitions: Mapping[str, Any],
        splits: Mapping[Split, int],
        subset_files: SubsetFiles | None,
    ) -> Written:
        """Writes the files below `to`. `partitions`: each one's figures; `splits`: dialogues by split; `subset_files`:
        of the subsets, where there are any."""
        voices = self._overlap.voices
        held = {k: {"dialogues": n, "user_voices": len(voices.get(k, ()))} for k, n in sorted(splits.items())}
        figures = {**self._statistics.result(), "partitions": partitions, "splits": held}
        if timelines := self._timelines.result():
            figures["timeline"] = timelines
            if build.voice_words:
                figures["timeline"]["voice_words"] = dict(build.voice_words)
        if build.unfinished:
            figures["unfinished_shards"] = build.unfinished
        if build.scenes is not None:
            figures["scenes"] = build.scenes().result()
        if self.subsets and subset_files:
            figures["subsets"] = subset_files.close(self.subsets, build.parents)
        else:
            remove_subsets(to)
        built: dict[str, Any] = {"yields": list(build.yields), "rounds": dict(build.rounds)}
        if build.audited:
            built["voices"] = dict(build.privacy)
        quality = {"partition": self._smallest, **self._quality.result(), **built}
        write_json(to / "statistics.json", figures)
        write_json(to / "quality.json", quality)
        with JsonArray(to / "quality_voices.json") as voices_file:
            for voice in self._quality.by_voice():
                voices_file.append(voice)
        write_text(to / "statistics.md", statistics_markdown(figures, quality))
        return Written(figures, self._overlap.overlaps(build.parents))
