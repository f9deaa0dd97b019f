"""The split of a dialogue, from its text; its voices, from its split; and the check that nothing leaked between them.

Order matters: the split is drawn first, on the text alone, then the user voice from that split's own voices. So two
dialogues with the same words are never on both sides, and no held-out voice speaks in training. Agents serve every
split.
"""

from __future__ import annotations

import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, count
from typing import Any

import numpy as np

from kespeechchat.config.dataset import SplitSettings
from kespeechchat.config.rounds import Change
from kespeechchat.records import LANGUAGES, Split
from kespeechchat.seeds import stable_hash, stable_uniform


def text_key(text: str) -> str:
    """The letters and digits of a text, compatibility-folded and lower case: what two equal texts share.

    Frozen: a change would move dialogues between splits. It is not the normalization of the error rates.
    """
    if text.isascii():  # the same, in a tenth of the time
        return text.lower().encode().translate(None, _ASCII_SIGNS).decode()
    return unicodedata.normalize("NFKC", text).casefold().translate(_LETTERS_AND_DIGITS)


class _Kept(dict[int, int | None]):
    """Code point → itself, if it is a letter or digit, else nothing; filled as they come."""

    def __missing__(self, point: int) -> int | None:
        self[point] = point if unicodedata.category(chr(point))[0] in "LN" else None
        return self[point]


_LETTERS_AND_DIGITS = _Kept()
_ASCII_SIGNS = bytes(c for c in range(128) if not chr(c).isalnum())


def dialogue_split(text: str, settings: SplitSettings, seed: int) -> Split:
    """The split of a dialogue whose user says `text`. Equal texts fall alike, whatever else differs."""
    draw = stable_uniform(seed, "dialogue-split", text_key(text)) * settings.of
    if draw < settings.dev:
        return "dev"
    return "test" if draw < settings.dev + settings.test else "train"


@dataclass(frozen=True)
class VoiceIndex:
    """The library's ids by (split, language), sorted: `users` of a split, `agents` of every split.

    `alike`: for each voice, all of its role, split and gender, by language; those of one kind share one tuple.
    """

    users: Mapping[tuple[str, str], tuple[str, ...]]
    agents: Mapping[str, tuple[str, ...]]
    alike: Mapping[tuple[str, str], tuple[str, ...]]  # (voice, language) →

    @classmethod
    def of(cls, voices: Iterable[Mapping[str, Any]]) -> VoiceIndex:
        """From kept rows of stage `voices`, in any order. A voice without a language serves all."""
        users: dict[tuple[str, str], list[str]] = defaultdict(list)
        agents: dict[str, list[str]] = defaultdict(list)
        kinds: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for voice in voices:
            for language in [voice["language"]] if voice["language"] else LANGUAGES:
                split = voice["split"] if voice["role"] == "user" else "any"
                kinds[voice["role"], split, voice["gender"], language].append(voice["id"])
                if voice["role"] == "agent":
                    agents[language].append(voice["id"])
                else:
                    users[voice["split"], language].append(voice["id"])
        alike = {}
        for (*_, language), ids in kinds.items():
            one_kind = tuple(sorted(ids))
            alike |= {(voice, language): one_kind for voice in one_kind}
        return cls(
            {k: tuple(sorted(v)) for k, v in users.items()}, {k: tuple(sorted(v)) for k, v in agents.items()}, alike
        )


def assign_voices(dialogue_id: str, split: str, language: str, library: VoiceIndex, seed: int) -> tuple[str, str]:
    """(user voice, agent voice), uniform over the user voices of that split and language, and over the agents.

    Raises ValueError where the library has no such voice.
    """
    users, agents = library.users.get((split, language), ()), library.agents.get(language, ())
    if not users or not agents:
        missing = f"user voice of split {split}" if not users else "agent"
        raise ValueError(f"the voice library has no {missing} that speaks {language}; raise its number in `blending`")
    user = users[stable_hash(seed, "voice", "user", dialogue_id) % len(users)]
    return user, agents[stable_hash(seed, "voice", "agent", dialogue_id) % len(agents)]


def voices_after(
    ways: Sequence[Change], dialogue_id: str, split: str, language: str, library: VoiceIndex, seed: int
) -> tuple[str, str]:
    """(user voice, agent voice) in the round that `ways` lead to: those of `assign_voices`, each replaced by another of
    its kind at each way `voice`, never by one that the dialogue had before. A voice that is the only one left of its
    kind stays, as the agents of a library with one agent a gender do."""
    user, agent = assign_voices(dialogue_id, split, language, library, seed)
    users, agents = [user], [agent]
    for round_, way in enumerate(ways, 1):
        if way == "voice":
            for role, had in (("user", users), ("agent", agents)):
                had.append(_another(had, library.alike[had[0], language], (seed, "voice", role, dialogue_id, round_)))
    return users[-1], agents[-1]


def _another(had: Sequence[str], kind: Sequence[str], draw: tuple[object, ...]) -> str:
    """Uniform over what of `kind` is not in `had`; the last of `had` where nothing is left."""
    if len(set(had)) == len(kind):
        return had[-1]
    drawn = (kind[stable_hash(*draw, attempt) % len(kind)] for attempt in count())
    return next(voice for voice in drawn if voice not in had)


@dataclass(frozen=True)
class Overlap:
    """Something that two splits share and must not: `kind` is voice, parent or text."""

    kind: str
    splits: tuple[str, str]
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(self.examples)
        return f"{self.count} {self.kind}(s) shared by {self.splits[0]} and {self.splits[1]}, e.g. {names}"


def _keys() -> array:
    return array("Q")


@dataclass
class OverlapCheck:
    """Streams dialogues, then says what the splits share. Eight bytes a dialogue: 7 M take 56 MB.

    >>> check = OverlapCheck()
    >>> check.add("train", "SPK0001f", "Hello?", "d1"); check.add("test", "SPK0002m", "hello", "d2")
    >>> print(check.overlaps({})[0])
    1 text(s) shared by test and train, e.g. d2
    """

    texts: dict[str, array] = field(default_factory=lambda: defaultdict(_keys))
    voices: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _held_ids: dict[int, str] = field(default_factory=dict)

    def add(self, split: str, user_voice: str, user_text: str, dialogue_id: str) -> None:
        key = stable_hash("text", text_key(user_text))
        self.texts[split].append(key)
        self.voices[split].add(user_voice)
        if split != "train":
            self._held_ids[key] = min(dialogue_id, self._held_ids.get(key, dialogue_id))

    def merge(self, other: OverlapCheck) -> None:
        for split, keys in other.texts.items():
            self.texts[split].extend(keys)
        for split, voices in other.voices.items():
            self.voices[split] |= voices
        for key, dialogue_id in other._held_ids.items():
            self._held_ids[key] = min(dialogue_id, self._held_ids.get(key, dialogue_id))

    def overlaps(self, parents: Mapping[str, Iterable[str]]) -> list[Overlap]:
        """What any two splits share. `parents` maps a voice to its real speakers."""
        of_parents = {s: {p for v in voices for p in parents.get(v, ())} for s, voices in self.voices.items()}
        hashes = {s: np.unique(np.frombuffer(t, dtype=np.uint64)) for s, t in self.texts.items()}
        found = []
        for one, other in combinations(sorted(self.texts), 2):
            keys = np.intersect1d(hashes[one], hashes[other], assume_unique=True)
            texts = [self._held_ids[int(k)] for k in keys]
            shared = {
                "voice": self.voices[one] & self.voices[other],
                "parent": of_parents[one] & of_parents[other],
                "text": texts,
            }
            found += [Overlap(k, (one, other), len(v), tuple(sorted(v)[:3])) for k, v in shared.items() if v]
        return found
