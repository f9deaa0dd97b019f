"""Audio as files of an export: their names, their samples, and when they are too many to write unasked."""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from kespeechchat.dataset.timeline import Place, length_of
from kespeechchat.export.errors import ExportError
from kespeechchat.records import Role, turn_names
from kespeechchat.rows import FinishedRow, FinishedTurn, samples_of
from kespeechchat.seeds import stable_hash

MANY_FILES = 100_000  # dialogues; beyond, files of their own must be asked for, and folders fan out by a hash
Container = Literal["flac", "wav"]
Speech = Mapping[str, bytes]  # FLAC of each turn, by its name (`records.turn_names`)
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def safe_name(dialogue_id: str) -> str:
    """The id, if it can be a file name everywhere. Raises ExportError if not."""
    if not _SAFE.fullmatch(dialogue_id) or ".." in dialogue_id or dialogue_id.endswith("."):
        raise ExportError(
            f"dialogue id {dialogue_id!r} cannot be a file name: up to 200 letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit, without '..' and not ending in '.'"
        )
    return dialogue_id


def fan_out_folder(dialogue_id: str, fan_out: bool) -> str:
    """What precedes a file's name: `ab/`, from a hash of the id, or nothing."""
    return f"{stable_hash(dialogue_id) >> 56:02x}/" if fan_out else ""


def check_fit(dialogue_id: str, turns: Iterable[FinishedTurn], speech: Speech) -> None:
    """Raises ExportError where the audio is not as long as its turn says, or has another sample rate."""
    import soundfile

    all_turns = list(turns)
    for name, turn in zip(turn_names(turn["role"] for turn in all_turns), all_turns, strict=True):
        with soundfile.SoundFile(io.BytesIO(speech[name])) as file:
            found, expected = (file.frames, file.samplerate), (samples_of(turn), turn["sample_rate"])
        if found != expected:
            raise ExportError(
                f"dialogue {dialogue_id}, {name}: the audio has {found[0]} samples at {found[1]} Hz, its row "
                f"says {expected[0]} at {expected[1]} Hz; run `kesc verify`, then `kesc build` again"
            )


def channel_of(role: Role, left: Role = "user") -> int:
    """The channel of a role, where `left` has channel 0; by default as in `metadata.CHANNELS`."""
    return int(role != left)


def two_channels(
    row: FinishedRow, speech: Speech, places: Sequence[Place], left: Role = "user"
) -> npt.NDArray[np.int16]:
    """The dialogue as int16 [T, 2]: each turn at its place on its role's channel (`channel_of`), the very samples but
    for a fade where it is cut; silence everywhere else."""
    out = np.zeros((length_of(places), 2), dtype=np.int16)
    names = turn_names(turn["role"] for turn in row["turns"])
    for name, turn, place in zip(names, row["turns"], places, strict=True):
        out[place.start : place.end, channel_of(turn["role"], left)] = heard(_decoded(speech[name]), place)
    return out


def heard(samples: npt.NDArray[np.int16], place: Place) -> npt.NDArray[np.int16]:
    """int16 [T]: what is heard of a turn's samples."""
    if not place.cut:
        return samples
    kept = samples[: place.samples].copy()
    if place.fade:
        ramp = np.linspace(1.0, 0.0, place.fade)
        kept[-place.fade :] = np.rint(kept[-place.fade :] * ramp).astype(np.int16)
    return kept


def encoded(samples: npt.NDArray[np.int16], rate: int, container: Container = "flac") -> bytes:
    """int16 [T] or [T, C] at `rate` Hz as a file of 16-bit samples: the very same samples."""
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=container.upper(), subtype="PCM_16")
    return out.getvalue()


def wav_bytes(flac: bytes, rate: int, place: Place | None = None) -> bytes:
    """A 16-bit mono WAV with a header of 44 bytes and the very samples of `flac`, which is at `rate` Hz; of a turn at
    its `place`, as much as is heard."""
    samples = _decoded(flac)
    samples = samples if place is None else heard(samples, place)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()


def _decoded(flac: bytes) -> npt.NDArray[np.int16]:
    import soundfile

    samples: npt.NDArray[np.int16] = soundfile.read(io.BytesIO(flac), dtype="int16")[0]
    return samples
