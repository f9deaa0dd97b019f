"""The stages by name, in the order of the flow."""

from __future__ import annotations

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
