"""What the process's exit code says, and how errors become one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec

import typer

from kespeechchat.cli.terminal import say

EXIT_OK = 0
EXIT_FAILED = 1
"""Some rows or shards failed, or a check failed."""
EXIT_USAGE = 2
"""Wrong usage or configuration."""
EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_TERMINATED = 128 + signal.SIGTERM

_AGAIN = "What was finished is kept; run the same command again."

Arguments = ParamSpec("Arguments")


def exit_codes(command: Callable[Arguments, int]) -> Callable[Arguments, None]:
    """Let a command return its exit code, and turn the errors that a user can fix into one line and an exit code."""

    @wraps(command)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        from kespeechchat.pandas_spared import spare_pandas

        spare_pandas()
        before = signal.signal(signal.SIGTERM, _on_sigterm)
        try:
            code = command(*args, **kwargs)
        except Exception as error:
            code = _code_of(error)
            say(f"kesc: {error}", err=True)
        except KeyboardInterrupt:
            typer.echo(f"kesc: interrupted. {_AGAIN}", err=True)
            code = EXIT_INTERRUPTED
        finally:
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)  # None: not set by Python
        raise typer.Exit(code)

    return run


def _code_of(error: Exception) -> int:
    """Of an error that a user can fix; raises any other again."""
    from kespeechchat.config.load import ConfigError
    from kespeechchat.engines import EngineError
    from kespeechchat.store.interface import StoreError
    from kespeechchat.store.shards import CorruptShard

    if isinstance(error, ConfigError | StoreError):
        return EXIT_USAGE
    if isinstance(error, EngineError | CorruptShard):
        return EXIT_FAILED
    raise error


def _on_sigterm(*_: object) -> NoReturn:
    os.write(2, f"kesc: ended by SIGTERM. {_AGAIN}\n".encode())
    sys.exit(EXIT_TERMINATED)
