"""Short words of each voice (嗯, mm-hm), which an export uses as backchannels: a part of stage `audition`.

They are spoken once a voice, marked, and measured marked, as stage `measure` does with turns. Nothing is judged there:
the export holds each word to the limits of stage `gate` (`rejected_word`). A word that cannot be spoken or marked says
so in `error`; the voice is none the worse for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kespeechchat.config import backchannels as settings
from kespeechchat.config.base import pick
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines.tts import Utterance
from kespeechchat.loudness import levelled
from kespeechchat.records import Audio, Language, RowError
from kespeechchat.seeds import seed_for
from kespeechchat.silence import silences
from kespeechchat.stages.base import Row
from kespeechchat.stages.limits import too_silent
from kespeechchat.store.audio import decode, encode_flac
from kespeechchat.text.error_rate import edits_in
from kespeechchat.voices.privacy import mean_xvector

_STAGE = "backchannels"  # names the seeds
Heard = tuple[Audio, bytes]  # a marked word as its file gives it, and the file (FLAC)


class VoiceWords:
    """Speaks and measures them, with the engines of the audition; `mark` is their watermark."""

    def __init__(self, settings: settings.VoiceWords, tts: Any, asr: Any, speaker: Any, mark: Any, seed: int) -> None:
        self._settings, self._tts, self._asr, self._speaker, self._mark = settings, tts, asr, speaker, mark
        self._seed = seed

    def of(self, voice: Row, languages: Iterable[Language], embedding: np.ndarray) -> list[Row]:
        """All words of a voice, in each of `languages`. `voice`: its row, with the `xvectors` of its probes;
        `embedding`: float32 [D]."""
        return [word for language in languages for word in self._in(language, voice, embedding)]

    def _in(self, language: Language, voice: Row, embedding: np.ndarray) -> Iterator[Row]:
        texts = list(self._settings.words.get(language, ()))
        if not texts:
            return
        marked = self._marked(texts, language, voice["id"], embedding)
        sound = [one for one in marked if not isinstance(one, RowError)]
        audios = [audio for audio, _ in sound]
        heard = iter(self._asr.transcribe(audios, language) if audios else [])
        marks = iter(self._mark.detect(audios))
        own = self._own_voice(audios, voice)
        for text, one in zip(texts, marked, strict=True):
            said: Row = {"language": language, "text": text}
            if isinstance(one, RowError):
                yield said | {"error": one.message}
                continue
            transcript, mark = next(heard), next(marks)
            errors = [x.message for x in (transcript, mark) if isinstance(x, RowError)]
            yield said | ({"error": "; ".join(errors)} if errors else _measured(*one, transcript, mark, own))

    def _marked(
        self, texts: Sequence[str], language: Language, id_: str, embedding: np.ndarray
    ) -> list[Heard | RowError]:
        """Each word, spoken, at its level, and marked."""
        spoken = self._tts.speak(
            [Utterance(t, language, embedding, seed_for(self._seed, _STAGE, id_, language, t)) for t in texts]
        )
        level = self._settings.loudness
        if level:
            spoken = [a if isinstance(a, RowError) else levelled(a, level.lufs, level.true_peak).audio for a in spoken]
        carriers = [audio for audio in spoken if isinstance(audio, Audio)]
        marked = iter(self._mark.embed(carriers, self._settings.payload) if carriers else [])
        return [audio if isinstance(audio, RowError) else _stored(next(marked)) for audio in spoken]

    def _own_voice(self, audios: Sequence[Audio], voice: Row) -> float | None:
        """The cosine of all words, one after the other, to the voice's probes: a single word is too short to hear who
        speaks. None where all of them are."""
        if not audios:
            return None
        joined = Audio(np.concatenate([audio.samples for audio in audios]), audios[0].sample_rate)
        (heard,) = self._speaker.xvectors([joined])
        return None if isinstance(heard, RowError) else float(np.dot(heard, mean_xvector(voice["xvectors"])))


def _stored(audio: Audio | RowError) -> Heard | RowError:
    """The word as it is stored: measured is what will be heard."""
    if isinstance(audio, RowError):
        return audio
    file = encode_flac(audio)
    return decode(file), file


def _measured(audio: Audio, file: bytes, heard: Any, mark: Any, own_voice: float | None) -> Row:
    silent = silences(audio)
    return {
        "audio": file,
        "sample_rate": audio.sample_rate,
        "seconds": audio.seconds,
        "transcript": heard.text,
        "leading_silence": silent.leading,
        "longest_silence": silent.inside,
        "trailing_silence": silent.trailing,
        "watermark_score": mark.score,
        "own_voice": own_voice,
    }


def rejected_word(word: Mapping[str, Any], pipeline: Pipeline) -> str | None:
    """Why a word is rejected, as stage `gate` names it for a turn, or None. The gate's MOS and stock phrases are not
    asked: half a second is too short for the one, and the other is made of words like these."""
    gate, language = pipeline.stages.gate, word["language"]
    if word["error"] is not None:
        return "failed"
    if not word["watermark_score"] >= pipeline.watermark_threshold:
        return "watermark_not_found"
    silent = (word["leading_silence"], word["longest_silence"], word["trailing_silence"])
    if too_silent(*silent, gate.max_silence):
        return "silence"
    limit = pick(gate.max_error, language)
    if limit is not None and not _error(word, language, pipeline) <= limit:
        return "error_rate"
    own, least = word["own_voice"], gate.min_own_voice
    return "other_voice" if least is not None and own is not None and own < least else None


def _error(word: Mapping[str, Any], language: Language, pipeline: Pipeline) -> float:
    """The least error rate over the spellings of the word."""
    known = pipeline.stages.audition.backchannels
    spellings: settings.Spellings = known.words.get(language, {}) if known else {}
    unit = pick(pipeline.stages.gate.unit, language)
    texts = (word["text"], *spellings.get(word["text"], ()))
    return min(edits_in(unit, text, word["transcript"], language).rate for text in texts)
