"""synthesize: each dialogue gets its two voices and is spoken, turn by turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kespeechchat.config import stages as settings
from kespeechchat.config.base import pick
from kespeechchat.engines.tts import Prompt, Spoken, Utterance
from kespeechchat.loudness import levelled
from kespeechchat.records import Audio, Language, Outcome, Role, RowError, failed, rejected, turn_names
from kespeechchat.rows import TurnManner, speed_of
from kespeechchat.seeds import seed_for
from kespeechchat.silence import silences
from kespeechchat.speech_tokens import Codebook, SpeechTokens
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.stages.limits import too_silent
from kespeechchat.stages.recordings import prompts_of
from kespeechchat.store.audio import encode_flac
from kespeechchat.text.error_rate import characters
from kespeechchat.voices.casting import VoiceIndex, voices_after
from kespeechchat.voices.manner import TurnText, manner_of

_COLUMN_OF_ROLE: tuple[tuple[Role, str], ...] = (("user", "instruction"), ("agent", "response"))
_COLUMNS = ("source", "language", "split", "instruction", "response", "later")


@dataclass
class _Turn:
    """A turn of a dialogue: what is said by whom, and the last attempt to speak it. `name`: of the turn in its
    dialogue (`user`, `agent2`); `embedding`: float32 [D]."""

    dialogue: str
    name: str
    role: Role
    voice: str
    text: str
    embedding: np.ndarray
    manner: TurnManner | None = None
    prompt: Prompt | None = None
    tries: int = 0
    seed: int = 0
    audio: Audio | RowError | None = None
    tokens: SpeechTokens | None = None  # that the audio was made from, where they are kept
    fault: tuple[str, str] | None = None  # reason code and detail: its pace, or a silence, is out of range
    loudness: float | None = None  # LUFS, before `gain`
    gain: float | None = None  # dB

    @property
    def speed(self) -> float:
        """Times the engine's own pace."""
        return speed_of(self.manner)

    def utterance(self, language: Language) -> Utterance:
        """What the engine is asked to speak."""
        told = self.manner["instruct"] if self.manner else None
        return Utterance(self.text, language, self.embedding, self.seed, self.speed, self.prompt, told)

    def columns(self, silent: bool) -> Row:
        """The turn as its schema has it; FLAC at once, so that no float audio waits in memory."""
        columns: Row = {"role": self.role, "voice": self.voice, "text": self.text}
        columns |= {"tries": self.tries, "seed": self.seed}
        columns |= {"manner": self.manner} if self.manner else {}
        if isinstance(self.audio, Audio):
            columns |= {"sample_rate": self.audio.sample_rate, "seconds": self.audio.seconds}
            columns |= {"loudness": self.loudness, "gain": self.gain}
            columns["audio"] = None if silent else encode_flac(self.audio)
            if self.tokens is not None and not silent:
                columns["speech_tokens"] = self.tokens.column()
        return columns


class Synthesize(Stage[settings.Synthesize]):
    """The speech of every turn of each dialogue."""

    name: ClassVar[str] = "synthesize"
    version: ClassVar[int] = 2
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {"spoken": _COLUMNS}

    def setup(self) -> None:
        self.tts = self._engine("tts", self.settings.tts)
        self.codebook: Codebook | None = self.tts.codebook() if self.settings.keep_tokens else None

    @property
    def prompted(self) -> bool:
        prompted: bool = self.pipeline.engine("tts", self.settings.tts).prompted
        return prompted

    def process(self, task: Task) -> Iterable[Outcome]:
        """Each dialogue with its turns' speech, by the voices that split and id choose; rejected beyond a limit."""
        voices = {v["id"]: v for v in task.also["voices"].to_pylist()}
        library = VoiceIndex.of(voices.values())
        dialogues = [(row, self._turns(row, library, voices)) for row in task.rows]
        again = {row["id"] for row in task.rows if self._says_the_same(row, library)}
        new = [turn for row, turns in dialogues if row["id"] not in again for turn in turns]
        if self.prompted:
            _give_prompts(new, task)
        self._speak(new, task)
        for row, turns in dialogues:
            out = {k: row[k] for k in ("id", "source", "language", "split")}
            yield self._same(out, turns) if row["id"] in again else _settle(out, turns)

    def _says_the_same(self, row: Row, library: VoiceIndex) -> bool:
        """Whether this round could only repeat the one before: by the same voices, with an engine that has no seeds."""
        if not self.round or self.tts.seeded or not self.tts.deterministic:
            return False
        return self._cast(row, library, self.round) == self._cast(row, library, self.round - 1)

    def _same(self, out: Row, turns: Sequence[_Turn]) -> Outcome:
        detail = f"no voice like {turns[0].voice} is left that has not tried, and {self.settings.tts} has no seeds"
        return rejected(out | {"turns": [turn.columns(silent=True) for turn in turns]}, "no_other_voice", detail)

    def _cast(self, row: Row, library: VoiceIndex, round_: int) -> tuple[str, str]:
        """(user voice, agent voice) of a dialogue in that round."""
        changes = self.pipeline.rounds[:round_]
        return voices_after(changes, row["id"], row["split"], row["language"], library, self.pipeline.seed)

    def _turns(self, row: Row, library: VoiceIndex, voices: Mapping[str, Row]) -> list[_Turn]:
        """All turns, not yet spoken: one user voice and one agent voice throughout."""
        user, agent = self._cast(row, library, self.round)
        cast: dict[Role, str] = {"user": user, "agent": agent}
        texts = turns_of(row)

        def turn(name: str, role: Role, text: str) -> _Turn:
            voice = cast[role]
            embedding = np.asarray(voices[voice]["embedding"], dtype=np.float32)
            turn_text = TurnText(row["id"], name, role, row["language"], text)
            manner = manner_of(self.pipeline.manner, self.pipeline.seed, turn_text)
            return _Turn(row["id"], name, role, voice, text, embedding, manner)

        names = turn_names(role for role, _ in texts)
        return [turn(name, role, text) for name, (role, text) in zip(names, texts, strict=True)]

    def _speak(self, turns: Sequence[_Turn], task: Task) -> None:
        """Speaks all turns; those out of range are spoken again with another seed, up to `tries` times."""
        waiting = turns
        for attempt in range(self.settings.tries):
            for turn in waiting:
                turn.tries = attempt + 1
                turn.seed = seed_for(self.pipeline.seed, self.name, turn.dialogue, turn.name, attempt)
            asked = [t.utterance(task.one_language) for t in waiting]
            for turn, (audio, tokens) in zip(waiting, self._spoken_by_engine(asked), strict=True):
                turn.audio = audio
                turn.tokens = tokens if turn.speed == 1 else None  # another speed moves the audio away from its tokens
                self._level(turn)
                turn.fault = self._fault(turn, audio, task) if isinstance(audio, Audio) else None
            waiting = [t for t in waiting if isinstance(t.audio, RowError) or t.fault]
            if not waiting or (self.tts.deterministic and not self.tts.seeded):
                return

    def _spoken_by_engine(self, utterances: Sequence[Utterance]) -> list[tuple[Audio | RowError, SpeechTokens | None]]:
        """The speech of each, and what it was made from where that is kept."""
        if (book := self.codebook) is None:
            return [(audio, None) for audio in self.tts.speak(utterances)]
        made: list[Spoken | RowError] = self.tts.speak_from_tokens(utterances)
        return [
            (own, None) if isinstance(own, RowError) else (own.audio, SpeechTokens(own.tokens, book)) for own in made
        ]

    def _level(self, turn: _Turn) -> None:
        if isinstance(turn.audio, Audio) and (wanted := self.settings.loudness):
            level = levelled(turn.audio, wanted.lufs, wanted.true_peak)
            turn.audio, turn.loudness, turn.gain = level.audio, level.before, level.gain

    def _fault(self, turn: _Turn, audio: Audio, task: Task) -> tuple[str, str] | None:
        if off := self._off_pace(turn, audio, task):
            return "pace", off
        silent = silences(audio)
        long = too_silent(silent.leading, silent.inside, silent.trailing, self.settings.max_silence)
        return ("silence", long) if long else None

    def _off_pace(self, turn: _Turn, audio: Audio, task: Task) -> str | None:
        """The limits are of the engine's own pace: a turn at another speed is held to them as if it were at that."""
        low, high = pick(self.settings.seconds_per_character, task.one_language)
        pace = audio.seconds * turn.speed / max(1, characters(turn.text, task.one_language))
        at = "" if turn.speed == 1 else f" without its speed of {turn.speed:g}"
        return None if low <= pace <= high else f"{pace:.3f} s per character{at}, {low}–{high}"


def turns_of(row: Row) -> list[tuple[Role, str]]:
    """(role, text) of all turns of a row of stage `spoken`."""
    exchanges = [row, *(row.get("later") or ())]
    return [(role, e[column]) for e in exchanges for role, column in _COLUMN_OF_ROLE]


def _give_prompts(turns: Sequence[_Turn], task: Task) -> None:
    """Each turn its voice's recording in the task's language, one for all turns of a voice; none where there is none.

    That is 0.2 GB for a shard of 500 dialogues, each with a user of its own.
    """
    prompts = prompts_of(task, {turn.voice for turn in turns}, task.one_language)
    for turn in turns:
        turn.prompt = prompts.get(turn.voice)


def _settle(row: Row, turns: Sequence[_Turn]) -> Outcome:
    errors = [turn.audio.message for turn in turns if isinstance(turn.audio, RowError)]
    faults = [(turn.fault[0], f"{turn.name}: {turn.fault[1]}") for turn in turns if turn.fault]
    out = row | {"turns": [turn.columns(silent=bool(errors or faults)) for turn in turns]}
    if errors:
        return failed(out, "; ".join(errors))
    return rejected(out, faults[0][0], "; ".join(detail for _, detail in faults)) if faults else Outcome(out)
