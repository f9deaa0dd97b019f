"""From what the voices of a build speak: what the dataset card says of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from kespeechchat.config.engine_base import EngineSettings
from kespeechchat.config.pipeline import Pipeline


def how_spoken(pipeline: Pipeline) -> tuple[str, ...]:
    """Sentences: who spoke the auditions, and who the dialogues, from an embedding or from the audition's recording."""
    return tuple(_sentences(pipeline))


def _sentences(pipeline: Pipeline) -> Iterator[str]:
    stages = pipeline.stages
    first, then = (pipeline.engine("tts", name) for name in (stages.audition.tts, stages.synthesize.tts))
    yield f"All voices spoke their auditions with {_named(first)}, each from its speaker embedding."
    if prompts := stages.audition.prompts:
        mark = pipeline.engine("watermark", prompts.watermark).use
        yield f"Of each voice a sentence of its audition is kept in each language that it speaks, watermarked ({mark})."
    if then.prompted:
        yield f"All dialogues were spoken with {_named(then)}, from that recording: no real person's is used."
    elif first != then:
        yield f"All dialogues were spoken with {_named(then)}, from the same embedding."


def _named(engine: EngineSettings) -> str:
    """Engine and model; of a model on this machine the name alone, not where it lies."""
    model = str(getattr(engine, "model", None) or "")
    if model.startswith(("/", ".", "~")):
        model = PurePath(model).name
    return f"{engine.use} ({model})" if model else engine.use
