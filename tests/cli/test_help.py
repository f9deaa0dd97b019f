"""`kesc --help`: whole sentences, grouped by purpose, plain text that keeps examples as they are written."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest
import typer
from typer.testing import CliRunner

from kespeechchat.cli import app

GROUPS = {
    "Make a dataset": ["build", "interleave", "plan", "doctor"],
    "Look at a build": ["status", "report", "rows", "show", "errors", "voices", "models"],
    "See it and hear it": ["view", "review"],
    "Check the result": ["verify", "detect"],
    "Hand it over": ["export", "release"],
    "Clean up": ["clean"],
}
COMMANDS = [command for commands in GROUPS.values() for command in commands]


@pytest.fixture
def help_of(monkeypatch, capsys) -> Callable[..., str]:
    def show(*words: str, columns: int = 80) -> str:
        monkeypatch.setenv("COLUMNS", str(columns))  # typer's CliRunner is always 80 columns wide
        with pytest.raises(SystemExit) as ended:
            app([*words, "--help"], prog_name="kesc")
        assert not ended.value.code
        return capsys.readouterr().out

    return show


@pytest.mark.parametrize("columns", [80, 160])
def test_each_command_is_listed_once_with_the_whole_first_paragraph_of_itshelp_of(
    help_of: Callable[..., str], columns: int
) -> None:
    listed = " ".join(help_of(columns=columns).split())
    for name in COMMANDS:
        first = " ".join(help_of(name, columns=columns).split("\n\n")[1].split())
        assert listed.count(f" {name} {first} ") + listed.endswith(f" {name} {first}") == 1
    assert "..." not in listed.replace("[ARGS]...", "")


def test_commands_are_grouped_by_what_the_user_is_doing(help_of: Callable[..., str]) -> None:
    groups = re.findall(r"^([A-Z][\w ]+):\n((?:  .+\n)+)", help_of(), re.M)
    found = {purpose: re.findall(r"^  (\w+) ", lines, re.M) for purpose, lines in groups if purpose != "Options"}
    assert found == GROUPS


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_plain_fits_the_width_and_leaves_examples_whole(
    help_of: Callable[..., str], command: str, columns: int
) -> None:
    text = help_of(*command.split(), columns=columns)
    assert text.isascii() and "\x1b" not in text
    lines = [line for line in text.splitlines() if not line.startswith("  kesc ")]
    assert max(map(len, lines)) <= min(columns, 110)
    parsed = typer.main.get_command(app)
    written = (parsed.commands[command] if command else parsed).help  # type: ignore[attr-defined]
    examples = [line for line in written.splitlines() if line.startswith("kesc ")]
    assert examples or command in ("errors", "verify", "clean")
    assert all(f"\n  {example}\n" in text for example in examples)


def test_brackets_of_a_help_text_are_no_markup(help_of: Callable[..., str]) -> None:
    assert "[x>=1]" in help_of("build") and "[default: local]" in help_of("build") and "[required]" in help_of("export")


def test_h_is_help_and_no_words_are_help_too() -> None:
    assert CliRunner().invoke(app, ["status", "-h"]).output == CliRunner().invoke(app, ["status", "--help"]).output
    nothing = CliRunner().invoke(app, [])
    assert (nothing.exit_code, "Make a dataset:" in nothing.output) == (2, True)


def test_every_option_has_a_help_text() -> None:
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        for parameter in command.params:
            assert parameter.help, f"kesc {name}: {parameter.name}"


def test_completion_scripts_and_values() -> None:
    def complete(words: str, at: int) -> list[str]:
        env = {"_KESC_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        return CliRunner().invoke(app, [], env=env, prog_name="kesc").output.split()

    assert complete("kesc bu", 1) == ["build"]
    assert complete("kesc export --format h", 3) == ["huggingface"]
    assert complete("kesc detect --engine ", 3) == ["perth", "audioseal"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_shown_and_installed(shell: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))
    shown = CliRunner().invoke(app, ["--show-completion"], prog_name="kesc")
    assert (shown.exit_code, "_KESC_COMPLETE" in shown.output) == (0, True), shown.output
    installed = CliRunner().invoke(app, ["--install-completion"], prog_name="kesc")
    assert installed.exit_code == 0, installed.output
    assert any("_KESC_COMPLETE" in file.read_text() for file in tmp_path.rglob("*kesc*") if file.is_file())


def test_python_m_kespeechchat_is_kesc() -> None:
    ran = subprocess.run([sys.executable, "-m", "kespeechchat", "--help"], capture_output=True, text=True)
    assert ran.stdout.startswith("Usage: kesc [OPTIONS] COMMAND")
