"""What a page plays: one turn as WAV, which every browser plays and which is nothing but the samples of ROOT."""

from __future__ import annotations

import threading

from kespeechchat.state.build_state import BuildState
from kespeechchat.state.single_speech import Recent, SingleSpeech
from kespeechchat.store.audio import decode, encode_wav

_KEPT = 64  # dialogues: those of some pages


class Sounds:
    """Reads the marked speech of takes, one at a time, whichever thread asks."""

    def __init__(self, build_state: BuildState) -> None:
        self._speech, self._lock = SingleSpeech(build_state), threading.Lock()
        self._kept: Recent[dict[str, bytes]] = Recent(_KEPT)

    def wav(self, shard: int, round_: int, id_: str, role: str) -> bytes | None:
        """A turn as 16-bit WAV; None where ROOT has no speech of it. Raises StoreError and CorruptShard."""
        with self._lock:
            turns = self._kept.get((shard, round_, id_), lambda: self._speech.flac(shard, round_, id_))
        data = next((flac for name, flac in turns.items() if name == role), None)
        return None if data is None else encode_wav(decode(data))
