"""audition: each candidate speaks its probe sentences, and its speech is measured. Nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from kespeechchat.engines.tts import Utterance
from kespeechchat.records import LANGUAGES, Audio, Outcome, RowError, failed
from kespeechchat.seeds import seed_for
from kespeechchat.stages.base import Reads, Scope, Stage, Task
from kespeechchat.text.error_rate import characters, error_edits, pooled


class Audition(Stage):
    name: ClassVar[str] = "audition"
    version: ClassVar[int] = 2
    source: ClassVar[Reads] = Reads("blend", Scope.SLICE)

    def setup(self) -> None:
        self.tts = self._engine("tts", self.settings.tts)
        self.speaker = self._engine("speaker", self.settings.speaker)
        self.asr = self._engine("asr", self.settings.asr)
        self.mos = self._engine("mos", self.settings.mos) if self.settings.mos else None

    def process(self, task: Task) -> Iterable[Outcome]:
        probes = [(row, lang, text) for row in task.rows for lang, text in self._probes(row)]
        audios = self.tts.speak(
            [
                Utterance(
                    text,
                    lang,  # type: ignore[arg-type]
                    np.asarray(row["embedding"], dtype=np.float32),
                    seed_for(self.pipeline.seed, self.name, row["id"], lang, text),
                )
                for row, lang, text in probes
            ]
        )
        heard = self._heard(probes, audios)
        by_row: dict[str, list[int]] = {row["id"]: [] for row in task.rows}
        for i, (row, _, _) in enumerate(probes):
            by_row[row["id"]].append(i)
        for row in task.rows:
            mine = by_row[row["id"]]
            errors = [x.message for i in mine for x in (audios[i], heard[i]) if isinstance(x, RowError)]
            out = {k: v for k, v in row.items() if k in self.schema.names}
            yield (
                failed(out, "; ".join(errors))
                if errors
                else self._measured(out, [probes[i] for i in mine], [audios[i] for i in mine], [heard[i] for i in mine])
            )

    def _probes(self, row: dict[str, Any]) -> Iterable[tuple[str, str]]:
        for lang in [row["language"]] if row["language"] else LANGUAGES:
            yield from ((lang, text) for text in self.settings.probes[lang])

    def _heard(self, probes: list[tuple[dict[str, Any], str, str]], audios: list[Audio | RowError]) -> list[Any]:
        """Transcripts, recognized language by language."""
        heard: list[Any] = list(audios)
        for lang in LANGUAGES:
            mine = [i for i, p in enumerate(probes) if p[1] == lang and isinstance(audios[i], Audio)]
            if mine:
                for i, said in zip(mine, self.asr.transcribe([audios[i] for i in mine], lang), strict=True):
                    heard[i] = said
        return heard

    def _measured(
        self, out: dict[str, Any], probes: list[tuple[dict[str, Any], str, str]], audios: list[Audio], heard: list[Any]
    ) -> Outcome:
        vectors = self.speaker.xvectors(audios)
        scores = self.mos.score(audios) if self.mos else []
        errors = [x.message for x in (*vectors, *scores) if isinstance(x, RowError)]
        if errors:
            return failed(out, "; ".join(errors))
        edits = [error_edits(text, said.text, lang) for (_, lang, text), said in zip(probes, heard, strict=True)]
        length = sum(characters(text, lang) for _, lang, text in probes)
        heads = sorted(scores[0]) if scores else []
        return Outcome(
            out
            | {
                "xvectors": [v.tolist() for v in vectors],
                "error_rate": pooled(edits),
                "spoken_seconds_per_character": sum(a.seconds for a in audios) / length,
                "scores": [{"head": h, "value": float(np.mean([s[h] for s in scores]))} for h in heads],
            }
        )
