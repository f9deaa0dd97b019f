"""The layouts of `kesc export`: a file or folder each, found by name. To add one, write its class and name it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from kespeechchat.export.errors import ExportError

if TYPE_CHECKING:
    from kespeechchat.export.layout import Layout

_CLASSES = {  # name → module : class; modules are imported when their layout is used
    "ke-speechchat": "ke_speechchat:KeSpeechChat",
    "huggingface": "huggingface:HuggingFace",
    "webdataset": "webdataset:WebDataset",
    "lhotse": "lhotse:Lhotse",
    "stereo": "stereo:Stereo",
    "ke-omni": "ke_omni:KeOmni",
    "messages": "messages:Messages",
    "moshi": "moshi:Moshi",
    "nemo-duplex": "nemo_duplex:NemoDuplex",
    "whisper": "whisper:Whisper",
    "cosyvoice": "cosyvoice:CosyVoice",
    "preference": "preference:Preference",
    "interleaved": "interleaved:Interleaved",
}
LAYOUTS = tuple(_CLASSES)
"""Their names; the first is the default."""


def layout_class(name: str) -> type[Layout]:
    """The class of a layout. Its instances are made with the layout's own settings; all have defaults."""
    module, _, cls = _CLASSES[name].partition(":")
    found: type[Layout] = getattr(import_module(f"{__name__}.{module}"), cls)
    return found


def make_layout(
    name: str,
    settings: Mapping[str, Callable[[], object]] | None = None,
    options: Mapping[str, str] | None = None,
) -> Layout:
    """A layout with the user's `options` (see `read_options`), and what it needs by name from `settings`, which makes
    it only then."""
    cls: Any = layout_class(name)
    wanted = {field for field in cls.__dataclass_fields__ if field in cls.needs}
    chosen = read_options(cls, options or {})
    given = {field: make() for field, make in (settings or {}).items() if field in wanted}
    layout: Layout = cls(**given, **chosen)
    return layout


def read_options(cls: type[Layout], options: Mapping[str, str]) -> dict[str, object]:
    """Field → value of a layout's own settings, which the user gives as text. Raises ExportError for a name that is no
    setting, and for a value that does not fit."""
    made: Any = cls  # a dataclass, which the type of a protocol does not say
    hints = get_type_hints(cls)
    allowed = {field.name: hints[field.name] for field in fields(made) if field.name not in cls.needs}
    return {name: _read_option(cls.name, allowed, name, text) for name, text in options.items()}


def _read_option(layout: str, allowed: Mapping[str, Any], name: str, text: str) -> object:
    if name not in allowed:
        raise ExportError(f"layout {layout} has no option {name!r}; it has {', '.join(allowed) or 'none'}")
    choices = get_args(allowed[name])
    if choices and text in choices:
        return text
    if allowed[name] is int and text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    fits = f"one of {', '.join(choices)}" if choices else "a whole number above 0"
    raise ExportError(f"layout {layout}, option {name}: {text!r} is not {fits}")
