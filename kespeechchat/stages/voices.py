"""voices: the voice library, chosen from the auditions: nobody's voice, intelligible, unlike each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from kespeechchat.config import stages as settings
from kespeechchat.records import Outcome
from kespeechchat.stages.base import Stage, Task
from kespeechchat.voices.blending import targets
from kespeechchat.voices.columns import matrix, people_of
from kespeechchat.voices.privacy import RealClips, number_voices, select


class Voices(Stage[settings.Voices]):
    """The voice library: kept candidates under their final ids."""

    name: ClassVar[str] = "voices"
    version: ClassVar[int] = 3  # 3: an agent is who is misheard least
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "clips": ("recording", "speaker", "language", "xvector", "auditor_xvector")
    }

    def process(self, task: Task) -> Iterable[Outcome]:
        """Each audition as a voice of the library with its final id, or its rejection (`privacy.select`)."""
        clips = task.also["clips"]
        judged_by = "auditor_xvector" if self.pipeline.stages.clips.auditor else "xvector"
        real = RealClips(matrix(clips[judged_by]), people_of(clips))
        cells = targets(self.pipeline.stages.blend.blending, set(clips["language"].to_pylist()))
        rows = [{k: v for k, v in row.items() if k in self.schema.names} for row in task.rows]
        yield from number_voices(select(rows, real, cells, self.settings.privacy, self.pipeline.seed))
