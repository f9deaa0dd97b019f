"""What the pages name is there: links, files, drawings."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from kespeechchat.cli import app

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")])
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
FOLDERS = "kespeechchat|tests|scripts|benchmarks|docs|pipelines|examples|deploy|requirements"
PATH = re.compile(rf"(?<![\w./-])((?:{FOLDERS})/[\w./-]+)")
PLACEHOLDERS = re.compile("NAME|HASH")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    skeletons = set(re.findall(r"^# (\S+\.py)$", text, re.M))  # of docs/extending.md
    paths = {path.rstrip(".") for path in PATH.findall(text)} - skeletons
    missing = [path for path in sorted(paths) if not (ROOT / path).exists() and not PLACEHOLDERS.search(path)]
    assert not links and not missing, f"{page.name}: links to {links}, names {missing}"


def test_no_page_and_no_code_points_outside_the_repository() -> None:
    outside = re.compile(r"\b(?:DESIGN|HOUSE|CASES|ENGINES)(?:\.md| §|'s table)")
    files = [*PAGES, *ROOT.glob("kespeechchat/**/*.py"), *ROOT.glob("benchmarks/*.py")]
    assert not [str(f) for f in files if outside.search(f.read_text(encoding="utf-8"))]


def test_the_readme_says_where_each_command_writes_by_default() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = []
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        row = next(line for line in readme.splitlines() if line.startswith(f"| `kesc {name}"))
        for option in command.params:
            if option.name == "to" and option.default is not None and f"`{option.default}" not in row:
                missing.append(f"kesc {name} writes to {option.default}")
    assert not missing


@pytest.mark.slow
def test_the_drawings_are_fresh() -> None:
    ran = subprocess.run([sys.executable, "scripts/draw.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
