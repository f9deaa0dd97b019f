"""`kesc detect`: is this audio marked?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import TypeAdapter, ValidationError

from kespeechchat.config.engines import WatermarkSettings
from kespeechchat.config.load import ConfigError
from kespeechchat.engines.watermark import load
from kespeechchat.records import RowError
from kespeechchat.store.audio import AudioError, read


def detect(files: Sequence[str], engine: str) -> Iterator[tuple[str, bool]]:
    """(line for the reader, whether the mark was found) per file. An unreadable file counts as not marked."""
    try:
        watermark = load(TypeAdapter(WatermarkSettings).validate_python({"use": engine}))
    except ValidationError:
        raise ConfigError(f"--engine {engine}: no such watermark engine") from None
    for file in files:
        try:
            found = watermark.detect([read(file)])[0]
        except AudioError as error:
            yield f"{error}", False
            continue
        if isinstance(found, RowError):
            yield f"{file}: {found.message}", False
            continue
        marked = found.score >= watermark.threshold
        payload = f", payload {found.payload}" if found.payload else ""
        yield f"{file}: {'marked' if marked else 'not marked'} (score {found.score:.2f}{payload})", marked
