"""Audio as files of an export: their names, their samples, and when they are too many to write unasked."""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Iterable, Mapping
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from kespeechchat.export.errors import ExportError
from kespeechchat.records import Audio, Role
from kespeechchat.rows import FinishedRow, FinishedTurn
from kespeechchat.seeds import stable_hash

MANY_FILES = 100_000  # dialogues; beyond, files of their own must be asked for, and folders fan out by a hash
Container = Literal["flac", "wav"]
Speech = Mapping[Role, bytes]  # FLAC of each turn


@runtime_checkable
class WithChannels(Protocol):
    """Speech that knows more than its turns' FLAC, such as that of a scene."""

    def samples(self, role: Role) -> npt.NDArray[np.int16]:
        """int16 [T] of the turn."""
        ...

    def channel(self, role: Role) -> npt.NDArray[np.int16]:
        """int16 [T] of the role's channel, from the dialogue's beginning to its end."""
        ...


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


def samples_of(turn: FinishedTurn) -> int:
    """How many samples the turn's audio has."""
    return round(turn["seconds"] * turn["sample_rate"])


def check_fit(dialogue_id: str, turns: Iterable[FinishedTurn], speech: Speech) -> None:
    """Raises ExportError where the audio is not as long as its turn says, or has another sample rate."""
    for turn in turns:
        check_turn(dialogue_id, turn, speech[turn["role"]])


def check_turn(dialogue_id: str, turn: FinishedTurn, flac: bytes) -> None:
    """As `check_fit`, of one turn."""
    import soundfile

    with soundfile.SoundFile(io.BytesIO(flac)) as file:
        found, expected = (file.frames, file.samplerate), (samples_of(turn), turn["sample_rate"])
    if found != expected:
        raise ExportError(
            f"dialogue {dialogue_id}, {turn['role']}: the audio has {found[0]} samples at {found[1]} Hz, its row "
            f"says {expected[0]} at {expected[1]} Hz; run `kesc verify`, then `kesc build` again"
        )


def channel_of(role: Role, left: Role = "user") -> int:
    """The channel of a role, where `left` has channel 0; by default as in `metadata.CHANNELS`."""
    return int(role != left)


def two_channels(row: FinishedRow, speech: Speech, left: Role = "user") -> npt.NDArray[np.int16]:
    """The dialogue as int16 [T, 2]: the very samples of each turn on its role's channel (`channel_of`), one turn after
    the other, silence on the other channel."""
    if isinstance(speech, WithChannels):
        sides = {channel_of(turn["role"], left): speech.channel(turn["role"]) for turn in row["turns"]}
        return np.stack([sides[0], sides[1]], axis=1)
    turns = [(channel_of(turn["role"], left), decoded(speech[turn["role"]])) for turn in row["turns"]]
    out = np.zeros((sum(len(samples) for _, samples in turns), 2), dtype=np.int16)
    clock = 0
    for channel, samples in turns:
        out[clock : clock + len(samples), channel] = samples
        clock += len(samples)
    return out


def encoded(samples: npt.NDArray[np.int16], rate: int, container: Container = "flac") -> bytes:
    """int16 [T] or [T, C] at `rate` Hz as a file of 16-bit samples: the very same samples."""
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=container.upper(), subtype="PCM_16")
    return out.getvalue()


def turn_samples(speech: Speech, role: Role) -> npt.NDArray[np.int16]:
    """int16 [T] of a turn."""
    return speech.samples(role) if isinstance(speech, WithChannels) else decoded(speech[role])


def wav_bytes(flac: bytes, rate: int) -> bytes:
    """A 16-bit mono WAV with a header of 44 bytes and the very samples of `flac`, which is at `rate` Hz."""
    return wav_of(decoded(flac), rate)


def wav_of(samples: npt.NDArray[np.int16], rate: int) -> bytes:
    """A 16-bit mono WAV of int16 [T] at `rate` Hz, with a header of 44 bytes."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()


def decoded(flac: bytes) -> npt.NDArray[np.int16]:
    """int16 [T]: the very samples."""
    import soundfile

    samples: npt.NDArray[np.int16] = soundfile.read(io.BytesIO(flac), dtype="int16")[0]
    return samples


def as_audio(flac: bytes) -> Audio:
    """The speech of FLAC as an engine hears it."""
    import soundfile

    samples, rate = soundfile.read(io.BytesIO(flac), dtype="float32")
    return Audio(samples, rate)
