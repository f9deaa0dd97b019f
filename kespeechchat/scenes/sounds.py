"""A folder or manifest of sound files: which there are, and a stretch of one, of any length and at any rate.

A file shorter than the stretch is repeated. Its end is laid over its beginning, with weights whose powers sum to one,
so that no repetition clicks and none is louder or softer.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import soxr

from kespeechchat.scenes.mixing import Float32

KINDS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif", ".au", ".sph", ".w64")
_CROSSFADE = 0.05  # s, at most a quarter of the file
_SHORTEST = 0.05  # s: of less, a repetition is a tone and no noise
_TRIES = 8  # stretches that are tried before a file counts as silent
_KEPT = 256 << 20  # bytes of decoded files that are kept in memory


class SceneError(ValueError):
    """A scene that cannot be made as asked. The message names folder or file, and what to do."""


def files_below(folder: Path, kinds: Sequence[str] = ()) -> list[Path]:
    """Sound files in `folder` and below, sorted; of a folder in MUSAN's layout, those of these `kinds` (noise, music,
    speech) alone. Raises SceneError where there is none."""
    if not folder.is_dir():
        raise SceneError(f"{folder}: no such folder; name a folder that holds sound files")
    tops = [folder / kind for kind in kinds if (folder / kind).is_dir()]
    found = sorted(
        path for top in tops or [folder] for path in top.rglob("*") if path.suffix.lower() in KINDS and path.is_file()
    )
    if not found:
        raise SceneError(f"{folder}: no sound file in it ({', '.join(KINDS)}); name a folder that holds some")
    return found


def files_of(manifest: Path) -> list[Path]:
    """The `path` of each JSON line, relative to the manifest; blank lines are none. Raises SceneError for a line
    without one."""
    try:
        lines = manifest.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise SceneError(f"{manifest}: {error.strerror}; name a manifest of JSON lines") from None
    found = [_named(manifest, number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise SceneError(f'{manifest}: names no file; write a line for each: {{"path": "cafe.wav"}}')
    return found


def _named(manifest: Path, number: int, line: bytes) -> Path:
    try:
        name = json.loads(line)["path"]
    except (ValueError, KeyError, TypeError):
        name = None
    if not isinstance(name, str) or not name:
        said = line[:60].decode("utf-8", "replace")
        raise SceneError(f'{manifest}:{number}: {said!r} is no JSON object with a "path"; mend or remove the line')
    return manifest.parent / name


@dataclass(frozen=True)
class Stretch:
    """float32 [T] of sound, the name of what it comes from, and where in it (s) it begins."""

    samples: Float32
    source: str
    start: float


@dataclass
class Sounds:
    """The files of a bank, whose names are relative to `base`. Decoded ones are kept up to a size."""

    files: Sequence[Path]
    base: Path
    _kept: OrderedDict[tuple[Path, int], Float32] = field(default_factory=OrderedDict)

    def cut(self, draw: int, samples: int, rate: int, dialogue_id: str = "") -> Stretch:
        """`samples` of a file that `draw` chooses, from where it chooses, at `rate` Hz, in one channel. A silent
        stretch is passed over for the next; a file without sound, for the next file. Raises SceneError where several
        have none, and for a file that is too short."""
        silent = []
        for step in range(min(_TRIES, len(self.files))):
            file = self.files[(draw + step) % len(self.files)]
            whole = self.whole(file, rate)
            if round(seconds := len(whole) / rate, 3) < _SHORTEST:
                raise SceneError(f"{file}: {seconds:.3f} s is too short for noise; take it out")
            for place in range(_TRIES):
                start = (draw // len(self.files) + place * 0x9E3779B97F4A7C15) % max(1, len(whole))
                found = repeated(whole, start, samples, rate)
                if np.any(found):
                    return Stretch(found, self.name(file), start / rate)
            silent.append(self.name(file))
        raise SceneError(f"{self.base}: no sound in {', '.join(silent)}; take silent files out")

    def name(self, file: Path) -> str:
        """The file's path below the bank's folder."""
        return file.relative_to(self.base).as_posix() if file.is_relative_to(self.base) else str(file)

    def whole(self, file: Path, rate: int) -> Float32:
        """The file as float32 [T] at `rate` Hz, its channels averaged. Raises SceneError where it cannot be read."""
        key = (file, rate)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        self._kept[key] = found = _read(file, rate)
        while len(self._kept) > 1 and sum(one.nbytes for one in self._kept.values()) > _KEPT:
            self._kept.popitem(last=False)
        return found


def repeated(whole: Float32, start: int, samples: int, rate: int) -> Float32:
    """float32 [samples] of `whole` from sample `start` on, which goes on from its beginning after its end."""
    if start + samples <= len(whole):
        return whole[start : start + samples]
    fade = min(round(_CROSSFADE * rate), len(whole) // 4)
    ring = _ring(whole, fade)
    return np.resize(np.roll(ring, -(start % len(ring))), samples)


def _ring(whole: Float32, fade: int) -> Float32:
    """float32 [T - fade] whose end leads into its beginning: the last `fade` samples are laid over the first."""
    turn = np.linspace(0, math.pi / 2, fade, dtype=np.float32)
    head = whole[:fade] * np.sin(turn) + whole[len(whole) - fade :] * np.cos(turn)
    return np.concatenate([head, whole[fade : len(whole) - fade]])


def _read(file: Path, rate: int) -> Float32:
    try:
        samples, found = soundfile.read(file, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise SceneError(f"{file}: cannot be read as sound ({error}); repair it or take it out") from None
    mono = np.ascontiguousarray(samples.mean(axis=1, dtype=np.float32))
    if not np.isfinite(mono).all():
        raise SceneError(f"{file}: holds NaN or infinite samples; repair it or take it out")
    return mono if found == rate or not len(mono) else np.asarray(soxr.resample(mono, found, rate), dtype=np.float32)
