"""The commit record of an attempt: what was made of the shard, from which inputs, by which engines and libraries."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import socket
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata
from typing import Any

import pyarrow as pa

from kespeechchat import __version__
from kespeechchat.config.flow import LIBRARY
from kespeechchat.execution.worker.shard_maker import MadeRows
from kespeechchat.records import KEPT
from kespeechchat.stages.base import Stage
from kespeechchat.state.orders import Order
from kespeechchat.store.commit import CommitRecord


def commit_record(
    order: Order,
    stages: Sequence[Stage[Any]],
    attempt: str,
    made: MadeRows,
    seconds: float,
    cold: bool,
    error: str | None,
) -> CommitRecord:
    """The record before `commit` adds the data's name and checksum; with `error`, the record of a failure.

    `seconds`: of work, without the loading of engines. `cold`: it was its process's first shard of the language.
    """
    kept = [o.row for _, o in made.settled if o.status == KEPT]
    engines = {f"{s.name}.{k}": e for s in stages for k, e in s.engines.items()}
    return CommitRecord(
        status="failed" if error else "committed",
        stage=order.name,
        shard=order.key.shard,
        fingerprint=order.key.fingerprint,
        generation=order.key.generation,
        attempt=attempt,
        language=order.language,
        inputs={k.removeprefix("input:"): v for k, v in order.ingredients.items() if k.startswith("input:")},
        ingredients=order.ingredients,
        counts=made.counts,
        content=_content(kept) if order.name == LIBRARY else None,
        schema=[f"{f.name}: {f.type}" for f in stages[-1].schema],
        seconds=round(seconds, 3),
        cold=cold,
        isolated=made.isolated,
        audio_seconds=round(sum(map(_audio_seconds, kept)), 3),
        engines={name: engine.identity() for name, engine in engines.items()},
        deterministic=all(engine.deterministic for engine in engines.values()),
        versions=_versions(),
        host=socket.gethostname(),
        error=error,
    )


def _audio_seconds(row: dict[str, Any]) -> float:
    parts = row.get("turns") or [row]
    return sum(part.get("seconds") or 0.0 for part in parts)


def _content(rows: list[dict[str, Any]]) -> str:
    """Hash of what audio depends on in the voice library's rows."""
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda r: r["id"]):
        facts = {k: row[k] for k in ("id", "role", "language", "gender", "split", "seconds_per_character")}
        digest.update(json.dumps(facts, sort_keys=True).encode())
        digest.update(pa.array(row["embedding"], pa.float32()).to_numpy().tobytes())
        for prompt in row.get("prompts") or ():
            digest.update(f"{prompt['language']} {prompt['text']}".encode() + prompt["audio"])
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    """Versions of the libraries that make or measure the data, as installed here."""
    libraries = ("numpy", "pyarrow", "torch", "onnxruntime", "xllamacpp", "faster-whisper", "ctranslate2", "misaki")
    versions = {"python": platform.python_version(), "kespeechchat": __version__}
    for library in libraries:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[library] = metadata.version(library)
    return versions
