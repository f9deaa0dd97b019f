"""What the local models of a build are: found when it begins, kept in ROOT, part of the fingerprints.

A path says nothing of the weights that lie there. So a fingerprint holds the content of a local model in place of its
path: other weights under the same path make shards stale, and the same weights at another place do not. A build looks
once; its workers check that theirs are the same. Where a model is not on this machine (`kesc status` on a laptop), the
build's own word for it counts.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines import EngineError
from kespeechchat.engines.models import content
from kespeechchat.state.profile_models import local_models
from kespeechchat.state.saved_profile import load_profile


def with_model_digests(pipeline: Pipeline) -> Pipeline:
    """`pipeline` with its local models' contents: of those on this machine as they are, else as ROOT's build saw them.
    One that neither knows is left out, and stands for its path."""
    paths = local_models(pipeline)
    if not paths:
        return pipeline.model_copy(update={"contents": {}})
    found = {path: content(path) for path in paths if Path(path).expanduser().exists()}
    kept = _kept(pipeline.root) if len(found) < len(paths) else {}
    return pipeline.model_copy(update={"contents": {p: kept[p] for p in paths if p in kept} | found})


def _kept(root: str) -> dict[str, str]:
    try:
        return load_profile(root).contents or {}
    except FileNotFoundError:
        return {}


def unknown(pipeline: Pipeline) -> list[str]:
    """Local models that nobody has looked at."""
    return [path for path in local_models(pipeline) if path not in (pipeline.contents or {})]


def check_here(pipeline: Pipeline, models: Iterable[str]) -> None:
    """Raises EngineError where a local model on this machine is not what the build began with."""
    for path in models:
        begun = (pipeline.contents or {}).get(path)
        if begun is not None and Path(path).expanduser().exists() and content(path) != begun:
            raise EngineError(
                f"model {path} on {socket.gethostname()} is {content(path)}, but this build began with {begun}: put "
                "the same files on every machine and build again"
            )
