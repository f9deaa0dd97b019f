"""corpus: the speech to mine, one row a clip.

A real corpus is only named here: `clips` reads its files. A recipe is spoken, in mixes of the TTS's stock styles, and
marked at once, so that a machine without any speech at hand can run the whole flow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import ClassVar

from kespeechchat.config import stages as settings
from kespeechchat.config.load import ConfigError
from kespeechchat.engines.tts import TTS, StockVoices, Utterance
from kespeechchat.records import Language, Outcome, RowError, failed, rejected
from kespeechchat.seeds import seed_for
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.store.audio import encode_flac

_AS_PLANNED = ("recording", "speaker", "language", "transcript", "gender", "path", "channel", "start")
_GENDERS = {"f": "female", "m": "male", "female": "female", "male": "male"}
_GENDERS |= {"female_feminine": "female", "male_masculine": "male"}  # as Common Voice writes them


class Corpus(Stage[settings.Corpus]):
    """Clips as planned; those of a recipe are spoken and marked."""

    name: ClassVar[str] = "corpus"
    version: ClassVar[int] = 2

    def process(self, task: Task) -> Iterable[Outcome]:
        """Each clip of the manifest; a recipe's are spoken and marked here. `malformed` where its row is wrong."""
        rows = [_columns(row, task.language) for row in task.rows]
        spoken = self._speak([(out, clip) for out, clip, problem in rows if problem is None and "style" in clip], task)
        for out, clip, problem in rows:
            if problem is not None:
                yield rejected(out, "malformed", problem)
            else:
                yield spoken[out["id"]] if "style" in clip else Outcome(out)

    def _speak(self, clips: list[tuple[Row, Row]], task: Task) -> dict[str, Outcome]:
        if not clips:
            return {}
        if not (self.settings.tts and self.settings.watermark):
            raise ConfigError("stages.corpus: a recipe needs `tts` and `watermark`: the engines that speak and mark it")
        tts: TTS = self._engine("tts", self.settings.tts)
        if not isinstance(tts, StockVoices):
            raise ConfigError(
                f"stages.corpus.tts: {self.settings.tts} has no stock voices, which a recipe mixes (kokoro has)"
            )
        mark = self._engine("watermark", self.settings.watermark)
        seeds = [seed_for(self.pipeline.seed, self.name, out["id"]) for out, _ in clips]
        audios = tts.speak(
            [
                Utterance(clip["transcript"], out["language"], tts.style(clip["style"]), seed)
                for (out, clip), seed in zip(clips, seeds, strict=True)
            ]
        )
        outcomes = {}
        for (out, _), audio in zip(clips, audios, strict=True):
            marked = audio if isinstance(audio, RowError) else mark.embed([audio])[0]
            if isinstance(marked, RowError):
                outcomes[out["id"]] = failed(out, marked.message)
                continue
            sound = {"audio": encode_flac(marked), "sample_rate": marked.sample_rate, "seconds": marked.seconds}
            outcomes[out["id"]] = Outcome(out | sound)
        return outcomes


def _columns(row: Row, language: Language | None) -> tuple[Row, Row, str | None]:
    """(columns, the clip as planned, problem). `language`: the shard's, which the profile may give in place of the
    manifest."""
    clip = json.loads(row["raw"])
    out = {"id": row["id"], **{k: clip.get(k) for k in _AS_PLANNED}, "part_seconds": clip.get("duration")}
    out["language"] = out["language"] or language
    problem = row["problem"]
    for name in ("recording", "transcript", "path"):  # numbers in what version 0.1.0 planned
        out[name] = None if out[name] is None else str(out[name])
    try:
        out["corpus_dnsmos"] = None if clip.get("dnsmos") is None else float(clip["dnsmos"])
    except (TypeError, ValueError):
        problem = problem or f"{row['file']}:{row['line']}: dnsmos is {clip['dnsmos']!r}, not a number"
    out["gender"] = _GENDERS.get(str(out["gender"] or "").lower())
    if row["occurrence"] > 1:
        problem = problem or f"{row['file']}:{row['line']}: the manifest names the same clip twice"
    return out, clip, problem
