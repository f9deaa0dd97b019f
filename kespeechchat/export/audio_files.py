"""Audio as files of an export: their names, their samples, and when they are too many to write unasked."""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from kespeechchat.dataset.backchannels import Backchannel
from kespeechchat.dataset.places import Place
from kespeechchat.dataset.timeline import length_of
from kespeechchat.export.errors import ExportError
from kespeechchat.records import Audio, Role, turn_names
from kespeechchat.rows import FinishedRow, FinishedTurn, samples_of
from kespeechchat.seeds import stable_hash, stable_hashes

MANY_FILES = 100_000  # dialogues; beyond, files of their own must be asked for, and folders fan out by a hash
Container = Literal["flac", "wav"]
SampleT = TypeVar("SampleT", np.int16, np.float32)
Speech = Mapping[str, bytes]  # FLAC of each turn, by its name (`records.turn_names`), and of each backchannel


@runtime_checkable
class WithChannels(Protocol):
    """Speech that knows more than its turns' FLAC, such as that of a scene."""

    def samples(self, name: str) -> npt.NDArray[np.int16]:
        """int16 [T] of the turn."""
        ...

    def channel(self, role: Role) -> npt.NDArray[np.int16]:
        """int16 [T] of the role's channel, from the dialogue's beginning to its end."""
        ...


_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
UNSAFE = r"\A[^A-Za-z0-9]|\A\z|[^A-Za-z0-9._-]|\.\.|\.\z|.{201}"  # what is searched in ids: such are not safe


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


def fan_out_folders(dialogue_ids: Sequence[str], fan_out: bool) -> list[str]:
    """`fan_out_folder` of each."""
    if not fan_out:
        return [""] * len(dialogue_ids)
    return [f"{first:02x}/" for first in (stable_hashes((), dialogue_ids) >> np.uint64(56)).tolist()]


def check_fit(dialogue_id: str, turns: Iterable[FinishedTurn], speech: Speech) -> None:
    """Raises ExportError where the audio is not as long as its turn says, or has another sample rate."""
    all_turns = list(turns)
    for name, turn in zip(turn_names(turn["role"] for turn in all_turns), all_turns, strict=True):
        check_turn(dialogue_id, name, turn, speech[name])


def check_turn(dialogue_id: str, name: str, turn: FinishedTurn, flac: bytes) -> None:
    """As `check_fit`, of one turn, whose name in the dialogue is `name`."""
    import soundfile

    with soundfile.SoundFile(io.BytesIO(flac)) as file:
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
    row: FinishedRow,
    speech: Speech,
    places: Sequence[Place],
    left: Role = "user",
    backchannels: Sequence[Backchannel] = (),
) -> npt.NDArray[np.int16]:
    """The dialogue as int16 [T, 2]: each turn and backchannel at its place on its role's channel (`channel_of`), the
    very samples but for a fade where it is cut; silence everywhere else."""
    if isinstance(speech, WithChannels):
        sides = {channel_of(turn["role"], left): speech.channel(turn["role"]) for turn in row["turns"][:2]}
        return np.stack([sides[0], sides[1]], axis=1)
    out = np.zeros((length_of(places), 2), dtype=np.int16)
    names = turn_names(turn["role"] for turn in row["turns"])
    for name, turn, place in zip(names, row["turns"], places, strict=True):
        out[place.start : place.end, channel_of(turn["role"], left)] = heard(decoded(speech[name]), place)
    for one in backchannels:
        out[one.start : one.end, channel_of(one.role, left)] = decoded(speech[one.name])
    return out


def heard(samples: npt.NDArray[SampleT], place: Place) -> npt.NDArray[SampleT]:
    """[T]: what is heard of a turn's samples, which are int16 or float32."""
    if not place.cut:
        return samples
    kept = samples[: place.samples].copy()
    if place.fade:
        ramp = np.linspace(1.0, 0.0, place.fade)
        faded = kept[-place.fade :] * ramp
        kept[-place.fade :] = (np.rint(faded) if kept.dtype == np.int16 else faded).astype(kept.dtype)
    return kept


def encoded(samples: npt.NDArray[np.int16], rate: int, container: Container = "flac") -> bytes:
    """int16 [T] or [T, C] at `rate` Hz as a file of 16-bit samples: the very same samples."""
    import soundfile

    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=container.upper(), subtype="PCM_16")
    return out.getvalue()


def turn_samples(speech: Speech, name: str) -> npt.NDArray[np.int16]:
    """int16 [T] of a turn."""
    return speech.samples(name) if isinstance(speech, WithChannels) else decoded(speech[name])


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
