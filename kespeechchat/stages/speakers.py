"""speakers: real speakers mined from the measured clips, each with its split.

All clips of a person are mined together, whatever recordings they are from: the person is one speaker, in one split.
Where the corpus knows no people, each recording is taken for one. So `recording` is here the person's name where there
is one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np

from kespeechchat.config import stages as settings
from kespeechchat.records import Outcome, rejected
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.voices.mining import Clips, Mined, Refused, balance_genders, mine
from kespeechchat.voices.speaker_splits import draw_speaker_splits

_COLUMNS = (
    "recording",
    "speaker",
    "language",
    "transcript",
    "gender",
    "seconds",
    "characters",
    "scores",
    "xvector",
    "tts_embedding",
)


class Speakers(Stage[settings.Speakers]):
    """Real speakers with their splits; rejected recordings with the reason."""

    name: ClassVar[str] = "speakers"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {"clips": _COLUMNS}

    def process(self, task: Task) -> Iterable[Outcome]:
        """A row for each person who was mined, and a rejected one for each recording or person who was not."""
        settings = self.settings.mining
        found = [mine(recording, clips, settings) for recording, clips in sorted(_people(task.rows).items())]
        mined = [f for f in found if isinstance(f, Mined)]
        refused = [f for f in found if isinstance(f, Refused)]
        if settings.balance_genders:
            mined, surplus = balance_genders(mined, self.pipeline.seed)
            refused += surplus
        splits = draw_speaker_splits(
            [(m.recording, m.gender, m.language) for m in mined], settings.splits, self.pipeline.seed
        )
        for m in mined:
            yield Outcome(_row(m) | {"split": splits[m.recording]})
        for r in refused:
            row = {"id": r.recording, "recording": r.recording, "clips": r.clips, "pairs": r.pairs}
            yield rejected(row, r.reason, r.detail)


def _row(m: Mined) -> Row:
    row = {
        k: getattr(m, k)
        for k in ("recording", "language", "gender", "clips", "core_clips", "pairs", "seconds_per_character")
    }
    return row | {"id": m.recording, "xvector": m.xvector.tolist(), "tts_embedding": m.tts_embedding.tolist()}


def _people(rows: list[Row]) -> dict[str, Clips]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.get("speaker") or row["recording"]].append(row)
    return {
        recording: Clips(
            ids=[r["id"] for r in group],
            xvectors=np.asarray([r["xvector"] for r in group], dtype=np.float32),
            tts_embeddings=np.asarray([r["tts_embedding"] for r in group], dtype=np.float32),
            seconds=np.asarray([r["seconds"] for r in group]),
            characters=np.asarray([r["characters"] for r in group]),
            genders=[r["gender"] or "unknown" for r in group],
            languages=[r["language"] for r in group],
            scores=[{s["head"]: s["value"] for s in r["scores"] or []} for r in group],
        )
        for recording, group in groups.items()
    }
