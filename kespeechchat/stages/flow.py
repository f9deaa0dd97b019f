"""The stages by name, in the order of the flow; and those of the rounds, made of them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from kespeechchat.config.rounds import REPEATED, in_round, split_round
from kespeechchat.stages.audition import Audition
from kespeechchat.stages.base import Stage
from kespeechchat.stages.blend import Blend
from kespeechchat.stages.clips import Clips
from kespeechchat.stages.corpus import Corpus
from kespeechchat.stages.filter import Filter
from kespeechchat.stages.gate import Gate
from kespeechchat.stages.ingest import Ingest
from kespeechchat.stages.measure import Measure
from kespeechchat.stages.rewrite import Rewrite
from kespeechchat.stages.speakers import Speakers
from kespeechchat.stages.spoken import Spoken
from kespeechchat.stages.synthesize import Synthesize
from kespeechchat.stages.voices import Voices
from kespeechchat.stages.watermark import Watermark

STAGE_CLASSES: dict[str, type[Stage]] = {
    stage.name: stage
    for stage in (
        Ingest,
        Rewrite,
        Filter,
        Spoken,
        Corpus,
        Clips,
        Speakers,
        Blend,
        Audition,
        Voices,
        Synthesize,
        Watermark,
        Measure,
        Gate,
    )
}


def stage_class(name: str) -> type[Stage]:
    """The class of the stage `name`, of any round. Raises KeyError."""
    stage, round_ = split_round(name)
    return _again(STAGE_CLASSES[stage], round_) if round_ else STAGE_CLASSES[stage]


@cache
def _again(stage: type[Stage], round_: int) -> type[Stage]:
    """The same stage in a later round: it reads what its own round made. The first of a round reads what round 0's
    reads, without the rows that an earlier round's last stage kept."""
    source = stage.source
    if source.stage in REPEATED:
        source = replace(source, stage=in_round(source.stage, round_))
    else:
        source = replace(source, without=tuple(in_round(REPEATED[-1], k) for k in range(round_)))
    named = {"name": in_round(stage.name, round_), "round": round_, "source": source}
    return type(f"{stage.__name__}Round{round_}", (stage,), named)
