"""How much of an export's speech still carries its watermark after its scene: in all, and by what happened to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kespeechchat.display import counted, markdown_table, percent


@dataclass
class SceneShares:
    """Counts turns of the scene `name`; `trainer`: what it leaves to the trainer, for a reader; `left_out`: dialogues
    that are not in the export because a turn lost its mark."""

    name: str
    trainer: str = ""
    left_out: int = 0
    turns: Counter[str] = field(default_factory=Counter)
    marked: Counter[str] = field(default_factory=Counter)

    def add(self, facts: Mapping[str, Any], marked: bool) -> None:
        """One turn: the facts of its scene, and whether the mark was found in it afterwards."""
        for what in ("all", *kinds(facts)):
            self.turns[what] += 1
            self.marked[what] += marked

    def result(self) -> dict[str, Any]:
        """What statistics.json says."""
        by = {what: self._of(what) for what in sorted(self.turns) if what != "all"}
        said = {"scene": self.name, **self._of("all"), "by": by, "left_out": self.left_out}
        return said | ({"trainer": self.trainer} if self.trainer else {})

    def _of(self, what: str) -> dict[str, Any]:
        turns, marked = self.turns[what], self.marked[what]
        return {"turns": turns, "marked": marked, "share": round(marked / turns, 6) if turns else None}


def kinds(facts: Mapping[str, Any]) -> Iterable[str]:
    """What happened to a turn, in words: `clean`, `noise`, `codec opus`, …"""
    done = [what for what in ("speed", "room", "noise", "gain", "telephone_band") if what in facts]
    done += [f"codec {facts['codec']}"] if "codec" in facts else []
    return done or ["clean"]


def scene_section(result: Mapping[str, Any]) -> str:
    """The card's section about a `SceneShares.result`."""
    rows: list[list[object]] = [["all", result["turns"], percent(result["share"])]]
    rows += [[what, of["turns"], percent(of["share"])] for what, of in result["by"].items()]
    table = markdown_table(["what happened", "turns", "watermark still found"], rows)
    left = result["left_out"]
    out = f" Left out, because they lost it: {counted(left, 'dialogue')}." if left else ""
    trainer = f" Left to the trainer: {result['trainer']}." if result.get("trainer") else ""
    return (
        f"## Scene\n\nThe speech was put into the scene `{result['scene']}` when it was exported; `scenes.jsonl` says "
        f"what happened to each turn. Every turn was searched for its watermark again afterwards.{out}{trainer}\n\n"
        f"{table}"
    )
