"""What the local models of a build are, by content: part of the fingerprints, and kept in ROOT.

A path says nothing of the weights behind it. So a fingerprint holds the digest of a local model in place of its path:
other weights under the same path make shards stale, and the same weights under another path do not. A build digests its
models when it begins, and its workers check that theirs are the same. Where a model is not on this machine (`kesc
status` on a laptop), the digest that the build kept in ROOT counts.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines import EngineError
from kespeechchat.engines.models import content
from kespeechchat.state.profile_models import local_models
from kespeechchat.state.saved_profile import load_profile


def with_model_digests(pipeline: Pipeline) -> Pipeline:
    """`pipeline` with `contents`: path of a local model → digest, as it is on this machine, else as ROOT's build kept
    it. A model that neither knows is left out, and its path is hashed in place of its content. What the excluded files
    hold is as ROOT's build kept it, unless `pipeline` says."""
    if pipeline.excluded is None and pipeline.instructions.exclude:
        pipeline = pipeline.model_copy(update={"excluded": _saved(pipeline, "excluded")})
    paths = local_models(pipeline)
    if not paths:
        return pipeline.model_copy(update={"contents": {}})
    here = {path: content(path) for path in paths if Path(path).expanduser().exists()}
    saved = _saved(pipeline, "contents") if len(here) < len(paths) else {}
    return pipeline.model_copy(update={"contents": {p: saved[p] for p in paths if p in saved} | here})


def _saved(pipeline: Pipeline, what: Literal["contents", "excluded"]) -> dict[str, str]:
    """As the last build kept it; and, of the other chain, as its last run did."""
    digests: dict[str, str] = {}
    for chain in dict.fromkeys(("dialogues", pipeline.chain)):
        with contextlib.suppress(FileNotFoundError):
            digests |= getattr(load_profile(pipeline.root, chain=chain), what) or {}
    return digests


def unknown(pipeline: Pipeline) -> list[str]:
    """Paths of local models whose content is not known."""
    return [path for path in local_models(pipeline) if path not in (pipeline.contents or {})]


def check_here(pipeline: Pipeline, models: Iterable[str]) -> None:
    """Raises EngineError where a local model on this machine is not what the build began with."""
    for path in models:
        expected = (pipeline.contents or {}).get(path)
        if expected is not None and Path(path).expanduser().exists() and content(path) != expected:
            raise EngineError(
                f"model {path} on {socket.gethostname()} is {content(path)}, but this build began with {expected}: put "
                "the same files on every machine and build again"
            )
