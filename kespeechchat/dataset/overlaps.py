"""What two splits of the dataset share and must not: user voices, the real speakers behind them, texts."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from kespeechchat.blocks import Block
from kespeechchat.dataset.dialogue_splits import text_key
from kespeechchat.dataset.text_keys import Hashes, among
from kespeechchat.seeds import stable_hash


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


def _keys() -> array[int]:
    return array("Q")


@dataclass
class OverlapCheck:
    """Streams dialogues, then says what the splits share. Eight bytes a text: 7 M dialogues of two turns take 112 MB.

    >>> check = OverlapCheck()
    >>> check.add("train", "SPK0001f", ["Hello?", "Hi."], "d1")
    >>> check.add("test", "SPK0002m", ["hello"], "d2")
    >>> print(check.overlaps({})[0])
    1 text(s) shared by test and train, e.g. d2
    """

    texts: dict[str, array[int]] = field(default_factory=lambda: defaultdict(_keys))
    voices: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _held_ids: dict[int, str] = field(default_factory=dict)

    def add(self, split: str, user_voice: str, texts: Iterable[str], dialogue_id: str) -> None:
        """One dialogue: those of its texts that are to be in one split alone."""
        self.voices[split].add(user_voice)
        for key in (stable_hash("text", text_key(text)) for text in texts):
            self.texts[split].append(key)
            if split != "train":
                self._held_ids[key] = min(dialogue_id, self._held_ids.get(key, dialogue_id))

    def add_block(self, block: Block, hashes: Hashes) -> None:
        """Many dialogues; `hashes` of the texts of all their turns (`text_keys.text_hashes`)."""
        splits, (users, _) = block.codes("split"), block.speakers()
        for split in splits.present():
            own = splits.where(split)
            turns = own[block.dialogue_of]
            self.voices[split].update(users.take(own).present())
            self.texts[split].frombytes(hashes[turns].tobytes())
            if split != "train":
                ids = block.ids.take(pa.array(block.dialogue_of[turns])).to_pylist()
                for key, dialogue_id in zip(hashes[turns].tolist(), ids, strict=True):
                    self._held_ids[key] = min(dialogue_id, self._held_ids.get(key, dialogue_id))

    def __getstate__(self) -> dict[str, Any]:
        """NumPy's views of the texts, which another process gets without a copy (`processes`)."""
        return {**vars(self), "texts": {split: np.frombuffer(keys, np.uint64) for split, keys in self.texts.items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, texts=defaultdict(_keys))
        for split, keys in state["texts"].items():
            self.texts[split].frombytes(keys.tobytes())

    def merge(self, other: OverlapCheck) -> None:
        """Takes in other dialogues; the order does not matter."""
        for split, keys in other.texts.items():
            self.texts[split].extend(keys)
        for split, voices in other.voices.items():
            self.voices[split] |= voices
        for key, dialogue_id in other._held_ids.items():
            self._held_ids[key] = min(dialogue_id, self._held_ids.get(key, dialogue_id))

    def overlaps(self, parents: Mapping[str, Iterable[str]]) -> list[Overlap]:
        """What any two splits share. `parents` maps a voice to its real speakers."""
        of_parents = {s: {p for v in voices for p in parents.get(v, ())} for s, voices in self.voices.items()}
        hashes = {s: np.frombuffer(t, dtype=np.uint64) for s, t in self.texts.items()}
        found = []
        for one, other in combinations(sorted(self.texts), 2):
            few, many = sorted((hashes[one], hashes[other]), key=len)
            keys = np.unique(many[among(many, np.unique(few))])
            texts = [self._held_ids[int(k)] for k in keys]
            shared = {
                "voice": self.voices[one] & self.voices[other],
                "parent": of_parents[one] & of_parents[other],
                "text": texts,
            }
            found += [Overlap(k, (one, other), len(v), tuple(sorted(v)[:3])) for k, v in shared.items() if v]
        return found
