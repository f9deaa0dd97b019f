"""measure: what recognizer, quality model and watermark detector make of the marked audio, and where it is silent, raw.

An auditor also hears how like its own voice each turn sounds. The stage judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.config import stages as settings
from kespeechchat.records import Audio, Outcome, RowError, failed
from kespeechchat.silence import silences
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.store.audio import decode
from kespeechchat.voices.privacy import OWN_VOICE, mean_xvector

_SPEECH = ("audio", "speech_tokens")  # stay with the stage that speaks


class Measure(Stage[settings.Measure]):
    """Adds to each turn what recognizer, quality model and detector found; drops the audio."""

    name: ClassVar[str] = "measure"
    version: ClassVar[int] = 2

    def setup(self) -> None:
        self.asr = self._engine("asr", self.settings.asr)
        self.mark = self._engine("watermark", self.settings.watermark)
        self.mos = self._engine("mos", self.settings.mos) if self.settings.mos else None
        self.auditor = self._engine("speaker", self.settings.auditor) if self.settings.auditor else None

    def process(self, task: Task) -> Iterable[Outcome]:
        """Each dialogue with what was heard in its turns, their watermark and quality scores, silences and words."""
        turns = [turn for row in task.rows for turn in row["turns"]]
        audios = [decode(turn["audio"]) for turn in turns]
        heard = self.asr.transcribe(audios, task.language) if audios else []
        marks = self.mark.detect(audios)
        scores = self.mos.score(audios) if self.mos else [{}] * len(audios)
        if self.auditor:
            scores = [
                s if isinstance(s, RowError) else s | own
                for s, own in zip(scores, self._own(task, audios), strict=True)
            ]
        measured = iter([_turn(*parts) for parts in zip(turns, audios, heard, marks, scores, strict=True)])
        for row in task.rows:
            own = [next(measured) for _ in row["turns"]]
            out = {k: row[k] for k in ("id", "source", "language", "split")}
            errors = [turn.message for turn in own if isinstance(turn, RowError)]
            yield failed(out, "; ".join(errors)) if errors else Outcome(out | {"turns": own})

    def _own(self, task: Task, audios: list[Audio]) -> list[dict[str, float]]:
        """Per turn its cosine to its own voice as the auditor heard that in the audition; nothing where a turn is too
        short to hear who speaks."""
        assert self.auditor is not None
        turns = [turn for row in task.rows for turn in row["turns"]]
        table, spoken = task.also["voices"], pa.array({turn["voice"] for turn in turns}, pa.string())
        own = table.filter(pc.is_in(table["id"], spoken))  # of a library of 42,000 voices the few of this shard
        voices = {v["id"]: mean_xvector(v["xvectors"]) for v in own.to_pylist()}
        vectors = self.auditor.xvectors(audios)
        return [
            {} if isinstance(heard, RowError) else {OWN_VOICE: float(np.dot(heard, voices[turn["voice"]]))}
            for turn, heard in zip(turns, vectors, strict=True)
        ]


def _turn(turn: Row, audio: Audio, heard: Any, mark: Any, scores: Any) -> Row | RowError:
    for part in (heard, mark, scores):
        if isinstance(part, RowError):
            return part
    silent = silences(audio)
    return {k: v for k, v in turn.items() if k not in _SPEECH} | {
        "transcript": heard.text,
        "avg_logprob": heard.avg_logprob,
        "compression_ratio": heard.compression_ratio,
        "no_speech_prob": heard.no_speech_prob,
        "words": [asdict(word) for word in heard.words],
        "silences": [{"start": start, "end": end} for start, end in silent.intervals],
        "leading_silence": silent.leading,
        "trailing_silence": silent.trailing,
        "longest_silence": silent.inside,
        "scores": [{"head": head, "value": value} for head, value in scores.items()],
        "watermark_score": mark.score,
        "watermark_payload": mark.payload,
    }
