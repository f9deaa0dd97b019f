"""The resolved pipeline in ROOT: the last one for the commands that name only ROOT, and each by its hash for workers.

A worker gets a root and a hash. The pipeline itself, prompts and all, would be too large for an actor's arguments: Ray
keeps large ones in its object store, and cannot restart the actor once they are gone from there (ray issue 53727).
"""

from __future__ import annotations

import contextlib
import hashlib

from kespeechchat.config.load import from_json
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.store.interface import AlreadyExists
from kespeechchat.store.opening import open_store

LAST = "pipeline.json"


def save_profile(pipeline: Pipeline) -> str:
    """Keeps the pipeline in its ROOT, as the last and by its hash; returns the hash."""
    store, data = open_store(pipeline.root), pipeline.to_json().encode()
    kept = hashlib.sha256(data).hexdigest()[:16]
    store.put(LAST, data)
    with contextlib.suppress(AlreadyExists):  # the same content: that is what the name says
        store.create(f"pipelines/{kept}.json", data)
    return kept


def load_profile(root: str, kept: str | None = None) -> Pipeline:
    """The pipeline kept under the hash `kept` (None: the last one). Raises FileNotFoundError."""
    name = f"pipelines/{kept}.json" if kept else LAST
    return from_json(open_store(root).get(name).decode()).model_copy(update={"root": root})
