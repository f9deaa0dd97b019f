"""synthesize: each dialogue gets its two voices and is spoken, turn by turn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from kespeechchat.config.base import pick
from kespeechchat.dataset.splits import VoiceIndex, voices_after
from kespeechchat.engines.tts import Utterance
from kespeechchat.records import Audio, Outcome, RowError, failed, rejected
from kespeechchat.seeds import seed_for
from kespeechchat.stages.base import Reads, Scope, Stage, Task
from kespeechchat.store.audio import encode_flac
from kespeechchat.text.error_rate import characters

_COLUMNS = ("source", "language", "split", "instruction", "response")


class Synthesize(Stage):
    name: ClassVar[str] = "synthesize"
    version: ClassVar[int] = 2
    source: ClassVar[Reads] = Reads("spoken", Scope.SHARD, _COLUMNS)
    also: ClassVar[tuple[Reads, ...]] = (Reads("voices", Scope.LIBRARY),)

    def setup(self) -> None:
        self.tts = self._engine("tts", self.settings.tts)

    def process(self, task: Task) -> Iterable[Outcome]:
        voices = {v["id"]: v for v in task.also["voices"].to_pylist()}
        library = VoiceIndex.of(voices.values())
        dialogues = [self._dialogue(row, library, voices) for row in task.rows]
        turns = [turn for _, turns in dialogues for turn in turns]
        self._speak(turns, task)
        for row, own in dialogues:
            yield self._settle(row, own)

    def _dialogue(
        self, row: dict[str, Any], library: VoiceIndex, voices: dict[str, Any]
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The row's columns, and its turns with what is needed to speak them (keys that start with `_`)."""
        ways = self.pipeline.rounds[: self.round]
        user, agent = voices_after(ways, row["id"], row["split"], row["language"], library, self.pipeline.seed)
        out = {k: row[k] for k in ("id", "source", "language", "split")}
        turns = [
            {
                "role": role,
                "voice": voice,
                "text": row[column],
                "_id": row["id"],
                "_embedding": np.asarray(voices[voice]["embedding"], dtype=np.float32),
            }
            for role, voice, column in (("user", user, "instruction"), ("agent", agent, "response"))
        ]
        return out, turns

    def _speak(self, turns: list[dict[str, Any]], task: Task) -> None:
        """Speaks all turns; those out of range are spoken again with another seed, up to `tries` times."""
        waiting = turns
        for attempt in range(self.settings.tries):
            for turn in waiting:
                turn["tries"] = attempt + 1
                turn["seed"] = seed_for(self.pipeline.seed, self.name, turn["_id"], turn["role"], attempt)
            audios = self.tts.speak(
                [Utterance(t["text"], task.language, t["_embedding"], t["seed"]) for t in waiting]  # type: ignore[arg-type]
            )
            for turn, audio in zip(waiting, audios, strict=True):
                turn["_audio"] = audio
            waiting = [t for t in waiting if isinstance(t["_audio"], RowError) or self._off_pace(t, task)]
            if not waiting or (self.tts.deterministic and not self.tts.seeded):
                return

    def _off_pace(self, turn: dict[str, Any], task: Task) -> str | None:
        low, high = pick(self.settings.seconds_per_character, task.language or "en")
        turn["_pace"] = turn["_audio"].seconds / max(1, characters(turn["text"], task.language))
        turn["_fault"] = None if low <= turn["_pace"] <= high else f"{turn['_pace']:.3f} s per character, {low}–{high}"
        return turn["_fault"]

    def _settle(self, row: dict[str, Any], turns: list[dict[str, Any]]) -> Outcome:
        errors = [t["_audio"].message for t in turns if isinstance(t["_audio"], RowError)]
        faults = [f"{t['role']}: {t['_fault']}" for t in turns if isinstance(t["_audio"], Audio) and t["_fault"]]
        out = row | {"turns": [_column(t, bool(errors or faults)) for t in turns]}
        if errors:
            return failed(out, "; ".join(errors))
        return rejected(out, "pace", "; ".join(faults)) if faults else Outcome(out)


def _column(turn: dict[str, Any], silent: bool) -> dict[str, Any]:
    """A turn as its schema has it; FLAC at once, so that no float audio waits in memory."""
    column = {k: v for k, v in turn.items() if not k.startswith("_")}
    audio = turn["_audio"]
    if isinstance(audio, Audio):
        column |= {"sample_rate": audio.sample_rate, "seconds": audio.seconds}
        column["audio"] = None if silent else encode_flac(audio)
    return column
