"""Which engines and models the stages of a profile name."""

from __future__ import annotations

from collections.abc import Iterator

from kespeechchat.config.base import EngineRef, Settings
from kespeechchat.config.engines import OpenAISettings
from kespeechchat.config.pipeline import Engines, Pipeline
from kespeechchat.engines.models import is_local


def engines_of(pipeline: Pipeline, stage: str) -> dict[str, Settings]:
    """CAPABILITY:NAME → settings, of the engines that the stage's settings name."""
    marks = pipeline.settings_of(stage).references()
    return {
        f"{mark.capability}:{name}": pipeline.engine(mark.capability, name)
        for mark, name in marks
        if isinstance(mark, EngineRef)
    }


def models_of(pipeline: Pipeline, stage: str) -> list[str]:
    """Models that the stage's engines name, each once."""
    named = (model for settings in engines_of(pipeline, stage).values() for model in models_named_by(settings))
    return list(dict.fromkeys(named))


def local_models(pipeline: Pipeline) -> list[str]:
    """Files and folders that the profile's engines name, each once."""
    engines = (e for capability in Engines.model_fields for e in getattr(pipeline.engines, capability).values())
    named = [model for settings in engines for model in models_named_by(settings)]
    return sorted({model for model in named if is_local(model)})


def models_named_by(settings: Settings) -> Iterator[str]:
    """Models named anywhere in the settings, or carried by the engine's library. A server's models are not listed."""
    if isinstance(settings, OpenAISettings):
        return
    if carried := getattr(settings, "carried", None):
        yield carried
    for field in type(settings).model_fields:
        value = getattr(settings, field)
        if field in ("model", "centroids") and value:
            yield from value.values() if isinstance(value, dict) else [value]
        for nested in value if isinstance(value, tuple) else [value]:
            if isinstance(nested, Settings):
                yield from models_named_by(nested)
