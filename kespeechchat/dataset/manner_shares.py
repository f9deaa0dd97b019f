"""In which manners the turns of a dataset are spoken, for the card and statistics.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kespeechchat.config.manner import PLAIN, Manner
from kespeechchat.display import markdown_table, percent
from kespeechchat.records import LANGUAGES

_ABOUT = (
    "Some turns are spoken in another manner than the synthesizer's own, by the same voice; `manner` of a turn in "
    f"metadata.json says in which. Turns without one are `{PLAIN}`. Pace is in seconds per character (zh) or word (en)."
)


def manner_section(figures: Mapping[str, Any], manners: Sequence[Manner] = ()) -> list[str]:
    """The section's parts; nothing where all turns are plain. `figures`: statistics.json; `manners`: the profile's."""
    rows = [
        [language, role, name, own["turns"], percent(own["share"]), _pace(own)]
        for language in LANGUAGES
        for role, names in figures.get(language, {}).get("manners", {}).items()
        for name, own in names.items()
    ]
    if not rows:
        return []
    spoken = {row[2] for row in rows}
    means = [f"- `{manner.name}`: {'; '.join(_means(manner))}" for manner in manners if manner.name in spoken]
    table = markdown_table(["language", "role", "manner", "turns", "share of the role's", "pace (s)"], rows)
    return ["## Manners of speaking", _ABOUT, *(["\n".join(means)] if means else []), table]


def _pace(own: Mapping[str, Any]) -> str | None:
    moments = own.get("seconds_per_character") or own.get("seconds_per_word")
    return None if not moments or moments["mean"] is None else f"{moments['mean']:.3f} ± {moments['std']:.3f}"


def _means(manner: Manner) -> list[str]:
    """What the manner does, in words."""
    found = []
    if manner.speed:
        low, high = manner.speed
        found.append(f"speed {low:g}" if low == high else f"speed {low:g} to {high:g}")
    if manner.instruct:
        told = (f"{lang} “{manner.instruct[lang]}”" for lang in manner.languages)
        found.append(f"the engine is told {', '.join(told)}")
    return found
