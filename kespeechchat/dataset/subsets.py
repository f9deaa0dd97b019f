"""The ASR and TTS subsets (arXiv 2412.01078, Table 3): who trains, who tests, and with which utterances.

Speakers and utterances are ranked by hashes and the lowest taken, so the choice depends on no order and no worker.
Training comes from split train, tests from split test. What would still be shared is left out of training: a voice or
a real speaker behind a test voice, a text that a test says. One reading: `Subsets.add` every row, which gives back what
ASR might train on and is not held here (there are too many); after `choose`, `Chosen.asr_trains` tells of each.

Memory: the test split's user utterances, and 20 utterances of each of the TTS speakers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush, heappushpop
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kespeechchat.blocks import Block, Bools, Ints, coded, whole
from kespeechchat.config.dataset import SubsetSettings
from kespeechchat.dataset.dialogue_splits import text_key
from kespeechchat.dataset.metadata import CHANNELS
from kespeechchat.dataset.utterances import Said, Utterance
from kespeechchat.records import LANGUAGES, Language
from kespeechchat.rows import FinishedRow, FinishedTurn
from kespeechchat.seeds import stable_hash, stable_hashes

_HIGHEST = (1 << 64) - 1  # rank
_USER, _AGENT = CHANNELS["user"], CHANNELS["agent"]  # the places of a dialogue's first two turns


@dataclass
class Lowest:
    """The `size` utterances of lowest rank, in any order of arrival alike."""

    size: int
    _heap: list[tuple[int, Utterance]] = field(default_factory=list)

    def add(self, rank: int, make: Callable[[], Utterance]) -> None:
        """`make` is called only where the rank is low enough."""
        if len(self._heap) < self.size:
            heappush(self._heap, (-rank, make()))
        elif self._heap and -rank > self._heap[0][0]:
            heappushpop(self._heap, (-rank, make()))

    @property
    def limit(self) -> int:
        """No higher rank is taken any more."""
        return -self._heap[0][0] if self._heap and len(self._heap) == self.size else _HIGHEST

    def merge(self, other: Lowest) -> None:
        """Takes in those of another; the order does not matter."""
        for negative, utterance in other._heap:
            self.add(-negative, partial(_same, utterance))

    def sorted(self) -> list[Utterance]:
        """By rank."""
        return sorted(utterance for _, utterance in self._heap)


@dataclass
class Subsets:
    """Collects, of each dialogue its first exchange. Rows need `id`, `language`, `split` and the turns' voice, role,
    text and seconds. A voice is users' or agents', never both, as in a library."""

    settings: SubsetSettings
    seed: int
    test: dict[str, list[Utterance]] = field(default_factory=lambda: defaultdict(list))  # by voice
    speaks: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # ASR training voice → languages
    lowest: dict[str, dict[str, Lowest]] = field(default_factory=dict)  # TTS voice → language → utterances
    _places: dict[str, int] = field(default_factory=dict)  # voice → rank, of users
    _chosen: list[tuple[int, str]] = field(default_factory=list)  # heap of the user voices of lowest rank

    def add(self, row: FinishedRow, in_partition: bool) -> Utterance | None:
        """One row; `in_partition`: it is in the partition that ASR trains on. Gives what ASR might train on."""
        user, agent = row["turns"][:2]
        if row["split"] == "test":
            self.test[user["voice"]].append(self._utterance(row, user))
        if row["split"] != "train":
            return None
        if self._in_lowest(user["voice"]):
            self._offer(row, user)
        self.lowest.setdefault(agent["voice"], {})
        self._offer(row, agent)
        if not in_partition:
            return None
        self.speaks[user["voice"]].add(row["language"])
        return self._utterance(row, user)

    def add_block(self, block: Block, hashes: npt.NDArray[np.uint64], in_partition: Bools) -> pa.Table:
        """Many rows; `hashes` of the texts of all their turns, `in_partition` bool [n]. Gives what ASR might train on,
        as `utterances.SCHEMA`."""
        train, test = (block.codes("split").where(name) for name in ("train", "test"))
        said = Said(block, hashes)
        for one in said.of(test, _USER, self._ranks(said.ids(test, _USER))):
            self.test[one.speaker].append(one)
        users, agents = block.speakers()
        seen = set(users.take(train).present())
        for voice in seen:
            self._in_lowest(voice)
        low = np.array([voice in seen and voice in self.lowest for voice in users.names], bool)
        self._offer_block(said, train & low[users.codes], _USER)
        for voice in agents.take(train).present():
            self.lowest.setdefault(voice, {})
        self._offer_block(said, train, _AGENT)
        trains, languages = train & in_partition, block.codes("language")
        for language in languages.take(trains).present():
            for voice in users.take(trains & languages.where(language)).present():
                self.speaks[voice].add(language)
        return said.table(trains, _USER)

    def merge(self, other: Subsets) -> None:
        """Takes in what another of the same settings and seed has collected; in any order alike."""
        for voice, said in other.test.items():
            self.test[voice] += said
        for voice, tongues in other.speaks.items():
            self.speaks[voice] |= tongues
        for voice in other._places:
            self._in_lowest(voice)
        for voice, own in other.lowest.items():
            if voice not in other._places:  # an agent
                self.lowest.setdefault(voice, {})
            if voice in self.lowest:
                for language, lowest in own.items():
                    self.lowest[voice].setdefault(language, Lowest(lowest.size)).merge(lowest)

    def choose(self, parents: Mapping[str, Iterable[str]] | None = None) -> Chosen:
        """`parents` maps a voice to its real speakers."""
        asr = self.settings.asr
        held = {v: {u.language for u in said} for v, said in self.test.items()}
        tests = _alternate(held, asr.test_speakers, lambda voice: self._rank("asr-test", voice))
        asr_test = sorted((u for v, tongue in tests.items() for u in self.test[v] if u.language == tongue), key=_by_id)
        prompts, tts_test = self._tts_test()
        barred = _Barred.of([*asr_test, *prompts, *tts_test], parents or {})
        train = None
        if asr.speakers is not None:
            free = {v: tongues for v, tongues in self.speaks.items() if v not in barred.voices}
            train = _alternate(free, asr.speakers, lambda voice: self._rank("asr", voice))
        said = [u for own in self.lowest.values() for kept in own.values() for u in kept.sorted()]
        tts_train = sorted((u for u in said if barred.allows(u.speaker, u.text)), key=_by_id)
        return Chosen(tuple(asr_test), tuple(tts_train), tuple(prompts), tuple(tts_test), train, barred)

    def _tts_test(self) -> tuple[list[Utterance], list[Utterance]]:
        """Prompts and test utterances of the test voices that have most of what is wanted, ties by rank."""
        shares = {voice: self._shares(said) for voice, said in self.test.items()}
        order = sorted((-sum(len(s) for _, s in own), self._rank("tts-test", v), v) for v, own in shares.items())
        taken = [voice for missing, _, voice in order if missing < 0][: self.settings.tts.test_speakers]
        prompts = [u for voice in taken for p, _ in shares[voice] for u in p]
        said = [u for voice in taken for _, s in shares[voice] for u in s]
        return sorted(prompts, key=_by_id), sorted(said, key=_by_id)

    def _shares(self, said: Iterable[Utterance]) -> list[tuple[list[Utterance], list[Utterance]]]:
        """(prompts, test utterances) of one voice by language; a language with nothing to say needs no prompt."""
        tts, found = self.settings.tts, []
        for language, wanted in tts.test_utterances.items():
            mine = sorted(u for u in said if u.language == language)
            unlike = list({u.text: u for u in reversed(mine)}.values())[::-1]  # of equal texts the lowest rank
            prompts, rest = unlike[: tts.prompts], unlike[tts.prompts :][:wanted]
            if rest:
                found.append((prompts, rest))
        return found

    def _offer(self, row: FinishedRow, turn: FinishedTurn) -> None:
        lowest = self._lowest_of(turn["voice"], row["language"])
        lowest.add(self._rank("utterance", _id(row, turn)), lambda: self._utterance(row, turn))

    def _offer_block(self, said: Said, wanted: Bools, turn: int) -> None:
        """As `_offer` for that turn of all wanted dialogues; only those of low rank are made utterances."""
        ranks, rows = self._ranks(said.ids(wanted, turn)), np.flatnonzero(wanted)
        voices, languages = said.voices(turn).take(rows), said.block.codes("language").take(rows)
        tongues = languages.names
        pairs, group = np.unique(voices.codes * len(tongues) + languages.codes, return_inverse=True)
        own = [
            self._lowest_of(voices.names[pair // len(tongues)], cast(Language, tongues[pair % len(tongues)]))
            for pair in pairs.tolist()
        ]
        taken = _low(ranks, group, own)
        chosen = np.zeros(len(wanted), bool)
        chosen[rows[taken]] = True
        for at, one in zip(group[taken].tolist(), said.of(chosen, turn, ranks[taken]), strict=True):
            own[at].add(one.rank, partial(_same, one))

    def _lowest_of(self, voice: str, language: Language) -> Lowest:
        own = self.lowest[voice]
        if language not in own:
            own[language] = Lowest(self.settings.tts.utterances.get(language, 0))
        return own[language]

    def _ranks(self, ids: Sequence[str]) -> npt.NDArray[np.uint64]:
        return stable_hashes((self.seed, "subset", "utterance"), ids)

    def _in_lowest(self, voice: str) -> bool:
        """Whether a user voice is among the lowest seen so far. One that left never comes back: ranks only fall."""
        if voice in self._places:
            return voice in self.lowest
        rank = self._places[voice] = self._rank("tts", voice)
        heappush(self._chosen, (-rank, voice))
        self.lowest[voice] = {}
        if len(self._chosen) > self.settings.tts.speakers:
            del self.lowest[heappop(self._chosen)[1]]
        return voice in self.lowest

    def _utterance(self, row: FinishedRow, turn: FinishedTurn) -> Utterance:
        id_ = _id(row, turn)
        rank = self._rank("utterance", id_)
        text = stable_hash("text", text_key(turn["text"]))
        return Utterance(rank, id_, turn["voice"], row["language"], turn["seconds"], text)

    def _rank(self, purpose: str, name: str) -> int:
        return stable_hash(self.seed, "subset", purpose, name)


@dataclass(frozen=True)
class _Barred:
    """What training may not have: texts that tests say, test voices and those that share a parent with one."""

    texts: frozenset[int]
    voices: frozenset[str]

    @classmethod
    def of(cls, tests: Collection[Utterance], parents: Mapping[str, Iterable[str]]) -> _Barred:
        voices = {u.speaker for u in tests}
        people = {p for v in voices for p in parents.get(v, ())}
        related = {v for v, own in parents.items() if people.intersection(own)}
        return cls(frozenset(u.text for u in tests), frozenset(voices | related))

    def allows(self, voice: str, text: int) -> bool:
        return voice not in self.voices and text not in self.texts


@dataclass(frozen=True)
class Chosen:
    """Both subsets, but for the training utterances of ASR, of which it only knows the rule. Sorted by id."""

    asr_test: tuple[Utterance, ...]
    tts_train: tuple[Utterance, ...]
    tts_prompts: tuple[Utterance, ...]
    tts_test: tuple[Utterance, ...]
    asr_speakers: Mapping[str, str] | None  # training voice → its language; None: every voice, every language
    barred: _Barred

    def asr_trains(self, one: Utterance) -> bool:
        """Whether ASR trains on what `Subsets.add` gave."""
        chosen = self.asr_speakers is None or self.asr_speakers.get(one.speaker) == one.language
        return chosen and self.barred.allows(one.speaker, one.text)

    def asr_training(self, offered: pa.Table) -> pa.Table:
        """Of what `Subsets.add_block` gave what ASR trains on."""
        speakers, languages = coded(whole(offered["speaker"])), coded(whole(offered["language"]))
        wanted = np.ones(len(offered), bool)
        if self.asr_speakers is not None:
            spoken = np.array([self.asr_speakers.get(voice) for voice in speakers.names], object)[speakers.codes]
            wanted &= spoken == np.array(languages.names, object)[languages.codes]
        wanted &= ~np.array([voice in self.barred.voices for voice in speakers.names], bool)[speakers.codes]
        wanted &= ~np.isin(whole(offered["text"]).to_numpy(), np.array(sorted(self.barred.texts), np.uint64))
        return offered.filter(pa.array(wanted))


def _alternate(speaks: Mapping[str, set[str]], wanted: int, rank: Callable[[str], int]) -> dict[str, str]:
    """Voice → the one language it serves: in rank order, each the language that has fewest voices so far."""
    counts: dict[str, int] = dict.fromkeys(LANGUAGES, 0)
    found: dict[str, str] = {}
    for voice in sorted(speaks, key=lambda v: (rank(v), v)):
        open_ = [t for t in LANGUAGES if t in speaks[voice] and counts[t] < wanted]
        if open_:
            found[voice] = min(open_, key=counts.__getitem__)
            counts[found[voice]] += 1
    return found


def _low(ranks: npt.NDArray[np.uint64], group: Ints, own: Sequence[Lowest]) -> Ints:
    """The places of ranks that may be among the lowest of their group, `own[group[i]]`, in order."""
    order = np.lexsort((ranks, group))
    of = group[order]
    place = np.arange(len(order)) - np.searchsorted(of, np.arange(len(own)))[of]
    sizes, limits = np.array([one.size for one in own], np.int64), np.array([one.limit for one in own], np.uint64)
    return np.sort(order[(place < sizes[of]) & (ranks[order] <= limits[of])])


def _id(row: FinishedRow, turn: FinishedTurn) -> str:
    return f"{row['id']}_{CHANNELS[turn['role']]}"


def _same(one: Utterance) -> Utterance:
    return one


def _by_id(one: Utterance) -> str:
    return one.id
