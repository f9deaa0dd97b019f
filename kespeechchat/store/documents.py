"""Small JSON documents of ROOT, read as the dataclasses they were written from.

ROOT is shared: another version wrote it, a disk tore it, a hand edited it. So what is read is checked field by field
(pydantic reads plain dataclasses) and whatever is wrong with it is a ValueError that names the field.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from kespeechchat.store.interface import ObjectStore, StoreError

Document = TypeVar("Document")


def parse(kind: type[Document], data: bytes) -> Document:
    """`data` as a `kind`. Raises ValueError that names the field where the bytes are none (torn, edited by hand)."""
    try:
        return _adapter(kind).validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise ValueError(f"{where}: {first['msg']}") from None


def read_document(store: ObjectStore, key: str, kind: type[Document], cure: str) -> Document:
    """The document at `key`. Raises FileNotFoundError, and StoreError with `cure` where it is not a `kind`."""
    try:
        return parse(kind, store.get(key))
    except ValueError as error:
        raise StoreError(f"{store.url}/{key}: not as kesc wrote it ({error}); {cure}") from None


def dump(kind: type[Document], document: Document) -> bytes:
    """`document` as compact JSON, as `parse` reads it."""
    return _adapter(kind).dump_json(document)


@lru_cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
