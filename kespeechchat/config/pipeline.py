"""A pipeline: one YAML profile, resolved so that a worker on another machine needs nothing but this object.

Relative paths in the file are relative to the file. Prompts are read once and travel inside the resolved pipeline.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from kespeechchat.config import engines as e
from kespeechchat.config.base import RUNTIME, EngineRef, Settings
from kespeechchat.config.dataset import PartitionSettings, SubsetSettings
from kespeechchat.config.engine_base import concurrent, every_engine, name_of
from kespeechchat.config.flow import INTERLEAVE, SPEECH, STAGES
from kespeechchat.config.inputs import Instructions, Speech
from kespeechchat.config.interleave import Interleave
from kespeechchat.config.manner import Manner, check_engine, check_manners
from kespeechchat.config.phases import Phase, check_order
from kespeechchat.config.provenance import Departure, Licence
from kespeechchat.config.resources import Guard, Resources
from kespeechchat.config.rounds import CHANGES, Change, in_round, split_round
from kespeechchat.config.scenes import SceneSettings
from kespeechchat.config.stages import Stages
from kespeechchat.config.timing import TimingSettings
from kespeechchat.config.traits import Chain
from kespeechchat.config.units import Unit
from kespeechchat.records import LANGUAGES, Language, Split


class Engines(Settings):
    """Engines by a name of your own, which the stages use; `use` chooses the engine."""

    llm: dict[str, e.LLMSettings] = Field(description="language models, by name")
    judge: dict[str, e.JudgeSettings] = Field(description="judges of the filter, by name")
    tts: dict[str, e.TTSSettings] = Field(description="speech synthesis, by name")
    speaker: dict[str, e.SpeakerSettings] = Field(description="speaker vectors, to compare voices, by name")
    embedder: dict[str, e.EmbedderSettings] = Field(description="the TTS's own speaker vectors, by name")
    gender: dict[str, e.GenderSettings] = Field(description="gender of a voice, by name")
    watermark: dict[str, e.WatermarkSettings] = Field(description="marks and finds marks, by name")
    asr: dict[str, e.ASRSettings] = Field(description="speech recognition, by name")
    mos: dict[str, e.MOSSettings] = Field({}, description="speech quality, by name")
    units: dict[str, e.UnitsSettings] = Field({}, description="discrete speech units of some layouts, by name")
    tokens: dict[str, e.TokensSettings] = Field({}, description="discrete speech tokens, by name")


class Pipeline(Settings):
    """A whole profile."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="of the profile and its dataset")
    root: Annotated[str, RUNTIME] = Field(
        description="ROOT: a folder (relative to the profile) or an object store's URL"
    )
    seed: int = Field(0, description="of all random choices")
    instructions: Instructions = Field(description="instruction text")
    speech: Speech = Field(description="speech corpora that voices are made from")
    engines: Engines = Field(description="engines by name")
    stages: Stages = Field(description="settings of each stage")
    rounds: tuple[Change, ...] = Field(
        (), description="how dialogues that `gate` did not keep are spoken again, one round after another"
    )
    manner: tuple[Manner, ...] = Field((), description="in which manners turns are spoken, drawn turn by turn")
    timing: Annotated[TimingSettings, RUNTIME] = Field(
        TimingSettings(), description="when turns begin; drawn by each export, so no shard depends on it"
    )
    partitions: PartitionSettings = Field(PartitionSettings(), description="nested parts of the training data")
    subsets: SubsetSettings = Field(SubsetSettings(), description="parts for other tasks than dialogue")
    scenes: Annotated[
        dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")], SceneSettings],
        Field(
            description="what `kesc export --scene NAME` does to clean speech, by name, beside those that come along"
        ),
        RUNTIME,
    ] = {}
    phases: tuple[Phase, ...] = Field(description="which stages run overlapped, and which are fused")
    interleave: Interleave | None = Field(None, description="documents whose parts become speech: `kesc interleave`")
    resources: Annotated[dict[str, Resources], RUNTIME] = Field(
        {}, description="by stage: what its actors get (of fused stages, the first one counts)"
    )
    audio_ahead: Annotated[
        int | None,
        Field(ge=1, description="shards that may be spoken, or in work, and not yet gated; null: no bound"),
        RUNTIME,
    ] = None
    guards: Annotated[dict[str, Guard], RUNTIME] = Field({}, description="by stage: yields that stop the build")
    target_hours: Annotated[dict[Language, dict[Split, Annotated[float, Field(gt=0)]]], RUNTIME] = Field(
        {}, description="gated hours per language and split at which a build begins no more shards of the language"
    )
    licences: Annotated[tuple[Licence, ...], RUNTIME] = Field((), description="of all models and data sets used")
    departures: Annotated[tuple[Departure, ...], RUNTIME] = Field((), description="from the paper, for the card")
    chain: Annotated[Chain, RUNTIME] = Field(
        "dialogues", description="filled in by `kesc interleave`: which of the two chains of stages runs"
    )
    prompts: dict[str, dict[str, Any]] = Field({}, description="filled in from the prompts folder when loaded")
    versions: Annotated[dict[str, int] | None, RUNTIME] = Field(
        None,
        description="filled in by a build: the version of each stage's code, by which ROOT is judged later",
    )
    contents: Annotated[dict[str, str] | None, RUNTIME] = Field(
        None, description="filled in by a build: the content of models that engines name by local path"
    )
    excluded: Annotated[dict[str, str] | None, RUNTIME] = Field(
        None, description="filled in by a build: what the files of `instructions.exclude` hold"
    )

    @model_validator(mode="after")
    def _a_chat_model_goes_on(self) -> Pipeline:
        name = self.stages.spoken.llm
        if self.stages.spoken.follow_ups and name in self.engines.llm and self.engines.llm[name].chat is False:
            raise ValueError(
                f"stages.spoken.follow_ups: engines.llm.{name} is a base model (chat: false), which cannot "
                "go on with a dialogue; name a chat model in stages.spoken.llm (or --llm), or remove follow_ups"
            )
        return self

    @field_validator("manner")
    @classmethod
    def _manners_can_be(cls, manners: tuple[Manner, ...]) -> tuple[Manner, ...]:
        check_manners(manners)
        return manners

    @field_validator("phases")
    @classmethod
    def _in_order(cls, phases: tuple[Phase, ...]) -> tuple[Phase, ...]:
        check_order(phases)
        return phases

    @model_validator(mode="after")
    def _names_fit(self) -> Pipeline:
        for stage in (*STAGES, *(INTERLEAVE if self.interleave else ())):
            for mark, name in self.settings_of(stage).references():
                known = getattr(self.engines, mark.capability) if isinstance(mark, EngineRef) else self.prompts
                if name not in known and not (known is self.prompts and not self.prompts):
                    what = f"{mark.capability} engine" if isinstance(mark, EngineRef) else "prompt"
                    path = "interleave.stages" if stage in INTERLEAVE else "stages"
                    raise ValueError(f"{path}.{stage}: no {what} named {name!r}; there is {', '.join(sorted(known))}")
        self._rounds_fit()
        self._manners_fit()
        self._auditor_is_another()
        self._prompts_fit()
        self._backchannels_are_spoken()
        self._tokens_are_spoken_from()
        splits = self.stages.spoken.splits
        for language, targets in self.target_hours.items():
            for split in targets:
                if split != "train" and not getattr(splits, split):
                    raise ValueError(
                        f"target_hours.{language}.{split}: stages.spoken.splits draws no {split} dialogues"
                    )
        for group in ("resources", "guards"):
            if unknown := set(getattr(self, group)) - {*self._unit_of}:
                stages = ", ".join(self._unit_of)
                raise ValueError(f"{group}: unknown stage {sorted(unknown)[0]!r}; stages are {stages}")
        return self

    @model_validator(mode="after")
    def _engines_take_several_shards(self) -> Pipeline:
        for first, wanted in self.resources.items():
            if wanted.shards_in_flight == 1:
                continue
            for stage in self.unit_of(first):
                for mark, name in self.settings_of(stage).references():
                    if isinstance(mark, EngineRef) and not concurrent(self.engine(mark.capability, name)):
                        raise ValueError(
                            f"resources.{first}.shards_in_flight: {wanted.shards_in_flight}, but the {mark.capability} "
                            f"engine {name!r} of stages.{stage} takes one call at a time: set it to 1, or use an "
                            f"engine that takes several calls at once ({_with_parallel_calls()})"
                        )
        return self

    def _auditor_is_another(self) -> None:
        """Who judges the voices has neither found the people nor made the voices."""
        clips = self.stages.clips
        if clips.auditor is None:
            return
        heard = self.engine("speaker", clips.auditor).encoder()
        makers = {
            f"stages.clips.speaker ({clips.speaker!r})": self.engine("speaker", clips.speaker),
            f"stages.clips.embedder ({clips.embedder!r})": self.engine("embedder", clips.embedder),
        }
        if spread := self.stages.blend.blending.spread:
            makers[f"stages.blend.blending.spread ({spread!r})"] = self.engine("embedder", spread)
        for maker, engine in makers.items():
            if engine.encoder() == heard:
                raise ValueError(
                    f"stages.clips.auditor: {clips.auditor!r} is the encoder of {maker} too ({heard}), and what made "
                    "the voices cannot judge them: name another engine of engines.speaker, or null; then "
                    "stages.clips.speaker judges, and the card says that the measure is circular"
                )

    def _prompts_fit(self) -> None:
        """Voices speak from an embedding until they have spoken: then a TTS may speak from their recordings."""
        stages = self.stages
        for place, name in (("audition", stages.audition.tts), ("corpus", stages.corpus.tts)):
            if name is not None and self.engine("tts", name).prompted:
                raise ValueError(
                    f"stages.{place}.tts: {name!r} speaks from a recording of the speaker, which a new voice has not "
                    "yet: name an engine that speaks from an embedding"
                )
        for path, capability, name in self._speakers():
            if self.engine(capability, name).prompted and stages.audition.prompts is None:
                raise ValueError(
                    f"{path}: {name!r} speaks from a recording of the speaker, and no voice keeps one: set "
                    "stages.audition.prompts: {watermark: NAME}, or name an engine that speaks from an embedding"
                )

    def _speakers(self) -> Iterator[tuple[str, str, str]]:
        """What speaks with the library's voices: its setting, its capability and its name."""
        yield "stages.synthesize.tts", "tts", self.stages.synthesize.tts
        if self.interleave is not None:
            made = self.interleave.stages.interleaved
            capability = "tokens" if made.tts is None else "tts"
            yield f"interleave.stages.interleaved.{capability}", capability, made.tts or made.tokens

    def _backchannels_are_spoken(self) -> None:
        """What an export puts into dialogues is spoken before, by the engine that speaks them."""
        if not self.timing.backchannels.probability:
            return
        audition, then = self.stages.audition, self.stages.synthesize.tts
        if audition.backchannels is None:
            raise ValueError(
                "timing.backchannels: no voice keeps short words: set stages.audition.backchannels: {watermark: NAME}, "
                "or probability: 0"
            )
        if self.engine("tts", audition.tts) != self.engine("tts", then):
            raise ValueError(
                f"timing.backchannels: stages.audition.tts, {audition.tts!r}, speaks them, and {then!r} the dialogues, "
                "so a voice would not sound as itself: name one engine in both, or set probability: 0"
            )
        if audition.backchannels.loudness != self.stages.synthesize.loudness:
            raise ValueError(
                "stages.audition.backchannels.loudness: is not what stages.synthesize.loudness is, so words would be "
                "at another level than the turns: write the same in both, or set timing.backchannels.probability: 0"
            )

    def _tokens_are_spoken_from(self) -> None:
        name = self.stages.synthesize.tts
        if self.stages.synthesize.keep_tokens and not (engine := self.engine("tts", name)).from_tokens:
            raise ValueError(
                f"stages.synthesize.keep_tokens: the tts engine {name!r} ({engine.use}) speaks from no tokens, so "
                "none can be kept: name one of `use: cosyvoice`, or set false; an export makes tokens of any audio"
            )

    def _manners_fit(self) -> None:
        name = self.stages.synthesize.tts
        check_engine(self.manner, name, self.engine("tts", name))

    def _rounds_fit(self) -> None:
        name = self.stages.synthesize.tts
        engine = self.engine("tts", name)
        if "seed" in self.rounds and not engine.seeded:
            raise ValueError(
                f"rounds: the tts engine {name!r} ({engine.use}) speaks the same with every seed, so a round "
                "`seed` changes nothing; use [voice], or [] for no second chance"
            )

    @cached_property
    def units_by_phase(self) -> tuple[tuple[Unit, ...], ...]:
        """The published units, phase by phase: a stage alone or stages fused. Rounds follow the unit that gates, in its
        phase, fused as round 0 is. Of the chain of `kesc interleave`: its one unit."""
        return ((Unit(INTERLEAVE),),) if self.chain == "interleave" else self._of_dialogues

    @cached_property
    def _of_dialogues(self) -> tuple[tuple[Unit, ...], ...]:
        phases = [phase.units for phase in self.phases]
        again = [unit for units in phases for unit in units if set(unit) & set(SPEECH)]
        for units in phases:
            if again[-1] in units:
                units += [
                    Unit(tuple(in_round(s, k) for s in unit)) for k in range(1, len(self.rounds) + 1) for unit in again
                ]
        return tuple(map(tuple, phases))

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """All units, in flow order."""
        return tuple(unit for units in self.units_by_phase for unit in units)

    @cached_property
    def flow(self) -> tuple[str, ...]:
        """All stages in order, those of the rounds after round 0's."""
        return tuple(stage for unit in self.units for stage in unit)

    @cached_property
    def _unit_of(self) -> dict[str, Unit]:
        units = (*(unit for phase in self._of_dialogues for unit in phase), Unit(INTERLEAVE))
        return {stage: unit for unit in units for stage in unit}

    def of_chain(self, chain: Chain) -> Pipeline:
        """This profile, for the stages of the other chain; a plain copy would keep the units of this one."""
        return Pipeline.model_validate({name: getattr(self, name) for name in Pipeline.model_fields} | {"chain": chain})

    def unit_of(self, stage: str) -> Unit:
        """The unit that runs the stage. Raises KeyError."""
        return self._unit_of[stage]

    def in_rounds(self, stage: str) -> tuple[str, ...]:
        """The stage of every round: `gate`, `gate.r1`, …"""
        return tuple(in_round(stage, k) for k in range(len(self.rounds) + 1))

    def round_name(self, round_: int) -> str:
        """For a reader: `first`, `1: another seed`, …"""
        return f"{round_}: {CHANGES[self.rounds[round_ - 1]]}" if round_ else "first"

    def decides(self, stage: str) -> bool:
        """Whether what the stage rejects is out: no later round speaks it again."""
        base, round_ = split_round(stage)
        return base not in SPEECH or round_ == len(self.rounds)

    def settings_of(self, stage: str) -> Any:
        """A stage of a round has the settings of its base."""
        if stage in INTERLEAVE:
            return getattr(self.interleave.stages, stage) if self.interleave else None
        return getattr(self.stages, split_round(stage)[0])

    def resources_of(self, stage: str) -> Resources:
        """Its own, or those of the unit that it is fused into, which its first stage names; a stage of a round that is
        not named has those of its base."""
        names = (name for own in (stage, self.unit_of(stage).first) for name in (own, split_round(own)[0]))
        return next((self.resources[name] for name in names if name in self.resources), Resources())

    def engine(self, capability: str, name: str) -> Any:
        """The settings of an engine. Raises KeyError."""
        return getattr(self.engines, capability)[name]

    @property
    def watermark_threshold(self) -> float:
        """The score from which a turn counts as marked: that of the engine that listens for the mark."""
        threshold: float = self.engine("watermark", self.stages.measure.watermark).threshold
        return threshold

    @property
    def screening(self) -> dict[str, Any] | None:
        """All that the screening of planned rows depends on; None where nothing is screened."""
        ours = self.instructions
        if ours.near_duplicates is None and not ours.exclude:
            return None
        return {
            "near_duplicates": ours.near_duplicates and ours.near_duplicates.relevant(),
            "exclude": [(self.excluded or {}).get(item.path, item.path) for item in ours.exclude],
            "overlap": ours.overlap.relevant() if ours.exclude else None,
            "ingest": self.stages.ingest.relevant(),  # what it rejects stands for no other row
        }

    def relevant_to(self, stage: str, language: Language | None) -> dict[str, Any]:
        """Everything of this pipeline that can change what `stage` makes of a shard of `language`."""
        settings, round_ = self.settings_of(stage), split_round(stage)[1]
        named = {}
        for mark, name in settings.references(language):
            if isinstance(mark, EngineRef):
                named[f"{mark.capability}:{name}"] = self._by_content(
                    self.engine(mark.capability, name).relevant(language)
                )
            else:
                prompt = self.prompts[name]
                named[f"prompt:{name}"] = prompt.get(language) if language in LANGUAGES else prompt
        relevant = settings.relevant(language) | ({"rounds": list(self.rounds[:round_])} if round_ else {})
        if settings is self.stages.gate:
            relevant["watermark_threshold"] = self.watermark_threshold
        if settings is self.stages.synthesize and (manners := [m for m in self.manner if language in m.languages]):
            relevant["manner"] = [manner.relevant(language) for manner in manners]
        return {"settings": relevant, "named": named, "seed": self.seed}

    def _by_content(self, settings: Any) -> Any:
        """The settings with local models named by what they are, not by where they lie."""
        if isinstance(settings, dict):
            return {k: self._by_content(v) for k, v in settings.items()}
        if isinstance(settings, list):
            return [self._by_content(v) for v in settings]
        return (self.contents or {}).get(settings, settings) if isinstance(settings, str) else settings

    def to_json(self) -> str:
        """The resolved profile; `config.load.from_json` reads it back."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=1)


def _with_parallel_calls() -> str:
    return ", ".join(f"{engine.capability}: {name_of(engine)}" for engine in every_engine() if engine.parallel_calls)
