"""`kesc models`: what a profile needs of models, under which licence, and what of it is here.

Nothing is downloaded: a hub id counts as present where its snapshot lies in the local hub cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from kespeechchat.config.engine_base import EngineSettings
from kespeechchat.config.pipeline import Engines, Pipeline
from kespeechchat.config.provenance import Licence
from kespeechchat.display import counted, size
from kespeechchat.engines import EngineError
from kespeechchat.engines.models import resolve
from kespeechchat.engines.registry import row_of


@dataclass(frozen=True)
class ModelStatus:
    """One model of a profile. `problem` is None where it is here, else says how to get it."""

    model: str
    used_by: tuple[str, ...]  # CAPABILITY:NAME of the profile's engines
    licence: str | None
    size: float | None  # GB: of the files where they are here, else as the profile says
    problem: str | None = None


def models(pipeline: Pipeline) -> list[ModelStatus]:
    """The models that the profile's engines name, each once, in the order of the profile."""
    users: dict[str, list[str]] = {}
    carried: dict[str, str | None] = {}
    for capability in Engines.model_fields:
        for name, settings in getattr(pipeline.engines, capability).items():
            carried |= _carried(settings)
            for model in settings.models():
                users.setdefault(model, []).append(f"{capability}:{name}")
    licences = {entry.model: entry for entry in pipeline.licences if entry.model}
    with _offline():
        found = [_status(model, tuple(dict.fromkeys(by)), licences.get(model)) for model, by in users.items()]
    return [replace(m, licence=m.licence or carried.get(m.model)) for m in found]


def render(found: list[ModelStatus]) -> list[str]:
    """Two lines a model, and how to get those that are missing."""
    lines = []
    for m in found:
        lines.append(f"{'present' if m.problem is None else 'MISSING'}  {m.model}")
        lines.append(
            f"         {', '.join(m.used_by)}; {size_of(m)}; {m.licence or 'licence not named in the profile'}"
        )
        if m.problem:
            lines.append(f"         {m.problem}")
    missing = sum(m.problem is not None for m in found)
    return [*lines, f"{counted(len(found), 'model')}, {missing} missing"]


def size_of(model: ModelStatus) -> str:
    """For a reader."""
    return "size not known" if model.size is None else size(1e9 * model.size)


def _carried(settings: EngineSettings) -> Iterator[tuple[str, str | None]]:
    """(model, licence) of what the libraries of an engine and of those inside it carry."""
    if settings.carried:
        yield settings.carried, row_of(settings).licence
    for inner in settings.nested():
        yield from _carried(inner)


def _status(model: str, used_by: tuple[str, ...], licence: Licence | None) -> ModelStatus:
    terms, size, fetch = (licence.licence, licence.gb, licence.fetch) if licence else (None, None, None)
    try:
        return ModelStatus(model, used_by, terms, _gigabytes(resolve(model)))
    except EngineError as error:
        fix = f"get it with: {fetch.replace('{model}', model)}" if fetch else str(error).rsplit("; ", 1)[-1]
        return ModelStatus(model, used_by, terms, size, fix)


def _gigabytes(path: Path) -> float:
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 1e9


@contextmanager
def _offline() -> Iterator[None]:
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before
