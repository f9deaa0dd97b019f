"""Exit codes: 0, 1, 2, 130, 143, and a line that says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import kespeechchat
from kespeechchat.cli import app
from kespeechchat.cli.exit_codes import EXIT_FAILED, EXIT_OK, exit_codes
from kespeechchat.config.load import ConfigError
from kespeechchat.display import counted
from kespeechchat.engines import EngineError
from kespeechchat.store.interface import StoreError
from kespeechchat.store.shards import CorruptShard

pytestmark = pytest.mark.slow

QUICKSTART = str(Path(__file__).parents[2] / "pipelines" / "quickstart.yaml")
WRONG_USAGE = [
    (["nonsense"], "No such command 'nonsense'"),
    (["buidl"], "Did you mean 'build'?"),
    (["build"], "Missing argument 'PIPELINE'"),
    (["build", "--nope", "x.yaml"], "No such option: --nope"),
    (["build", "x.yaml", "more"], "(more)"),
    (["build", "x.yaml", "--limit"], "Option '--limit' requires an argument"),
    (["build", "x.yaml", "--limit", "0"], "'--limit'"),
    (["build", "x.yaml", "--limit", "many"], "'--limit'"),
    (["build", "x.yaml", "--grace", "-1"], "'--grace'"),
    (["build", "x.yaml", "--log-format", "loud"], "'auto', 'plain', 'json'"),
    (["build", "."], "is a directory"),
    (["build", "nowhere.yaml"], "kesc: nowhere.yaml: no such pipeline file"),
    (["build", QUICKSTART, "--stage", "gates"], "kesc: --stage gates: no such stage; stages are ingest"),
    (["build", QUICKSTART, "--set", "nonsense=1"], "kesc: "),
    (["status"], "kesc: name the PIPELINE file, or the ROOT of a build with --root URL"),
    (["status", "--root", "/nowhere"], "kesc: /nowhere: no build here"),
    (["status", QUICKSTART, "--why", "gate"], "kesc: --why gate: write STAGE/SHARD"),
    (["status", QUICKSTART, "--why", "gates/1"], "kesc: --why gates: no such stage"),
    (["rows", QUICKSTART, "--stage", "gate", "--status", "refused"], "kesc: --status 'refused': write rejected"),
    (["rows", QUICKSTART, "--stage", "gate", "--status", "x"], "'x': no such status; there are kept, rejected, failed"),
    (["export", QUICKSTART], "Missing option '--to'"),
    (["export", QUICKSTART, "--to", "x", "--format", "mp3"], "'mp3' is not one of ke-speechchat, huggingface"),
    (["export", QUICKSTART, "--to", "x", "--language", "fr"], "'zh', 'en'"),
    (["release"], "Missing argument 'NAME'"),
    (["detect"], "Missing argument 'FILES'"),
    (["detect", "--engine", "no", "x.wav"], "'no' is not one of perth, audioseal"),
    (["detect", "--engine", "perth", "--root", "r", "x.wav"], "leave --engine and --model out"),
]


@pytest.mark.parametrize(("words", "line"), WRONG_USAGE, ids=[" ".join(w)[-40:] for w, _ in WRONG_USAGE])
def test_wrong_usage_is_2_and_a_line(words: list[str], line: str) -> None:
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 2
    assert line in ran.stderr and not ran.stdout
    assert "Traceback" not in ran.output


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError, 2), (StoreError, 2), (EngineError, 1), (CorruptShard, 1), (KeyboardInterrupt, 130)],
)
def test_an_error_that_a_user_can_fix_is_one_line(error: type[BaseException], code: int, monkeypatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error("the shard that failed")

    monkeypatch.setattr("kespeechchat.config.load.load_pipeline", fails)
    ran = CliRunner().invoke(app, ["models", QUICKSTART])
    said = "interrupted. What was finished is kept; run the same command again." if code == 130 else error("").args
    assert ran.exit_code == code
    assert ran.stderr == f"kesc: {said if code == 130 else 'the shard that failed'}\n"


def test_another_error_is_a_fault_of_the_program_and_keeps_its_traceback(monkeypatch) -> None:
    monkeypatch.setattr("kespeechchat.config.load.load_pipeline", lambda *_, **__: 1 / 0)
    assert isinstance(CliRunner().invoke(app, ["models", QUICKSTART]).exception, ZeroDivisionError)


@pytest.mark.parametrize("code", [EXIT_OK, EXIT_FAILED])
def test_a_command_returns_its_exit_code(code: int, monkeypatch) -> None:
    problems = ["no such folder"] if code else []
    monkeypatch.setattr("kespeechchat.commands.errors.errors", lambda *_: problems)
    ran = CliRunner().invoke(app, ["errors", QUICKSTART])
    assert (ran.exit_code, ran.stdout) == (
        code,
        "".join(f"{p}\n" for p in problems) + f"{counted(len(problems), 'error')}\n",
    )


def test_sigterm_is_143_and_a_line() -> None:
    program = (
        "import time, kespeechchat.config.load as load\n"
        "load.load_pipeline = lambda *_, **__: (print('ready', flush=True), time.sleep(60))\n"
        "import sys; sys.argv = ['kesc', 'models', sys.argv[1]]\n"
        "from kespeechchat.__main__ import kesc; kesc()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, QUICKSTART], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout and child.stderr and child.stdout.readline() == "ready\n"
        os.kill(child.pid, signal.SIGTERM)
        assert child.stderr.read().startswith("kesc: ended by SIGTERM. What was finished is kept")
    assert child.returncode == 143


def test_a_command_that_ends_well_is_0() -> None:
    before = signal.getsignal(signal.SIGTERM)
    CliRunner().invoke(app, ["errors", QUICKSTART])
    assert signal.getsignal(signal.SIGTERM) is before  # whoever runs it in a process of their own keeps their handler


def test_the_version_is_a_line() -> None:
    version = CliRunner().invoke(app, ["--version"])
    assert (version.exit_code, version.stdout) == (0, f"kesc, version {kespeechchat.__version__}\n")


def test_a_decorated_command_keeps_its_name_and_help() -> None:
    @exit_codes
    def listing() -> int:
        """Lists."""
        return EXIT_OK

    assert (listing.__name__, listing.__doc__) == ("listing", "Lists.")
