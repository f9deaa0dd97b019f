"""Any server that has OpenAI's `/audio/transcriptions`, asked over many connections at once (see `engines.server`).

Each utterance is one request: a 16-bit WAV at its own rate. Word times and Whisper's scores come with `verbose_json`.
Of the scores, those of segments are averaged by their length, as Whisper's own window by window; the compression ratio
follows from the text.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import httpx2
import numpy as np

from kespeechchat.config.engines import OpenAITranscriptionSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.asr import ASR, Transcript
from kespeechchat.engines.server import FirstAnswers, NoAnswer, Server
from kespeechchat.records import LANGUAGES, Audio, Language, RowError, Word
from kespeechchat.sound_file import encode
from kespeechchat.waveform import defect

_SHORTEST = 0.1  # s; OpenAI's own server refuses less
_SHOWN = 300  # characters of an answer in an error
_SCORES = ("avg_logprob", "no_speech_prob")


class OpenAITranscription(ASR):
    """Building it asks the server for its models; EngineError where none answers."""

    deterministic = False

    def __init__(self, settings: OpenAITranscriptionSettings) -> None:
        self._settings = settings
        self._server = Server(settings, "speaches, or vllm serve openai/whisper-large-v3-turbo")
        self._first = FirstAnswers()

    def identity(self) -> dict[str, str]:
        """The server's name of the model, the server, and what it gives besides the text."""
        given = [name for name in ("words", "scores") if getattr(self._settings, name)]
        gives = ", ".join(["text", *given])
        return {"asr": f"openai {self._settings.model}", "server": self._server.url, "gives": gives}

    def transcribe(self, audios: Sequence[Audio], language: Language) -> list[Transcript | RowError]:
        """Transcripts in the order of `audios`. Empty text is a transcript: nothing was recognized. An utterance that
        is empty, broken or under 0.1 s is a RowError. Raises EngineError where the server gives less than was asked."""
        if language not in LANGUAGES:
            raise EngineError(f"{self._server.what}: language {language!r} is none of {', '.join(LANGUAGES)}")
        return self._server.map(lambda audio: self._transcribe(audio, language), audios)

    def _transcribe(self, audio: Audio, language: Language) -> Transcript | RowError:
        if fault := defect(audio, _SHORTEST):
            return fault
        files = {"file": ("utterance.wav", encode(audio, "WAV"), "audio/wav")}
        heard = self._server.ask("POST", "/audio/transcriptions", self._heard, data=self._fields(language), files=files)
        if count := self._first.useless(isinstance(heard, RowError)):
            assert isinstance(heard, RowError)
            raise self._server.error(
                f"transcribes nothing: its first {count} answers were of no use, the last one: {heard.message}; check "
                "`model` and the server's own log"
            )
        return heard

    def _fields(self, language: Language) -> dict[str, Any]:
        settings = self._settings
        verbose = settings.words or settings.scores
        fields: dict[str, Any] = {"model": settings.model, "language": language, "temperature": "0"}
        fields["response_format"] = "verbose_json" if verbose else "json"
        if settings.words:
            fields["timestamp_granularities[]"] = ["word", "segment"]
        return fields | settings.extra | settings.by_language.get(language, {})

    def _heard(self, response: httpx2.Response) -> Transcript:
        answer = response.json(parse_constant=_no_number)
        if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
            raise NoAnswer(f"an answer without text: {self._server.clean(str(answer), _SHOWN)}")
        text = answer["text"].strip()
        if not text:
            return Transcript("", *self._scores("", []), ())
        return Transcript(text, *self._scores(text, _segments(answer)), self._words(answer))

    def _words(self, answer: dict[str, Any]) -> tuple[Word, ...]:
        if not self._settings.words:
            return ()
        found = answer.get("words") or [w for s in _segments(answer) for w in s.get("words") or ()]
        try:
            times = [(str(w["word"]).strip(), float(w["start"]), float(w["end"])) for w in found]
        except (KeyError, TypeError, ValueError):
            raise NoAnswer(f"words without times: {self._server.clean(str(found), _SHOWN)}") from None
        if not times:
            raise self._less("word times", "words")
        return tuple(Word(said, start, max(start, end)) for said, start, end in times if said)

    def _scores(self, text: str, segments: Sequence[dict[str, Any]]) -> tuple[float | None, float | None, float | None]:
        """(avg_logprob, compression_ratio, no_speech_prob)."""
        data = text.encode()
        compression = len(data) / len(zlib.compress(data)) if data else 0.0
        if not self._settings.scores or not text:
            return None, compression, None
        if not segments or any(not isinstance(s.get(name), (int, float)) for s in segments for name in _SCORES):
            raise self._less("scores of segments", "scores")
        weights = [max(float(s.get("end") or 0) - float(s.get("start") or 0), 1e-3) for s in segments]
        logprob, no_speech = (float(np.average([s[name] for s in segments], weights=weights)) for name in _SCORES)
        return logprob, compression, no_speech

    def _less(self, what: str, setting: str) -> EngineError:
        return self._server.error(
            f"gives no {what}; set `{setting}: false` for transcripts without them (the columns stay empty), or use a "
            "server that gives them"
        )


def _no_number(name: str) -> float:
    """For `NaN` and `Infinity`, which Python's JSON takes and no column of scores should."""
    raise NoAnswer(f"an answer with {name} in place of a number")


def _segments(answer: dict[str, Any]) -> list[dict[str, Any]]:
    found = answer.get("segments")
    return [s for s in found if isinstance(s, dict)] if isinstance(found, list) else []
