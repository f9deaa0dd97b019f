"""interleaved: speech tokens for each span, in a voice drawn by hash."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.config import interleave as settings
from kespeechchat.config.load import ConfigError
from kespeechchat.engines import EngineError
from kespeechchat.engines.tokens import Tokens, TokensOfText
from kespeechchat.engines.tts import Utterance
from kespeechchat.records import Audio, Outcome, RowError, failed, rejected
from kespeechchat.seeds import seed_for, stable_hash
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.stages.recordings import prompts_of

_AT_ONCE = 64  # spans whose audio is in memory together
_PROMPTED = 512  # spans whose voices' recordings are, 0.4 MB each
_MORE = "raise the number of its voices in stages.blend.blending"


@dataclass
class _Spoken:
    """A piece of a document that is to be speech, and its tokens: int32 [codebooks, n]."""

    piece: Row
    utterance: Utterance
    seconds: float | None = None
    tokens: np.ndarray | RowError | None = None


class Interleaved(Stage[settings.Interleaved]):
    """The spans' tokens: through the speech of a TTS, or from their text where the tokens engine can."""

    name: ClassVar[str] = "interleaved"
    version: ClassVar[int] = 1
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {"voices": ("language", "split", "embedding")}

    def setup(self) -> None:
        self.tokens = self._engine("tokens", self.settings.tokens)
        self.tts = self._engine("tts", self.settings.tts) if self.settings.tts else None
        if self.tts is None and not isinstance(self.tokens, TokensOfText):
            raise ConfigError(
                f"interleave.stages.interleaved.tts: is null, but the tokens engine {self.settings.tokens!r} hears "
                "speech and takes no text: name a TTS"
            )

    @property
    def prompted(self) -> bool:
        made = self.settings
        speaks = ("tokens", made.tokens) if made.tts is None else ("tts", made.tts)
        prompted: bool = self.pipeline.engine(*speaks).prompted
        return prompted

    def process(self, task: Task) -> Iterable[Outcome]:
        """Each document with its tokens; failed where one of its spans could not be spoken or heard. Rejected:
        `no_voice`, where a span is in a language that no voice speaks."""
        voices = _by_language(task.also["voices"])
        lacking = {row["id"]: next((x for x in _languages(row) if not len(voices[x])), None) for row in task.rows}
        sayable = [row for row in task.rows if lacking[row["id"]] is None]
        spoken = {row["id"]: [self._prepared(row, n, voices) for n in _speech(row)] for row in sayable}
        together = [one for of_row in spoken.values() for one in of_row]
        for spans in self._at_once(together):
            self._tokenize(spans, _with_prompts(spans, task) if self.prompted else [one.utterance for one in spans])
        for row in task.rows:
            out = {k: v for k, v in row.items() if k in self.schema.names}
            if language := lacking[row["id"]]:
                yield rejected(out | {"pieces": None}, "no_voice", f"no training voice speaks {language}: {_MORE}")
            elif errors := [error for one in spoken[row["id"]] if (error := self._finished(one))]:
                yield failed(out | {"pieces": None}, "; ".join(errors))
            else:
                engine: Tokens = self.tokens
                yield Outcome(out | {"rate": engine.rate, "codebooks": engine.codebooks, "codebook_size": engine.size})

    def _at_once(self, spans: Sequence[_Spoken]) -> Iterator[Sequence[_Spoken]]:
        """As many spans as memory may hold together; all where tokens come from text, to keep the batch full."""
        most = _AT_ONCE if self.tts else _PROMPTED if self.prompted else max(1, len(spans))
        return (spans[start : start + most] for start in range(0, len(spans), most))

    def _finished(self, one: _Spoken) -> str | None:
        """Writes the tokens into the piece; or what is wrong with them."""
        wrong = one.tokens.message if isinstance(one.tokens, RowError) else None
        if wrong is None:
            ids = self._checked(one.tokens)
            one.piece |= {"seconds": one.seconds, "tokens": ids}
            wrong = None if ids else "the tokens engine gave no token"
        return wrong and f"{one.utterance.text[:40]!r}: {wrong}"

    def _prepared(self, row: Row, place: int, voices: Mapping[str, pa.Table]) -> _Spoken:
        piece = row["pieces"][place]
        seed = seed_for(self.pipeline.seed, self.name, row["id"], place)
        own = voices[piece["language"]]
        drawn = stable_hash(self.pipeline.seed, "span voice", row["id"], place) % len(own)
        piece |= {"voice": own["id"][drawn].as_py(), "seed": seed}
        embedding = np.array(own["embedding"][drawn].values, dtype=np.float32)
        return _Spoken(piece, Utterance(piece["said"], piece["language"], embedding, seed))

    def _tokenize(self, spans: Sequence[_Spoken], utterances: Sequence[Utterance]) -> None:
        if self.tts is None:
            for span, tokens in zip(spans, self.tokens.tokens_of_text(utterances), strict=True):
                span.tokens = tokens
            return
        heard: list[tuple[_Spoken, Audio]] = []
        for span, audio in zip(spans, self.tts.speak(utterances), strict=True):
            if isinstance(audio, RowError):
                span.tokens = audio
            else:
                span.seconds = audio.seconds
                heard.append((span, audio))
        for (span, _), tokens in zip(heard, self.tokens.tokens([audio for _, audio in heard]), strict=True):
            span.tokens = tokens

    def _checked(self, tokens: Any) -> list[int]:
        """The ids, frame by frame. Raises EngineError for an id outside of the codebook: the engine is broken."""
        engine: Tokens = self.tokens
        if len(tokens) != engine.codebooks or (tokens.size and not 0 <= tokens.min() <= tokens.max() < engine.size):
            ids_of = f"from {tokens.min()} to {tokens.max()}" if tokens.size else "without an id"
            raise EngineError(
                f"tokens engine {self.settings.tokens!r}: gave ids of shape {list(tokens.shape)} {ids_of}, but has "
                f"{engine.codebooks} codebooks of {engine.size}: is its codebook the right file?"
            )
        ids: list[int] = tokens.T.ravel().tolist()
        return ids


def _speech(row: Row) -> list[int]:
    """The places of the pieces that are to be speech."""
    return [n for n, piece in enumerate(row["pieces"]) if piece["said"] is not None]


def _languages(row: Row) -> list[str]:
    """Of the pieces that are to be speech."""
    return [row["pieces"][n]["language"] for n in _speech(row)]


def _with_prompts(spans: Sequence[_Spoken], task: Task) -> list[Utterance]:
    """What is to be said, each with its voice's recording in its language; without where there is none."""
    languages = {span.utterance.language for span in spans}
    prompts = {language: prompts_of(task, {s.piece["voice"] for s in spans}, language) for language in languages}
    return [replace(span.utterance, prompt=prompts[span.utterance.language].get(span.piece["voice"])) for span in spans]


def _by_language(voices: pa.Table) -> dict[str, pa.Table]:
    """The voices of the training split that speak each language, by id."""
    of_train = voices.filter(pc.equal(pc.fill_null(voices["split"], "train"), "train")).sort_by("id")
    return {lang: of_train.filter(pc.equal(pc.fill_null(of_train["language"], lang), lang)) for lang in ("zh", "en")}
