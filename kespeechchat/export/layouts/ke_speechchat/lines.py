"""Lines of metadata.json, facts.jsonl and the splits' lists for a block of dialogues, written as columns.

The bytes are those of `dialogue_object`, `dialogue_facts` and `loading.list_line`, which write single dialogues here
too: those of which the timeline says more than columns do, and those of a shape that is rare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kespeechchat.blocks import Block, Bools, Codes
from kespeechchat.dataset import facts
from kespeechchat.dataset.facts import dialogue_facts
from kespeechchat.dataset.json_array import compact
from kespeechchat.dataset.json_columns import (
    in_parts,
    joined,
    listed,
    named,
    numbers,
    or_null,
    quoted,
    replaced,
    whole_numbers,
)
from kespeechchat.dataset.metadata import CHANNELS, SECONDS_DIGITS, TIME_DIGITS, dialogue_object
from kespeechchat.dataset.timeline import Special, Timeline, Timing
from kespeechchat.export.dialogues import RATE_DIGITS
from kespeechchat.export.layouts.ke_speechchat.loading import list_line
from kespeechchat.rounding import rounded

_ROLES = tuple(CHANNELS)


@dataclass(frozen=True)
class Lines:
    """Of a block, whose dialogues have no fault, and their timeline. `partitions`: of each its smallest one, None of
    held-out dialogues; `folders`: what precedes its audio paths; `audio`: whether the lists name them. Raises
    ValueError for a voice that `genders` lacks."""

    block: Block
    timeline: Timeline
    timing: Timing
    partitions: Sequence[str | None]
    genders: Mapping[str, str]
    folders: Sequence[str]
    audio: bool

    def __post_init__(self) -> None:
        strange = np.array([voice not in self.genders for voice in self.block.voices.names], bool)
        if len(turns := np.flatnonzero(strange[self.block.voices.codes])):
            id_ = self.block.ids[int(self.block.dialogue_of[turns[0]])]
            voice = self.block.voices.names[self.block.voices.codes[turns[0]]]
            raise ValueError(f"dialogue {id_}: voice {voice} is not in the voice library")

    def metadata(self) -> pa.Array:
        """Items of metadata.json."""
        block, (users, agents) = self.block, self.block.speakers()
        speakers = (self._speakers("user", users), ",", self._speakers("agent", agents))
        seconds = numbers(rounded(self.timeline.lengths(block) / self._rates[block.first[:-1]], TIME_DIGITS))
        rates = numbers(self._rates[block.first[:-1]].astype(np.int64))
        languages = block.codes("language")
        channels = named((compact(_channels(name)).decode() for name in languages.names), languages.codes)
        audio = (f'}},"audio":{{"channel":{len(CHANNELS)},"duration":', seconds, ',"sample_rate":', rates)
        dialog = listed(self._dialog(), block.first)
        ends = ('},"channel":', channels, ',"dialog":[', dialog, "]}")
        lines = joined('{"id":"', block.ids, '","speaker":{', *speakers, *audio, *ends)
        same = users.codes == agents.codes  # one voice for both: one speaker
        objects = {
            i: dialogue_object(one.row, self.genders, self.folders[i], one.places, one.drawn.backchannels)
            for i, one in self._single(same).items()
        }
        return _with(lines, objects)

    def facts(self) -> pa.Array:
        """Lines of facts.jsonl."""
        block = self.block
        words = {name: quoted(block.column(name)) for name in ("split", "metric", "source", "review")}
        rates = in_parts(block.numbers("error_rate"), facts.RATES, "error_rate")
        lines = joined(
            *('{"id":"', block.ids, '","split":', words["split"], ',"partition":', self._partitions),
            *(',"metric":', words["metric"], ',"error_rate":', rates),
            *(',"source":', words["source"], ',"shard":', whole_numbers(block.column("shard"))),
            *(',"round":', whole_numbers(block.column("round")), ',"review":', words["review"]),
            *(',"turns":[', listed(self._turn_facts(), block.first), "]}"),
        )
        objects = {
            i: dialogue_facts(one.row, self.partitions[i], one.places)
            for i, one in self._single(self._scored_twice()).items()
        }
        return _with(lines, objects)

    def listed(self) -> pa.Array:
        """Lines of the splits' lists."""
        block, first = self.block, self.block.first[:-1]
        languages, splits = (quoted(block.column(name)) for name in ("language", "split"))
        partition = pc.if_else(pc.equal(self._partitions, "null"), '""', self._partitions)
        rates = numbers(rounded(block.numbers("error_rate"), RATE_DIGITS))
        pieces: list[pa.Array | str] = ['{"id":"', block.ids, '","language":', languages, ',"split":', splits]
        pieces += [',"partition":', partition, ',"metric":', quoted(block.column("metric")), ',"error_rate":', rates]
        for role, turn in zip(_ROLES, (first, first + 1), strict=True):
            voices, seconds = block.voices.take(turn), block.turn_numbers("seconds")[turn]
            codes, texts = pa.array(voices.codes), self._texts.take(pa.array(turn))
            pieces += [f',"{role}_text":', texts, f',"{role}_voice":', self._names.take(codes)]
            pieces += [f',"{role}_gender":', self._genders.take(codes)]
            pieces += [f',"{role}_seconds":', numbers(rounded(seconds, SECONDS_DIGITS))]
        if self.audio:
            for role, channel in CHANNELS.items():
                pieces += [f',"{role}_file_name":"audio/', self._paths, f'{channel}_mark.wav"']
        folders = self.folders if self.audio else [None] * len(block)
        objects = {
            i: list_line(one.row, self.partitions[i], self.genders, folders[i], one.places)
            for i, one in self._single().items()
        }
        return _with(joined(*pieces, "}"), objects)

    @cached_property
    def _rates(self) -> np.ndarray:
        return self.block.turn_numbers("sample_rate")

    @cached_property
    def _texts(self) -> pa.Array:
        return quoted(self.block.of_turns("text"))

    @cached_property
    def _partitions(self) -> pa.Array:
        return quoted(pa.array(self.partitions, pa.string()))

    @cached_property
    def _paths(self) -> pa.Array:
        """Audio paths up to the turn's number. An id is a safe name, so it needs no escaping."""
        return joined(pa.array(self.folders, pa.string()), self.block.ids, "/", self.block.ids, "_")

    def _speakers(self, role: str, voices: Codes) -> pa.Array:
        said = joined(self._names, f':{{"role":"{role}","gender":', self._genders, "}")
        return said.take(pa.array(voices.codes))

    @cached_property
    def _names(self) -> pa.Array:
        """Of the block's voices, by code."""
        return quoted(pa.array(self.block.voices.names, pa.string()))

    @cached_property
    def _genders(self) -> pa.Array:
        """The same voices' genders."""
        return quoted(pa.array([self.genders[voice] for voice in self.block.voices.names], pa.string()))

    def _dialog(self) -> pa.Array:
        """The turns of metadata.json."""
        block, ends = self.block, self.timeline.starts + self.timeline.samples
        starts, stops = (numbers(rounded(at / self._rates, TIME_DIGITS)) for at in (self.timeline.starts, ends))
        heads = named((f'{{"channel":{CHANNELS[role]},"speaker":' for role in _ROLES), block.place % 2)
        tails = named((f'{i}_mark.wav"' for i in range(int(block.place.max(initial=0)) + 1)), block.place)
        paths = self._paths.take(pa.array(block.dialogue_of))
        names = self._names.take(pa.array(block.voices.codes))
        said = (names, ',"text":', self._texts, ',"start":', starts, ',"end":', stops)
        return joined(heads, *said, ',"audio_path":"', paths, tails, self._manners(), "}")

    def _manners(self) -> pa.Array:
        """The key of metadata.json for the manner of each turn; nothing of a turn that is spoken plainly."""
        names, speeds, told = (self.block.manners(name) for name in ("name", "speed", "instruct"))
        if names.null_count == len(names):
            return named([""], np.zeros(len(names), np.int64))
        filled = pc.fill_null(speeds.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
        speed = pc.if_else(speeds.is_null(), "", joined(',"speed":', numbers(filled)))
        instruct = pc.if_else(told.is_null(), "", joined(',"instruct":', quoted(told)))
        written = joined(',"manner":{"name":', quoted(names), speed, instruct, "}")
        return pc.if_else(names.is_null(), "", written)

    def _turn_facts(self) -> pa.Array:
        """The turns of facts.jsonl."""
        block = self.block
        roles = named((f'{{"role":"{role}","transcript":' for role in _ROLES), block.place % 2)
        rates = chain.from_iterable(
            (f',"{name}":', in_parts(block.of_turns(name), parts, f"turns: {name}"))
            for name, parts in (("error_rate", facts.RATES), ("watermark_score", facts.SCORES))
        )
        seeds = chain.from_iterable((f',"{n}":', whole_numbers(block.of_turns(n))) for n in ("seed", "tries"))
        levels = chain.from_iterable(
            (f',"{name}":', in_parts(block.of_turns(name), facts.LEVELS, f"turns: {name}"))
            for name in ("loudness", "gain")
        )
        heard = (',"words":', self._timed("words"), ',"silences":', self._timed("silences"))
        transcripts = quoted(block.of_turns("transcript"))
        return joined(roles, transcripts, *rates, ',"scores":{', self._scores(), "}", *seeds, *heard, *levels, "}")

    def _scores(self) -> pa.Array:
        scores = self.block.turn_lists("scores")
        if not len(scores.list_of):
            return named([""], np.zeros(len(scores.lists), np.int64))
        values = in_parts(scores.column("value"), facts.SCORES, "turns: scores")
        return listed(joined(quoted(scores.column("head")), ":", values), scores.first)

    def _timed(self, name: str) -> pa.Array:
        """The words or silences of each turn, `null` where it has none stored."""
        timed = self.block.turn_lists(name)
        if timed.lists.null_count == len(timed.lists):
            return named(["null"], np.zeros(len(timed.lists), np.int64))
        starts, ends = (in_parts(timed.column(at), facts.TIMES, f"turns: {name}: {at}") for at in ("start", "end"))
        times = (starts, ",", ends, "]")
        texts = (quoted(timed.column("text")), ",") if name == "words" else ()
        return or_null(joined("[", listed(joined("[", *texts, *times), timed.first), "]"), timed.lists)

    def _scored_twice(self) -> Bools:
        """bool [n]: the dialogues with a turn that one head scored twice, of which the later score counts."""
        scores, found = self.block.turn_lists("scores"), np.zeros(len(self.block), bool)
        if len(scores.list_of):
            heads = scores.column("head").dictionary_encode()
            pairs = scores.list_of * len(heads.dictionary) + heads.indices.to_numpy(zero_copy_only=False)
            unlike, first = np.unique(pairs, return_index=True)
            if len(unlike) < len(pairs):
                again = np.delete(scores.list_of, first)
                found[self.block.dialogue_of[again]] = True
        return found

    def _single(self, more: Bools | None = None) -> dict[int, Special]:
        """The dialogues that are written one by one, by their place: those of the timeline, and some more."""
        found = dict(self.timeline.special)
        for i in np.flatnonzero(more).tolist() if more is not None else ():
            if i not in found:
                row = self.block.row(i)
                places = self.timing.places(row)
                found[i] = Special(row, places, self.timing.backchannels(row, places))
        return found


def _channels(language: str) -> list[dict[str, object]]:
    return [{"channel_index": i, "language": language} for i in CHANNELS.values()]


def _with(lines: pa.Array, objects: Mapping[int, object]) -> pa.Array:
    """The lines, of some dialogues their objects instead."""
    wanted = np.zeros(len(lines), bool)
    wanted[list(objects)] = True
    return replaced(lines, wanted, (compact(objects[i]) for i in sorted(objects)))
