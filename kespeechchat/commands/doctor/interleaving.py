"""The chain of `kesc interleave`: is there a codebook, and do documents become tokens?

A codebook that is still to be fitted, on the speech that passes the gate, is replaced by random numbers for the trial:
that shows that the model loads and a span becomes tokens, and says nothing of the codebook. Machines, environments and
models of the chain are looked at with those of `kesc build`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from kespeechchat.commands.doctor import stand_ins
from kespeechchat.commands.doctor.finding import Finding, look
from kespeechchat.commands.doctor.machines import Machines
from kespeechchat.commands.doctor.trial import Settled, Spoken, Trial, run_unit
from kespeechchat.config.flow import INTERLEAVE
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.engines.tokens.whisper import WhisperVectors
from kespeechchat.records import LANGUAGES
from kespeechchat.stages.base import Row, Task
from kespeechchat.state.codebooks import place_of_codebook, to_be_fitted, unfitted, with_codebooks

_TRIED = 6  # documents
_CHARACTERS = 300  # of each


def check(
    pipeline: Pipeline, there: Machines, rows: Sequence[Row], spoken: Spoken | None, blocked: Mapping[str, str]
) -> Iterator[Finding]:
    """A finding for a codebook that is fitted, and one per stage. `rows`: documents of the profile, or none; `spoken`:
    what the trial rows of `kesc build` are spoken with, None where there was nothing."""
    name = _tokens(pipeline)
    if to_be_fitted(pipeline, name):
        codebook = next(look(f"codebook of {name}", partial(_codebook, pipeline, name), "name one in `centroids`"))
        yield codebook
        if not codebook.ok:
            return
    if spoken is None:
        fix = "fix the trial of the speech corpus first"
        yield Finding(False, f"trial of {Unit(INTERLEAVE)}", "not tried: there is no voice to speak with", fix)
        return
    by = run_with_stand_in if unfitted(pipeline, name) else run_unit
    trial = Trial(with_codebooks(pipeline.of_chain("interleave")), there, blocked, by)
    trial.voices[None] = pa.concat_tables([spoken.voices(language) for language in LANGUAGES])
    yield from trial.run(INTERLEAVE, {None: _short(rows) or stand_ins.documents()})


def _tokens(pipeline: Pipeline) -> str:
    assert pipeline.interleave is not None
    return pipeline.interleave.stages.interleaved.tokens


def _codebook(pipeline: Pipeline, name: str) -> str:
    place = place_of_codebook(pipeline, name)
    if place.exists():
        return f"{place}: fitted"
    return "the first `kesc interleave` fits it on the speech that passes the gate; the trial takes random numbers"


def _short(rows: Sequence[Row]) -> list[Row]:
    """The beginnings of some documents, evenly over all."""
    chosen = rows[:: max(1, len(rows) // _TRIED)][:_TRIED]
    return [{**row, "raw": row["raw"][:_CHARACTERS]} for row in chosen]


def run_with_stand_in(pipeline: Pipeline, unit: Unit, tasks: Sequence[Task]) -> Settled:
    """As `trial.run_unit`, with a codebook of random numbers, which is there for as long as this runs."""
    name = _tokens(pipeline)
    settings = pipeline.engine("tokens", name)
    with TemporaryDirectory() as folder:
        place = Path(folder) / "codebook.npy"
        size = settings.clusters, WhisperVectors(settings).width
        np.save(place, np.random.default_rng(0).standard_normal(size, dtype=np.float32))
        tokens = {**pipeline.engines.tokens, name: settings.model_copy(update={"centroids": str(place)})}
        engines = pipeline.engines.model_copy(update={"tokens": tokens})
        return run_unit(pipeline.model_copy(update={"engines": engines}), unit, tasks)
