"""The base of every setting: strict, immutable, and clear about what forces a rebuild.

A setting changes a stage's fingerprint unless its annotation carries :data:`RUNTIME`: worker counts, batch sizes and
places do not change what comes out, so they must not make a week of shards stale. One marked
:data:`ADDED` counts where it is not its default, so that what was built before it existed is not stale. A setting that
names an engine or a prompt says so by its annotation (:class:`EngineRef`, :data:`PROMPT`); the plan follows the name
and hashes what it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator

from kespeechchat.records import LANGUAGES


class _Runtime:
    """Marks a setting that cannot change the output."""


class _Added:
    """Marks a setting that came after a release, and whose default is what the code did before."""


class _PromptRef:
    """Marks a setting that names a prompt file (without its ending)."""


@dataclass(frozen=True)
class EngineRef:
    """Marks a setting that names one of the profile's engines of `capability`."""

    capability: str


RUNTIME = _Runtime()
ADDED = _Added()
PROMPT = _PromptRef()


class Settings(BaseModel):
    """A group of settings. Unknown keys are errors; values are frozen after loading."""

    # Defaults are validated too: an int default of a float setting would hash otherwise once it has been through JSON.
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _fill_languages(cls, data: Any) -> Any:
        """One language's part given alone leaves the other's default as it is."""
        if isinstance(data, dict):
            for name, info in cls.model_fields.items():
                given, default = data.get(name), info.default
                if isinstance(given, dict) and isinstance(default, dict) and set(default) == set(LANGUAGES):
                    data = {**data, name: {**default, **given}}
        return data

    def relevant(self, language: str | None = None) -> dict[str, Any]:
        """What can change the output of a shard of `language`: plain data for hashing.

        Leaves out what is marked RUNTIME, and what is marked ADDED and has its default; of a mapping by language keeps
        that language's part alone.
        """
        out = {}
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            added = any(isinstance(mark, _Added) for mark in info.metadata)
            if any(isinstance(mark, _Runtime) for mark in info.metadata) or (added and value == info.default):
                continue
            out[name] = _plain(value, language)
        return out

    def references(self, language: str | None = None) -> Iterator[tuple[EngineRef | _PromptRef, str]]:
        """The engines and prompts that these settings name, nested ones included."""
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            marks = [m for m in (*info.metadata, *_nested(info.annotation)) if isinstance(m, (EngineRef, _PromptRef))]
            for item in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(item, Settings):
                    yield from item.references(language)
                elif isinstance(item, str):
                    yield from ((mark, item) for mark in marks)


def _nested(annotation: Any) -> Iterator[Any]:
    """Marks inside an annotation, as in `Annotated[str, MARK] | None`: pydantic lifts only the outermost."""
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from _nested(part)


def _plain(value: Any, language: str | None) -> Any:
    if isinstance(value, Settings):
        return value.relevant(language)
    if isinstance(value, dict):
        if language is not None and value and set(value) <= set(LANGUAGES):
            return _plain(value.get(language), language)
        return {str(k): _plain(v, language) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v, language) for v in value]
    return value


def pick(by_language: Any, language: str) -> Any:
    """The value for `language` of a setting that may be given once for all or per language."""
    if isinstance(by_language, dict) and set(by_language) <= set(LANGUAGES):
        return by_language[language]
    return by_language
