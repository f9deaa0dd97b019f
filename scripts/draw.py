"""Draws docs/architecture.svg from the code's own imports, and docs/flow.svg from what the stages say they read.

    python scripts/draw.py            # writes both
    python scripts/draw.py --check    # exit 1 where one is out of date

A room is a folder of the package; its line of text is the first sentence of its `__init__`. An arrow leads from a room
to one that it imports; arrows that follow from others (a → b → c makes a → c) are left out.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from html import escape
from itertools import pairwise
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = REPOSITORY / "kespeechchat"
BOTTOM = "records, seeds, …"
NESTED = ("commands.doctor", "commands.plan", "execution.worker", "export.layouts")
WIDTH, BOX, GAP, LINE = 1120, 216, 22, 15  # pixels
STYLE = """
  svg { font-family: system-ui, sans-serif; background: #ffffff; }
  .box { fill: #eef3fb; stroke: #3b6ea8; } .made { fill: #fdf3e1; stroke: #b7791f; }
  .name { font-weight: 600; font-size: 14px; fill: #12263f; } .text { font-size: 11.5px; fill: #42526b; }
  .edge { fill: none; stroke: #7d90ab; stroke-width: 1.3; } .head { fill: #7d90ab; }
  .again { stroke-dasharray: 5 4; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0f1722; } .box { fill: #1b2940; stroke: #6ea3e0; } .made { fill: #33270f; stroke: #d9a441; }
    .name { fill: #e8eef8; } .text { fill: #b3c0d4; } .edge { stroke: #8797b0; } .head { fill: #8797b0; }
  }"""


@dataclass
class Box:
    """One box of a drawing: `x`, `y` are its top left corner in pixels."""

    name: str
    text: str
    kind: str = "box"
    x: float = 0
    y: float = 0
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines = textwrap.wrap(self.text, 31)

    @property
    def height(self) -> float:
        return 30 + LINE * len(self.lines)

    def svg(self) -> str:
        rows = [
            f'<rect class="{self.kind}" x="{self.x:g}" y="{self.y:g}" width="{BOX}" height="{self.height:g}" rx="7"/>'
        ]
        rows.append(f'<text class="name" x="{self.x + 10:g}" y="{self.y + 19:g}">{escape(self.name)}</text>')
        for n, line in enumerate(self.lines):
            rows.append(f'<text class="text" x="{self.x + 10:g}" y="{self.y + 36 + LINE * n:g}">{escape(line)}</text>')
        return "\n".join(rows)


def _first_sentence(file: Path) -> str:
    text = " ".join((ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n\n")[0].split())
    return text.split(". ")[0].rstrip(".").replace("`", "")


def _room(module: str) -> str:
    parts = module.split(".")[1:]
    if parts[:1] == ["__main__"]:
        return "cli"
    if not parts or not (PACKAGE / parts[0]).is_dir():
        return BOTTOM
    nested = ".".join(parts[:2])
    return nested if nested in NESTED and (PACKAGE / parts[0] / parts[1]).is_dir() else parts[0]


def rooms() -> tuple[list[Box], dict[str, set[str]]]:
    """The rooms, and which rooms each imports."""
    imports: dict[str, set[str]] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        here = _room(".".join(["kespeechchat", *file.relative_to(PACKAGE).with_suffix("").parts]))
        imports.setdefault(here, set())
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kespeechchat"):
                imports[here] |= {there for a in node.names if (there := _room(f"{node.module}.{a.name}")) != here}
    boxes = []
    for name in imports:
        text = (
            "shared by every room"
            if name == BOTTOM
            else _first_sentence(PACKAGE / name.replace(".", "/") / "__init__.py")
        )
        boxes.append(Box(name, text))
    return boxes, imports


def _levels(imports: dict[str, set[str]]) -> dict[str, int]:
    """How many rooms lie below each: the longest way down. Raises graphlib.CycleError for rooms in a circle."""
    levels: dict[str, int] = {}
    for name in TopologicalSorter(imports).static_order():
        levels[name] = 1 + max((levels[below] for below in imports[name]), default=-1)
    return levels


def _direct(imports: dict[str, set[str]]) -> list[tuple[str, str]]:
    """The arrows that no others imply."""

    def reached(name: str) -> set[str]:
        return set().union(*({below} | reached(below) for below in imports[name]))

    far = {name: reached(name) for name in imports}
    return [(a, b) for a in imports for b in sorted(imports[a]) if not any(b in far[c] for c in imports[a])]


def architecture() -> str:
    """docs/architecture.svg."""
    boxes, imports = rooms()
    levels = _levels(imports)
    rows = [[b for b in boxes if levels[b.name] == n] for n in range(max(levels.values()), -1, -1)]
    arrows, place = _direct(imports), {name: 0.5 for name in imports}
    for _ in range(8):  # each box near the middle of what it is joined to
        for row in rows:
            near = {
                b.name: [place[x] for a, c in arrows for x in (a, c) if b.name in (a, c) and x != b.name] for b in row
            }
            row.sort(key=lambda b: (sum(near[b.name]) / max(len(near[b.name]), 1), b.name))
            for n, box in enumerate(row):
                place[box.name] = (n + 0.5) / len(row)
    y = 20.0
    for row in rows:
        for n, box in enumerate(row):
            step = WIDTH / len(row)
            box.x, box.y = step * (n + 0.5) - BOX / 2, y
        y += max(box.height for box in row) + 46
    at = {box.name: box for box in boxes}
    return _svg(boxes, [_curve(at[a], at[b]) for a, b in arrows], y - 20)


def flow() -> str:
    """docs/flow.svg: the stages of the two branches and what they have in common."""
    sys.path.insert(0, str(REPOSITORY))
    from kespeechchat.config.flow import STAGES
    from kespeechchat.config.rounds import REPEATED
    from kespeechchat.stages.flow import STAGE_CLASSES

    text, voice, speech = _branches({name: STAGE_CLASSES[name].source.stage for name in STAGES}, REPEATED)
    file = PACKAGE / "stages"
    boxes = {n: Box(n, _first_sentence(file / f"{n}.py").split(": ", 1)[1].split(" (arXiv")[0]) for n in STAGES}
    ends = [
        Box("instructions", "your files: JSON, Parquet, CSV, text", "made"),
        Box("speech", "a corpus to mine voices from", "made"),
    ]
    export = Box("export", "the paper's layout, or another trainer's", "made")
    columns = [20.0 + n * (BOX + 76) for n in range(3)]
    _stack([ends[0], *(boxes[n] for n in text)], columns[0])
    _stack([ends[1], *(boxes[n] for n in voice)], columns[2])
    _stack([*(boxes[n] for n in speech), export], columns[1], boxes[text[-1]].y - 120)
    chains = [
        [ends[0], *(boxes[n] for n in text)],
        [ends[1], *(boxes[n] for n in voice)],
        [*(boxes[n] for n in speech), export],
    ]
    edges = [_curve(a, b) for chain in chains for a, b in pairwise(chain)]
    edges += [_side(boxes[text[-1]], boxes[speech[0]]), _side(boxes[voice[-1]], boxes[speech[0]])]
    edges.append(_again(boxes[speech[-1]], boxes[speech[0]]))
    drawn = [*ends, *boxes.values(), export]
    return _svg(drawn, edges, max(b.y + b.height for b in drawn) + 20, columns[2] + BOX + 20)


def _branches(source: dict[str, str], spoken: tuple[str, ...]) -> tuple[list[str], list[str], list[str]]:
    """Text, voices, speech: from what each stage's rows come of."""

    def root(name: str) -> str:
        return name if name not in source else root(source[name])

    speech = [name for name in source if name in spoken]
    text = [name for name in source if name not in speech and root(name) == "instructions"]
    return text, [name for name in source if name not in speech and name not in text], speech


def _stack(boxes: list[Box], x: float, y: float = 20) -> None:
    for box in boxes:
        box.x, box.y = x, y
        y += box.height + GAP


def _curve(a: Box, b: Box) -> str:
    x1, y1, x2, y2 = a.x + BOX / 2, a.y + a.height, b.x + BOX / 2, b.y
    bend = max(18.0, (y2 - y1) / 2)
    return _path(f"M{x1:g} {y1:g} C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2 - 6:g}")


def _side(a: Box, b: Box) -> str:
    """From the side of `a` to the facing side of `b`."""
    way = 1 if a.x < b.x else -1
    x1, x2 = (a.x + BOX, b.x) if way > 0 else (a.x, b.x + BOX)
    y1, y2 = a.y + a.height / 2, b.y + b.height / 2
    return _path(f"M{x1:g} {y1:g} C{x1 + 40 * way:g} {y1:g} {x2 - 46 * way:g} {y2:g} {x2 - 6 * way:g} {y2:g}")


def _again(a: Box, b: Box) -> str:
    """From the left side of `a` up to the left side of `b`."""
    y1, y2 = a.y + a.height / 2, b.y + b.height - 12
    return _path(f"M{a.x:g} {y1:g} C{a.x - 44:g} {y1:g} {a.x - 44:g} {y2:g} {a.x - 6:g} {y2:g}", " again")


def _path(d: str, more: str = "") -> str:
    return f'<path class="edge{more}" marker-end="url(#head)" d="{d}"/>'


def _svg(boxes: list[Box], edges: list[str], height: float, width: float = WIDTH) -> str:
    head = '<marker id="head" markerWidth="8" markerHeight="8" refX="2" refY="3" orient="auto">'
    head += '<path class="head" d="M0 0 L6 3 L0 6 Z"/></marker>'
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    body = "\n".join([*edges, *(box.svg() for box in boxes)])
    top = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{STYLE}\n</style>\n<defs>{head}</defs>'
    return f"{top}\n{body}\n</svg>\n"


def main() -> int:
    """Exit code: 1 where `--check` finds a drawing that the code has left behind."""
    stale = 0
    for name, draw in (("architecture", architecture), ("flow", flow)):
        file, drawn = REPOSITORY / "docs" / f"{name}.svg", draw()
        if "--check" not in sys.argv:
            file.write_text(drawn, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != drawn:
            print(f"{file.relative_to(REPOSITORY)} is out of date: run `python scripts/draw.py`")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
