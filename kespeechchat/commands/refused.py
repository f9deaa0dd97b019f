"""What earlier rounds of speech rejected of the dialogues that later rounds kept. ROOT still has it: a changed
threshold may take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow.compute as pc

from kespeechchat.config.flow import GATE
from kespeechchat.config.rounds import in_round
from kespeechchat.export.audio_files import Speech, check_fit
from kespeechchat.export.layout import RefusedTake
from kespeechchat.records import REJECTED
from kespeechchat.rows import FinishedRow
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.finished_rows import marked_speech
from kespeechchat.store.shards import read_sound_record, read_table


@dataclass
class _Round:
    """One round of one shard: its rejected takes by dialogue id, and their speech once it was asked for."""

    takes: dict[str, RefusedTake]
    speech: dict[str, dict[str, bytes]] | None = None


@dataclass
class RefusedTakes:
    """Reads them shard by shard, in the order of the rows; memory holds the rounds of one shard."""

    build_state: BuildState
    _shard: int = -1
    _rounds: dict[int, _Round] = field(default_factory=dict)

    def takes(self, row: FinishedRow) -> Sequence[RefusedTake]:
        """As `RefusedReader.takes`. A round whose shard is not current has none, and neither has one that
        `synthesize` rejected: it left no audio."""
        found = (self._round(row["shard"], round_).takes.get(row["id"]) for round_ in range(row["round"]))
        return [take for take in found if take is not None]

    def speech(self, row: FinishedRow, take: RefusedTake) -> Speech:
        """As `RefusedReader.speech`."""
        of = self._round(row["shard"], take.round)
        if of.speech is None:
            of.speech = marked_speech(self.build_state, row["shard"], take.round, list(of.takes))
        check_fit(row["id"], take.turns, of.speech[row["id"]])
        return of.speech[row["id"]]

    def _round(self, shard: int, round_: int) -> _Round:
        if shard != self._shard:
            self._shard, self._rounds = shard, {}
        if round_ not in self._rounds:
            self._rounds[round_] = _Round(self._read(shard, round_))
        return self._rounds[round_]

    def _read(self, shard: int, round_: int) -> dict[str, RefusedTake]:
        gate, store = in_round(GATE, round_), self.build_state.store
        state = self.build_state.states(gate)[shard]
        if state.state is not State.DONE:
            return {}
        record = read_sound_record(store, state.order.name, state.order.key)
        table = read_table(store, state.order.name, record, ["stage", "reason", "detail", "turns"], kept_only=False)
        at_gate = pc.and_(pc.equal(table["status"], REJECTED), pc.equal(table["stage"], gate))
        return {
            row["id"]: RefusedTake(round_, row["reason"], row["detail"], row["turns"])
            for row in table.filter(at_gate).to_pylist()
        }
