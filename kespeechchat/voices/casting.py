"""Who speaks a dialogue: a user voice of the dialogue's own split and language, and one of the agents.

The split is drawn first, from the text, so no held-out voice speaks in training. Agents serve every split.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from kespeechchat.config.rounds import Change
from kespeechchat.records import LANGUAGES
from kespeechchat.seeds import stable_hash


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
        alike: dict[tuple[str, str], tuple[str, ...]] = {}
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
