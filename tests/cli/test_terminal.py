"""On a terminal of 80 and of 160 columns nothing is cut or broken in a word; in a pipe there are no control codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kespeechchat.commands.status import render
from kespeechchat.display import cells
from tests.terminal import CONTROL, colours, on_terminal, seen

pytestmark = pytest.mark.slow
PROFILE = str(Path(__file__).parents[2] / "pipelines" / "quickstart.yaml")
PLAIN = {0, 1, 3, 22, 23}  # reset, bold, italic: as readable on white as on black
KESC = [sys.executable, "-m", "kespeechchat"]
ROWS = [
    {"instruction": "How high is the hill?", "output": "Higher than the next one."},
    {"instruction": "How high is the hill?", "output": "Higher than the next one."},
    {"instruction": "Translate this into French: good night", "output": "Bonne nuit"},
    {"instruction": "Write a Python function that sorts a list", "output": "def f(x): return sorted(x)"},
    {"instruction": "Wie hoch ist der Berg dort hinten eigentlich?", "output": "Er ist hoch."},
    {"instruction": "What is a fish?", "output": ""},
    {"instruction": "word " * 900, "output": "Yes."},
    {"instruction": "", "output": "Yes."},
    {"title": "x"},
]


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("in") / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


def _build(root: Path, questions: Path) -> list[str]:
    return [*KESC, "build", PROFILE, "--root", str(root), "--input", str(questions), "--stage", "ingest", "--inline"]


@pytest.mark.parametrize("columns", [80, 160])
def test_a_build_and_its_status_fit_the_terminal(tmp_path, questions, columns: int) -> None:
    code, built = on_terminal(_build(tmp_path / "root", questions), columns)
    assert code == 0, built
    code, status = on_terminal([*KESC, "status", "--root", str(tmp_path / "root")], columns)
    assert code == 0, status
    for text in (built, status):
        lines = [line.replace(str(tmp_path), "/r") for line in seen(text)]
        wide = [line for line in lines if cells(line) > columns and "`" not in line]  # a command stays whole
        assert not wide
        assert set(colours(text)) <= PLAIN
        told = " ".join(" ".join(seen(text)).split())
        assert "ingest 2 2 0 0 0 9 1" in told
        for reason in ("duplicate 1", "task_translation 1", "task_code 1", "other_language 1", "malformed 1"):
            assert f" {reason}," in f" {told}," or f" {reason} " in told, told
    assert CONTROL.search(built)  # the live table
    assert not CONTROL.search(status)
    assert "kesc build" in built and "2/2" in built


def test_in_a_pipe_there_are_no_codes_and_a_stage_is_a_line(tmp_path, questions) -> None:
    env = dict(os.environ, COLUMNS="80", TERM="xterm-256color")
    ran = subprocess.run(_build(tmp_path / "root", questions), capture_output=True, text=True, env=env)
    assert ran.returncode == 0, ran.stderr
    assert "\x1b" not in ran.stdout + ran.stderr and "\r" not in ran.stdout + ran.stderr
    assert "] ingest: 2/2 shards, 1 row kept, 8 rejected" in ran.stderr
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("ingest ")]
    assert line.count(",") >= 5  # every reason, on the stage's line


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(tmp_path, questions) -> None:
    code, told = on_terminal(_build(tmp_path / "root", questions), 80, term="dumb")
    assert code == 0 and not CONTROL.search(told) and "] ingest: 2/2 shards" in told


@pytest.mark.parametrize("columns", [80, 160])
def test_an_error_is_broken_between_words(tmp_path, columns: int) -> None:
    long = "a-folder-with-a-long-name/" * 3
    code, told = on_terminal([*KESC, "status", "--root", f"{tmp_path}/{long}"], columns)
    lines = seen(told)
    assert code == 2 and lines[0].startswith("kesc:") and not CONTROL.search(told)
    assert all(cells(line) <= columns or " " not in line.strip() for line in lines if "`" not in line)
    assert f"run `kesc build PIPELINE --root {tmp_path}/{long.rstrip('/')}`" in told.replace("\r\n      ", " ")


LIVE = """
import sys
from kespeechchat.execution.progress import Progress
from kespeechchat.state.orders import Built, BuiltStatus
from kespeechchat.store.commit import Counts
progress = Progress()
units = [f"synthesize.r{n}" for n in range(30)]
with progress.shown():
    progress.expect({unit: {"zh": 20000} for unit in units}, dict.fromkeys(units, 0), None)
    for unit in units:
        status = BuiltStatus.FAILED if unit.endswith("7") else BuiltStatus.COMMITTED
        counts = {unit: Counts(9_000_000, 8_000_000, {"error_rate": 900_000}, failed=100_000)}
        progress.built(Built(unit, 1, "zh", status, counts, 3000.0, 7e7, error="out of memory " * 12))
    progress.say("a message that is longer than the line of a terminal " * 4)
"""


@pytest.mark.parametrize("columns", [80, 160])
def test_the_live_table_of_a_large_build_fits_in_width_and_height(columns: int) -> None:
    code, told = on_terminal([sys.executable, "-c", LIVE], columns)
    assert code == 0, told
    lines = seen(told)
    assert max(map(cells, lines)) <= columns
    assert set(colours(told)) <= PLAIN
    assert not [line for line in lines if "…" in line], "nothing is cut"
    last = told[told.rindex("kesc build") :]
    assert all(f"synthesize.r{n} " in last for n in range(30)), "the last picture has every stage"
    assert "1/20000" in last and "8.00 M" in last


def test_reasons_are_folded_under_their_stage_and_stay_with_their_counts() -> None:
    rejected = {f"reason_{n}": n + 1 for n in range(12)}
    stage = {"name": "ingest", "shards": 1, "done": 1, "pending": 0, "stale": 0, "failed": 0}
    stage |= {"rows_in": 100, "kept": 22, "rejected": rejected, "failed_rows": 3}
    found = {"root": "/r", "target_hours": {}, "rounds": {}, "stages": [stage]}
    lines = render(found, 80).splitlines()[2:]
    assert len(lines) > 2 and max(map(len, lines)) <= 80
    assert all(line.startswith("      ") for line in lines[1:])
    assert all(f"{reason} {n}" in " ".join(line.strip() for line in lines) for reason, n in rejected.items())
    assert all(line.rstrip(",")[-1].isdigit() for line in lines)
    assert len(render(found).splitlines()) == 3
