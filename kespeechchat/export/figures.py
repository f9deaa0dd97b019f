"""What an export says of itself: statistics.json, quality.json, quality_voices.json, statistics.md and subsets/.

One more look at each row while the export writes it; memory grows with the voices, not with the dialogues, but for 8
bytes each (see `dataset.splits.OverlapCheck`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kespeechchat.config.dataset import SubsetSettings
from kespeechchat.dataset.metadata import JsonArray, write_json, write_text
from kespeechchat.dataset.quality import Quality
from kespeechchat.dataset.splits import Overlap, OverlapCheck
from kespeechchat.dataset.statistics import Statistics
from kespeechchat.dataset.tables import statistics_markdown
from kespeechchat.export.selection import Rule
from kespeechchat.export.subsets import SubsetChoice, SubsetFiles, remove_subsets


class Figures:
    """`add` every row that `rule` chooses, `merge` what others have added, then `write`. `genders`: voice → female |
    male. `subsets` is None where only one partition is chosen: they need every split."""

    def __init__(
        self, rule: Rule, genders: Mapping[str, str], watermark_threshold: float, subsets: SubsetSettings
    ) -> None:
        self._smallest = rule.cuts.names[0] if rule.cuts.names else None
        self._statistics = Statistics(watermark_threshold)
        self._quality = Quality(genders, watermark_threshold)
        self._overlap = OverlapCheck()
        self.subsets = SubsetChoice(rule, subsets) if rule.subset.partition is None else None

    def add(self, row: Mapping[str, Any], level: int) -> None:
        """`level`: the row's place in the rule's partitions."""
        self._statistics.add(row)
        user = row["turns"][0]
        self._overlap.add(row["split"], user["voice"], user["text"], row["id"])
        if level == 0:
            self._quality.add(row)
        if self.subsets:
            self.subsets.add(row, level)

    def merge(self, other: Figures) -> None:
        self._statistics.merge(other._statistics)
        self._quality.merge(other._quality)
        self._overlap.merge(other._overlap)
        if self.subsets:
            self.subsets.merge(other.subsets)

    def write(
        self,
        to: Path,
        files: SubsetFiles | None,
        partitions: Mapping[str, Any],
        splits: Mapping[str, int],
        parents: Mapping[str, Iterable[str]],
        yields: Sequence[Mapping[str, Any]],
        rounds: Mapping[str, Any],
    ) -> tuple[dict[str, Any], list[Overlap]]:
        """Writes the files below `to`. Gives what is in statistics.json, and what the splits share.

        `files`: of the subsets, where there are any. `partitions`: each one's figures; `splits`: dialogues by split;
        `parents`: voice → its real speakers; `yields`: per stage name, rows_in, kept, rejected by reason, failed_rows;
        `rounds`: what `commands.rounds.rounds_of` gives.
        """
        voices = self._overlap.voices
        held = {k: {"dialogues": n, "user_voices": len(voices.get(k, ()))} for k, n in sorted(splits.items())}
        figures = {**self._statistics.result(), "partitions": partitions, "splits": held}
        if self.subsets and files:
            figures["subsets"] = files.close(self.subsets, parents)
        else:
            remove_subsets(to)
        built = {"yields": list(yields), "rounds": dict(rounds)}
        quality = {"partition": self._smallest, **self._quality.result(), **built}
        write_json(to / "statistics.json", figures)
        write_json(to / "quality.json", quality)
        with JsonArray(to / "quality_voices.json") as voices_file:
            for voice in self._quality.by_voice():
                voices_file.append(voice)
        write_text(to / "statistics.md", statistics_markdown(figures, quality))
        return figures, self._overlap.overlaps(parents)
