"""blend: candidate virtual voices, each of two real speakers of one gender, speaking rate and split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, cast

import numpy as np

from kespeechchat.config import stages as settings
from kespeechchat.config.load import ConfigError
from kespeechchat.engines.speaker import ManyVoices
from kespeechchat.records import Gender, Language, Outcome
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.voices.blending import Speaker, blend
from kespeechchat.voices.spreading import Stock, spread

_VECTORS = ("tts_embedding", "xvector")
_COLUMNS = ("recording", "language", "gender", "split", "seconds_per_character", *_VECTORS)


class Blend(Stage[settings.Blend]):
    """Candidate voices from pairs of mined speakers."""

    name: ClassVar[str] = "blend"
    version: ClassVar[int] = 3  # 3: of the voices chosen from a table, agents have the clearest
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {"speakers": _COLUMNS}

    table: ManyVoices | None = None

    def setup(self) -> None:
        """Loads the embedder with the table of voices, where there is one. Raises ConfigError where it has none."""
        if name := self.settings.blending.spread:
            self.table = self._engine("embedder", name)
            if not isinstance(self.table, ManyVoices):
                raise ConfigError(
                    f"stages.blend.blending.spread: the embedder {name!r} has no table of voices; name one that has "
                    "(kokoro_mixes), or null"
                )

    def process(self, task: Task) -> Iterable[Outcome]:
        settings = self.settings.blending
        speakers = [_speaker(row) for row in task.rows]
        candidates = blend(speakers, settings, self.pipeline.seed)
        if self.table is not None:
            candidates = spread(candidates, speakers, self._stock, settings.allow_fewer)
        if not candidates and task.rows:
            raise ConfigError(_nobody(speakers))
        for candidate in candidates:
            yield Outcome(candidate.row() | {"embedding": candidate.embedding.tolist()})

    def _stock(self, language: str, gender: str) -> Stock:
        assert self.table is not None
        voices = self.table.voices(cast(Language, language), cast(Gender, gender))
        return Stock(voices.embeddings, voices.xvectors, voices.seconds_per_character, voices.misheard)


def _speaker(row: Row) -> Speaker:
    fields = {k: row[k] for k in _COLUMNS if k not in _VECTORS}
    vectors = {k: np.asarray(row[k], dtype=np.float32) for k in _VECTORS}
    return Speaker(**(fields | vectors))


def _nobody(speakers: Sequence[Speaker]) -> str:
    """What to say where no two speakers make a voice."""
    kinds = Counter(" ".join((s.language, s.gender, s.split)) for s in speakers)
    found = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    return (
        f"stages.blend: a voice has two parents of one gender, split and speaking rate, and no two of the "
        f"{len(speakers)} mined speakers are so ({found}): add speakers to speech.inputs, widen blending.rate_bin, or "
        "lower stages.speakers.mining.splits"
    )
