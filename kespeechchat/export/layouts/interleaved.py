"""Dialogues in which some words are the tokens of their own speech, as `kesc interleave` makes them of documents.

    SPLIT.jsonl    {"id": …, "language": …, "turns": [{"role": "user", "text": "How far <|begin_of_speech|>…", "pieces":
                   […], "tokens": […]}, …]}, a line a dialogue
    tokens.json    the marks, how many tokens there are, how many frames a second, and how many turns have theirs from
                   where

`pieces` are the turn's text in order; a piece with `tokens` has the seconds of the turn's audio that they stand for.
The turn's own `tokens` are those of all its speech. So text, tokens and audio are parallel. The spans lie where the
recognizer of the build heard their words; a turn without word times is left out, and counted.

`tokens_from` says of a turn where its tokens are from: `voice`, those that it was spoken from, which the build kept and
which are of the codebook that is asked for; `audio`, what the tokenizer makes of its audio.

After "Scaling Speech-Text Pre-training with Synthetic Interleaved Data" (arXiv 2411.17607), but from recorded turns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.durations import NothingHeard
from kespeechchat.dataset.interleaving import marked_text, turn_pieces
from kespeechchat.display import counted
from kespeechchat.export.audio_files import as_audio
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.errors import ExportError
from kespeechchat.export.folder import Done, ExportFolder
from kespeechchat.export.layout import AudioRates, Need, TokenReader
from kespeechchat.export.lists import SPLITS, json_line, split_files
from kespeechchat.records import Audio, RowError, Word, turn_names
from kespeechchat.rows import FinishedRow
from kespeechchat.whole_file import write_json

_OURS = r"(?:train|dev|test)\.jsonl|tokens\.json"
_Source = Literal["voice", "audio"]
_BATCH = 16  # dialogues whose speech is given to the engine at once
_NO_WORDS = "no word times (`words` of stage gate); `kesc build` with this version stores them"


@dataclass(frozen=True)
class Interleaved:
    """`tokens` makes the tokens; without it there is nothing to write. `source`: `voice` takes the tokens that a turn
    was spoken from where there are such, `audio` takes those of its audio throughout."""

    name: ClassVar[str] = "interleaved"
    writes: ClassVar[str] = "SPLIT.jsonl with text, tokens and their times; tokens.json"
    read_by: ClassVar[str] = "anything; each line is a dialogue as text and marked speech tokens"
    loadable: ClassVar[bool] = False
    several: ClassVar[bool] = True
    needs: ClassVar[frozenset[Need]] = frozenset({"tokens"})
    files_per_dialogue: ClassVar[int] = 0
    text_bytes: ClassVar[int] = 6000

    tokens: TokenReader | None = None
    source: _Source = "voice"

    def audio_bytes_per_second(self, rates: AudioRates) -> float:
        """None: the audio is heard and not written."""
        return 0.0

    def export(self, dialogues: Dialogues, to: Path, build: BuildFacts) -> Done:
        """As `Layout.export`; raises ExportError also where the profile names no tokens engine, or without audio."""
        reader = self.tokens
        if reader is None:
            raise ExportError("layout interleaved: the profile has no `interleave`, which names the tokens engine")
        if not dialogues.audio:
            raise ExportError("layout interleaved: tokens are made of the audio: export without --no-audio")
        folder = ExportFolder(to, self.name, _OURS, dialogues, {**reader.settings, "source": self.source, "version": 3})
        left_out: list[str] = []
        sources: Counter[str] = Counter(voice=0, audio=0)
        with split_files(folder, {split: f"{split}.jsonl" for split in SPLITS}) as lists:
            for rows in _batches(dialogues):
                for row, line in zip(rows, _lines(rows, dialogues, reader, self.source), strict=True):
                    if isinstance(line, str):
                        left_out.append(f"{row['id']}: {line}")
                    else:
                        sources.update(turn["tokens_from"] for turn in line["turns"])
                        lists[row["split"]].write(json_line(line))
        write_json(to / "tokens.json", {**reader.vocabulary(), "turns_by_source": sources})
        return folder.done(len(dialogues) - len(left_out), *_notes(left_out, sources))


def _notes(left_out: list[str], sources: Counter[str]) -> Iterator[str]:
    if left_out:
        yield f"left out, without tokens: {counted(len(left_out), 'dialogue')}, e.g. {left_out[0]}"
    if voice := sources["voice"]:
        others = f", {sources['audio']:,} those of their audio" if sources["audio"] else ""
        yield f"{counted(voice, 'turn has', 'turns have')} the tokens that they were spoken from{others}"


def _batches(dialogues: Dialogues) -> Iterator[list[FinishedRow]]:
    rows = iter(dialogues)
    while batch := list(islice(rows, _BATCH)):
        yield batch


class _Tokens(NamedTuple):
    """Of a turn: int32 [codebooks, n], or what is wrong with them, and where they are from."""

    ids: npt.NDArray[np.int32] | RowError
    source: _Source


def _lines(
    rows: list[FinishedRow], dialogues: Dialogues, reader: TokenReader, source: _Source
) -> Iterator[dict[str, Any] | str]:
    """Per dialogue its line, or why it has none."""
    tokens = iter(_tokens(rows, dialogues, reader, source))
    for row in rows:
        turns = [_turn(row, place, next(tokens), reader) for place in range(len(row["turns"]))]
        whole = [turn for turn in turns if not isinstance(turn, str)]
        if len(whole) == len(turns):
            yield {"id": row["id"], "language": row["language"], "turns": whole}
        else:
            yield next(why for why in turns if isinstance(why, str))


def _tokens(rows: list[FinishedRow], dialogues: Dialogues, reader: TokenReader, source: _Source) -> list[_Tokens]:
    """Of every turn of the rows, in order."""
    kept: list[npt.NDArray[np.int32] | None] = []
    audios: list[Audio] = []
    for row in rows:
        speech = dialogues.speech(row)  # which checks that it is as long as it was when it was spoken
        own = _kept(row, dialogues, reader) if source == "voice" else {}
        for name in _names(row):
            kept.append(own.get(name))
            if kept[-1] is None:
                audios.append(as_audio(speech[name]))
    heard = iter([found for _, found in zip(audios, reader.tokens(audios), strict=True)] if audios else [])
    return [_Tokens(next(heard), "audio") if ids is None else _Tokens(ids[None], "voice") for ids in kept]


def _kept(row: FinishedRow, dialogues: Dialogues, reader: TokenReader) -> dict[str, npt.NDArray[np.int32]]:
    """Name of the turn → the tokens int32 [n] that it was spoken from, where they are of the reader's codebook. Raises
    ExportError where they are not as long as its audio."""
    if dialogues.read_tokens is None or reader.codebook is None:
        return {}
    found, kept = dialogues.read_tokens(row), dict[str, npt.NDArray[np.int32]]()
    for name, turn in zip(_names(row), row["turns"], strict=True):
        own = found[name]
        if own is None or own.codebook != reader.codebook:
            continue
        if why := own.misfit(turn["seconds"]):
            raise ExportError(
                f"dialogue {row['id']}, {name}: {why}; write the tokens of the audio (--option source=audio), or run "
                "`kesc verify` and build the shard again"
            )
        kept[name] = own.ids
    return kept


def _names(row: FinishedRow) -> list[str]:
    return turn_names(turn["role"] for turn in row["turns"])


def _turn(row: FinishedRow, place: int, found: _Tokens, reader: TokenReader) -> dict[str, Any] | str:
    """The turn, or why it has no tokens."""
    turn, name, tokens = row["turns"][place], _names(row)[place], found.ids
    if isinstance(tokens, RowError) or (heard := turn.get("words")) is None:
        return f"{name}: {tokens.message if isinstance(tokens, RowError) else _NO_WORDS}"
    words = [Word(w["text"], w["start"], w["end"]) for w in heard]
    draws = (reader.seed, "turn spans", row["id"], place)
    try:
        pieces = turn_pieces(turn["text"], words, tokens, reader.rate, reader.ratio, reader.mean_words, *draws)
    except NothingHeard as error:
        return f"{name}: {error}"
    text = marked_text(pieces, reader.marks, reader.codebooks)
    said = {"role": turn["role"], "voice": turn["voice"], "text": text}
    return {**said, "pieces": pieces, "tokens": tokens.T.ravel().tolist(), "tokens_from": found.source}
