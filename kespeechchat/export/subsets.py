"""`subsets/asr.json` and `subsets/tts.json`: utterance ids, speakers and hours for recognizers and synthesizers.

Beside metadata.json, where each id is the stem of an `audio_path` (`DIALOGUE_0` of `DIALOGUE_0_mark.wav`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kespeechchat.config.dataset import SubsetSettings
from kespeechchat.dataset.metadata import write_json
from kespeechchat.dataset.subsets import Chosen, Subsets, Tally, Utterance
from kespeechchat.export.selection import Selection


class SubsetFiles:
    """`add` every row of the selection, `choose`, `write` every row again, `close`. Files appear when whole."""

    def __init__(self, to: Path, selection: Selection, settings: SubsetSettings) -> None:
        self._folder, self._names, self._settings = to / "subsets", selection.names, settings
        self._selection = selection
        wanted = settings.asr.partition
        self.partition = wanted if wanted in self._names else None  # None: there is none of that name, so take all
        self._subsets = Subsets(settings, selection.plan.cuts.seed, self._holds)
        self._chosen: Chosen | None = None
        self._train = Tally()

    def add(self, row: Mapping[str, Any]) -> None:
        self._subsets.add(row)

    def choose(self, parents: Mapping[str, Iterable[str]]) -> None:
        """After the last `add`. `parents` maps voices to their real speakers."""
        self._chosen = self._subsets.choose(parents)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._part = self._folder / "asr.json.part"
        self._file = self._part.open("w", encoding="utf-8", newline="\n")
        self._file.write('{"name": "asr", "train": {"ids": [')

    def write(self, row: Mapping[str, Any], level: int) -> None:
        """A row's second coming; `level` is its place in `selection.names`."""
        one = self._chosen.asr_train(row, self._inside(level))
        if one is not None:
            self._file.write((",\n" if self._train.utterances else "\n") + json.dumps(one.id))
            self._train.add(one)

    def close(self) -> dict[str, Any]:
        """Ends both files; gives their figures, with numbers of speakers in place of their names."""
        chosen, train = self._chosen, self._train.result()
        asr = {"partition": self.partition, "settings": self._settings.asr.model_dump(), "test": _part(chosen.asr_test)}
        parts = {"train": chosen.tts_train, "prompts": chosen.tts_prompts, "test": chosen.tts_test}
        tts = {"name": "tts", **{name: _part(said) for name, said in parts.items()}}
        tts["settings"] = self._settings.tts.model_dump()
        with self._file as file:
            file.write("\n], " + json.dumps(train)[1:] + ",\n" + json.dumps(asr)[1:] + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._part.replace(self._folder / "asr.json")
        write_json(self._folder / "tts.json", tts)
        return {
            "asr": {"partition": self.partition, "train": _figures(train), "test": _figures(asr["test"])},
            "tts": {name: _figures(tts[name]) for name in parts},
        }

    def _holds(self, row: Mapping[str, Any]) -> bool:
        return self._inside(self._selection.level(row))

    def _inside(self, level: int) -> bool:
        return self.partition is None or level <= self._names.index(self.partition)


def remove_subsets(to: Path) -> None:
    """What an earlier export of everything wrote: an export of one partition has no subsets."""
    for name in ("asr.json", "tts.json"):
        (to / "subsets" / name).unlink(missing_ok=True)


def _part(said: Iterable[Utterance]) -> dict[str, Any]:
    tally, ids = Tally(), []
    for one in said:
        tally.add(one)
        ids.append(one.id)
    return {"ids": ids, **tally.result()}


def _figures(part: Mapping[str, Any]) -> dict[str, Any]:
    speakers = {k: len(v) for k, v in part["speakers"].items()}
    return {"speakers": speakers, "utterances": part["utterances"], "hours": part["hours"]}
