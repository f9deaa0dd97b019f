"""The resolved profile in ROOT: the last one for the commands that name only ROOT, and each by its hash for workers.

A worker gets a root and a hash. The profile itself, prompts and all, would be too large for an actor's arguments: Ray
keeps large ones in its object store, and cannot restart the actor once they are gone from there (ray issue 53727).
"""

from __future__ import annotations

import contextlib
import hashlib

from kespeechchat.config.load import from_json
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.traits import Chain
from kespeechchat.stages.flow import stage_versions
from kespeechchat.store.interface import AlreadyExists
from kespeechchat.store.opening import open_store

LAST = "pipeline.json"
_LAST_OF: dict[Chain, str] = {"dialogues": LAST, "interleave": "interleave.json"}


def save_profile(pipeline: Pipeline) -> str:
    """Writes the profile into its ROOT, as the last one of its chain and under its hash. Returns the hash.

    The hash has 16 hex digits. With it goes the version of each stage's code, by which those who name only ROOT judge
    what is stale.
    """
    whole = pipeline.model_copy(update={"versions": stage_versions()})
    store, data = open_store(pipeline.root), whole.to_json().encode()
    hash_ = hashlib.sha256(data).hexdigest()[:16]
    store.put(_LAST_OF[pipeline.chain], data)
    with contextlib.suppress(AlreadyExists):  # the name is the hash of the content, so the content is the same
        store.create(f"pipelines/{hash_}.json", data)
    return hash_


def load_profile(root: str, hash_: str | None = None, chain: Chain = "dialogues") -> Pipeline:
    """The profile saved under `hash_` (None: the last one of `chain`), with this `root`. Raises FileNotFoundError."""
    name = f"pipelines/{hash_}.json" if hash_ else _LAST_OF[chain]
    return from_json(open_store(root).get(name).decode()).model_copy(update={"root": root})
