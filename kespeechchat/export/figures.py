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
from kespeechchat.export.selection import Selection
from kespeechchat.export.subsets import SubsetFiles, remove_subsets


class Figures:
    """`add` every row of `selection`, then `close`. `genders`: voice → female | male."""

    def __init__(
        self,
        to: Path,
        selection: Selection,
        genders: Mapping[str, str],
        watermark_threshold: float,
        subsets: SubsetSettings,
    ) -> None:
        self._to, self._smallest = to, selection.names[0] if selection.names else None
        self._statistics = Statistics(watermark_threshold)
        self._quality = Quality(genders, watermark_threshold)
        self._overlap = OverlapCheck()
        whole = selection.subset.partition is None  # subsets need every split
        self._subsets = SubsetFiles(to, selection, subsets) if whole else None

    def add(self, row: Mapping[str, Any], level: int) -> None:
        """`level`: the row's place in `selection.names`."""
        self._statistics.add(row)
        user = row["turns"][0]
        self._overlap.add(row["split"], user["voice"], user["text"], row["id"])
        if level == 0:
            self._quality.add(row)
        if self._subsets:
            self._subsets.add(row, level)

    def close(
        self,
        partitions: Mapping[str, Any],
        splits: Mapping[str, int],
        parents: Mapping[str, Iterable[str]],
        yields: Sequence[Mapping[str, Any]],
    ) -> tuple[dict[str, Any], list[Overlap]]:
        """Writes the files. Gives what is in statistics.json, and what the splits share.

        `partitions`: each one's figures; `splits`: dialogues by split; `parents`: voice → its real speakers; `yields`:
        per stage name, rows_in, kept, rejected by reason, failed_rows.
        """
        voices = self._overlap.voices
        held = {k: {"dialogues": n, "user_voices": len(voices.get(k, ()))} for k, n in sorted(splits.items())}
        figures = {**self._statistics.result(), "partitions": partitions, "splits": held}
        if self._subsets:
            figures["subsets"] = self._subsets.close(parents)
        else:
            remove_subsets(self._to)
        quality = {"partition": self._smallest, **self._quality.result(), "yields": list(yields)}
        write_json(self._to / "statistics.json", figures)
        write_json(self._to / "quality.json", quality)
        with JsonArray(self._to / "quality_voices.json") as voices_file:
            for voice in self._quality.by_voice():
                voices_file.append(voice)
        write_text(self._to / "statistics.md", statistics_markdown(figures, quality))
        return figures, self._overlap.overlaps(parents)
