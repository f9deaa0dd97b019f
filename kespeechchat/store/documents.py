"""Small JSON documents of ROOT, read as the dataclasses they were written from.

ROOT is shared: another version may have written it, a disk torn it, a person edited it. So everything that is read is
checked field by field (pydantic reads plain dataclasses), and the error names the field.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from kespeechchat.store.interface import ObjectStore, StoreError

Document = TypeVar("Document")
_TYPES = {"int": "integer", "float": "number", "string": "text", "bool": "truth value", "tuple": "list"}
_SHOWN = 60  # characters of a value


def parse(kind: type[Document], data: bytes) -> Document:
    """`data` as a `kind`. Raises ValueError, naming the field, where the bytes are not one (torn, edited by hand)."""
    try:
        return _adapter(kind).validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {_plain(first)}" if where else _plain(first)) from None


def _plain(error: ErrorDetails) -> str:
    """What is wrong, in words that need no knowledge of pydantic."""
    about = error.get("ctx", {})
    match error["type"]:
        case "json_invalid":
            return f"not JSON: {about['error']}"
        case "missing":
            return "is missing"
        case "literal_error":
            return f"is {_shown(error)}, not {about['expected'].replace(' or ', ', ').replace(chr(39), '')}"
        case "string_pattern_mismatch":
            return f"is {_shown(error)}, not of the form {about['pattern']}"
        case "string_too_long":
            return f"is longer than {about['max_length']:,} characters"
        case "string_too_short":
            return "is empty"
        case "too_long":
            return f"has more than {about['max_length']:,} items"
        case "dataclass_type" | "model_type" | "dict_type" | "model_attributes_type":
            return f"is {_kind(error['input'])}, not an object"
        case "unexpected_keyword_argument" | "extra_forbidden":
            return "is not a field"
        case "finite_number":
            return "is not a finite number"
        case "timezone_aware":
            return f"is {_shown(error)}, without a time zone"
        case kind if kind.startswith("datetime"):
            return f"is {_shown(error)}, not a date and time"
        case kind if kind.endswith(("_type", "_parsing")):
            wanted = _TYPES.get(name := kind.rpartition("_")[0], name.replace("_", " "))
            return f"is {_shown(error)}, not {'an' if wanted[0] in 'aeiou' else 'a'} {wanted}"
        case _:
            return f"is {_shown(error)}: {error['msg'].replace('Input should', 'must')}"


def _shown(error: ErrorDetails) -> str:
    text = json.dumps(error["input"], ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _kind(value: object) -> str:
    kinds = {list: "a list", str: "text", type(None): "null", bool: "true or false"}
    return kinds.get(type(value), "a number")


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
