"""The recipes of docs/extending.md: each skeleton is built in a copy of the package, run, and thrown away."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
RECIPES = {name: text for name, text in re.findall(r"^## (An? .+?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)}
BLOCK = re.compile(r"^```(python|diff)\n# (.+?)\n(.*?)^```$", re.M | re.S)


def _apply(copy: Path, kind: str, name: str, text: str) -> None:
    """Writes a new file, or makes the change of a diff: its place must be there exactly once."""
    file = copy / name
    if kind == "python":
        assert not file.exists(), f"{name} is there already"
        file.write_text(text, encoding="utf-8")
        return
    lines = text.splitlines()
    before = "\n".join(line[1:] for line in lines if line[:1] in (" ", "-") or not line)
    after = "\n".join(line[1:] for line in lines if line[:1] in (" ", "+") or not line)
    whole = file.read_text(encoding="utf-8")
    assert whole.count(before + "\n") == 1, f"{name}: the page changes a place that is not there once:\n{before}"
    file.write_text(whole.replace(before + "\n", after + "\n"), encoding="utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for folder in ("kespeechchat", "pipelines", "prompts", "examples"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    with tarfile.open(ROOT / "tests" / "fixtures" / "root-905b9e3" / "root.tar.xz") as archive:
        archive.extractall(tmp_path / "root", filter="data")
    (tmp_path / "to").mkdir()
    return tmp_path


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_works(copy: Path, recipe: str) -> None:
    blocks = BLOCK.findall(RECIPES[recipe])
    tried = [text for kind, name, text in blocks if name == "try it"]
    assert tried and len(blocks) > len(tried)
    for kind, name, text in blocks:
        if name != "try it":
            _apply(copy, kind, name, text)
    script = f"ROOT, TO = {str(copy / 'root')!r}, {str(copy / 'to')!r}\n{tried[0]}"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr


def test_there_are_four() -> None:
    assert list(RECIPES) == ["A stage", "An engine", "An export layout", "An input layout"]
