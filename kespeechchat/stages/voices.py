"""voices: the voice library, chosen from the auditions: nobody's voice, intelligible, unlike each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from kespeechchat.records import Outcome
from kespeechchat.stages.base import Reads, Scope, Stage, Task
from kespeechchat.voices.blending import targets
from kespeechchat.voices.columns import matrix
from kespeechchat.voices.privacy import RealClips, number_voices, select


class Voices(Stage):
    name: ClassVar[str] = "voices"
    version: ClassVar[int] = 1
    source: ClassVar[Reads] = Reads("audition", Scope.ALL)
    also: ClassVar[tuple[Reads, ...]] = (Reads("clips", Scope.ALL, ("recording", "language", "xvector")),)
    keeps_rows: ClassVar[bool] = False  # a kept candidate gets its final id here

    def process(self, task: Task) -> Iterable[Outcome]:
        clips = task.also["clips"]
        real = RealClips(matrix(clips["xvector"]), clips["recording"].to_pylist())
        cells = targets(self.pipeline.stages.blend.blending, set(clips["language"].to_pylist()))
        rows = [{k: v for k, v in row.items() if k in self.schema.names} for row in task.rows]
        yield from number_voices(select(rows, real, cells, self.settings.privacy, self.pipeline.seed))
