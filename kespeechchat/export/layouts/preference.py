"""Pairs of takes of one text, for direct preference optimization (DPO) of a speech synthesizer, in Parquet.

A dialogue that a round rejected and a later round kept was spoken twice with the same text. `data/SPLIT-NNNNN.parquet`
has a row for each such turn, with the names that TRL's preference trainers use:

    prompt     the text that both say
    chosen     the turn as it was kept, and rejected: as a round rejected it; Audio columns of `datasets`
    reason     why the gate rejected the dialogue: error_rate, hallucination, silence or low_mos; detail is for a reader

`chosen_X` and `rejected_X` are each take's voice, seed, round of speech, seconds, error_rate, transcript and scores. A
gate rejects whole dialogues, so a turn is a pair only where its rejected take is worse in what the dialogue was
rejected for: more errors, more silence, lower scores. A mark that was not found says nothing of the speech: it makes no
pair. A take that `synthesize` rejected for its pace left no audio in ROOT, and is in no pair either.

A round `voice` speaks with another voice: `voices=same` leaves out pairs of two voices.

    datasets.load_dataset("FOLDER", split="train")

TRL's own trainers read texts and images, no audio: turn both columns into your model's speech tokens first.

Source of the names: huggingface/trl, docs/source/dataset_formats.md (preference, explicit prompt) at
f2cd57710ae345ea6428ae95363267fcf38a3dc8.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.display import counted
from kespeechchat.export.audio_files import Speech
from kespeechchat.export.audio_parquet import AUDIO, OURS, RowGroups, audio_schema, data_file
from kespeechchat.export.cards import write_card
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import STATE, Done, ExportFolder, write_shards
from kespeechchat.export.layout import AudioRates, Need, NothingRefused, RefusedReader, RefusedTake
from kespeechchat.records import turn_names
from kespeechchat.rows import FinishedRow, FinishedTurn

Voices = Literal["any", "same"]
_ABOUT = (
    "Pairs of spoken takes of one text: `chosen` passed the recognizer's gate, `rejected` did not, for the `reason` "
    "that is named. All speech is synthetic and watermarked."
)
_OF_DIALOGUE = ("id", "dialogue", "language", "split", "partition", "role", "prompt", "reason", "detail")
_OF_TAKE: Mapping[str, pa.DataType] = {
    "voice": pa.string(),
    "round": pa.int64(),
    "seed": pa.int64(),
    "seconds": pa.float64(),
    "error_rate": pa.float64(),
    "transcript": pa.string(),
    "scores": pa.list_(pa.struct([("head", pa.string()), ("value", pa.float64())])),
}
_SIDES = ("chosen", "rejected")


def _errors(turn: FinishedTurn) -> float:
    return turn["error_rate"] or 0.0


def _silence(turn: FinishedTurn) -> float:
    """Seconds at both edges, and of the longest silence inside."""
    edges = (turn.get("leading_silence") or 0.0) + (turn.get("trailing_silence") or 0.0)
    return edges + (turn.get("longest_silence") or 0.0)


def _poorness(turn: FinishedTurn) -> float:
    """The lower the scores, the higher."""
    return -sum(score["value"] for score in turn["scores"] or ())


_WORSE: Mapping[str, Callable[[FinishedTurn], float]] = {  # reason → what is higher of the turn at fault
    "error_rate": _errors,
    "hallucination": _errors,
    "silence": _silence,
    "low_mos": _poorness,
}


@dataclass(frozen=True)
class Preference:
    """`voices`: `same` leaves out pairs of two voices; `per_shard`: dialogues of a file; `row_group`: pairs that a
    reader takes at once. `refused` reads what earlier rounds rejected."""

    name: ClassVar[str] = "preference"
    writes: ClassVar[str] = "data/SPLIT-NNNNN.parquet: prompt, chosen and rejected (Audio columns), reason, figures"
    read_by: ClassVar[str] = 'datasets.load_dataset("FOLDER")'
    loadable: ClassVar[bool] = True
    several: ClassVar[bool] = True
    needs: ClassVar[frozenset[Need]] = frozenset({"refused"})
    files_per_dialogue: ClassVar[int] = 0
    text_bytes: ClassVar[int] = 1200

    refused: RefusedReader = field(default_factory=NothingRefused)
    voices: Voices = "any"
    per_shard: int = 500
    row_group: int = 16

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """FLAC of one channel, of both takes."""
        return 2 * rates.flac

    def share(self, dialogues: Dialogues, build: BuildFacts) -> float:
        """As `HoldsSome.share`: rejected takes for each kept dialogue."""
        selection = dialogues.selection
        return selection.refused / max(1, selection.splits.total())

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`; figures alone without audio. `Done.dialogues` are those with a pair. Raises ExportError
        also where sample rates differ."""
        schema = audio_schema(_columns(dialogues.audio), dialogues.selection.rate())
        own = {"voices": self.voices, "per_shard": self.per_shard, "row_group": self.row_group}
        options = {"audio": dialogues.audio, **own, "pyarrow": pa.__version__, "version": 1}
        pairing = _Pairing(dialogues, self.refused, self.voices)
        if not (to / STATE).exists() and next(pairing.dealt(), None) is None:
            return Done(0, 0, 0, tuple(pairing.notes()), carded=True)  # and no folder that looks like a dataset
        pairing = _Pairing(dialogues, self.refused, self.voices)
        folder = ExportFolder(to, self.name, OURS, dialogues, options)
        shards = write_shards(
            folder,
            dialogues,
            self.per_shard,
            data_file,
            lambda parts: _Writer(RowGroups(parts[0], schema, self.row_group), pairing),
            rows=pairing.dealt(),
        )
        write_card(to, dialogues, build, pairing.by_split, _ABOUT, "pairs")
        written = sum(n for files in shards.values() for _, n in files)
        return folder.done(written, *pairing.notes(), carded=True)


def _columns(audio: bool) -> dict[str, pa.DataType]:
    plain: dict[str, pa.DataType] = dict.fromkeys(_OF_DIALOGUE, pa.string())
    sounds = dict.fromkeys(_SIDES, AUDIO) if audio else {}
    return plain | {f"{side}_{name}": kind for name, kind in _OF_TAKE.items() for side in _SIDES} | sounds


@dataclass(frozen=True)
class _Pair:
    """One turn, kept and rejected; `index` and `name`: its place in the dialogue, and what its speech is found by."""

    index: int
    name: str
    take: RefusedTake
    chosen: FinishedTurn
    rejected: FinishedTurn


@dataclass
class _Pairing:
    """Finds the pairs, and counts them and what makes none."""

    dialogues: Dialogues
    refused: RefusedReader
    voices: Voices
    by_split: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def dealt(self) -> Iterator[FinishedRow]:
        """The dialogues that have a pair. Only what a later round kept was rejected before."""
        for row in self.dialogues:
            if row["round"] and (found := self.pairs(row, self.left_out)):
                self.by_split[row["split"]] += len(found)
                yield row

    def pairs(self, row: FinishedRow, left_out: Counter[str] | None = None) -> list[_Pair]:
        """The dialogue's pairs, first round first. `left_out` counts why others are none."""
        left_out = Counter() if left_out is None else left_out
        found = []
        for take in self.refused.takes(row):
            names = turn_names(turn["role"] for turn in row["turns"])
            for index, (chosen, rejected) in enumerate(zip(row["turns"], take.turns, strict=True)):
                if why := self._no_pair(take, chosen, rejected):
                    left_out[why] += 1
                else:
                    found.append(_Pair(index, names[index], take, chosen, rejected))
        return found

    def _no_pair(self, take: RefusedTake, chosen: FinishedTurn, rejected: FinishedTurn) -> str | None:
        worse = _WORSE.get(take.reason)
        if worse is None:
            return f"rejected as {take.reason}"
        if chosen["text"] != rejected["text"]:
            return "of another text"
        if not worse(rejected) > worse(chosen):
            return "not worse than what was kept"
        return "of another voice" if self.voices == "same" and chosen["voice"] != rejected["voice"] else None

    def columns(self, row: FinishedRow, speech: Speech) -> Iterator[dict[str, Any]]:
        """The rows of a dialogue's pairs. `speech`: what was kept; empty without audio."""
        partition = self.dialogues.selection.partition(row)
        for pair in self.pairs(row):
            role = pair.chosen["role"]
            name = f"{row['id']}_{pair.index}_{pair.take.round}"
            columns: dict[str, Any] = {"id": name, "dialogue": row["id"], "language": row["language"]}
            columns |= {"split": row["split"], "partition": partition, "role": role, "prompt": pair.chosen["text"]}
            columns |= {"reason": pair.take.reason, "detail": pair.take.detail}
            columns |= _figures("chosen", pair.chosen, row["round"])
            columns |= _figures("rejected", pair.rejected, pair.take.round)
            if speech:
                sounds = zip(_SIDES, (speech, self.refused.speech(row, pair.take)), strict=True)
                columns |= {side: {"bytes": of[pair.name], "path": f"{name}.{side}.flac"} for side, of in sounds}
            yield columns

    def notes(self) -> Iterator[str]:
        """What the user should know."""
        if not self.by_split:
            yield "no pairs: no dialogue was rejected in one round of speech and kept in a later one (`rounds`)"
        else:
            yield f"{counted(self.by_split.total(), 'pair')} of turns"
        if self.left_out:
            reasons = ", ".join(f"{n:,} {why}" for why, n in sorted(self.left_out.items()))
            yield f"rejected turns that are in no pair: {reasons}"


def _figures(side: str, turn: FinishedTurn, round_: int) -> dict[str, Any]:
    own = {**turn, "round": round_, "scores": turn["scores"] or []}
    return {f"{side}_{name}": own[name] for name in _OF_TAKE}


@dataclass(frozen=True)
class _Writer:
    file: RowGroups
    pairing: _Pairing

    def add(self, row: FinishedRow, speech: Speech) -> None:
        for columns in self.pairing.columns(row, speech):
            self.file.write(columns)

    def close(self) -> None:
        self.file.close()
