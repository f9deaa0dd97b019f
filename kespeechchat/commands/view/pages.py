"""The viewer's pages as HTML, with the cards of `listening`. The templates escape whatever comes from the dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from kespeechchat.commands.view.query import Index, Page, Query
from kespeechchat.config.flow import GATE
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.listening.dialogues import Fate, Heard, Origin, Turn
from kespeechchat.listening.page import score_name, templates
from kespeechchat.records import FAILED, KEPT, Language, Role

HERE = Path(__file__).parent / "page"
_ROLES: tuple[Role, ...] = ("user", "agent")
_FATES: dict[str, Fate] = {KEPT: "kept", FAILED: "failed"}
_METRICS = {"character": "CER", "word": "WER", "syllable": "SER"}


@dataclass(frozen=True)
class Card:
    """A take as a page shows it. `sources`: name of a turn → address of its audio, of turns that were spoken;
    `scores`: the lowest one of the turns by head; `link`: the dialogue's own page."""

    heard: Heard
    sources: Mapping[str, str]
    scores: Mapping[str, float]
    partition: str | None
    marked: bool
    link: str


class Pages:
    """Makes the pages of one build."""

    def __init__(self, pipeline: Pipeline, index: Index) -> None:
        self._build, self._index = pipeline.name, index
        self._metrics = {lang: _METRICS[unit] for lang, unit in pipeline.stages.gate.unit.items()}

    def takes(self, query: Query, page: Page, marked: set[tuple[str, int]]) -> str:
        """One page of takes, with the filters that chose them."""
        return self._render(
            "list.html",
            query=query,
            page=page,
            cards=[self._card(line, marked) for line in page.lines],
            facets=self._index.facets,
            partitions=self._index.partitions,
            figures={name: figure_name(name) for name in ("error_rate", "seconds", *self._index.heads)},
            earlier=page.earlier.address() if page.earlier else None,
            later=page.later.address() if page.later else None,
        )

    def dialogue(self, takes: list[dict[str, Any]], settled: Heard | None, marked: set[tuple[str, int]]) -> str:
        """All takes of one dialogue, the last first; `settled`: as the last round left it, with its lineage."""
        cards = [self._card(line, marked) for line in reversed(takes)]
        if settled is not None:
            cards = [
                Card(settled, c.sources, c.scores, c.partition, c.marked, c.link)
                if c.heard.round == settled.round
                else c
                for c in cards
            ]
        return self._render("one.html", id=takes[0]["id"], cards=cards)

    def problem(self, message: str) -> str:
        """What went wrong."""
        return self._render("problem.html", message=message)

    def _render(self, template: str, **values: Any) -> str:
        return templates(HERE).get_template(template).render(build=self._build, **values)

    def _card(self, line: Mapping[str, Any], marked: set[tuple[str, int]]) -> Card:
        heard = self._heard(line)
        at = {"id": heard.id, "round": heard.round}
        sources = {name: f"audio?{urlencode({**at, 'role': name})}" for name, _ in heard.named if heard.spoken}
        level, names = line["level"], self._index.partitions
        return Card(
            heard,
            sources,
            {head: line[f"mos_{head}"] for head in self._index.heads if line[f"mos_{head}"] is not None},
            None if level is None or level >= len(names) else names[level],
            (heard.id, heard.round) in marked,
            f"dialogue?{urlencode({'id': heard.id})}",
        )

    def _heard(self, line: Mapping[str, Any]) -> Heard:
        """What the index knows of a take."""
        language = cast(Language, line["language"])
        return Heard(
            id=line["id"],
            language=language,
            split=line["split"],
            shard=line["shard"],
            round=line["round"],
            fate=_FATES.get(line["status"], "rejected"),
            stage=line["stage"],
            reason=line["reason"],
            detail=line["detail"],
            metric=self._metrics.get(language) if line["error_rate"] is not None else None,
            error_rate=line["error_rate"],
            seconds=line["seconds"],
            turns=tuple(_turns(line, language)),
            origin=Origin(""),
        )


def figure_name(name: str) -> str:
    """What a page calls a column."""
    return {"error_rate": "error rate", "seconds": "seconds"}.get(name) or score_name(name)


def _turns(line: Mapping[str, Any], language: Language) -> Iterable[Turn]:
    said = line["said"].split("\n")
    gated = line["stage"].partition(".")[0] == GATE
    for k in range(max(2, len(said) // 2)):  # the user's and the agent's in turn
        role = _ROLES[k % 2]
        if len(said) > 2 * k and (voice := line[f"{role}_voice"]) is not None:
            heard = said[2 * k + 1] if gated or said[2 * k + 1] else None
            rate = line[f"{role}_error"] if k < 2 else None  # the index has the first exchange's
            yield Turn(role, voice, said[2 * k], language, transcript=heard, error_rate=rate)
