"""Which store serves a ROOT."""

from __future__ import annotations

from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.local import LocalFolder


def open_store(root: str) -> ObjectStore:
    """The store at `root`: a folder, or a URL such as s3://bucket/prefix. Raises StoreError where it cannot be one."""
    if "://" not in root:
        return LocalFolder(root)
    from kespeechchat.store.remote import RemoteStore

    return RemoteStore(root)
