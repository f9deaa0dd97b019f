"""Short words of each voice (没错, right), which an export uses as backchannels: a part of stage `audition`.

They are spoken once a voice, marked, and measured marked, as stage `measure` does with turns. Nothing is judged there:
the export holds each word to the limits of stage `gate` (`rejected_word`). A word that cannot be spoken or marked says
so in `error`; the voice is none the worse for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Speaker:
    """Who says the words. `voice`: its row, with the `xvectors` of its probes; `embedding`: float32 [D]."""

    voice: Row
    languages: Sequence[Language]
    embedding: np.ndarray


@dataclass
class _Word:
    """A word of a speaker: as it is stored or why it is not, and what recognizer, watermark and auditor found in it."""

    speaker: Speaker
    language: Language
    text: str
    marked: Heard | RowError
    heard: Any = None
    mark: Any = None
    own_voice: float | None = None

    @property
    def audio(self) -> Audio | None:
        """What is heard of it; None where it could not be spoken or marked."""
        return None if isinstance(self.marked, RowError) else self.marked[0]

    def row(self) -> Row:
        """The word as a row of the voice."""
        common: Row = {"language": self.language, "text": self.text}
        if isinstance(self.marked, RowError):
            return common | {"error": self.marked.message}
        if errors := [x.message for x in (self.heard, self.mark) if isinstance(x, RowError)]:
            return common | {"error": "; ".join(errors)}
        return common | _measured(*self.marked, self.heard, self.mark, self.own_voice)


class VoiceWords:
    """Speaks and measures them, with the engines of the audition; `mark` is their watermark.

    Each engine is asked once for all voices of a task, the recognizer once a language: an engine that works in batches
    would do little with the few words of one voice.
    """

    def __init__(self, settings: settings.VoiceWords, tts: Any, asr: Any, speaker: Any, mark: Any, seed: int) -> None:
        self._settings, self._tts, self._asr, self._speaker, self._mark = settings, tts, asr, speaker, mark
        self._seed = seed

    def of(self, speakers: Sequence[Speaker]) -> list[list[Row]]:
        """Per speaker all of its words, language by language, in the order of the settings."""
        words = self._spoken(speakers)
        self._listen([word for word in words if word.audio])
        found: dict[int, list[Row]] = {id(speaker): [] for speaker in speakers}
        for word in words:
            found[id(word.speaker)].append(word.row())
        return [found[id(speaker)] for speaker in speakers]

    def _spoken(self, speakers: Sequence[Speaker]) -> list[_Word]:
        """Each word of each speaker, spoken, at its level, and marked."""
        known = self._settings.words
        asked = [(who, lang, text) for who in speakers for lang in who.languages for text in known.get(lang, ())]
        spoken = self._tts.speak([self._utterance(*one) for one in asked]) if asked else []
        if level := self._settings.loudness:
            spoken = [a if isinstance(a, RowError) else levelled(a, level.lufs, level.true_peak).audio for a in spoken]
        carriers = [audio for audio in spoken if isinstance(audio, Audio)]
        marked = iter(self._mark.embed(carriers, self._settings.payload) if carriers else [])
        stored = [audio if isinstance(audio, RowError) else _stored(next(marked)) for audio in spoken]
        return [_Word(*one, as_stored) for one, as_stored in zip(asked, stored, strict=True)]

    def _utterance(self, speaker: Speaker, language: Language, text: str) -> Utterance:
        seed = seed_for(self._seed, _STAGE, speaker.voice["id"], language, text)
        return Utterance(text, language, speaker.embedding, seed)

    def _listen(self, words: Sequence[_Word]) -> None:
        """Sets what recognizer, watermark and auditor find in words that have audio."""
        if not words:
            return
        by_language: dict[Language, list[_Word]] = defaultdict(list)
        for word in words:
            by_language[word.language].append(word)
        for language, own in by_language.items():
            for word, heard in zip(own, self._asr.transcribe([w.audio for w in own], language), strict=True):
                word.heard = heard
        for word, mark in zip(words, self._mark.detect([w.audio for w in words]), strict=True):
            word.mark = mark
        self._hear_who_speaks(words)

    def _hear_who_speaks(self, words: Sequence[_Word]) -> None:
        """Sets `own_voice`: the cosine of all words of a voice in a language, one after the other, to its probes. A
        single word is too short to hear who speaks. It stays None where the auditor cannot hear them."""
        together: dict[tuple[int, Language], list[_Word]] = defaultdict(list)
        for word in words:
            together[id(word.speaker), word.language].append(word)
        joined = [_joined([word.audio for word in own if word.audio]) for own in together.values()]
        for own, heard in zip(together.values(), self._speaker.xvectors(joined), strict=True):
            if not isinstance(heard, RowError):
                likeness = float(np.dot(heard, mean_xvector(own[0].speaker.voice["xvectors"])))
                for word in own:
                    word.own_voice = likeness


def _joined(audios: Sequence[Audio]) -> Audio:
    return Audio(np.concatenate([audio.samples for audio in audios]), audios[0].sample_rate)


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
