"""What the screening found of planned rows, as it is in ROOT: `plan/screened/KEY/`, laid out as the manifest is.

KEY stands for the settings and the excluded files, so another threshold has a folder of its own. A segment there is of
one screening; its entry of a shard tells where the shard's table (schema SCREENED) is, and its checksum is that of the
refusals alone, "" where there are none. Shards are only ever added: what was found of a row does not change.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pyarrow as pa

from kespeechchat.store.commit import short_hash
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.manifest import PlannedShard, planned_rows

SCREENED = pa.schema(
    [
        ("place", pa.int32()),  # of the row in its planned shard, from 0; rows of which nothing is known are left out
        ("reason", pa.string()),  # contaminated | near_duplicate; null: the row is kept, and later rows are held to it
        ("detail", pa.string()),
        ("keys", pa.binary()),  # uint32 of each band of its MinHash signature, little endian; null where refused
    ]
)


def screened_branch(relevant: dict[str, Any]) -> str:
    """The branch of `Manifest` that holds the screening under the settings `relevant` (`Pipeline.screening`)."""
    return f"screened/{short_hash(relevant)}"


def refusals(store: ObjectStore, shard: PlannedShard) -> dict[int, tuple[str, str]]:
    """Place of a refused row → (reason, detail). Raises FileNotFoundError."""
    table = planned_rows(store, shard, ["place", "reason", "detail"])
    found = zip(*(table[name].to_pylist() for name in ("place", "reason", "detail")), strict=True)
    return {place: (reason, detail) for place, reason, detail in found if reason is not None}


def refusals_checksum(table: pa.Table) -> str:
    """sha256 of the refusals in `table` (schema SCREENED), "" where there are none: what `ingest` depends on."""
    rows = zip(*(table[name].to_pylist() for name in ("place", "reason", "detail")), strict=True)
    refused = [f"{place}\x1f{reason}\x1f{detail}" for place, reason, detail in rows if reason is not None]
    return hashlib.sha256("\x1e".join(refused).encode()).hexdigest() if refused else ""
