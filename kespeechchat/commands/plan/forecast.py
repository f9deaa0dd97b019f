"""`kesc plan`: the estimate of a whole build, put together from measured figures and shown with its arithmetic."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field

from kespeechchat.commands.plan.arithmetic import PAPER_DIALOGUES, PAPER_USERS, Figures, measured
from kespeechchat.commands.plan.estimator import Estimator, Size
from kespeechchat.commands.plan.measurements import (
    Measured,
    candidates,
    dialogues_for_targets,
    own_clips,
    own_rows,
    read_samples,
)
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.display import counted
from kespeechchat.store.interface import ObjectStore


@dataclass(frozen=True)
class Forecast:
    """Estimates for several sizes of input, and the figures that they rest on."""

    measured: Measured
    figures: dict[tuple[str, str | None], Figures]  # by unit and language
    sizes: list[Size]
    gpus: int | None
    notes: list[str] = field(default_factory=list)  # what the estimate had to take for granted
    names: dict[str, str] = field(default_factory=dict)  # unit → all its stages, where several are fused

    def to_json(self) -> dict[str, object]:
        """Plain data. An end that is not finite (nothing was kept, so no number of rows suffices) is null."""
        data: dict[str, object] = {
            "figures_from": self.measured.root,
            "shards": self.measured.committed,
            "superseded": list(self.measured.superseded),
            "other_engines": self.measured.others,
            "notes": self.notes,
            "gpus": self.gpus,
            "fused": {unit: name for unit, name in self.names.items() if unit != name},
            "measured": [asdict(figures) for figures in self.figures.values()],
            "sizes": [_size_json(size) for size in self.sizes],
        }
        return {key: _finite(value) for key, value in data.items()}


def forecast(
    pipeline: Pipeline, measured_in: Pipeline, store: ObjectStore, rows: int | None = None, gpus: int | None = None
) -> Forecast:
    """The estimate for `pipeline` from what is built in `store` with `measured_in` (the same profile, or a pilot).

    `rows`: instruction rows, instead of the inputs' own; `gpus`: of the cluster, None for all that the pools may take.
    Raises ConfigError where nothing is built there.
    """
    samples = read_samples(measured_in, store)
    figures = measured(samples.samples)
    if not figures:
        raise ConfigError(
            f"{store.url}: no shard is built there, so there is nothing to estimate from; "
            "measure with --pilot 50, or name an earlier build with --root"
        )
    notes: list[str] = []
    own = own_rows(pipeline, figures, rows, notes)
    estimator = Estimator(pipeline, figures, own_clips(pipeline, figures, notes), gpus)
    voices = candidates(pipeline)
    sizes = [estimator.of_rows(counted(round(sum(own.values())), "row"), own, voices)]
    if wanted := dialogues_for_targets(pipeline, figures):
        sizes.append(estimator.of_targets("the target hours", own, wanted, voices))
    sizes.append(estimator.of_dialogues("the paper's size", own, PAPER_DIALOGUES, candidates(pipeline, PAPER_USERS)))
    return Forecast(samples, figures, sizes, gpus, notes, {unit.name: str(unit) for unit in pipeline.units})


def _size_json(size: Size) -> dict[str, object]:
    lines = [{**asdict(line), "gpu_hours": asdict(line.gpu_hours)} for line in size.lines]
    totals = {
        "actor_hours": asdict(size.total("actor_hours")),
        "gpu_hours": asdict(size.total("gpu_hours")),
        "storage": asdict(size.total("storage")),
    }
    return {**asdict(size), "lines": lines, "totals": totals}


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
