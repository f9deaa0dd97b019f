"""The units in the order in which rows pass them: what an estimate multiplies yields along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kespeechchat.config.flow import SPEECH, TRAITS, branch_source, one_language
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.config.traits import Scope
from kespeechchat.config.units import Unit


@dataclass(frozen=True)
class Chains:
    """Names of units. Rows of one chain are counted alike; between the chains of the voice branch they change kind."""

    text: list[str] = field(default_factory=list)  # instructions to spoken dialogues
    speech: list[list[str]] = field(default_factory=list)  # dialogues, in each round
    clips: list[str] = field(default_factory=list)  # clips, language by language
    mining: list[str] = field(default_factory=list)  # all clips at once, to candidate voices
    auditions: list[str] = field(default_factory=list)  # candidates, to the library

    @property
    def first(self) -> Sequence[str]:
        """All units that a dialogue passes which its first round keeps."""
        return [*self.text, *self.speech[0]]

    @property
    def voices(self) -> Sequence[str]:
        """All units of the voice branch."""
        return [*self.clips, *self.mining, *self.auditions]


def chains(pipeline: Pipeline) -> Chains:
    """The chains of a profile's units."""
    found = Chains(speech=[[] for _ in pipeline.in_rounds(SPEECH[0])])
    for unit in pipeline.units:
        stage, round_ = split_round(unit.first)
        branch = TRAITS[stage].branch
        if branch == "speech":
            found.speech[round_].append(unit.name)
        elif branch == "text":
            found.text.append(unit.name)
        else:
            _voice_chain(found, stage).append(unit.name)
    return found


def _voice_chain(found: Chains, stage: str) -> list[str]:
    """The chain of the voice branch that the stage belongs to: candidates are there from the first slice on."""
    if one_language(stage):
        return found.clips
    sliced = TRAITS[stage].source.scope is Scope.SLICE
    return found.auditions if found.auditions or sliced else found.mining


def shard_size(pipeline: Pipeline, unit: Unit) -> int | None:
    """Rows of one of the unit's shards; None where it has one shard in all."""
    source = branch_source(split_round(unit.first)[0])
    if source.scope is Scope.ALL:
        return None
    if source.scope is Scope.SLICE:
        return pipeline.speech.audition_shard_size
    return pipeline.speech.shard_size if source.stage == "speech" else pipeline.instructions.shard_size
