"""The dialogues of a build as a listener wants them: what became of each, its turns, and where it came from.

They come shard by shard and without audio. A dialogue that several rounds of speech worked on is told as its last round
left it; one that no round has finished yet is not told. Audio is read for the turns that are listened to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal

from kespeechchat.config.flow import AUDIO, GATE, LIBRARY, SPEECH, TEXT
from kespeechchat.config.rounds import in_round, split_round
from kespeechchat.config.units import Unit
from kespeechchat.listening.differences import Piece, differences
from kespeechchat.records import FAILED, KEPT, SCHEMAS, Language, Role, Split, turn_names
from kespeechchat.rows import manner_text, speed_of
from kespeechchat.state.build_state import BuildState, ShardState, State
from kespeechchat.state.finished_rows import marked_speech
from kespeechchat.store.commit import CommitRecord
from kespeechchat.store.shards import read_sound_record, read_table
from kespeechchat.text.error_rate import characters

Fate = Literal["kept", "rejected", "failed"]
_FATES: dict[str, Fate] = {KEPT: "kept", FAILED: "failed"}
_PROMPT = ".prompt:"  # in the name of a fingerprint's ingredient: rewrite.prompt:rewrite-directive
_PLAIN = ("language", "split", "source", "metric", "error_rate", "edits", "units", "seconds")
_TURN = (
    *("role", "voice", "text", "seed", "tries", "seconds", "transcript", "error_rate", "watermark_score", "scores"),
    *("leading_silence", "longest_silence", "trailing_silence", "manner"),
)
_ORIGIN = ("file", "line", "task", "instruction", "input", "question_from", "response_from")


@dataclass(frozen=True)
class Turn:
    """What one side says: `text` as the TTS got it, `transcript` as the recognizer heard it. `seconds` are of its
    audio; `scores` by head (`dnsmos_ovrl`); `parents` are the real speakers whose
    blend the voice is; `manner` is how it is spoken, in words. What no stage has measured is None."""

    role: Role
    voice: str
    text: str
    language: Language
    seed: int | None = None
    tries: int | None = None
    seconds: float | None = None
    transcript: str | None = None
    error_rate: float | None = None
    watermark_score: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    longest_silence: float | None = None  # s; at the beginning, inside or at the end
    gender: str | None = None
    parents: tuple[str, ...] = ()
    manner: str | None = None
    speed: float = 1.0  # times the engine's own pace

    @cached_property
    def pace(self) -> float | None:
        """Seconds per character that is said, without the speed of its manner: what `synthesize` holds to its limits.
        Worked out when it is asked for, because reading a text takes a while."""
        spoken = characters(self.text, self.language) if self.seconds is not None else 0
        return self.seconds * self.speed / spoken if self.seconds is not None and spoken else None


@dataclass(frozen=True)
class Origin:
    """The row of the inputs that a dialogue was made of, and how its question and its answer came about
    (`as_is`, `framed`, `model`; `source`, `model`). `line` counts from 1."""

    source: str
    file: str | None = None
    line: int | None = None
    task: str | None = None
    instruction: str | None = None
    input: str | None = None
    question_from: str | None = None
    response_from: str | None = None


@dataclass(frozen=True)
class Made:
    """What a unit made the dialogue with. `models`: engine (`rewrite.llm`) → its identity in one line; `prompts`: name
    → hash of its text."""

    unit: str
    models: Mapping[str, str]
    prompts: Mapping[str, str]


@dataclass(frozen=True)
class Heard:
    """One dialogue. `round`: of speech, that settled it, 0 being the first; `stage`: that settled it; `reason` and
    `detail`: why it was rejected or failed. `metric`: CER, WER or SER; `error_rate` is `edits` by `units`."""

    id: str
    language: Language
    split: Split | None
    shard: int
    round: int
    fate: Fate
    stage: str
    reason: str | None
    detail: str | None
    metric: str | None
    error_rate: float | None
    seconds: float | None
    turns: tuple[Turn, ...]
    origin: Origin
    made: tuple[Made, ...] = ()
    edits: int | None = None
    units: int | None = None

    def differences(self, turn: Turn) -> list[Piece]:
        """The turn's text and transcript, aligned; empty where it was not transcribed."""
        if turn.transcript is None:
            return []
        return differences(turn.text, turn.transcript, self.language, self.metric, turn.error_rate)

    @property
    def named(self) -> list[tuple[str, Turn]]:
        """The turns, each with its name (`records.turn_names`), by which its speech is found."""
        return list(zip(turn_names(turn.role for turn in self.turns), self.turns, strict=True))

    @property
    def spoken(self) -> bool:
        """Whether ROOT has audio of it: what the TTS itself gave up, or failed at, has none."""
        return split_round(self.stage)[0] not in SPEECH[: SPEECH.index(AUDIO) + 1]


class Dialogues:
    """The dialogues of a build. Raises CorruptShard where a file is not what its commit record says."""

    def __init__(self, build_state: BuildState) -> None:
        self.build_state = build_state
        pipeline = build_state.pipeline
        gates = pipeline.in_rounds(GATE)
        self._speech = [[u for u in pipeline.units if set(u) & _of_round(k)] for k in range(len(gates))]
        self._text = [u for u in pipeline.units if set(u) & set(TEXT)]

    @cached_property
    def shards(self) -> list[int]:
        """Numbers of the shards of which at least one unit of speech is done, in order."""
        first = self._speech[0][0]
        return [order.key.shard for order in self.build_state.done(first.name)]

    def content(self, shard: int) -> str:
        """Changes when what this shard's dialogues were read from changes: an index learns so what is out of date."""
        units = (unit for units in (self._text, *self._speech) for unit in units)
        keys = [f"{unit.name}/{s.order.key.stem}" for unit in units if (s := self._done(unit, shard))]
        return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]

    def __iter__(self) -> Iterator[Heard]:
        for shard in self.shards:
            yield from self.of(shard)

    def of(self, shard: int, ids: Collection[str] | None = None, lineage: bool = True) -> list[Heard]:
        """The shard's dialogues (or those of `ids`), sorted by id. Without `lineage`, `origin` holds the source alone,
        and the files of the text stages are not read."""
        found: dict[str, tuple[int, dict[str, Any]]] = {}
        for round_ in range(len(self._speech)):
            found |= {row["id"]: (round_, row) for row in self._settled(shard, round_)}
        if ids is not None:
            found = {id_: found[id_] for id_ in found.keys() & set(ids)}
        origins = self._origins(shard) if lineage and found else {}
        made = {k: self._made(shard, k) for k in {k for k, _ in found.values()}} if lineage else {}
        return [
            self._heard(shard, round_, row, origins.get(id_, {}), made.get(round_, ()))
            for id_, (round_, row) in sorted(found.items())
        ]

    def audio(self, heard: Heard, name: str) -> bytes | None:
        """The turn's marked speech as a FLAC file; None where there is none. The shard that was asked last is kept."""
        return self.speech(heard.shard, heard.round).get(heard.id, {}).get(name)

    def speech(self, shard: int, round_: int) -> dict[str, dict[str, bytes]]:
        """Dialogue id → name of the turn → FLAC, of all that a round spoke in a shard; the last few that
        were asked are kept."""
        return self._speech_of(shard, round_)

    @cached_property
    def voices(self) -> dict[str, dict[str, Any]]:
        """Voice id → role, gender, parents of the pinned library; empty where none is pinned."""
        pin = self.build_state.pin
        if pin is None:
            return {}
        record = read_sound_record(self.build_state.store, LIBRARY, pin.key)
        table = read_table(self.build_state.store, LIBRARY, record, ["role", "language", "gender", "parents"])
        return {row["id"]: row for row in table.to_pylist()}

    # --- reading

    @cached_property
    def _speech_of(self) -> Callable[[int, int], dict[str, dict[str, bytes]]]:
        @lru_cache(maxsize=4)
        def read(shard: int, round_: int) -> dict[str, dict[str, bytes]]:
            marked = self.build_state.pipeline.unit_of(in_round(AUDIO, round_))
            return marked_speech(self.build_state, shard, round_) if self._done(marked, shard) else {}

        return read

    def _done(self, unit: Unit, shard: int) -> ShardState | None:
        state = self.build_state.states(unit.name).get(shard)
        return state if state is not None and state.state is State.DONE else None

    def _record(self, unit: Unit, shard: int) -> CommitRecord | None:
        state = self._done(unit, shard)
        return None if state is None else self.build_state.standing_record(state.order)

    def _settled(self, shard: int, round_: int) -> Iterator[dict[str, Any]]:
        """Rows that a unit of the round rejected, failed at or, at the gate, kept."""
        for unit in self._speech[round_]:
            record = self._record(unit, shard)
            if record is None:
                return
            gate = split_round(unit.name)[0] == GATE
            if not gate and all(c.failed == 0 and not c.rejected for c in record.counts.values()):
                continue
            columns = ["stage", "reason", "detail", *_columns(unit)]
            table = read_table(self.build_state.store, unit.name, record, columns, kept_only=False)
            yield from (row for row in table.to_pylist() if gate or row["status"] != KEPT)

    def _origins(self, shard: int) -> dict[str, dict[str, Any]]:
        """Dialogue id → where it came from, of the columns that the text stages' files have."""
        found: dict[str, dict[str, Any]] = {}
        for unit in self._text:
            names = [n for n in _ORIGIN if n in SCHEMAS[unit.name].names]
            if unit.name == "spoken":  # its `instruction` is the spoken one
                names = [n for n in names if n != "instruction"]
            record = self._record(unit, shard)
            if record is not None and names and unit.name != "ingest":
                for row in read_table(self.build_state.store, unit.name, record, names).to_pylist():
                    found.setdefault(row["id"], {}).update({n: row[n] for n in names if row[n] is not None})
        return found

    def _made(self, shard: int, round_: int) -> tuple[Made, ...]:
        found = []
        for unit in (*self._text, *self._speech[round_]):
            record = self._record(unit, shard)
            if record is None:
                continue
            models = {name: ", ".join(f"{k} {v}" for k, v in i.items()) for name, i in sorted(record.engines.items())}
            prompts = {k.partition(_PROMPT)[2]: v for k, v in sorted(record.ingredients.items()) if _PROMPT in k}
            if models or prompts:
                found.append(Made(str(unit), models, prompts))
        return tuple(found)

    def _heard(
        self, shard: int, round_: int, row: dict[str, Any], origin: dict[str, Any], made: tuple[Made, ...]
    ) -> Heard:
        language = row["language"]
        fate = _FATES.get(row["status"], "rejected")
        turns = tuple(self._turn(turn, language) for turn in row.get("turns") or ())
        seconds = [turn.seconds for turn in turns if turn.seconds is not None]
        return Heard(
            id=row["id"],
            language=language,
            split=row.get("split"),
            shard=shard,
            round=round_,
            fate=fate,
            stage=row["stage"],
            reason=row["reason"],
            detail=row["detail"],
            metric=row.get("metric"),
            error_rate=row.get("error_rate"),
            seconds=row.get("seconds") or (sum(seconds) if seconds else None),
            turns=turns,
            origin=Origin(row.get("source") or "", **origin),
            made=made,
            edits=row.get("edits"),
            units=row.get("units"),
        )

    def _turn(self, turn: dict[str, Any], language: Language) -> Turn:
        voice = self.voices.get(turn["voice"], {})
        manner = turn.get("manner")
        silences = [turn.get(k) for k in ("leading_silence", "longest_silence", "trailing_silence")]
        return Turn(
            role=turn["role"],
            voice=turn["voice"],
            text=turn["text"],
            language=language,
            seed=turn["seed"],
            tries=turn["tries"],
            seconds=turn["seconds"],
            transcript=turn.get("transcript"),
            error_rate=turn.get("error_rate"),
            watermark_score=turn.get("watermark_score"),
            scores={score["head"]: score["value"] for score in turn.get("scores") or ()},
            longest_silence=max((s for s in silences if s is not None), default=None),
            gender=voice.get("gender"),
            parents=tuple(voice.get("parents") or ()),
            manner=manner_text(manner),
            speed=speed_of(manner),
        )


def _of_round(round_: int) -> set[str]:
    return {in_round(stage, round_) for stage in SPEECH}


def _columns(unit: Unit) -> list[str]:
    """Of the unit's files what a listener wants, as Parquet names it: never audio."""
    schema = SCHEMAS[split_round(unit.name)[0]]
    parts = schema.field("turns").type.value_type
    inner = {parts.field(i).name for i in range(parts.num_fields)}
    plain = [name for name in _PLAIN if name in schema.names]
    return plain + [f"turns.list.element.{name}" for name in _TURN if name in inner]
