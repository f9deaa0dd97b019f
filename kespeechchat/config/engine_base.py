"""What the settings of all engines have in common; `config.engines` has one class an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from kespeechchat.config.base import RUNTIME, Settings
from kespeechchat.records import Language

Threads = Annotated[int, Field(ge=1, description="CPU threads of one actor"), RUNTIME]
Batch = Annotated[int, Field(ge=1, description="items the engine takes at once"), RUNTIME]
Device = Annotated[Literal["cpu", "cuda", "auto"], RUNTIME]


@dataclass(frozen=True)
class SupportedManners:
    """In which manners a TTS can speak: at which `speeds`, times its own pace (None: at that alone), and whether it
    takes `instructions`, a text that says how to speak. `for_speed`, `for_instructions`: what to do for it."""

    speeds: tuple[float, float] | None = None
    instructions: bool = False
    for_speed: str = "remove speed, or name another engine in stages.synthesize.tts"
    for_instructions: str = "remove instruct, or name another engine in stages.synthesize.tts"


class EngineSettings(Settings):
    """The settings of one engine.

    `capability`: what the engine does, as `engines` in a profile spells it. `carried`: the model inside the package of
    the engine's library, which leaves nothing to choose. `parallel_calls`: several threads may call the engine at once,
    so one actor can have several shards in flight; an engine that uses others can only if they can. `model_settings`:
    the settings that name a model, given once or by language; none where a server holds its model itself.
    `prompted`: of a TTS, whether it speaks from a recording of the speaker in place of an embedding. `from_tokens`: of
    a TTS, whether its audio is made of speech tokens, which can be kept.
    """

    capability: ClassVar[str]
    carried: ClassVar[str | None] = None
    parallel_calls: ClassVar[bool] = False
    from_tokens: ClassVar[bool] = False
    model_settings: ClassVar[tuple[str, ...]] = ("model",)

    use: str

    @property
    def prompted(self) -> bool:
        """Whether the engine speaks from a recording of the speaker."""
        return False

    def manners(self, languages: Sequence[Language]) -> SupportedManners:
        """In which manners it can speak all of `languages`; a TTS that can speak in some says so here."""
        return SupportedManners()

    def nested(self) -> Iterator[EngineSettings]:
        """The settings of the engines named inside these: a judge's LLM, each of several MOS engines."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            yield from (v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, EngineSettings))

    def encoder(self) -> str | None:
        """The speaker encoder whose vectors the engine gives, or works from. None: it hears no speakers."""
        return None

    def models(self) -> Iterator[str]:
        """The models that these settings name or the library carries, those of the engines inside included."""
        if self.carried:
            yield self.carried
        for name in self.model_settings:
            value = getattr(self, name, None)
            yield from value.values() if isinstance(value, dict) else [value] if value else []
        for inner in self.nested():
            yield from inner.models()


class WatermarkEngineSettings(EngineSettings):
    """A watermark engine. `threshold` alone decides what counts as marked: a score at or above it.

    The gate, the statistics and `kesc detect` all use it. A changed threshold makes the gate's shards stale (see
    `Pipeline.relevant_to`) but not those of the stages that mark and measure: they do not read it.
    """

    capability: ClassVar[str] = "watermark"

    threshold: Annotated[float, RUNTIME]

    def relevant(self, language: str | None = None) -> dict[str, Any]:
        """As of any settings, plus the *default* threshold: the fingerprints of earlier builds contain it, and it keeps
        their speech valid."""
        return super().relevant(language) | {"threshold": type(self).model_fields["threshold"].default}


def concurrent(settings: EngineSettings) -> bool:
    """Whether several threads may call an engine of these settings at once."""
    return settings.parallel_calls and all(map(concurrent, settings.nested()))


def every_engine(kind: type[EngineSettings] = EngineSettings) -> Iterator[type[EngineSettings]]:
    """The settings classes of all engines: the classes below `kind` that have none below them."""
    for engine in kind.__subclasses__():
        yield from every_engine(engine) if engine.__subclasses__() else (engine,)


def name_of(engine: type[EngineSettings]) -> str:
    """The `use` that chooses the engine in a profile."""
    (name,) = get_args(engine.model_fields["use"].annotation)
    return str(name)
