"""Any server that has OpenAI's `/audio/speech`, asked over many connections at once (see `engines.server`).

**Voices.** The server's own are known by name. An embedding has a weight for each of them, float32 [N] in the order of
the profile: one voice alone, or a convex sum where the server takes sums. Other servers speak from a recording: then
the voice's prompt goes along with each request, as a data URL of WAV, with its text.

**Answers** are WAV, FLAC, MP3, Opus in Ogg, or bare 16-bit PCM. One that is empty, silent, cut short, no audio at all,
or stereo of two voices is asked for again, and is the row's RowError when the tries are used up. Another sample rate
than the stated one stops the build, as do first answers that are all of no use.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import httpx2
import numpy as np

from kespeechchat.config.engines import OpenAISpeechSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.server import FirstAnswers, NoAnswer, Server
from kespeechchat.engines.tts import TTS, Prompt, StockVoices, Utterance, cannot_be_told, off_speed
from kespeechchat.engines.tts.answered_audio import decoded
from kespeechchat.records import Audio, Language, RowError
from kespeechchat.sound_file import encode

_SEEDS = 2**31  # some servers take signed 32-bit seeds only
_ALONE = 0.999  # weight from which a voice is spoken by itself
_LEAST = 0.001  # weight below which a voice is left out of a sum
_SHOWN = 8  # names in an error
_LISTED = frozenset({200, 400, 404, 405, 422, 501})  # a server without a list of voices may still have them


class OpenAISpeech(TTS, StockVoices):
    """Building it asks the server for its models and, where it has such a list, for its voices. EngineError where no
    server answers, or where one of the profile's voices is not in the list."""

    deterministic = False

    def __init__(self, settings: OpenAISpeechSettings) -> None:
        self._settings = settings
        self.seeded = settings.seeded
        self.sample_rate = settings.sample_rate
        self.languages: tuple[Language, ...] = settings.languages
        self._names = settings.names()
        self.embedding_size = len(self._names)
        self._spoken_in = {
            language: {name for own in genders.values() for name in own}
            for language, genders in settings.voices.items()
        }
        self._server = Server(settings, "vllm serve MODEL --omni")
        self._first = FirstAnswers()
        self._check_names()

    def identity(self) -> dict[str, str]:
        """The server's name of the model, the server, and from what it speaks."""
        settings = self._settings
        voices = f"a recording ({settings.reference})" if settings.prompted else f"{len(self._names)} stock voices"
        return {"tts": f"openai {settings.model}", "server": self._server.url, "voices": voices}

    def style(self, mix: Mapping[str, float]) -> Float32:
        """Float32 [N]: the weights of the server's own voices. Raises ValueError that names the fault."""
        if unknown := set(mix) - set(self._names):
            raise ValueError(f"style mix: {sorted(unknown)[0]!r} is none of {self._shown_names()}")
        if not mix or min(mix.values()) <= 0 or abs(sum(mix.values()) - 1) > 1e-3:
            raise ValueError(f"style mix {dict(mix)}: weights must be positive and sum to 1")
        return np.array([mix.get(name, 0.0) for name in self._names], dtype=np.float32)

    def speak(self, utterances: Sequence[Utterance]) -> list[Audio | RowError]:
        """Speech at `sample_rate` Hz, in order. A language, an embedding or a voice that does not belong to this
        server, and a missing prompt, are an EngineError, raised before anything is asked."""
        bodies = [self._body(utterance) for utterance in utterances]
        return self._server.map(self._speak, list(zip(utterances, bodies, strict=True)))

    def _speak(self, asked: tuple[Utterance, dict[str, Any] | RowError]) -> Audio | RowError:
        utterance, body = asked
        if isinstance(body, RowError):
            return body
        if utterance.prompt is not None and self._settings.prompted:  # only now: encoded, it takes 0.3 MB
            body = self._recording(utterance.prompt) | body
        answer = self._server.ask("POST", "/audio/speech", self._audio, json=body)
        if count := self._first.useless(isinstance(answer, RowError)):
            assert isinstance(answer, RowError)
            raise self._server.error(
                f"speaks nothing: its first {count} answers were of no use, the last one: {answer.message}; check "
                "`model`, the voices, `response_format` and the server's own log"
            )
        return answer

    def _audio(self, response: httpx2.Response) -> Audio:
        try:
            audio = decoded(response.content, self._settings.response_format, self.sample_rate)
        except ValueError as error:
            kind = response.headers.get("content-type", "no content-type")
            raise NoAnswer(f"{error} (asked for {self._settings.response_format}, got {kind})") from None
        if audio.sample_rate != self.sample_rate:
            raise self._server.error(
                f"answers at {audio.sample_rate} Hz, and the profile states sample_rate: {self.sample_rate}; write "
                "what the server speaks at, or ask it for another rate by `extra`"
            )
        return audio

    def _body(self, utterance: Utterance) -> dict[str, Any] | RowError:
        settings = self._settings
        if utterance.language not in self.languages:
            raise self._server.error(f"has voices of {', '.join(self.languages)}, none of {utterance.language!r}")
        if why := cannot_be_told(utterance, settings):
            raise self._server.error(why)
        if off := off_speed(utterance, settings.speeds):
            return off
        if not utterance.text.strip():
            return RowError("nothing to speak: the text is empty")
        body: dict[str, Any] = {"model": settings.model, "input": utterance.text}
        if not settings.prompted:
            body["voice"] = self._voice(utterance)
        elif utterance.prompt is None:
            raise self._server.error(
                "speaks from a recording of the speaker, and this voice has none: make the library with "
                "stages.audition.prompts"
            )
        body["response_format"] = settings.response_format
        body |= {"speed": utterance.speed} if utterance.speed != 1.0 else {}
        body |= {} if utterance.instruct is None else {"instructions": utterance.instruct}
        body |= {"seed": utterance.seed % _SEEDS} if settings.seeded else {}
        return body | settings.extra | settings.by_language.get(utterance.language, {})

    def _recording(self, prompt: Prompt) -> dict[str, Any]:
        url = "data:audio/wav;base64," + base64.b64encode(encode(prompt.audio, "WAV")).decode()
        if self._settings.reference == "references":
            return {"references": [{"audio_path": url, "text": prompt.text}]}
        return {"ref_audio": url, "ref_text": prompt.text}

    def _voice(self, utterance: Utterance) -> str:
        """As the server takes it: a name, or a sum of names with their weights."""
        weights = np.asarray(utterance.embedding, dtype=np.float64)
        if weights.shape != (len(self._names),) or not np.isfinite(weights).all() or abs(weights.sum() - 1) > 1e-3:
            raise EngineError(
                f"{self._server.what}: a voice embedding of shape {weights.shape}, with a sum of {weights.sum():.3f}; "
                f"this engine wants a weight for each of its voices ({len(self._names)}), with a sum of 1. "
                "Were these voices made for another TTS? Build the voice library with an embedder `use: stock_voices`"
            )
        weight = dict(zip(self._names, weights.tolist(), strict=True))
        names: list[str] = sorted((n for n in self._names if weight[n] > _LEAST), key=lambda n: -weight[n])
        if foreign := [n for n in names if n not in self._spoken_in[utterance.language]]:
            raise EngineError(
                f"{self._server.what}: voice {foreign[0]!r} is not among voices.{utterance.language}; name it there "
                "too if it speaks that language, or give each voice one language (blending.same_language)"
            )
        if weight[names[0]] >= _ALONE:
            return names[0]
        if not self._settings.sums:
            raise EngineError(
                f"{self._server.what}: a voice that is a sum of {', '.join(names)}, and this server speaks by one "
                "voice: set `sums: true` where it takes sums, or share its voices out among the pairs "
                "(blending.spread with an embedder `use: stock_voices`)"
            )
        return "+".join(f"{name}({weight[name]:.4g})" for name in names)

    def _check_names(self) -> None:
        if not self._names:
            return
        listed = self._server.ask("GET", "/audio/voices", _listed, fine=_LISTED)
        if isinstance(listed, RowError) or not listed:
            return
        if missing := [name for name in self._names if name not in listed]:
            raise self._server.error(
                f"has no voice {', '.join(missing[:_SHOWN])}; it lists {', '.join(sorted(listed)[:_SHOWN])}, …: "
                "correct `voices`"
            )

    def _shown_names(self) -> str:
        return ", ".join(self._names[:_SHOWN]) + (", …" if len(self._names) > _SHOWN else "")


def _listed(response: httpx2.Response) -> set[str]:
    """The names in an answer of `/audio/voices`: a list of names, or of objects with `id` or `name`; else none."""
    if response.status_code != 200:
        return set()
    try:
        found = response.json()
    except ValueError:
        return set()
    voices = found.get("voices") if isinstance(found, dict) else found
    if not isinstance(voices, list):
        return set()
    names = (v if isinstance(v, str) else v.get("id") or v.get("name") if isinstance(v, dict) else None for v in voices)
    return {name for name in names if isinstance(name, str)}
