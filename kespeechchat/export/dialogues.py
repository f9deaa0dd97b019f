"""The dialogues that a layout writes: what every layout says of each, and its audio, checked against its row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from kespeechchat.dataset.backchannels import Backchannel
from kespeechchat.dataset.metadata import SECONDS_DIGITS
from kespeechchat.dataset.places import Place
from kespeechchat.dataset.timeline import Timing
from kespeechchat.export.audio_files import Speech, check_fit
from kespeechchat.export.selection import Selection
from kespeechchat.records import Language, Split, turn_names
from kespeechchat.rows import FinishedRow, FinishedTurn
from kespeechchat.speech_tokens import SpeechTokens

_PAPER = Timing()
ReadAudio = Callable[[FinishedRow], Speech]
ReadTokens = Callable[[FinishedRow], Mapping[str, SpeechTokens | None]]
ReadWord = Callable[[str, str, str], bytes]  # (voice, language, word) → FLAC
RATE_DIGITS = 6  # of error rates


class Facts(TypedDict):
    """What layouts say of a dialogue, of its first exchange alone. `partition` is the smallest that holds it; None for
    held-out dialogues."""

    id: str
    language: Language
    split: Split
    partition: str | None
    metric: str
    error_rate: float
    user_text: str
    user_voice: str
    user_gender: str
    user_seconds: float
    agent_text: str
    agent_voice: str
    agent_gender: str
    agent_seconds: float


class MannerFacts(Facts):
    """Besides, in which manner its turns are spoken, by name; None: plainly. Only of an export where some turn has
    one."""

    user_manner: str | None
    agent_manner: str | None


@dataclass(frozen=True)
class Dialogues:
    """`selection`, with `read_audio` (row → FLAC by role; None: an export without audio) and the gender of each voice.

    `content`: a hash of what rows and audio came from; empty: no file of an earlier export is ever kept. `shards`: the
    same shard by shard (`shard_notes.shard_of`), with `drawn`, a hash of what all depend on beside. `timing` says
    when turns begin; `read_word` has the listeners' words that it may draw. `first_alone`: of a dialogue of several
    exchanges there is only the first. `read_tokens`: the speech tokens that each turn was spoken from, by its name,
    None where they were not kept; of speech in a scene there are none, for it is no longer what they stand for.
    """

    selection: Selection
    read_audio: ReadAudio | None
    genders: Mapping[str, str]
    content: str = ""
    timing: Timing = _PAPER
    first_alone: bool = False
    read_word: ReadWord | None = None
    read_tokens: ReadTokens | None = None
    shards: Mapping[str, str] = field(default_factory=dict)
    drawn: str = ""
    _places: list[tuple[FinishedRow, list[Place]]] = field(default_factory=list, init=False, compare=False, repr=False)
    _backchannels: list[tuple[FinishedRow, Sequence[Place], Sequence[Backchannel]]] = field(
        default_factory=list, init=False, compare=False, repr=False
    )

    def __iter__(self) -> Iterator[FinishedRow]:
        return map(_first_exchange, self.selection) if self.first_alone else iter(self.selection)

    def __len__(self) -> int:
        return self.selection.dialogues

    @property
    def audio(self) -> bool:
        """Whether the export has audio."""
        return self.read_audio is not None

    def speech(self, row: FinishedRow) -> Speech:
        """FLAC by name of the turn or backchannel; nothing in an export without audio. Raises ExportError where it does
        not fit its row."""
        if self.read_audio is None:
            return {}
        names, found = turn_names(turn["role"] for turn in row["turns"]), self.read_audio(row)
        speech = {name: found[name] for name in names}
        check_fit(row["id"], row["turns"], speech)
        if self.read_word is None:
            return speech
        said = self.backchannels(row, self.places(row))
        return speech | {one.name: self.read_word(one.voice, row["language"], one.text) for one in said}

    @property
    def in_scene(self) -> bool:
        """Whether the speech is in a scene, of which more must be known than rows say."""
        return False

    def knows(self, note: str) -> bool:
        """Whether all is known that there is to know of the audio that an earlier export wrote under this note of its
        folder, so that its files can be kept. Of clean speech the rows know all."""
        return True

    def begin(self, note: str) -> None:
        """Audio is written under this note from now on, and none is there."""

    def places(self, row: FinishedRow) -> list[Place]:
        """Where each turn of the row is on its timeline: drawn once, however often it is asked for before another's."""
        last = self._places[-1] if self._places else None
        if last is None or last[0] is not row:
            last = (row, self.timing.places(row))
            self._places[:] = [last]
        return last[1]

    def backchannels(self, row: FinishedRow, places: Sequence[Place]) -> Sequence[Backchannel]:
        """What the listeners say inside the turns of the row, which are at `places`; drawn once like these."""
        last = self._backchannels[-1] if self._backchannels else None
        if last is None or last[0] is not row or last[1] is not places:
            last = (row, places, self.timing.backchannels(row, places).backchannels)
            self._backchannels[:] = [last]
        return last[2]

    def facts(self, row: FinishedRow, places: Sequence[Place] | None = None) -> Facts:
        """What layouts say of the row; with `places`, what is heard of its turns. Raises ValueError for a voice that is
        not in the library."""
        facts = facts_of(row, self.selection.partition(row), self.genders, places)
        if not self.selection.manners:
            return facts
        user, agent = map(manner_name, row["turns"][:2])
        return MannerFacts(**facts, user_manner=user, agent_manner=agent)


def _first_exchange(row: FinishedRow) -> FinishedRow:
    return row if len(row["turns"]) == 2 else {**row, "turns": row["turns"][:2]}


def manner_name(turn: FinishedTurn) -> str | None:
    """Of the manner that the turn is spoken in; None: plainly."""
    manner = turn.get("manner")
    return manner["name"] if manner else None


def facts_of(
    row: FinishedRow, partition: str | None, genders: Mapping[str, str], places: Sequence[Place] | None = None
) -> Facts:
    """As `Dialogues.facts`, where the partition is known. `genders`: by voice. Raises ValueError for a voice that is
    not among them."""
    user, agent = row["turns"][:2]
    if places and places[1].cut:
        agent = {**agent, "text": places[1].text, "seconds": places[1].samples / agent["sample_rate"]}
    for turn in row["turns"]:
        if turn["voice"] not in genders:
            raise ValueError(f"dialogue {row['id']}: voice {turn['voice']} is not in the voice library")
    return {
        "id": row["id"],
        "language": row["language"],
        "split": row["split"],
        "partition": partition,
        "metric": row["metric"],
        "error_rate": round(row["error_rate"], RATE_DIGITS),
        "user_text": user["text"],
        "user_voice": user["voice"],
        "user_gender": genders[user["voice"]],
        "user_seconds": round(user["seconds"], SECONDS_DIGITS),
        "agent_text": agent["text"],
        "agent_voice": agent["voice"],
        "agent_gender": genders[agent["voice"]],
        "agent_seconds": round(agent["seconds"], SECONDS_DIGITS),
    }
