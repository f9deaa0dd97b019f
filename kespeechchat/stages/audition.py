"""audition: each candidate speaks its probe sentences, and its speech is measured.

Nothing of it is kept, or, marked, the first sentence in each language: what engines speak from that take a recording of
the speaker. It is measured before it is marked, so keeping it changes no voice. Nor do the short words that a voice may
say besides (`voice_words`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from kespeechchat.config import stages as settings
from kespeechchat.config.base import pick
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.asr import Transcript
from kespeechchat.engines.tts import Utterance
from kespeechchat.records import KEPT, LANGUAGES, Audio, Language, Outcome, RowError, failed
from kespeechchat.seeds import seed_for
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.stages.voice_words import Speaker, VoiceWords
from kespeechchat.store.audio import decode, encode_flac
from kespeechchat.text.error_rate import characters, edits_in, pooled


@dataclass
class _Probe:
    """A sentence that a candidate speaks, its speech, and what recognizer, speaker encoder and MOS heard in it."""

    language: Language
    text: str
    audio: Audio | RowError
    heard: Transcript | RowError | None = None
    xvector: Float32 | RowError | None = None
    scores: dict[str, float] | RowError = field(default_factory=dict)


class Audition(Stage[settings.Audition]):
    """Speaks and measures each candidate; keeps no audio, or one marked sentence a language."""

    name: ClassVar[str] = "audition"
    version: ClassVar[int] = 2

    def setup(self) -> None:
        self.tts = self._engine("tts", self.settings.tts)
        self.speaker = self._engine("speaker", self.settings.speaker)
        self.asr = self._engine("asr", self.settings.asr)
        self.mos = self._engine("mos", self.settings.mos) if self.settings.mos else None
        self.mark = self._engine("watermark", self.settings.prompts.watermark) if self.settings.prompts else None
        wanted = self.settings.backchannels
        mark = self._engine("watermark", wanted.watermark, "watermark:backchannels") if wanted else None
        self.words = VoiceWords(wanted, self.tts, self.asr, self.speaker, mark, self.pipeline.seed) if wanted else None

    def process(self, task: Task) -> Iterable[Outcome]:
        """Each candidate with its probe sentences as they were spoken and heard; failed where one could not be."""
        probes = self._spoken(task.rows)
        every = [probe for own in probes for probe in own if isinstance(probe.audio, Audio)]
        self._recognize(every)
        self._listen(every)
        outcomes = [self._outcome(row, own) for row, own in zip(task.rows, probes, strict=True)]
        return self._with_words(task.rows, outcomes) if self.words else outcomes

    def _outcome(self, row: Row, own: Sequence[_Probe]) -> Outcome:
        """The candidate with what was measured of its probes, and with its prompts."""
        out = {k: v for k, v in row.items() if k in self.schema.names}
        found = (x for p in own for x in (p.audio, p.heard, p.xvector, p.scores))
        errors = [x.message for x in found if isinstance(x, RowError)]
        measured = failed(out, "; ".join(errors)) if errors else self._measured(out, own)
        return self._prompted(measured, own) if self.settings.prompts and measured.status == KEPT else measured

    def _with_words(self, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcomes, with the short words of candidates that did not fail. Which of them become voices is decided
        among all candidates, so their words are spoken before that is known."""
        assert self.words is not None
        speakers = [
            Speaker(outcome.row, languages_of(row), np.asarray(row["embedding"], dtype=np.float32))
            for row, outcome in zip(rows, outcomes, strict=True)
            if outcome.status == KEPT
        ]
        said = iter(self.words.of(speakers))
        return [Outcome(o.row | {"backchannels": next(said)}) if o.status == KEPT else o for o in outcomes]

    def _spoken(self, rows: Sequence[Row]) -> list[list[_Probe]]:
        """Per candidate its probe sentences, spoken, in each language that its voice speaks."""
        asked = [[(lang, text) for lang in languages_of(row) for text in self.settings.probes[lang]] for row in rows]
        utterances = [
            Utterance(
                text,
                lang,
                np.asarray(row["embedding"], dtype=np.float32),
                seed_for(self.pipeline.seed, self.name, row["id"], lang, text),
            )
            for row, sentences in zip(rows, asked, strict=True)
            for lang, text in sentences
        ]
        audios = iter(self.tts.speak(utterances))
        return [[_Probe(lang, text, next(audios)) for lang, text in sentences] for sentences in asked]

    def _recognize(self, probes: Sequence[_Probe]) -> None:
        """Sets `heard` of each probe, language by language."""
        for lang in LANGUAGES:
            if spoken := [probe for probe in probes if probe.language == lang]:
                heard = self.asr.transcribe([probe.audio for probe in spoken], lang)
                for probe, transcript in zip(spoken, heard, strict=True):
                    probe.heard = transcript

    def _listen(self, probes: Sequence[_Probe]) -> None:
        """Sets `xvector` and `scores` of each probe."""
        audios = [probe.audio for probe in probes]
        vectors = self.speaker.xvectors(audios)
        scores = self.mos.score(audios) if self.mos else [{}] * len(audios)
        for probe, vector, scored in zip(probes, vectors, scores, strict=True):
            probe.xvector, probe.scores = vector, scored

    def _measured(self, out: Row, probes: Sequence[_Probe]) -> Outcome:
        unit = self.settings.unit
        audios = [probe.audio for probe in probes if isinstance(probe.audio, Audio)]
        vectors = [probe.xvector for probe in probes if isinstance(probe.xvector, np.ndarray)]
        scores = [probe.scores for probe in probes if isinstance(probe.scores, dict)]
        heard = [(p, p.heard) for p in probes if isinstance(p.heard, Transcript)]
        edits = [edits_in(pick(unit, p.language), p.text, transcript.text, p.language) for p, transcript in heard]
        length = sum(characters(probe.text, probe.language) for probe in probes)
        return Outcome(
            out
            | {
                "xvectors": [vector.tolist() for vector in vectors],
                "error_rate": pooled(edits),
                "spoken_seconds_per_character": sum(a.seconds for a in audios) / length,
                "scores": [{"head": h, "value": float(np.mean([s[h] for s in scores]))} for h in sorted(scores[0])],
            }
        )

    def _prompted(self, measured: Outcome, probes: Sequence[_Probe]) -> Outcome:
        """The candidate with its first probe of each language, marked; failed where the mark is not found in one."""
        assert self.mark is not None and self.settings.prompts is not None
        first = {probe.language: probe for probe in reversed(probes)}
        audios = [probe.audio for probe in first.values() if isinstance(probe.audio, Audio)]
        marked = self.mark.embed(audios, self.settings.prompts.payload)
        if errors := [audio.message for audio in marked if isinstance(audio, RowError)]:
            return failed(measured.row, "; ".join(errors))
        files = [encode_flac(audio) for audio in marked if isinstance(audio, Audio)]
        if lost := self._unmarked(files):
            return failed(measured.row, lost)
        prompts = [
            {"language": p.language, "text": p.text, "audio": f} for p, f in zip(first.values(), files, strict=True)
        ]
        return Outcome(measured.row | {"prompts": prompts})

    def _unmarked(self, files: Sequence[bytes]) -> str | None:
        """What to say of FLAC files in which the detector does not find the mark."""
        assert self.mark is not None and self.settings.prompts is not None
        threshold = self.pipeline.engine("watermark", self.settings.prompts.watermark).threshold
        for found in self.mark.detect([decode(file) for file in files]):
            if isinstance(found, RowError):
                return found.message
            if found.score < threshold:
                return f"its prompt's watermark is not found: score {found.score:.2f}, wanted {threshold}"
        return None


def languages_of(row: Row) -> Sequence[Language]:
    """Those that the candidate's voice speaks: its own, or all."""
    return [row["language"]] if row["language"] else LANGUAGES
