"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kespeechchat.config.load import ConfigError


@dataclass(frozen=True)
class Finding:
    """`check`: what was looked at. `fix`: what to do, where it is not ok. `blocks`: stages that need not be tried."""

    ok: bool
    check: str
    message: str
    fix: str = ""
    blocks: frozenset[str] = frozenset()


class CheckFailed(Exception):
    """A check does not hold: `message` says what was found, `fix` what to do."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message, self.fix = message, fix


def look(check: str, do: Callable[[], str], fix: str, blocks: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """The finding of `do`, which returns what it saw, or raises. `fix`: for errors that name none."""
    try:
        yield Finding(True, check, do())
    except CheckFailed as failed:
        yield Finding(False, check, failed.message, failed.fix, blocks)
    except Exception as error:  # whatever a check meets is a finding; the checks after it go on
        message = str(error) or type(error).__name__
        known = isinstance(error, ConfigError)
        yield Finding(False, check, message if known else f"{type(error).__name__}: {message}", fix)
