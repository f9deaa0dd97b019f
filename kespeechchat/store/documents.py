"""Small JSON documents of ROOT, read as the dataclasses they were written from.

ROOT is shared: another version may have written it, a disk torn it, a person edited it. So everything that is read is
checked field by field (pydantic reads plain dataclasses), and the error names the field.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from kespeechchat.store.interface import ObjectStore, StoreError

Document = TypeVar("Document")


def parse(kind: type[Document], data: bytes) -> Document:
    """`data` as a `kind`. Raises ValueError, naming the field, where the bytes are not one (torn, edited by hand)."""
    try:
        return _adapter(kind).validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise ValueError(f"{where}: {first['msg']}") from None


def read_document(store: ObjectStore, key: str, kind: type[Document], fix: str) -> Document:
    """The document at `key`. Raises FileNotFoundError, and StoreError where it is not a `kind`: `fix` ends its message
    and says what to do."""
    try:
        return parse(kind, store.get(key))
    except ValueError as error:
        raise StoreError(f"{store.url}/{key}: not as kesc wrote it ({error}); {fix}") from None


def dump(kind: type[Document], document: Document) -> bytes:
    """`document` as compact JSON, as `parse` reads it."""
    return _adapter(kind).dump_json(document)


_adapters: dict[object, TypeAdapter[Any]] = {}  # by kind: making one costs far more than using it


def _adapter(kind: type[Document]) -> TypeAdapter[Document]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]
