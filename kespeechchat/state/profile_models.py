"""Which engines and models the stages of a profile name."""

from __future__ import annotations

from kespeechchat.config.base import EngineRef
from kespeechchat.config.engine_base import EngineSettings
from kespeechchat.config.pipeline import Engines, Pipeline
from kespeechchat.engines.models import is_local


def engines_of(pipeline: Pipeline, stage: str) -> dict[str, EngineSettings]:
    """CAPABILITY:NAME → settings, of the engines that the stage's settings name."""
    marks = pipeline.settings_of(stage).references()
    return {
        f"{mark.capability}:{name}": pipeline.engine(mark.capability, name)
        for mark, name in marks
        if isinstance(mark, EngineRef)
    }


def models_of(pipeline: Pipeline, stage: str) -> list[str]:
    """Models that the stage's engines name, each once."""
    named = (model for settings in engines_of(pipeline, stage).values() for model in settings.models())
    return list(dict.fromkeys(named))


def local_models(pipeline: Pipeline) -> list[str]:
    """Files and folders that the profile's engines name, each once, sorted."""
    engines = (e for capability in Engines.model_fields for e in getattr(pipeline.engines, capability).values())
    named = [model for settings in engines for model in settings.models()]
    return sorted({model for model in named if is_local(model)})
