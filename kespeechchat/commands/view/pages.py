"""The viewer's pages as HTML. Whatever comes from the dataset is escaped by the templates, without exception."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kespeechchat.commands.view.query import Page, Query
from kespeechchat.display import percent
from kespeechchat.records import KEPT

_ROLES = ("user", "agent")
_NAMES = {
    "error_rate": "error rate",
    "seconds": "seconds",
    "dnsmos_ovrl": "DNSMOS overall",
    "dnsmos_sig": "DNSMOS speech",
    "dnsmos_bak": "DNSMOS background",
    "dnsmos_p808": "DNSMOS P.808",
    "distillmos": "DistillMOS",
    "utmos": "UTMOS",
    "own_voice": "like its own voice",
}


@dataclass(frozen=True)
class Turn:
    """One turn as a page shows it; `audio`: its address, None where there is no speech."""

    role: str
    voice: str | None
    text: str
    heard: str
    audio: str | None


class Pages:
    """Makes the pages of one build. `facets`: what the filters offer; `partitions`: names, smallest first."""

    def __init__(
        self, build: str, heads: list[str], facets: Mapping[str, list[list[object]]], partitions: list[str]
    ) -> None:
        self._figures = ["error_rate", "seconds", *heads]
        self._heads, self._partitions = heads, partitions
        here = Path(__file__).parent / "templates"
        self._templates = Environment(
            loader=FileSystemLoader(here),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(build=build, facets=facets, partitions=partitions, name=self._name)

    def takes(self, query: Query, page: Page, marked: set[tuple[str, int]]) -> str:
        """One page of takes, with the filters that chose them."""
        return self._templates.get_template("list.html").render(
            query=query,
            page=page,
            takes=self._shown(page.lines, marked),
            figures=self._figures,
            earlier=page.earlier.address() if page.earlier else None,
            later=page.later.address() if page.later else None,
        )

    def dialogue(self, takes: list[dict[str, Any]], marked: set[tuple[str, int]]) -> str:
        """All takes of one dialogue."""
        shown = list(self._shown(takes, marked))
        return self._templates.get_template("dialogue.html").render(id=takes[0]["id"], takes=shown)

    def problem(self, message: str) -> str:
        """What went wrong."""
        return self._templates.get_template("problem.html").render(message=message)

    def _name(self, figure: str) -> str:
        return _NAMES.get(figure, figure.replace("_", " "))

    def _shown(self, lines: Iterable[Mapping[str, Any]], marked: set[tuple[str, int]]) -> Iterable[dict[str, Any]]:
        for line in lines:
            level = line["level"]
            scores = [(self._name(h), line[f"mos_{h}"]) for h in self._heads if line[f"mos_{h}"] is not None]
            yield {
                **line,
                "turns": list(_turns(line)),
                "scores": scores,
                "partition": None if level is None or level >= len(self._partitions) else self._partitions[level],
                "marked": (line["id"], line["round"]) in marked,
                "rate": percent(line["error_rate"], 1) if line["error_rate"] is not None else None,
                "kept": line["status"] == KEPT,
                "link": f"dialogue?{urlencode({'id': line['id']})}",
            }


def _turns(line: Mapping[str, Any]) -> Iterable[Turn]:
    said = line["said"].split("\n")
    spoken = line["seconds"] is not None or line["user_voice"] is not None
    for k, role in enumerate(_ROLES):
        if len(said) <= 2 * k:
            return
        address = f"audio?{urlencode({'id': line['id'], 'round': line['round'], 'role': role})}"
        heard = said[2 * k + 1] if len(said) > 2 * k + 1 else ""
        yield Turn(role, line[f"{role}_voice"], said[2 * k], heard, address if spoken else None)
