"""`subsets/asr.json` and `subsets/tts.json`: utterance ids, speakers and hours for recognizers and synthesizers.

Beside metadata.json, where each id is the stem of an `audio_path` (`DIALOGUE_0` of `DIALOGUE_0_mark.wav`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from kespeechchat.blocks import Block, Bools, Ints, whole
from kespeechchat.config.dataset import SubsetSettings
from kespeechchat.dataset.json_columns import quoted, together
from kespeechchat.dataset.subsets import Chosen, Subsets
from kespeechchat.dataset.text_keys import Hashes
from kespeechchat.dataset.utterances import SCHEMA, Tally, Utterance
from kespeechchat.export.selection import Rule, are_among
from kespeechchat.export.subsets import asr_partition, last_level
from kespeechchat.whole_file import whole_file, write_json


class SubsetChoice:
    """Collects from every row of an export of everything, what it leaves out included: a dialogue that lost its
    watermark takes part in the choice, and nothing takes its place. `take` gives what ASR may train on since the last
    time."""

    def __init__(self, rule: Rule, settings: SubsetSettings) -> None:
        self.partition = asr_partition(rule, settings)
        self._last = last_level(rule, settings)
        self.subsets = Subsets(settings, rule.cuts.seed)
        self._offered: list[pa.Table] = []

    def add(self, block: Block, hashes: Hashes, levels: Ints) -> None:
        """The dialogues of a block, and hashes of the texts of all their turns; `levels`: their places in the rule's
        partitions."""
        self._offered.append(self.subsets.add_block(block, hashes, levels <= self._last))

    def take(self) -> pa.Table:
        """Utterances, as `utterances.SCHEMA` has them."""
        taken, self._offered = self._offered, []
        return pa.concat_tables([SCHEMA.empty_table(), *taken])

    def merge(self, other: SubsetChoice) -> None:
        """Takes in what another of the same rule collected; the order does not matter."""
        self.subsets.merge(other.subsets)


class SubsetFiles:
    """`offer` what `SubsetChoice.take` gave, in order, then `close`. Files appear when whole.

    What ASR may train on waits in a file of its own: the tests, known at the end, decide what it may have. Utterances
    of the dialogues in `without` (see `Rule`) are chosen, but not written.
    """

    def __init__(self, to: Path, settings: SubsetSettings, without: Hashes) -> None:
        self._folder, self._settings, self._without = to / "subsets", settings, without
        self._folder.mkdir(parents=True, exist_ok=True)
        self._offered = self._folder / "asr.offered.part"
        self._file = pa.ipc.new_file(str(self._offered), SCHEMA)

    def offer(self, utterances: pa.Table) -> None:
        """What ASR may train on, as `SubsetChoice.take` gave it."""
        self._file.write_table(utterances)

    def close(self, choice: SubsetChoice, parents: Mapping[str, Iterable[str]]) -> dict[str, Any]:
        """Ends both files; gives their figures, with numbers of speakers in place of their names.

        `parents` maps voices to their real speakers.
        """
        self._file.close()
        chosen = choice.subsets.choose(parents)
        asr_test = self._part(chosen.asr_test)
        more = {"partition": choice.partition, "settings": self._settings.asr.model_dump(), "test": asr_test}
        train = self._write_asr(chosen, more)
        parts = {"train": chosen.tts_train, "prompts": chosen.tts_prompts, "test": chosen.tts_test}
        tts = {name: self._part(said) for name, said in parts.items()}
        write_json(self._folder / "tts.json", {"name": "tts", **tts, "settings": self._settings.tts.model_dump()})
        return {
            "asr": {"partition": choice.partition, "train": _figures(train), "test": _figures(asr_test)},
            "tts": {name: _figures(part) for name, part in tts.items()},
        }

    def _write_asr(self, chosen: Chosen, more: Mapping[str, Any]) -> dict[str, Any]:
        """asr.json, its training ids one by one. Gives the figures of training."""
        tally = Tally()
        with whole_file(self._folder / "asr.json") as file:
            file.write(b'{"name": "asr", "train": {"ids": [')
            with pa.OSFile(str(self._offered)) as source, pa.ipc.open_file(source) as offered:
                for i in range(offered.num_record_batches):
                    some = self._written(chosen.asr_training(pa.Table.from_batches([offered.get_batch(i)])))
                    if len(some):
                        file.write(b",\n" if tally.utterances.counts else b"\n")
                        file.write(together(quoted(whole(some["id"])), ",\n"))
                        tally.add_table(some)
            train = tally.result()
            file.write(f"\n], {json.dumps(train)[1:]},\n{json.dumps(more)[1:]}\n".encode())
        self._offered.unlink()
        return train

    def _written(self, some: pa.Table) -> pa.Table:
        """Those of the utterances that are not left out."""
        return some.filter(pa.array(~self._left_out(whole(some["id"]).to_pylist()))) if len(self._without) else some

    def _part(self, said: Sequence[Utterance]) -> dict[str, Any]:
        tally, ids = Tally(), []
        for one, left_out in zip(said, self._left_out([one.id for one in said]), strict=True):
            if not left_out:
                tally.add(one)
                ids.append(one.id)
        return {"ids": ids, **tally.result()}

    def _left_out(self, ids: Sequence[str]) -> Bools:
        return are_among([id_.rpartition("_")[0] for id_ in ids], self._without)


def remove_subsets(to: Path) -> None:
    """What an earlier export of everything wrote: an export of one partition has no subsets."""
    for name in ("asr.json", "tts.json"):
        (to / "subsets" / name).unlink(missing_ok=True)


def _figures(part: Mapping[str, Any]) -> dict[str, Any]:
    speakers = {k: len(v) for k, v in part["speakers"].items()}
    return {"speakers": speakers, "utterances": part["utterances"], "hours": part["hours"]}
