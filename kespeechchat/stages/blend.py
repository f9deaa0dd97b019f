"""blend: candidate virtual voices, each of two real speakers of one gender, speaking rate and split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np

from kespeechchat.config import stages as settings
from kespeechchat.records import Outcome
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.voices.blending import Speaker, blend

_COLUMNS = ("recording", "language", "gender", "split", "seconds_per_character", "tts_embedding")


class Blend(Stage[settings.Blend]):
    """Candidate voices from pairs of mined speakers."""

    name: ClassVar[str] = "blend"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {"speakers": _COLUMNS}

    def process(self, task: Task) -> Iterable[Outcome]:
        speakers = [_speaker(row) for row in task.rows]
        for candidate in blend(speakers, self.settings.blending, self.pipeline.seed):
            yield Outcome(candidate.row() | {"embedding": candidate.embedding.tolist()})


def _speaker(row: Row) -> Speaker:
    fields = {k: row[k] for k in _COLUMNS if k != "tts_embedding"}
    return Speaker(**fields, tts_embedding=np.asarray(row["tts_embedding"], dtype=np.float32))
