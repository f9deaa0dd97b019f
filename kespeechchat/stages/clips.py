"""clips: measures each clip of the corpus: who speaks, of which gender, how fast, how clean. It judges nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from kespeechchat.config import stages as settings
from kespeechchat.records import Audio, Outcome, RowError, failed, rejected
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.store.audio import AudioError, TwoChannels, decode, read
from kespeechchat.text.error_rate import characters


class Clips(Stage[settings.Clips]):
    """Measures of each clip; refuses only what cannot be read or is too short or too long."""

    name: ClassVar[str] = "clips"
    version: ClassVar[int] = 4

    def setup(self) -> None:
        self.speaker = self._engine("speaker", self.settings.speaker)
        self.auditor = self._engine("speaker", self.settings.auditor, "auditor") if self.settings.auditor else None
        self.embedder = self._engine("embedder", self.settings.embedder)
        self.gender = self._engine("gender", self.settings.gender)
        self.mos = self._engine("mos", self.settings.mos) if self.settings.mos else None

    def process(self, task: Task) -> Iterable[Outcome]:
        """Each clip with its vectors, gender, scores and text, or its rejection: unreadable, too short, too long, …"""
        sound: list[tuple[Row, Audio]] = []
        for row in task.rows:
            out = {k: row[k] for k in ("id", "recording", "language", "path", "transcript", "gender")}
            out["speaker"] = row.get("speaker")  # corpus shards of version 0.1.0 have no such column
            try:
                audio = decode(row["audio"]) if row["audio"] else _read(row)
            except TwoChannels as error:
                yield rejected(out, "two_channels", str(error))
                continue
            except AudioError as error:
                yield rejected(out, "unreadable", str(error))
                continue
            out["seconds"] = audio.seconds
            if not self.settings.min_seconds <= audio.seconds <= self.settings.max_seconds:
                short = audio.seconds < self.settings.min_seconds
                limit = self.settings.min_seconds if short else self.settings.max_seconds
                yield rejected(out, "too_short" if short else "too_long", f"{audio.seconds:.2f} s, limit {limit} s")
                continue
            out["scores"] = _score("corpus_dnsmos", row["corpus_dnsmos"])
            sound.append((out, audio))
        yield from self._measured(sound, task)

    def _measured(self, sound: list[tuple[Row, Audio]], task: Task) -> Iterable[Outcome]:
        if not sound:
            return
        audios = [audio for _, audio in sound]
        vectors = self.speaker.xvectors(audios)
        audited = self.auditor.xvectors(audios) if self.auditor else [None] * len(sound)
        genders = self.gender.classify(audios)
        scores = self.mos.score(audios) if self.mos else [{}] * len(sound)
        texts = self._transcripts(sound, task)
        for (out, audio), vector, heard, gender, score, text in zip(
            sound, vectors, audited, genders, scores, texts, strict=True
        ):
            errors = [x.message for x in (vector, heard, gender, score, text) if isinstance(x, RowError)]
            if errors or isinstance(text, RowError):
                yield failed(out, "; ".join(errors))
                continue
            given = out["gender"] is not None
            sex = out["gender"] if given else gender.gender
            embedding = self.embedder.embed([audio], [vector], task.one_language, [sex])[0]
            if isinstance(embedding, RowError):
                yield failed(out, embedding.message)
                continue
            out |= {
                "transcript": text,
                "transcript_from": "manifest" if out["transcript"] else "recognizer",
                "characters": characters(text, task.one_language),
                "gender": sex,
                "gender_from": "manifest" if given else "engine",
                "gender_score": gender.score,
                "scores": out["scores"] + [{"head": h, "value": v} for h, v in score.items()],
                "xvector": vector.tolist(),
                "auditor_xvector": None if heard is None else heard.tolist(),
                "tts_embedding": embedding.tolist(),
            }
            yield Outcome(out)

    def _transcripts(self, sound: list[tuple[Row, Audio]], task: Task) -> list[str | RowError]:
        """The manifest's transcripts; the recognizer's where it has none."""
        missing = [audio for out, audio in sound if not out["transcript"]]
        if not missing:
            return [out["transcript"] for out, _ in sound]
        if self.settings.asr is None:
            error = RowError("the manifest has no transcript and stages.clips.asr names no recognizer")
            return [out["transcript"] or error for out, _ in sound]
        heard = iter(self._engine("asr", self.settings.asr).transcribe(missing, task.language))
        texts: list[str | RowError] = []
        for out, _ in sound:
            got = out["transcript"] or next(heard)
            texts.append(got if isinstance(got, (str, RowError)) else got.text)
        return texts


def _read(row: Row) -> Audio:
    return read(row["path"], row.get("channel"), row.get("start") or 0.0, row.get("part_seconds"))


def _score(head: str, value: float | None) -> list[Row]:
    return [] if value is None else [{"head": head, "value": value}]
