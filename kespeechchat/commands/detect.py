"""`kesc detect`: is this audio marked, and by whom?

Every channel is heard by itself, without the silence around its speech: in a stereo dialogue each side is silent while
the other speaks, and a detector that counts marked frames would hold that against it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from kespeechchat.config.engines import WatermarkSettings
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines.registry import load, names_of
from kespeechchat.engines.watermark import Watermark
from kespeechchat.records import Audio, RowError
from kespeechchat.store.audio import AudioError, read_channels

_FULL_RATE = 16_000  # Hz; a file recorded below it has lost part of the band that the marks lie in


@dataclass(frozen=True)
class Sought:
    """The mark to look for. `payload`: hex that it must carry; None: any, or none."""

    engine: WatermarkSettings
    payload: str | None = None


def sought(engine: str, model: str | None = None, payload: str | None = None) -> Sought:
    """What the command line asks for. Raises ConfigError for an engine or a setting that there is not."""
    given = {"use": engine} | ({"model": model} if model else {})
    try:
        return Sought(TypeAdapter(WatermarkSettings).validate_python(given), _hex(payload))
    except ValidationError as error:
        if error.errors()[0]["type"] == "union_tag_invalid":
            raise ConfigError(
                f"--engine {engine}: no such watermark engine; there is {', '.join(names_of('watermark'))}"
            ) from None
        raise ConfigError(f"--model {model}: {engine} carries its own weights; leave --model out") from None


def sought_of(pipeline: Pipeline, payload: str | None = None) -> Sought:
    """The mark that a build puts on its speech, with the payload that names it."""
    stages = pipeline.stages
    engine = pipeline.engine("watermark", stages.measure.watermark)
    return Sought(engine, _hex(payload or stages.watermark.payload))


def _hex(payload: str | None) -> str | None:
    if payload is None:
        return None
    try:
        int(payload, 16)
    except ValueError:
        raise ConfigError(f"--payload {payload}: write hex digits, as in stages.watermark.payload") from None
    return payload.lower()


def detect(files: Sequence[str], mark: Sought) -> Iterator[tuple[str, bool]]:
    """(line for the reader, whether the mark was found) per file and channel. What cannot be read counts as not marked.

    Raises EngineError where the detector cannot be loaded, ConfigError where a file is missing, or where the marks
    carry no payload to compare.
    """
    missing = [file for file in files if not Path(file).is_file()]
    if missing:
        raise ConfigError("\n".join(f"{file}: no such file" for file in missing))
    watermark = load(mark.engine)
    if mark.payload and not watermark.payload_bits:
        raise ConfigError(f"--payload {mark.payload}: {mark.engine.use} marks presence only and carries no payload")
    for file in files:
        try:
            channels = read_channels(file)
        except AudioError as error:
            yield f"{error}", False
            continue
        for number, audio in enumerate(channels, 1):
            told, found = _heard(watermark, mark, _spoken(audio))
            where = f"{file} channel {number}" if len(channels) > 1 else file
            yield f"{where}: {told}{_rate(audio)}", found


def _heard(watermark: Watermark, mark: Sought, audio: Audio) -> tuple[str, bool]:
    found = watermark.detect([audio])[0] if len(audio.samples) else RowError("audio is silent")
    if isinstance(found, RowError):
        return found.message, False
    if found.score < mark.engine.threshold:
        return f"not marked (score {found.score:.2f})", False
    if found.payload is None or mark.payload is None:
        payload = f", payload {found.payload}" if found.payload else ""
        return f"marked (score {found.score:.2f}{payload})", True
    if found.payload == mark.payload:
        return f"marked (score {found.score:.2f}, payload {found.payload}, as expected)", True
    return (
        f"marked with another payload (score {found.score:.2f}, payload {found.payload}, expected {mark.payload})",
        False,
    )


def _spoken(audio: Audio) -> Audio:
    """The audio without the digital silence before its first and after its last sound."""
    loud = np.flatnonzero(audio.samples)
    return Audio(audio.samples[loud[0] : loud[-1] + 1] if len(loud) else audio.samples[:0], audio.sample_rate)


def _rate(audio: Audio) -> str:
    if audio.sample_rate >= _FULL_RATE:
        return ""
    return f"; recorded at {audio.sample_rate:,} Hz: a mark may have been lost above {audio.sample_rate // 2:,} Hz"
