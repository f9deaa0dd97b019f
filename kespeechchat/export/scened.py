"""Dialogues in a scene: their rows with the times that another speed gives them, and their audio, rendered when read.

A layout sees dialogues as ever, and so knows nothing of scenes. Speed is applied to each turn, before the turns are put
one after the other; everything else is applied to a side's channel. A layout that writes channels gets them from end to
end, so that noise goes on while the side is silent; one that writes turns gets the turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt

from kespeechchat.export.audio_files import Speech, check_turn, decoded, encoded, samples_of
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.errors import ExportError
from kespeechchat.export.scene_journal import SceneJournal, TurnScene
from kespeechchat.export.selection import Part, Rows
from kespeechchat.records import Audio, Role
from kespeechchat.rows import FinishedRow, FinishedTurn
from kespeechchat.scenes.drawing import Drawn, Draws
from kespeechchat.scenes.mixing import float32, int16
from kespeechchat.scenes.rendering import NoiseSource, RoomBank, SceneFacts, at_speed, length_at_speed, render
from kespeechchat.seeds import stable_hash

Int16 = npt.NDArray[np.int16]
Listener = Callable[[Audio], float | None]
"""The score of the watermark in some speech; None where it is too short to be searched."""
_OF_TURN = ("role", "sample_rate", "seconds")
_COLUMNS = ("split", "seconds", *(f"turns.list.element.{name}" for name in _OF_TURN))  # what a changed time needs


def scened_row(row: FinishedRow, draws: Draws) -> FinishedRow:
    """The row with the times of its speech as the scene leaves it: exact to the sample."""
    turns = [_timed(turn, draws.of(row["id"], row["split"], turn["role"]).speed) for turn in row["turns"]]
    if all(new is old for new, old in zip(turns, row["turns"], strict=True)):
        return row
    return cast(FinishedRow, {**row, "turns": turns, "seconds": sum(turn["seconds"] for turn in turns)})


def _timed(turn: FinishedTurn, speed: float) -> FinishedTurn:
    if speed == 1.0:
        return turn
    changed = {
        key: [{**one, "start": one["start"] / speed, "end": one["end"] / speed} for one in timed]
        for key in ("words", "silences")
        if (timed := cast(list[dict[str, float]] | None, turn.get(key))) is not None
    }
    lengths = {
        key: cast(float, turn[key]) / speed
        for key in ("leading_silence", "longest_silence", "trailing_silence")
        if turn.get(key) is not None
    }
    seconds = length_at_speed(samples_of(turn), speed) / turn["sample_rate"]
    return cast(FinishedTurn, {**turn, **changed, **lengths, "seconds": seconds})


@dataclass(frozen=True)
class ScenedPart:
    """A part of the rows, as the scene leaves them. `without`: sorted hashes of the ids that are left out."""

    part: Part
    draws: Draws
    without: npt.NDArray[np.uint64]

    def rows(self, columns: Sequence[str]) -> Iterator[FinishedRow]:
        """As `Part.rows`."""
        return _scened(self.part.rows(tuple(dict.fromkeys((*columns, *_COLUMNS)))), self.draws, self.without)


@dataclass(frozen=True)
class ScenedRows:
    """All rows, as the scene leaves them."""

    all: Rows
    draws: Draws
    without: npt.NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))

    def __iter__(self) -> Iterator[FinishedRow]:
        return _scened(iter(self.all), self.draws, self.without)

    def parts(self) -> Sequence[Part]:
        """As `Rows.parts`."""
        return [ScenedPart(part, self.draws, self.without) for part in self.all.parts()]


def _scened(rows: Iterator[FinishedRow], draws: Draws, without: npt.NDArray[np.uint64]) -> Iterator[FinishedRow]:
    for row in rows:
        if len(without):
            key = np.uint64(stable_hash(row["id"]))
            at = int(np.searchsorted(without, key))
            if at < len(without) and without[at] == key:
                continue
        yield scened_row(row, draws)


@dataclass
class Renderer:
    """Renders sides of dialogues. `noises` and `rooms`: where each role's come from; `listen`: searches what was
    rendered for its mark; `journal`: notes both."""

    draws: Draws
    noises: Mapping[Role, NoiseSource]
    rooms: Mapping[Role, Callable[[int], RoomBank]]  # by sample rate
    listen: Listener
    journal: SceneJournal
    writes: bool = True  # what is rendered is written; else it is only searched

    def drawn(self, row: FinishedRow, role: Role) -> Drawn:
        """What happens to a side."""
        return self.draws.of(row["id"], row["split"], role)

    def side(self, row: FinishedRow, turn: FinishedTurn, clean: bytes, before: int, after: int) -> Int16:
        """int16 [before + T + after]: the turn in its scene, with so many samples of its channel around it."""
        rate, role, drawn = turn["sample_rate"], turn["role"], self.drawn(row, turn["role"])
        spoken = at_speed(float32(decoded(clean)), drawn.speed)
        if len(spoken) != samples_of(turn):
            raise ExportError(_misfit(row, turn, len(spoken)))
        channel = np.concatenate([np.zeros(before, np.float32), spoken, np.zeros(after, np.float32)])
        rooms = self.rooms[role](rate) if drawn.room is not None else None
        rendered = render(channel, rate, drawn, self.noises.get(role), rooms, row["id"])
        samples = int16(rendered.samples)
        self._note(row, role, rendered.facts, samples[before : before + len(spoken)], rate)
        return samples

    def clean(self, row: FinishedRow, turn: FinishedTurn) -> None:
        """Notes a turn to which nothing happens: its score is that of stage `measure`, of the same samples."""
        told: TurnScene = {"scene": {}, "watermark_score": turn["watermark_score"]}
        self.journal.add(row["id"], turn["role"], told, self.writes)

    def _note(self, row: FinishedRow, role: Role, facts: SceneFacts, samples: Int16, rate: int) -> None:
        """Searches for the mark, where no earlier rendering did: the same turn has the same samples."""
        known = self.journal.turn(row["id"], role)
        score = known["watermark_score"] if known else self.listen(Audio(float32(samples), rate))
        self.journal.add(row["id"], role, {"scene": facts, "watermark_score": score}, self.writes)


@dataclass
class SceneSpeech(Mapping[Role, bytes]):
    """FLAC of each turn in its scene, made when it is asked for; `samples` and `channel` spare the encoding."""

    row: FinishedRow
    cleans: Speech
    renderer: Renderer
    _made: dict[Role, Int16] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Role]:
        return iter(self.cleans)

    def __len__(self) -> int:
        return len(self.cleans)

    def __getitem__(self, role: Role) -> bytes:
        if self.renderer.drawn(self.row, role).clean:
            return self.cleans[self._clean(role)["role"]]
        return encoded(self.samples(role), self._turn(role)["sample_rate"])

    def samples(self, role: Role) -> Int16:
        """int16 [T] of the turn."""
        if role not in self._made:
            if self.renderer.drawn(self.row, role).clean:
                self._made[role] = decoded(self.cleans[self._clean(role)["role"]])
            else:
                self._made[role] = self.renderer.side(self.row, self._turn(role), self.cleans[role], 0, 0)
        return self._made[role]

    def channel(self, role: Role) -> Int16:
        """int16 [T] of the role's channel, from the dialogue's beginning to its end."""
        lengths = {turn["role"]: samples_of(turn) for turn in self.row["turns"]}
        before, after = (0, lengths["agent"]) if role == "user" else (lengths["user"], 0)
        if self.renderer.drawn(self.row, role).clean:
            return np.pad(self.samples(role), (before, after))
        return self.renderer.side(self.row, self._turn(role), self.cleans[role], before, after)

    def _turn(self, role: Role) -> FinishedTurn:
        return next(turn for turn in self.row["turns"] if turn["role"] == role)

    def _clean(self, role: Role) -> FinishedTurn:
        turn = self._turn(role)
        check_turn(self.row["id"], turn, self.cleans[role])
        self.renderer.clean(self.row, turn)
        return turn


@dataclass(frozen=True)
class ScenedDialogues(Dialogues):
    """Dialogues whose selection has `ScenedRows`, and whose audio the renderer makes."""

    renderer: Renderer | None = None

    def speech(self, row: FinishedRow) -> Speech:
        """FLAC by role, as the scene leaves it."""
        if self.read_audio is None or self.renderer is None:
            return {}
        return SceneSpeech(row, self.read_audio(row), self.renderer)


def _misfit(row: FinishedRow, turn: FinishedTurn, found: int) -> str:
    return (
        f"dialogue {row['id']}, {turn['role']}: the audio has {found} samples at the scene's speed, its row says "
        f"{samples_of(turn)}; run `kesc verify`, then `kesc build` again"
    )
