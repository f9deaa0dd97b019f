"""The layouts of `kesc export`: a file or folder each, found by name. To add one, write its class and name it here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

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
}
LAYOUTS = tuple(_CLASSES)
"""Their names; the first is the default."""


def layout_class(name: str) -> type[Layout]:
    """The class of a layout. Its instances are made with the layout's own settings; all have defaults."""
    module, _, cls = _CLASSES[name].partition(":")
    found: type[Layout] = getattr(import_module(f"{__name__}.{module}"), cls)
    return found


def make_layout(name: str, settings: Callable[[], Mapping[str, object]] | None = None) -> Layout:
    """A layout with its default settings, and what it needs by name from `settings`, which is asked only then."""
    cls: Any = layout_class(name)
    wanted = {field for field in cls.__dataclass_fields__ if field in cls.needs}
    given = settings() if settings and wanted else {}
    layout: Layout = cls(**{field: given[field] for field in wanted & set(given)})
    return layout
