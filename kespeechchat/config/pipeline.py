"""A pipeline: one YAML profile, resolved so that a worker on another machine needs nothing but this object.

Relative paths in the file are relative to the file. Prompts are read once and travel inside the resolved pipeline.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from kespeechchat.config import engines as e
from kespeechchat.config.base import RUNTIME, EngineRef, Settings
from kespeechchat.config.dataset import PartitionSettings, SubsetSettings
from kespeechchat.config.rounds import CHANGES, REPEATED, Change, in_round, split_round
from kespeechchat.config.stages import Guard, Resources, Stages
from kespeechchat.records import LANGUAGES, Language, Split

STAGES: tuple[str, ...] = tuple(Stages.model_fields)  # of round 0; a pipeline's own are `Pipeline.flow`


class InstructionInput(Settings):
    path: str
    language: Language | None = Field(None, description="null: recognized row by row")
    source: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", description="null: the file's name")
    layout: Literal["auto", "alpaca", "alpaca-seed", "belle"] = "auto"
    columns: dict[Literal["instruction", "input", "reference", "task"], str] = Field(
        {}, description="the file's own column for each of ours, where the layout is none of the known ones"
    )


class Instructions(Settings):
    inputs: tuple[InstructionInput, ...]
    shard_size: int = Field(350, ge=1, description="rows planned into one shard")
    limit: int | None = Field(None, ge=1, description="plan only the first so many rows of each input")


class SpeechInput(Settings):
    path: str = Field(description="a manifest (TSV, CSV, JSONL), a folder of audio, or a recipe to synthesize (YAML)")
    language: Language | None = None


class Speech(Settings):
    inputs: tuple[SpeechInput, ...]
    shard_size: int = Field(500, ge=1, description="clips of one shard")
    limit: int | None = Field(None, ge=1, description="plan only the first so many clips of each input")
    audition_shard_size: int = Field(100, ge=1, description="candidates of one audition shard")


class Engines(Settings):
    llm: dict[str, e.LLMSettings]
    judge: dict[str, e.JudgeSettings]
    tts: dict[str, e.TTSSettings]
    speaker: dict[str, e.SpeakerSettings]
    embedder: dict[str, e.EmbedderSettings]
    gender: dict[str, e.GenderSettings]
    watermark: dict[str, e.WatermarkSettings]
    asr: dict[str, e.ASRSettings]
    mos: dict[str, e.MOSSettings] = {}
    units: dict[str, e.UnitsSettings] = {}


class Phase(Settings):
    """Stages that run overlapped. A list inside the list is fused: one actor, only the last output is published."""

    name: str
    stages: tuple[str | tuple[str, ...], ...]


class Licence(Settings):
    """A model or data set the profile uses, for card and `kesc models`.

    `model`: as the engine's setting names it. `gb`: what must be fetched, about, in GB. `fetch`: how to get a model
    that no hub id names; `{model}` in it stands for where the profile looks for it.
    """

    name: str
    use: str
    origin: str
    licence: str
    model: str | None = None
    gb: float | None = None
    fetch: str | None = None


class Departure(Settings):
    """A figure in which the profile departs from the paper, and the measured reason."""

    setting: str
    paper: str
    here: str
    reason: str


class Pipeline(Settings):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    root: Annotated[str, RUNTIME]
    seed: int = 0
    instructions: Instructions
    speech: Speech
    engines: Engines
    stages: Stages
    rounds: tuple[Change, ...] = Field(
        (), description="how what `gate` did not keep is spoken again, round after round"
    )
    partitions: PartitionSettings = PartitionSettings()
    subsets: SubsetSettings = SubsetSettings()
    phases: tuple[Phase, ...]
    resources: Annotated[dict[str, Resources], RUNTIME] = {}
    audio_ahead: Annotated[
        int | None,
        Field(ge=1, description="shards, those at work included, that are spoken and not yet gated; null: no bound"),
        RUNTIME,
    ] = None
    guards: Annotated[dict[str, Guard], RUNTIME] = {}
    target_hours: Annotated[dict[Language, dict[Split, Annotated[float, Field(gt=0)]]], RUNTIME] = Field(
        {}, description="gated hours per language and split at which a build begins no more shards of the language"
    )
    licences: Annotated[tuple[Licence, ...], RUNTIME] = ()
    departures: Annotated[tuple[Departure, ...], RUNTIME] = ()
    prompts: dict[str, dict[str, Any]] = Field({}, description="filled in from the prompts folder when loaded")
    contents: Annotated[dict[str, str] | None, RUNTIME] = Field(
        None, description="filled in by a build: what the models are that the engines name by local paths"
    )

    @model_validator(mode="after")
    def _names_fit(self) -> Pipeline:
        for stage in STAGES:
            for mark, name in getattr(self.stages, stage).references():
                known = getattr(self.engines, mark.capability) if isinstance(mark, EngineRef) else self.prompts
                if name not in known and not (known is self.prompts and not self.prompts):
                    what = f"{mark.capability} engine" if isinstance(mark, EngineRef) else "prompt"
                    raise ValueError(f"stages.{stage}: no {what} named {name!r}; there is {', '.join(sorted(known))}")
        flat = [stage for units in self._units_of_phases for unit in units for stage in unit]
        if flat != list(STAGES):
            raise ValueError(f"phases: the stages must be, in this order, {', '.join(STAGES)}; got {', '.join(flat)}")
        self._rounds_fit()
        splits = self.stages.spoken.splits
        for language, targets in self.target_hours.items():
            for split in targets:
                if split != "train" and not getattr(splits, split):
                    raise ValueError(
                        f"target_hours.{language}.{split}: stages.spoken.splits draws no {split} dialogues"
                    )
        for group in ("resources", "guards"):
            if unknown := set(getattr(self, group)) - set(self.flow):
                raise ValueError(f"{group}: unknown stage {sorted(unknown)[0]!r}; stages are {', '.join(self.flow)}")
        return self

    @model_validator(mode="after")
    def _engines_take_several_shards(self) -> Pipeline:
        for first, wanted in self.resources.items():
            if wanted.shards_in_flight == 1:
                continue
            for stage in self.unit_of(first):
                for mark, name in self.settings_of(stage).references():
                    if isinstance(mark, EngineRef) and not e.concurrent(self.engine(mark.capability, name)):
                        raise ValueError(
                            f"resources.{first}.shards_in_flight: {wanted.shards_in_flight}, but the {mark.capability} "
                            f"engine {name!r} of stages.{stage} takes one call at a time: set it to 1; vllm and openai "
                            "engines, and llm judges that ask one, take several"
                        )
        return self

    def _rounds_fit(self) -> None:
        if not self.rounds:
            return
        name = self.stages.synthesize.tts
        engine = self.engine("tts", name)
        if "seed" in self.rounds and not engine.seeded:
            raise ValueError(
                f"rounds: the tts engine {name!r} ({engine.use}) speaks alike with every seed, so a round `seed` is in "
                "vain; use [voice], or [] for no second chance"
            )
        if (unit := self.unit_of(REPEATED[0]))[0] != REPEATED[0]:
            raise ValueError(
                f"phases: {REPEATED[0]} is fused behind {unit.first}, and a round cannot begin there: take it out of "
                f"{list(unit)}, or set rounds: []"
            )

    @property
    def _units_of_phases(self) -> list[list[tuple[str, ...]]]:
        """As the profile names them: round 0."""
        return [[(s,) if isinstance(s, str) else tuple(s) for s in phase.stages] for phase in self.phases]

    @cached_property
    def units_by_phase(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """The published units, phase by phase: a stage alone or stages fused. Rounds follow the unit that gates, in its
        phase, fused as round 0 is."""
        phases = self._units_of_phases
        again = [unit for units in phases for unit in units if set(unit) & set(REPEATED)]
        for units in phases:
            if again and again[-1] in units:
                units += [tuple(in_round(s, k) for s in unit) for k in range(1, len(self.rounds) + 1) for unit in again]
        return tuple(map(tuple, phases))

    @cached_property
    def units(self) -> tuple[tuple[str, ...], ...]:
        """All units, in flow order."""
        return tuple(unit for units in self.units_by_phase for unit in units)

    @cached_property
    def flow(self) -> tuple[str, ...]:
        """All stages in order, those of the rounds after round 0's."""
        return tuple(stage for unit in self.units for stage in unit)

    @cached_property
    def _unit_of(self) -> dict[str, tuple[str, ...]]:
        return {stage: unit for unit in self.units for stage in unit}

    def unit_of(self, stage: str) -> tuple[str, ...]:
        return self._unit_of[stage]

    def in_rounds(self, stage: str) -> tuple[str, ...]:
        """The stage of every round: `gate`, `gate.r1`, …"""
        return tuple(in_round(stage, k) for k in range(len(self.rounds) + 1))

    def round_name(self, round_: int) -> str:
        """For a reader: `first`, `1: another seed`, …"""
        return f"{round_}: {CHANGES[self.rounds[round_ - 1]]}" if round_ else "first"

    def decides(self, stage: str) -> bool:
        """Whether what the stage refuses is out: no later round speaks it again."""
        base, round_ = split_round(stage)
        return base not in REPEATED or round_ == len(self.rounds)

    def settings_of(self, stage: str) -> Any:
        """A stage of a round has the settings of its base."""
        return getattr(self.stages, split_round(stage)[0])

    def resources_of(self, stage: str) -> Resources:
        """Its own, or those of the unit that it is fused into, which its first stage names; a stage of a round that is
        not named has those of its base."""
        names = (name for own in (stage, self.unit_of(stage).first) for name in (own, split_round(own)[0]))
        return next((self.resources[name] for name in names if name in self.resources), Resources())

    def engine(self, capability: str, name: str) -> Any:
        return getattr(self.engines, capability)[name]

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
        return {"settings": relevant, "named": named, "seed": self.seed}

    def _by_content(self, settings: Any) -> Any:
        """The settings with local models named by what they are, not by where they lie."""
        if isinstance(settings, dict):
            return {k: self._by_content(v) for k, v in settings.items()}
        if isinstance(settings, list):
            return [self._by_content(v) for v in settings]
        return (self.contents or {}).get(settings, settings) if isinstance(settings, str) else settings

    def to_json(self) -> str:
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=1)
