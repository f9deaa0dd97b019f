"""Dialogues in a scene: their rows with the times that another speed gives them, and their audio, rendered when read.

A layout sees dialogues as ever, and so knows nothing of scenes. Speed is applied to each turn, before the turns are put
at their places; everything else is applied to a side's channel. A layout that writes channels gets them from end to
end, so that noise goes on while the side is silent; one that writes turns gets the turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt

from kespeechchat.blocks import Block, blocks_of
from kespeechchat.dataset.places import Place
from kespeechchat.dataset.timeline import length_of
from kespeechchat.export.audio_files import Speech, check_turn, decoded, encoded, heard
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.errors import ExportError
from kespeechchat.export.scene_journal import SceneJournal, TurnScene
from kespeechchat.export.survey import Part, Rows
from kespeechchat.records import Audio, Role, turn_names
from kespeechchat.rows import FinishedRow, FinishedTurn, samples_of
from kespeechchat.scenes.drawing import Drawn, Draws
from kespeechchat.scenes.mixing import Float32, float32, int16
from kespeechchat.scenes.rendering import NoiseSource, RoomBank, SceneFacts, at_speed, length_at_speed, render

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
    """A part of the rows, as the scene leaves them."""

    part: Part
    draws: Draws

    def rows(self, columns: Sequence[str]) -> Iterator[FinishedRow]:
        """As `Part.rows`."""
        return (scened_row(row, self.draws) for row in self.part.rows(tuple(dict.fromkeys((*columns, *_COLUMNS)))))

    def blocks(self, columns: Sequence[str]) -> Iterator[Block]:
        """As `Part.blocks`."""
        return blocks_of(self.rows(columns))


@dataclass(frozen=True)
class ScenedRows:
    """All rows, as the scene leaves them."""

    all: Rows
    draws: Draws

    def __iter__(self) -> Iterator[FinishedRow]:
        return (scened_row(row, self.draws) for row in self.all)

    def parts(self) -> Sequence[Part]:
        """As `Rows.parts`."""
        return [ScenedPart(part, self.draws) for part in self.all.parts()]


@dataclass(frozen=True, eq=False)
class Said:
    """A turn of a dialogue, by its name, with its times in the scene."""

    name: str
    turn: FinishedTurn
    place: Place


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

    def spoken(self, row: FinishedRow, said: Said, clean: bytes) -> Float32:
        """float32 [T]: the turn at its side's speed, before anything else."""
        samples = at_speed(float32(decoded(clean)), self.drawn(row, said.turn["role"]).speed)
        if len(samples) != samples_of(said.turn):
            raise ExportError(_misfit(row, said, len(samples)))
        return samples

    def side(self, row: FinishedRow, role: Role, clean: Float32, rate: int, spans: Mapping[Said, slice]) -> Int16:
        """int16 [T]: a side's clean channel, or a turn of it, in its scene. `spans`: where its turns are heard, which
        are searched for their marks."""
        drawn = self.drawn(row, role)
        rooms = self.rooms[role](rate) if drawn.room is not None else None
        rendered = render(clean, rate, drawn, self.noises.get(role), rooms, row["id"])
        samples = int16(rendered.samples)
        for said, span in spans.items():
            self._note(row, said, rendered.facts, samples[span], rate)
        return samples

    def clean(self, row: FinishedRow, said: Said, samples: Int16) -> None:
        """Notes a turn to which nothing happens, with its `samples` as they are heard: where that is all of them, its
        score is that of stage `measure`, of the same samples."""
        if said.place.cut:
            self._note(row, said, {}, samples, said.turn["sample_rate"])
        else:
            told: TurnScene = {"scene": {}, "watermark_score": said.turn["watermark_score"]}
            self.journal.add(row["id"], said.name, told, self.writes)

    def _note(self, row: FinishedRow, said: Said, facts: SceneFacts, samples: Int16, rate: int) -> None:
        """Searches for the mark, where no earlier rendering did: the same turn has the same samples."""
        known = self.journal.turn(row["id"], said.name)
        score = known["watermark_score"] if known else self.listen(Audio(float32(samples), rate))
        self.journal.add(row["id"], said.name, {"scene": facts, "watermark_score": score}, self.writes)


@dataclass
class SceneSpeech(Mapping[str, bytes]):
    """FLAC of each turn in its scene, by name, made when it is asked for; `samples` and `channel` spare the encoding.
    `cleans` has each turn as it is in ROOT."""

    row: FinishedRow
    places: Sequence[Place]
    cleans: Speech
    renderer: Renderer
    _made: dict[str, Int16] = field(default_factory=dict)

    def __post_init__(self) -> None:
        turns = self.row["turns"]
        names = turn_names(turn["role"] for turn in turns)
        all_ = zip(names, turns, self.places, strict=True)
        self._said = {name: Said(name, turn, place) for name, turn, place in all_}

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)

    def __len__(self) -> int:
        return len(self._said)

    def __getitem__(self, name: str) -> bytes:
        said = self._said[name]
        if self._is_clean(said):
            self._clean(said)
            return self.cleans[name]
        return encoded(self.samples(name), said.turn["sample_rate"])

    def samples(self, name: str) -> Int16:
        """int16 [T] of the turn, all of it."""
        if name not in self._made:
            said = self._said[name]
            self._made[name] = self._clean(said) if self._is_clean(said) else self._alone(said)
        return self._made[name]

    def channel(self, role: Role) -> Int16:
        """int16 [T] of the role's channel, from the dialogue's beginning to its end."""
        spans = {
            said: slice(said.place.start, said.place.end) for said in self._said.values() if said.turn["role"] == role
        }
        if self.renderer.drawn(self.row, role).clean:
            channel = np.zeros(length_of(self.places), np.int16)
            for said, span in spans.items():
                channel[span] = heard(self._clean(said), said.place)
            return channel
        sound = np.zeros(length_of(self.places), np.float32)
        for said, span in spans.items():
            sound[span] = heard(self.renderer.spoken(self.row, said, self.cleans[said.name]), said.place)
        return self.renderer.side(self.row, role, sound, self.row["turns"][0]["sample_rate"], spans)

    def _alone(self, said: Said) -> Int16:
        """The turn in its scene, without its channel around it."""
        spoken, turn = self.renderer.spoken(self.row, said, self.cleans[said.name]), said.turn
        spans = {said: slice(0, said.place.samples)}
        return self.renderer.side(self.row, turn["role"], spoken, turn["sample_rate"], spans)

    def _is_clean(self, said: Said) -> bool:
        return self.renderer.drawn(self.row, said.turn["role"]).clean

    def _clean(self, said: Said) -> Int16:
        clean = self.cleans[said.name]
        check_turn(self.row["id"], said.name, said.turn, clean)
        samples = decoded(clean)
        self.renderer.clean(self.row, said, heard(samples, said.place))
        return samples


@dataclass(frozen=True)
class ScenedDialogues(Dialogues):
    """Dialogues whose selection has `ScenedRows`, and whose audio the renderer makes."""

    renderer: Renderer = field(kw_only=True)

    def speech(self, row: FinishedRow) -> Speech:
        """FLAC by name of the turn, as the scene leaves it."""
        if self.read_audio is None:
            return {}
        return SceneSpeech(row, self.places(row), self.read_audio(row), self.renderer)

    @property
    def in_scene(self) -> bool:
        """It is."""
        return True

    def knows(self, note: str) -> bool:
        """Whether the journal has the facts of every file that was written under the note."""
        return self.renderer.journal.knows(note)

    def begin(self, note: str) -> None:
        """The journal forgets what was written, and notes what is written from now on."""
        self.renderer.journal.begin(note)


def _misfit(row: FinishedRow, said: Said, found: int) -> str:
    return (
        f"dialogue {row['id']}, {said.name}: the audio has {found} samples at the scene's speed, its row says "
        f"{samples_of(said.turn)}; run `kesc verify`, then `kesc build` again"
    )
