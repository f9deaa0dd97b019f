"""ROOT: can it be written, does it create atomically, is there space for what the build will write?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from kespeechchat.commands.doctor.finding import CheckFailed, Finding, look
from kespeechchat.commands.plan.forecast import forecast
from kespeechchat.commands.plan.text import ranged
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.display import size
from kespeechchat.store.commit import new_attempt
from kespeechchat.store.interface import AlreadyExists, ObjectStore, StoreError
from kespeechchat.store.opening import open_store

_LEAST = 5 << 30  # bytes of free disk under which ROOT is called full where nothing is known of the build's size


def check(pipeline: Pipeline) -> Iterator[Finding]:
    """Two findings: the store itself, and its free space."""
    root = next(look("ROOT", lambda: _store(open_store(pipeline.root)), "choose a ROOT that can be written: --root"))
    yield root
    if root.ok:
        store = open_store(pipeline.root)
        yield from look("free space", lambda: _space(pipeline, store), "see `kesc plan`, or choose another --root")


def _store(store: ObjectStore) -> str:
    key, first = f"plan/.doctor-{new_attempt()}", b"first"
    try:
        store.create(key, first)
    except StoreError as error:
        raise CheckFailed(str(error), "get permission to write there, or choose another --root") from None
    try:
        store.create(key, b"second")
    except AlreadyExists:
        pass
    else:
        raise CheckFailed(
            f"{store.url}: lets two workers create the same object, so both could win a shard",
            "use a store with conditional puts (S3, GCS, Azure, MinIO, SeaweedFS) or a folder on a local disk",
        )
    finally:
        read = store.get(key)
        store.delete(key)
    if read != first:
        raise CheckFailed(f"{store.url}: reads back other bytes than were written", "use another --root")
    return f"{store.url}: can be written, and creates objects atomically"


def _space(pipeline: Pipeline, store: ObjectStore) -> str:
    needed, known = _needed(pipeline)
    if "://" in store.url:
        return f"an object store does not say how much space is free; {known}"
    written = sum(length for unit in pipeline.units for _, length in store.list(unit.name))
    free = shutil.disk_usage(store.url).free
    message = f"{size(free)} free, {size(written)} are written already; {known}"
    if free < (_LEAST if needed is None else needed - written):
        raise CheckFailed(message, "free some space, choose another --root, or give the build fewer rows")
    return message


def _needed(pipeline: Pipeline) -> tuple[float | None, str]:
    """(bytes that the whole build takes at least, the same for a reader), by the figures of ROOT or its pilot."""
    for root in (pipeline.root, f"{pipeline.root.rstrip('/')}-pilot"):
        measured = pipeline.model_copy(update={"root": root})
        try:
            whole = forecast(pipeline, measured, open_store(root)).sizes[0]
        except ConfigError:
            continue
        takes = whole.total("storage")
        left_out = f", without what was not measured: {'; '.join(whole.unknown)}" if whole.unknown else ""
        return takes.low, f"the whole build takes {ranged(takes, size)} by the figures of {root}{left_out}"
    return None, "what the build takes is not known until it is measured: `kesc plan PIPELINE --pilot 50`"
