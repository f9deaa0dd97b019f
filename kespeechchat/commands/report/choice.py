"""Which dialogues a report lets one hear, and their speech, within the bytes that a page may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kespeechchat.commands.report.survey import INSIDE, KINDS, LOW, OUTSIDE, RANDOM, Kind, Survey, lowest_score
from kespeechchat.listening.dialogues import Dialogues, Heard
from kespeechchat.listening.speech import data_url
from kespeechchat.records import LANGUAGES

AUDIO_BYTES = 3_400_000  # of all speech in a page, as text; with all else it stays under 5 MB
_SHOWN = {RANDOM.key: 3, INSIDE.key: 3, OUTSIDE.key: 3, LOW.key: 3}  # of each kind and language
_OF_REASON = 3
_LONG = 60.0  # seconds of a dialogue that is still worth its bytes


@dataclass(frozen=True)
class Shown:
    """A dialogue, one line on why it is here, and its turns' speech as `data:` addresses; empty where there is none, or
    no room."""

    heard: Heard
    note: str
    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Dialogues of one kind."""

    kind: Kind
    shown: tuple[Shown, ...]


def choose(dialogues: Dialogues, seen: Survey) -> list[Group]:
    """Groups of dialogues, each dialogue once, with lineage, without speech."""
    taken: set[str] = set()
    groups = []
    wanted = [(kind, kind.key, _SHOWN[kind.key]) for kind in KINDS]
    for reason in seen.reasons():
        title = f"Rejected: {reason.replace('_', ' ')}"
        kind = Kind(f"reason-{reason}", title, "Drawn by a hash of their ids.")
        wanted.append((kind, f"reason:{reason}", _OF_REASON))
    for kind, key, count in wanted:
        own: list[Heard] = []
        for language in LANGUAGES:
            fresh = [heard for heard in seen.chosen(key, language) if heard.id not in taken][:count]
            taken |= {heard.id for heard in fresh}
            own += fresh
        if own:
            shown = tuple(Shown(whole(dialogues, heard.id, heard.shard), _note(kind, heard)) for heard in own)
            groups.append(Group(kind, shown))
    return groups


def whole(dialogues: Dialogues, id_: str, shard: int) -> Heard:
    """The dialogue with its lineage."""
    return dialogues.of(shard, {id_})[0]


def with_speech(dialogues: Dialogues, groups: list[Group], budget: int = AUDIO_BYTES) -> tuple[list[Group], int]:
    """The groups with speech, the first of every group first, until the budget (bytes) is spent; and how many dialogues
    that have speech are left without it."""
    order = sorted((i, g) for g, group in enumerate(groups) for i in range(len(group.shown)))
    sources: dict[str, Mapping[str, str]] = {}
    silent = 0
    for i, g in order:
        heard = groups[g].shown[i].heard
        found = speech_of(dialogues, heard) if budget > 0 else {}
        budget -= sum(map(len, found.values()))
        silent += heard.spoken and not found
        sources[heard.id] = found
    return [Group(g.kind, tuple(Shown(s.heard, s.note, sources[s.heard.id]) for s in g.shown)) for g in groups], silent


def speech_of(dialogues: Dialogues, heard: Heard) -> dict[str, str]:
    """Name of the turn → `data:` address of the turn's speech; nothing where ROOT has none, or it is very long."""
    if not heard.spoken or (heard.seconds or 0) > _LONG:
        return {}
    found = dialogues.speech(heard.shard, heard.round).get(heard.id, {})
    return {name: data_url(flac) for name, flac in found.items() if flac}


def _note(kind: Kind, heard: Heard) -> str:
    low = lowest_score(heard)
    return f"lowest score {low:.2f}" if kind == LOW and low is not None else ""
