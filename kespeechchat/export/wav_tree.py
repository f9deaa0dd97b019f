"""The folder `audio/` of an export: one 16-bit WAV a turn, resumable and free of leftovers.

A WAV appears by rename, so one of the right size is whole. That it is the right one, the state file says: it names the
content that lies in `audio/`. Before another content is written, the old files go; so whatever was killed when, a file
that a later run finds and keeps is its own.
"""

from __future__ import annotations

import io
import json
import os
import re
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kespeechchat.dataset.metadata import CHANNELS, audio_name, write_text
from kespeechchat.seeds import stable_hash

STATE = ".kesc-export.json"
_OURS = re.compile(r"(?:[0-9a-f]{2}/)?(?P<id>[^/]+)/(?P=id)_[01]_mark\.wav(?P<part>\.part)?")
_HEADER = 44  # bytes of a WAV file before its samples
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class ExportError(ValueError):
    """The export cannot be made as asked. The message names row or file, and the cure."""


def safe_name(dialogue_id: str) -> str:
    """The id, if it can be a file name everywhere. Raises ExportError if not."""
    if not _SAFE.fullmatch(dialogue_id) or ".." in dialogue_id or dialogue_id.endswith("."):
        raise ExportError(
            f"dialogue id {dialogue_id!r} cannot be a file name: up to 200 letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit, without '..' and not ending in '.'"
        )
    return dialogue_id


@dataclass
class WavTree:
    """`to/audio`, with folders that fan out by a hash of the id where there are many."""

    to: Path
    fan_out: bool
    written: int = 0
    kept: int = 0
    removed: int = 0
    size: int = 0  # bytes of the files that belong to this export
    foreign: list[str] = field(default_factory=list)  # files that no export made: left alone
    _trusted: bool = False

    @property
    def root(self) -> Path:
        return self.to / "audio"

    def folder(self, dialogue_id: str) -> str:
        """What stands before an audio path: `ab/` or nothing."""
        return f"{stable_hash(dialogue_id) >> 56:02x}/" if self.fan_out else ""

    def prepare(self, content: str) -> None:
        """Makes the folder fit for `content` (a hash of what will be written; empty: nothing is ever kept).

        Raises ExportError where it holds files and no export's note.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        state, note = (
            self.to / STATE,
            json.dumps({"layout": "ke-speechchat", "audio": content, "fan_out": self.fan_out}),
        )
        standing = state.read_text("utf-8") if state.exists() else None
        if standing is not None and (found := json.loads(standing).get("layout")) != "ke-speechchat":
            raise ExportError(f"{self.to}: holds an export of layout {found}; export ke-speechchat to another folder")
        if standing is None and any(self.root.iterdir()):
            raise ExportError(f"{self.root}: holds files that no export made; export to another folder or empty it")
        self._trusted = bool(content) and standing == note
        if not self._trusted:
            self.sweep(np.zeros(0, dtype=np.uint64))
            write_text(state, note)

    def has(self, row: Mapping[str, Any]) -> bool:
        """Whether both WAV files of a dialogue lie here already; counts them."""
        if not self._trusted or any(_size(path) != size for _, path, size in self._files(row)):
            return False
        self.kept += len(CHANNELS)
        self.size += sum(size for *_, size in self._files(row))
        return True

    def write(self, row: Mapping[str, Any], speech: Mapping[str, bytes]) -> None:
        """Writes a dialogue's turns; `speech` is FLAC by role. Raises ExportError where it does not fit the row."""
        for turn, path, size in self._files(row):
            data, samples, rate = wav_bytes(speech[turn["role"]])
            if (rate, len(data)) != (turn["sample_rate"], size):
                raise ExportError(
                    f"dialogue {row['id']}, {turn['role']}: the audio has {samples} samples at {rate} Hz, its row says "
                    f"{_samples(turn)} at {turn['sample_rate']} Hz; run `kesc verify`, then `kesc build` again"
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + ".part")
            part.write_bytes(data)
            part.replace(path)
            self.written += 1
            self.size += size

    def sweep(self, keys: np.ndarray) -> None:
        """Removes files that belong to no dialogue in `keys` (sorted hashes of ids); lists those not ours."""
        self.foreign = []
        for folder, _, files in os.walk(self.root, topdown=False):
            for name in files:
                path = Path(folder) / name
                match = _OURS.fullmatch(path.relative_to(self.root).as_posix())
                if match is None:
                    self.foreign.append(path.relative_to(self.to).as_posix())
                elif match["part"] or not self._wanted(path, match["id"], keys):
                    path.unlink()
                    self.removed += 1
            if Path(folder) != self.root and not os.listdir(folder):
                Path(folder).rmdir()
        self.foreign.sort()

    def _wanted(self, path: Path, dialogue_id: str, keys: np.ndarray) -> bool:
        key = np.uint64(stable_hash(dialogue_id))
        at = int(np.searchsorted(keys, key))
        return (
            at < len(keys) and keys[at] == key and path.parent == self.root / (self.folder(dialogue_id) + dialogue_id)
        )

    def _files(self, row: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Path, int]]:
        base = self.folder(row["id"])
        return [
            (turn, self.root / (base + audio_name(row["id"], CHANNELS[turn["role"]])), _HEADER + 2 * _samples(turn))
            for turn in row["turns"]
        ]


def wav_bytes(flac: bytes) -> tuple[bytes, int, int]:
    """(16-bit mono WAV of the very same samples, number of samples, sample rate)."""
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(flac), dtype="int16")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue(), len(samples), rate


def _samples(turn: Mapping[str, Any]) -> int:
    return round(turn["seconds"] * turn["sample_rate"])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
