"""The split of a real speaker, drawn before anything is blended: then no held-out voice has a training parent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from kespeechchat.config.voices import SpeakerSplitSettings
from kespeechchat.display import counted
from kespeechchat.records import Split
from kespeechchat.seeds import stable_hash

SPLITS: tuple[Split, ...] = ("train", "dev", "test")


def draw_speaker_splits(
    speakers: Iterable[tuple[str, str, str]], settings: SpeakerSplitSettings, seed: int
) -> dict[str, Split]:
    """Recording → split, from (recording, gender, language) in any order.

    Exact within each cell of gender and language: its speakers are ranked by a hash, the first go to test, the next to
    dev, the rest to train. Raises ValueError where `per_cell` asks for more speakers than a cell has.
    """
    cells: dict[tuple[str, str], list[str]] = defaultdict(list)
    for recording, gender, language in speakers:
        cells[gender, language].append(recording)
    drawn: dict[str, Split] = {}
    for cell in sorted(cells):
        ranked = sorted(cells[cell], key=lambda r: (stable_hash(seed, "split", r), r))
        counts = _counts(len(ranked), settings, cell)
        cut = 0
        for split in reversed(SPLITS):
            drawn |= dict.fromkeys(ranked[cut : cut + counts[split]], split)
            cut += counts[split]
    return drawn


def largest_remainder(total: int, shares: dict[str, float]) -> dict[str, int]:
    """Whole numbers that sum to `total`, nearest to the shares (Hamilton's method; ties to the smaller share)."""
    whole = sum(shares.values())
    exact = {k: total * v / whole for k, v in shares.items()}
    out = {k: int(v + 1e-9) for k, v in exact.items()}
    for key in sorted(exact, key=lambda k: (out[k] - exact[k], shares[k], k))[: total - sum(out.values())]:
        out[key] += 1
    return out


def _counts(speakers: int, settings: SpeakerSplitSettings, cell: tuple[str, str]) -> dict[str, int]:
    if settings.per_cell is None:
        return largest_remainder(speakers, {s: settings.shares.get(s, 0.0) for s in SPLITS})
    held: dict[str, int] = {s: settings.per_cell.get(s, 0) for s in SPLITS if s != "train"}
    rest = speakers - sum(held.values())
    if rest < 0:
        raise ValueError(
            f"splits.per_cell: {held} asks for {counted(sum(held.values()), 'speaker')}, {' '.join(cell)} has "
            f"{speakers}; lower it or mine more recordings"
        )
    return {"train": rest, **held}
