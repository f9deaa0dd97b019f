"""XS to XL: nested shares of the training dialogues, each with every speaker (arXiv 2412.01078, Table 2).

A dialogue's rank is a hash of its id, so it depends on no worker, order or other dialogue. A partition is then a rule
small enough to freeze: per language a rank cut, and for each voice the rank of its first dialogue, which is always in.
Membership of one dialogue needs nothing but its rank and its voices. Coverage beats hours; the excess is reported.

Memory: 25 bytes a dialogue (7 M: 175 MB), besides the voices' names.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from kespeechchat.blocks import Codes
from kespeechchat.config.dataset import PartitionSettings, PartitionSize
from kespeechchat.dataset.seconds import MICRO
from kespeechchat.dataset.text_keys import among
from kespeechchat.seeds import stable_hash, stable_hashes

Ranks = npt.NDArray[np.uint64]
NO_CUT = -1  # below every rank: coverage alone fills the partition


def rank(dialogue_id: str, seed: int) -> int:
    """The place of a dialogue in the one order that all partitions are cut from: 64 bits."""
    return stable_hash(seed, "partition", dialogue_id)


def ranks_of(ids: Iterable[str], seed: int) -> Ranks:
    """uint64 [n]: `rank` of each id."""
    return stable_hashes((seed, "partition"), ids)


@dataclass(frozen=True)
class Cuts:
    """The rule: names smallest first, the highest rank let in per partition and language, each voice's first rank."""

    seed: int
    names: tuple[str, ...]
    cuts: Mapping[str, Mapping[str, int]]
    first: Mapping[str, int]

    def level(self, dialogue_id: str, language: str, voices: Sequence[str]) -> int:
        """Index of the smallest partition that holds this training dialogue; len(names) where none does."""
        place = rank(dialogue_id, self.seed)
        for voice in voices:
            if self.first.get(voice) == place:
                return 0
        for i, name in enumerate(self.names):
            if place <= self.cuts[name].get(language, NO_CUT):
                return i
        return len(self.names)

    def levels(self, ranks: Ranks, languages: Codes, voices: Sequence[Codes]) -> npt.NDArray[np.int64]:
        """int64 [n]: `level` of each of n training dialogues. `voices`: the users', the agents'."""
        found = np.full(len(ranks), len(self.names), np.int64)
        for i, name in reversed(list(enumerate(self.names))):
            for code, language in enumerate(languages.names):
                if (cut := self.cuts[name].get(language, NO_CUT)) != NO_CUT:
                    found[(languages.codes == code) & (ranks <= np.uint64(cut))] = i
        for place in among(ranks, self._firsts).tolist():  # few: one a voice
            if any(self.first.get(own.names[own.codes[place]]) == ranks[place] for own in voices):
                found[place] = 0
        return found

    @cached_property
    def _firsts(self) -> Ranks:
        """Sorted."""
        return np.unique(np.fromiter(self.first.values(), np.uint64, len(self.first)))

    def to_json(self) -> dict[str, Any]:
        """Plain data; ranks as hexadecimal text, because JSON readers lose integers beyond 2⁵³."""
        cuts = {n: {k: _hex(v) for k, v in sorted(c.items())} for n, c in self.cuts.items()}
        first = {k: _hex(v) for k, v in sorted(self.first.items())}
        return {"seed": self.seed, "names": list(self.names), "cuts": cuts, "first": first}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cuts:
        """What `to_json` gave."""
        cuts = {n: {k: _unhex(v) for k, v in c.items()} for n, c in data["cuts"].items()}
        return cls(data["seed"], tuple(data["names"]), cuts, {k: _unhex(v) for k, v in data["first"].items()})


@dataclass(frozen=True)
class Content:
    """What one partition holds, by language; `excess` is the hours beyond the target (negative: too little data)."""

    dialogues: dict[str, int]
    hours: dict[str, float]
    target: dict[str, float]
    excess: dict[str, float]
    speakers: int
    digest: str  # of the set of ranks: tells two contents apart without listing them


@dataclass(frozen=True)
class PartitionCuts:
    """The rule, and by name what each partition holds under it."""

    cuts: Cuts
    contents: dict[str, Content]


@dataclass
class TrainingDialogues:
    """Collects the training dialogues of a stream, in any order, as columns."""

    seed: int
    ranks: array[int] = field(default_factory=lambda: array("Q"))
    micros: array[int] = field(default_factory=lambda: array("q"))
    languages: array[int] = field(default_factory=lambda: array("B"))
    users: array[int] = field(default_factory=lambda: array("I"))
    agents: array[int] = field(default_factory=lambda: array("I"))
    language_names: dict[str, int] = field(default_factory=dict)
    voice_names: dict[str, int] = field(default_factory=dict)

    def add(self, dialogue_id: str, language: str, user: str, agent: str, seconds: float) -> None:
        """One dialogue: its two voices, and the seconds of its audio."""
        self.ranks.append(rank(dialogue_id, self.seed))
        self.micros.append(round(seconds * MICRO))
        self.languages.append(self.language_names.setdefault(language, len(self.language_names)))
        self.users.append(self.voice_names.setdefault(user, len(self.voice_names)))
        self.agents.append(self.voice_names.setdefault(agent, len(self.voice_names)))

    @classmethod
    def of(
        cls, seed: int, ranks: Ranks, micros: npt.NDArray[np.int64], languages: Codes, users: Codes, agents: Codes
    ) -> TrainingDialogues:
        """Dialogues that are columns already. The voices of users and agents have the same names."""
        tongue, user, agent = (_array(k, c.codes) for k, c in (("B", languages), ("I", users), ("I", agents)))
        language_names, voice_names = ({name: i for i, name in enumerate(own.names)} for own in (languages, users))
        both = _array("Q", ranks), _array("q", micros)
        return cls(seed, *both, tongue, user, agent, language_names, voice_names)

    def __len__(self) -> int:
        return len(self.ranks)


def _array(kind: str, values: npt.NDArray[Any]) -> array[int]:
    found: array[int] = array(kind)
    found.frombytes(values.astype(kind, copy=False).tobytes())
    return found


def cut_partitions(dialogues: TrainingDialogues, settings: PartitionSettings) -> PartitionCuts:
    """Cuts the partitions: coverage first, then rank order until each language's hours are reached.

    Raises ValueError where a partition would be smaller than the one before it.
    """
    columns = _Columns.sorted(dialogues)
    covers = columns.first_of_voice()
    cuts: dict[str, dict[str, int]] = {}
    wanted: dict[str, dict[str, float]] = {}
    for name, size in settings.sizes.items():
        wanted[name] = {lang: _target(size, lang, columns.hours(code)) for lang, code in columns.languages()}
        cuts[name] = {lang: columns.cut(code, covers, wanted[name][lang]) for lang, code in columns.languages()}
    _check_nested(wanted, columns)
    firsts = {v: int(columns.ranks[i]) for v, i in columns.first_rows.items()}
    rule = Cuts(dialogues.seed, tuple(settings.sizes), cuts, firsts)
    return PartitionCuts(rule, {name: columns.content(cuts[name], covers, wanted[name]) for name in cuts})


def apply_cuts(
    cuts: Cuts, dialogues: TrainingDialogues, targets: Mapping[str, Mapping[str, float]] | None = None
) -> PartitionCuts:
    """The frozen cuts of a release over (later) data: nothing leaves a partition, ranks under the cut may join.

    A voice that the release did not know brings its own first dialogue in. `targets`: hours by partition and language,
    from which the excess is counted. Raises ValueError where `dialogues` are ranked with another seed.
    """
    if cuts.seed != dialogues.seed:
        raise ValueError(f"the release was cut with seed {cuts.seed}, these dialogues are ranked with {dialogues.seed}")
    columns = _Columns.sorted(dialogues)
    firsts = {v: int(columns.ranks[i]) for v, i in columns.first_rows.items()} | dict(cuts.first)
    covers = columns.first_of_voice(known=cuts.first)
    contents = {name: columns.content(cuts.cuts[name], covers, (targets or {}).get(name, {})) for name in cuts.names}
    return PartitionCuts(Cuts(cuts.seed, cuts.names, cuts.cuts, firsts), contents)


def _target(size: PartitionSize, language: str, available: float) -> float:
    if size.hours is not None:
        return next((hours for name, hours in size.hours.items() if name == language), 0.0)
    return (size.fraction or 0.0) * available


def _check_nested(wanted: dict[str, dict[str, float]], columns: _Columns) -> None:
    """The hours that each partition can reach must not fall from one to the next."""
    names = list(wanted)
    for before, name in pairwise(names):
        for language, code in columns.languages():
            there = columns.hours(code)
            small, large = (min(wanted[n][language], there) for n in (before, name))
            if large < small:
                raise ValueError(
                    f"partitions: {name} asks for {large:g} h of {language}, {before} before it for {small:g} h; "
                    "list them from the smallest to the largest"
                )


@dataclass
class _Columns:
    """The dialogues as numpy columns in rank order."""

    ranks: np.ndarray
    micros: np.ndarray
    codes: np.ndarray
    users: np.ndarray
    agents: np.ndarray
    names: dict[str, int]
    voices: list[str]
    first_rows: dict[str, int] = field(default_factory=dict)

    @classmethod
    def sorted(cls, d: TrainingDialogues) -> _Columns:
        ranks = np.frombuffer(d.ranks, dtype=np.uint64)
        order = np.argsort(ranks, kind="stable")
        typed = ((d.micros, "i8"), (d.languages, "u1"), (d.users, "u4"), (d.agents, "u4"))
        micros, codes, users, agents = (np.frombuffer(column, dtype=kind)[order] for column, kind in typed)
        names = dict(sorted(d.language_names.items()))
        columns = cls(ranks[order], micros, codes, users, agents, names, list(d.voice_names))
        columns._find_firsts()
        return columns

    def languages(self) -> list[tuple[str, int]]:
        return list(self.names.items())

    def hours(self, code: int) -> float:
        return self._hours(self.codes == code)

    def first_of_voice(self, known: Mapping[str, int] | None = None) -> np.ndarray:
        """bool [n]: the dialogues that cover a voice; for a voice in `known`, the one of that rank."""
        rows = np.array([i for v, i in self.first_rows.items() if v not in (known or {})], dtype=np.int64)
        mask = np.zeros(len(self.ranks), dtype=bool)
        mask[rows] = True
        if known:
            mask |= np.isin(self.ranks, np.fromiter(known.values(), dtype=np.uint64, count=len(known)))
        return mask

    def cut(self, code: int, covers: np.ndarray, hours: float) -> int:
        """The rank of the dialogue with which coverage and rank order together reach `hours`."""
        mine = self.codes == code
        need = round(hours * 3600 * MICRO) - int(self.micros[mine & covers].sum())
        if need <= 0:
            return NO_CUT
        rows = np.flatnonzero(mine & ~covers)
        if len(rows) == 0:
            return NO_CUT
        at = int(np.searchsorted(np.cumsum(self.micros[rows]), need))
        return int(self.ranks[rows[min(at, len(rows) - 1)]])

    def content(self, cuts: Mapping[str, int], covers: np.ndarray, wanted: Mapping[str, float]) -> Content:
        inside = covers.copy()
        for language, code in self.names.items():
            cut = cuts.get(language, NO_CUT)
            if cut >= 0:
                inside |= (self.codes == code) & (self.ranks <= np.uint64(cut))
        hours = {lang: self._hours(inside & (self.codes == code)) for lang, code in self.names.items()}
        target = {lang: round(wanted[lang], 6) for lang in self.names if lang in wanted}
        return Content(
            dialogues={lang: int((inside & (self.codes == code)).sum()) for lang, code in self.names.items()},
            hours=hours,
            target=target,
            excess={lang: round(hours[lang] - target[lang], 6) for lang in target},
            speakers=len(np.union1d(self.users[inside], self.agents[inside])),
            digest=f"{np.bitwise_xor.reduce(self.ranks[inside], initial=np.uint64(0)):016x}-{int(inside.sum())}",
        )

    def _hours(self, mask: np.ndarray) -> float:
        return round(int(self.micros[mask].sum()) / MICRO / 3600, 6)

    def _find_firsts(self) -> None:
        for column in (self.users, self.agents):
            for voice, row in zip(*np.unique(column, return_index=True), strict=True):
                name = self.voices[voice]
                self.first_rows[name] = min(int(row), self.first_rows.get(name, int(row)))


def _hex(value: int) -> str | None:
    return None if value < 0 else f"{value:016x}"


def _unhex(value: str | None) -> int:
    return NO_CUT if value is None else int(value, 16)
