"""A build of sixteen dialogues for the viewer's and the review's tests, by real speech stages on engines that count
samples.

Dialogues whose number leaves 1 by four are understood in the second round only, those that leave 3 never. The text of
`HOSTILE` is what an attacker would put into a dataset.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kespeechchat.state.build_state import BuildState
from tests import spoken_again
from tests.spoken_again import Ground

QUICKSTART = Path(__file__).parents[3] / "pipelines" / "quickstart.yaml"
ROUNDS = "rounds=[seed]"
HOSTILE = "d10"
TEXT = "\"><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }} '&amp;"


def spoken_build(folder: Path, profile: Path, monkeypatch: Any) -> Ground:
    """Built to the end."""
    plain = spoken_again.dialogue

    def dialogue(order: Any, i: int) -> dict[str, Any]:
        row = plain(order, i)
        return row | {"instruction": f"What is {TEXT}?"} if row["id"] == HOSTILE else row

    monkeypatch.setattr(spoken_again, "dialogue", dialogue)
    ground = Ground(folder, profile, monkeypatch)
    ground.engines.mumbles = lambda u, before: before < {1: 1, 3: 9}.get(number(u.text) % 4, 0)
    ground.build(ROUNDS)
    return ground


def number(text: str) -> int:
    """Of the dialogue that says the text."""
    return int(HOSTILE[1:]) if "script" in text else int("".join(filter(str.isdigit, text)))


def state_of(ground: Ground) -> BuildState:
    """As it is now."""
    return BuildState(ground.pipeline(ROUNDS), ground.store)
