"""Settings of scenes: what an export does to clean speech so that it sounds like a place.

A probability is of one side of one dialogue. What a range holds is drawn evenly from it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from kespeechchat.config.base import Settings
from kespeechchat.records import Split

CodecName = Literal["g711_mulaw", "g711_alaw", "g722", "g726", "amr_nb", "opus", "mp3", "aac"]
MusanKind = Literal["noise", "music", "speech"]


def _rising(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] > span[1]:
        raise ValueError(f"a range goes from low to high, got {list(span)}")
    return span


Span = Annotated[tuple[float, float], AfterValidator(_rising)]
Probability = Annotated[float, Field(ge=0, le=1)]


class NoiseSettings(Settings):
    """Sound beside the speech. Where neither folder nor manifest is named, it is babble of other dialogues."""

    probability: Probability = Field(1.0, description="that a side has noise")
    snr: Span = Field((10.0, 50.0), description="dB of speech over noise, in the speech's active frames")
    folder: str | None = Field(None, description="a folder of sound files, searched with its subfolders, such as MUSAN")
    manifest: str | None = Field(None, description="JSON lines with a `path` each, relative to the manifest")
    kinds: tuple[MusanKind, ...] = Field(
        ("noise", "music"), min_length=1, description="of a folder in MUSAN's layout: the parts that are used"
    )
    babble_voices: int = Field(6, ge=1, le=32, description="how many voices talk at once in babble")

    @model_validator(mode="after")
    def _one_source(self) -> NoiseSettings:
        if self.folder is not None and self.manifest is not None:
            raise ValueError("noise comes from a `folder` or from a `manifest`, not from both")
        return self


class RoomSettings(Settings):
    """Reverberation. Where no folder of impulse responses is named, rooms are simulated."""

    probability: Probability = Field(1.0, description="that a side is in a room")
    impulse_responses: str | None = Field(None, description="a folder of impulse responses; null: simulated rooms")
    rooms: int = Field(24, ge=1, le=1000, description="how many rooms are simulated, once for an export")
    rt60: Span = Field((0.15, 0.6), description="s in which a simulated room's sound falls by 60 dB")
    length: Span = Field((3.0, 8.0), description="m, of a simulated room")
    width: Span = Field((2.5, 6.0), description="m")
    height: Span = Field((2.4, 3.5), description="m")
    distance: Span = Field((0.3, 3.0), description="m from the mouth to the microphone")

    @model_validator(mode="after")
    def _possible(self) -> RoomSettings:
        for name in ("rt60", "length", "width", "height", "distance"):
            if getattr(self, name)[0] <= 0:
                raise ValueError(f"{name}: {list(getattr(self, name))} must lie above 0")
        return self


class CodecSettings(Settings):
    """A codec and the band that goes with it: speech is encoded and decoded again."""

    probability: Probability = Field(1.0, description="that a side goes through a codec")
    codecs: tuple[CodecName, ...] = Field(
        ("g711_mulaw", "g711_alaw", "amr_nb"), min_length=1, description="one of them is drawn"
    )
    telephone_band: bool = Field(False, description="pass 300 to 3400 Hz alone, before the codec")


class LevelSettings(Settings):
    """A gain."""

    probability: Probability = Field(1.0, description="that a side has another level")
    gain: Span = Field((-20.0, 0.0), description="dB")


class SpeedSettings(Settings):
    """Speech resampled, as if it were played at another speed: tempo and pitch change together."""

    probability: Probability = Field(0.5, description="that a side has another speed")
    factors: tuple[Annotated[float, Field(ge=0.5, le=2)], ...] = Field(
        (0.9, 1.1), min_length=1, description="one of them is drawn; 1.1 is faster"
    )


class SideSettings(Settings):
    """What happens to one side's channel, in the order in which it happens. What is null does not happen."""

    speed: SpeedSettings | None = Field(None, description="another speed of speaking")
    room: RoomSettings | None = Field(None, description="reverberation")
    noise: NoiseSettings | None = Field(None, description="sound beside the speech")
    level: LevelSettings | None = Field(None, description="another level")
    codec: CodecSettings | None = Field(None, description="band and codec")


class TrainerSettings(Settings):
    """What the scene leaves to the trainer, because it is done to features and not to audio."""

    spec_augment: Probability | None = Field(None, description="probability of SpecAugment")


class SceneSettings(Settings):
    """A scene for each side. A side that is null stays clean."""

    user: SideSettings | None = Field(None, description="what happens to the user's channel")
    agent: SideSettings | None = Field(None, description="what happens to the agent's channel")
    splits: tuple[Split, ...] = Field(
        ("train", "dev", "test"), min_length=1, description="dialogues of other splits stay clean"
    )
    trainer: TrainerSettings = Field(TrainerSettings(), description="what is left to the trainer")

    @model_validator(mode="after")
    def _something(self) -> SceneSettings:
        sides = [side for side in (self.user, self.agent) if side is not None]
        if not any(getattr(side, name) is not None for side in sides for name in type(side).model_fields):
            raise ValueError("a scene changes something: give `user` or `agent` a speed, room, noise, level or codec")
        return self


def _everyday() -> SideSettings:
    return SideSettings(
        room=RoomSettings(probability=0.5),
        noise=NoiseSettings(probability=0.7, snr=(5.0, 30.0)),
        level=LevelSettings(probability=0.5, gain=(-15.0, 0.0)),
        codec=CodecSettings(probability=0.3, codecs=("opus", "amr_nb", "g722", "aac")),
    )


_TRAIN: tuple[Split, ...] = ("train",)
_TELEPHONE = SideSettings(codec=CodecSettings(codecs=("g711_mulaw", "g711_alaw", "amr_nb"), telephone_band=True))
PRESETS: dict[str, SceneSettings] = {
    # The paper's training of a recognizer: noise with probability 0.2 at 10 to 50 dB, speed and SpecAugment with 0.5.
    # It states no factors of speed: 0.9 and 1.1 are those of Ko et al. 2015, "Audio Augmentation for Speech
    # Recognition".
    "asr": SceneSettings(
        user=SideSettings(speed=SpeedSettings(probability=0.5), noise=NoiseSettings(probability=0.2, snr=(10.0, 50.0))),
        splits=_TRAIN,
        trainer=TrainerSettings(spec_augment=0.5),
    ),
    "noise": SceneSettings(user=SideSettings(noise=NoiseSettings(snr=(0.0, 20.0)))),
    "room": SceneSettings(user=SideSettings(room=RoomSettings())),
    "telephone": SceneSettings(user=_TELEPHONE, agent=_TELEPHONE),
    "codecs": SceneSettings(user=SideSettings(codec=CodecSettings(codecs=("opus", "mp3", "aac", "g722")))),
    "speed": SceneSettings(user=SideSettings(speed=SpeedSettings(probability=1.0))),
    "everyday": SceneSettings(user=_everyday()),
}
"""Scenes that come along, by name. A profile's `scenes` adds its own, and may replace one of these."""
