"""What a layout is: a class with what it writes, needs and weighs, whose fields are its settings.

`docs/extending.md` has a skeleton. A layout reads dialogues, their audio and the build's facts, and knows neither ROOT
nor another layout. The same dialogues give the same bytes, and an export that was killed is simply run again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from kespeechchat.config.interleave import Marks
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.display import counted
from kespeechchat.export.audio_files import MANY_FILES, Speech
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.errors import ExportError
from kespeechchat.export.folder import Done
from kespeechchat.records import Audio, Role, RowError
from kespeechchat.rows import FinishedRow, FinishedTurn
from kespeechchat.speech_tokens import Codebook

Need = Literal["yields", "units", "refused", "tokens"]
"""What a layout needs beside the dialogues: `yields` (the build's counts, stage by stage), `units` (a `UnitReader`),
`refused` (a `RefusedReader`), `tokens` (a `TokenReader`)."""


class UnitReader(Protocol):
    """Speech → units. `rate`: units a second; `size`: how many different ones; `settings`: what they depend
    on."""

    rate: int
    settings: Mapping[str, Any]

    @property
    def size(self) -> int:
        """How many different units there are."""
        ...

    def units(self, audios: Sequence[Audio]) -> list[npt.NDArray[np.int32] | RowError]:
        """Per utterance its units, int32 [n], or what is wrong with it."""
        ...


class TokenReader(Protocol):
    """Speech → tokens, and how they are written into text. `rate`: frames a second, of `codebooks` tokens each;
    `codebook`: by which tokens of a TTS are known to be of the same one, None where no TTS speaks from such; `ratio`,
    `mean_words`: of the spans; `seed`: of their draws; `settings`: all that an export depends on."""

    rate: float
    codebooks: int
    codebook: Codebook | None
    ratio: float
    mean_words: float
    marks: Marks
    seed: int
    settings: Mapping[str, Any]

    def tokens(self, audios: Sequence[Audio]) -> list[npt.NDArray[np.int32] | RowError]:
        """Per utterance its tokens, int32 [codebooks, n], or what is wrong with it."""
        ...

    def vocabulary(self) -> dict[str, Any]:
        """The marks, how many tokens there are, and what made them."""
        ...


@dataclass(frozen=True)
class RefusedTake:
    """A dialogue as a round spoke it, whose gate refused it: why (`reason`, a code; `detail`, for a reader), and its
    turns as the gate saw them."""

    round: int
    reason: str
    detail: str | None
    turns: Sequence[FinishedTurn]


class RefusedReader(Protocol):
    """What earlier rounds of speech refused of a dialogue that a later round kept."""

    def takes(self, row: FinishedRow) -> Sequence[RefusedTake]:
        """The takes that were refused, first round first. A round that gave no speech to judge has none."""
        ...

    def speech(self, row: FinishedRow, take: RefusedTake) -> Speech:
        """The take's speech: FLAC by role. Raises ExportError where it does not fit the take."""
        ...


@dataclass(frozen=True)
class NothingRefused:
    """A `RefusedReader` of dialogues that no round refused."""

    def takes(self, row: FinishedRow) -> Sequence[RefusedTake]:
        """None."""
        return ()

    def speech(self, row: FinishedRow, take: RefusedTake) -> Speech:
        """Raises LookupError: there is no take to ask for."""
        raise LookupError(f"dialogue {row['id']}: round {take.round} refused nothing")


@dataclass(frozen=True)
class AudioRates:
    """Bytes of a second of dialogue, by encoding; `user_share`: how much of it is the user's."""

    flac: float = 0.0  # one channel, measured
    pcm: float = 0.0  # one channel, 16 bit
    user_share: float = 0.0


class Layout(Protocol):
    """One way to write a dataset. See the module's docstring."""

    name: ClassVar[str]
    writes: ClassVar[str]  # its files, for a reader
    read_by: ClassVar[str]  # how they are read, for a reader
    loadable: ClassVar[bool]  # `datasets.load_dataset(FOLDER)` loads it
    several: ClassVar[bool]  # it holds dialogues of several exchanges; else it gets the first one of each
    needs: ClassVar[frozenset[Need]]
    files_per_dialogue: ClassVar[int]  # audio files of its own for each dialogue; 0: shards
    text_bytes: ClassVar[int]  # of a dialogue, about

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """Bytes of audio that it writes for a second of dialogue."""
        ...

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """Writes below the folder `to`; without audio where the dialogues have none. Raises ExportError where audio
        does not fit its row, and where `to` holds files that are not this layout's."""
        ...


@runtime_checkable
class HoldsSome(Protocol):
    """A layout that writes a part of the dialogues alone, such as a subset for another task."""

    def share(self, dialogues: Dialogues, build: BuildFacts) -> float:
        """How much it writes at most, as a share of what it would write of all dialogues; for the estimate of its
        size."""
        ...


@runtime_checkable
class WritesSome(Protocol):
    """A layout that writes some of the turns alone."""

    def sides(self, dialogues: Dialogues, build: BuildFacts) -> Callable[[FinishedRow], Sequence[Role]]:
        """Tells whose turns of a dialogue it writes; nobody's of one that it leaves out."""
        ...


@runtime_checkable
class OneSide(Protocol):
    """A layout that writes the speech of one side alone."""

    side: ClassVar[Role]


@runtime_checkable
class WritesChannels(Protocol):
    """A layout that writes each side's channel from the dialogue's beginning to its end."""

    whole_channels: ClassVar[bool]


@runtime_checkable
class HasBackchannels(Protocol):
    """A layout that writes what listeners say inside the other's turns."""

    backchannels: ClassVar[bool]


@runtime_checkable
class HasScene(Protocol):
    """A layout whose task has a scene of its own, in which it is exported where the user names none."""

    scene: ClassVar[str]


def check_many_files(layout: type[Layout] | Layout, dialogues: Dialogues, most: int = MANY_FILES) -> None:
    """Raises ExportError where audio files, some for each dialogue, would be very many. Ask before an export that
    nobody has asked for audio."""
    if dialogues.audio and layout.files_per_dialogue and len(dialogues) > most:
        raise ExportError(
            f"{counted(len(dialogues), 'dialogue makes', 'dialogues make')} "
            f"{layout.files_per_dialogue * len(dialogues):,} audio files: ask for "
            "them (--audio), or for the rest alone (--no-audio), or take a layout of shards: huggingface, webdataset, "
            "lhotse"
        )
