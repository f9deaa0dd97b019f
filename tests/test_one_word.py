"""What users read calls a row that a stage does not keep "rejected", as `kesc rows --status` and the columns do."""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from kespeechchat import cli, records
from kespeechchat.records import STATUSES, status_named

PACKAGE = Path(records.__file__).parent
OTHER = re.compile(r"\b(refus(?:e|es|ed|al|als))\b", re.I)
NOT_OF_ROWS = {  # a server's word, names in the code, and the words that are answered with the right one
    "engines/server.py": {"refuses the key ("},
    "commands/scenes.py": {"refused"},
    "records.py": {"refuse", "refused"},
    "export/layout.py": {"refused", " refused nothing"},
    "export/layouts/preference.py": {"refused"},
    "commands/export.py": {"refused"},
    "stages/ingest.py": {"refusal"},
    "execution/worker/shard_maker.py": {"refusal"},
}


def _strings(file: Path) -> Iterator[str]:
    """The texts of a module, but for docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    about = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in about:
            yield node.value


def test_messages_settings_and_pages_say_rejected() -> None:
    found = []
    for file in PACKAGE.rglob("*.py"):
        name = file.relative_to(PACKAGE).as_posix()
        texts = {text for text in _strings(file) if OTHER.search(text) and not text.startswith("What a layout needs")}
        found += [f"{name}: {text!r}" for text in texts - NOT_OF_ROWS.get(name, set())]
    for file in [*PACKAGE.rglob("*.html"), *PACKAGE.rglob("*.css")]:
        found += [f"{file.name}: {match[0]}" for match in OTHER.finditer(file.read_text(encoding="utf-8"))]
    assert not found


def test_help_says_rejected() -> None:
    for name, command in typer.main.get_command(cli.app).commands.items():  # type: ignore[attr-defined]
        texts = [command.help, *(parameter.help for parameter in command.params)]
        assert not [text for text in texts if OTHER.search(text or "")], name


def test_a_word_that_users_try_is_answered_with_the_right_one() -> None:
    assert doctest.testmod(records).failed == 0
    assert [status_named(word) for word in STATUSES] == list(STATUSES)
    with pytest.raises(ValueError, match="'Refused': write rejected"):
        status_named("Refused")
    with pytest.raises(ValueError, match="no such status; there are kept, rejected, failed"):
        status_named("nonsense")
