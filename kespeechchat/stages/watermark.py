"""watermark: marks every utterance as synthetic, and encodes it as 16-bit FLAC. Fused behind `synthesize`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from kespeechchat.config import stages as settings
from kespeechchat.records import Outcome, RowError, failed
from kespeechchat.speech_tokens import muted
from kespeechchat.stages.base import Stage, Task
from kespeechchat.store.audio import decode, encode_flac


class Watermark(Stage[settings.WatermarkStage]):
    """The same turns, marked."""

    name: ClassVar[str] = "watermark"
    version: ClassVar[int] = 1

    def setup(self) -> None:
        self.mark = self._engine("watermark", self.settings.watermark)

    def process(self, task: Task) -> Iterable[Outcome]:
        """Each dialogue with marked speech in place of the unmarked; failed where a turn cannot carry a mark."""
        turns = [turn for row in task.rows for turn in row["turns"]]
        marked = iter(self.mark.embed([decode(t["audio"]) for t in turns], self.settings.payload))
        for row in task.rows:
            own = [next(marked) for _ in row["turns"]]
            errors = [audio.message for audio in own if isinstance(audio, RowError)]
            if errors:
                silent = [muted(turn) for turn in row["turns"]]
                yield failed({**row, "turns": silent}, "; ".join(errors))
                continue
            spoken = [{**t, "audio": encode_flac(a)} for t, a in zip(row["turns"], own, strict=True)]
            yield Outcome({**row, "turns": spoken})
