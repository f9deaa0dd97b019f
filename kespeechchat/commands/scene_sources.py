"""What the scene of an export is made with: noise, babble, rooms, and the detector that searches for marks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from heapq import nsmallest
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.scenes import NoiseSettings, RoomSettings, SceneSettings
from kespeechchat.engines.registry import load
from kespeechchat.export.audio_files import decoded
from kespeechchat.export.dialogues import ReadAudio
from kespeechchat.export.scened import Listener
from kespeechchat.export.survey import Rows
from kespeechchat.records import Audio, Role, RowError
from kespeechchat.rows import FinishedRow
from kespeechchat.scenes.babble import Babble, babble_of, wanted_dialogues
from kespeechchat.scenes.mixing import Float32, float32
from kespeechchat.scenes.rendering import NoiseSource, RoomBank
from kespeechchat.scenes.rooms import rooms_of
from kespeechchat.scenes.sounds import Sounds, files_below, files_of
from kespeechchat.seeds import stable_hash
from kespeechchat.waveform import resample

_LIBRARIES = ("av", "numpy", "pyroomacoustics", "scipy", "soxr")
_AS_OFTEN = {"probability": 1.0, "snr": (0.0, 0.0)}  # how often and how loud: the same sounds


def noises_of(
    settings: SceneSettings, roles: Iterable[Role], rows: Rows, read_audio: ReadAudio, seed: int
) -> Mapping[Role, NoiseSource]:
    """Where each role's noise comes from; sides without noise have none, and sides with noise of one place share it.
    Raises SceneError."""
    made: dict[NoiseSettings, NoiseSource] = {}
    found: dict[Role, NoiseSource] = {}
    for role in roles:
        side = getattr(settings, role)
        if side is None or side.noise is None or side.noise.probability == 0:
            continue
        place = side.noise.model_copy(update=_AS_OFTEN)
        if place not in made:
            made[place] = _sounds(place) or _babble(place, rows, read_audio, seed)
        found[role] = made[place]
    return found


def _sounds(noise: NoiseSettings) -> Sounds | None:
    if noise.folder is not None:
        return Sounds(files_below(Path(noise.folder), noise.kinds), Path(noise.folder))
    if noise.manifest is not None:
        return Sounds(files_of(Path(noise.manifest)), Path(noise.manifest).parent)
    return None


def _babble(noise: NoiseSettings, rows: Rows, read_audio: ReadAudio, seed: int) -> Babble:
    """Of training dialogues alone, so that no held-out voice is heard in training."""
    train = ((stable_hash(seed, "babble", row["id"]), row["id"]) for row in rows if row["split"] == "train")
    chosen = {name: key for key, name in nsmallest(wanted_dialogues(noise.babble_voices), train)}
    spoken = [(chosen[row["id"]], row["id"], *_user(row, read_audio)) for row in rows if row["id"] in chosen]
    spoken.sort(key=lambda one: one[0])
    rate = max((rate for *_, rate in spoken), default=1)
    at_rate = ((name, resample(Audio(samples, of), rate).samples) for _, name, samples, of in spoken)
    return babble_of(at_rate, rate, noise.babble_voices)


def _user(row: FinishedRow, read_audio: ReadAudio) -> tuple[Float32, int]:
    samples = float32(decoded(read_audio(row)["user"]))
    return samples, row["turns"][0]["sample_rate"]


def rooms_by_rate(
    settings: SceneSettings, roles: Iterable[Role], seed: int
) -> Mapping[Role, Callable[[int], RoomBank]]:
    """Gives each role's bank of rooms at a sample rate, and makes it once; sides in the same rooms share a bank."""

    @cache
    def bank(rooms: RoomSettings, rate: int) -> RoomBank:
        return rooms_of(rooms, rate, seed, "room")

    sides = {role: side for role in roles if (side := getattr(settings, role)) and side.room}
    return {role: partial(bank, side.room.model_copy(update={"probability": 1.0})) for role, side in sides.items()}


def listener(pipeline: Pipeline) -> Listener:
    """The detector of the build's own marks; it is loaded when it is first asked."""

    @cache
    def engine() -> object:
        return load(pipeline.engine("watermark", pipeline.stages.measure.watermark))

    def listen(audio: Audio) -> float | None:
        found = engine().detect([audio])[0]  # type: ignore[attr-defined]
        return None if isinstance(found, RowError) else round(float(found.score), 4)

    return listen


def depends_on(settings: SceneSettings, noises: Mapping[Role, NoiseSource], *more: object) -> str:
    """A hash of all that the audio of a scene depends on: settings, files of noise and rooms, versions of libraries."""
    files: list[object] = []
    for role, source in sorted(noises.items()):
        if isinstance(source, Sounds):
            files.append([role, [_stated(file) for file in source.files]])
    for role in ("user", "agent"):
        side = getattr(settings, role)
        if side and side.room and side.room.impulse_responses:
            files.append([role, [_stated(file) for file in files_below(Path(side.room.impulse_responses))]])
    said = [settings.model_dump(mode="json"), files, dict(_versions()), more]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def _stated(file: Path) -> tuple[str, int, int]:
    """What tells a file from the one that replaced it, without reading gigabytes: size, and when it was written."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return str(file), -1, -1
    return str(file), found.st_size, found.st_mtime_ns


def _versions() -> Iterator[tuple[str, str]]:
    for name in _LIBRARIES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
