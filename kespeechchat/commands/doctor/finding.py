"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from kespeechchat.config.load import ConfigError


@dataclass(frozen=True)
class Finding:
    """`cure`: what to do, where it is not well. `blocks`: stages that the canary need not try."""

    well: bool
    check: str
    told: str
    cure: str = ""
    blocks: frozenset[str] = frozenset()


class Trouble(Exception):
    """A check does not hold: what was found, and the cure."""

    def __init__(self, told: str, cure: str) -> None:
        super().__init__(told)
        self.told, self.cure = told, cure


def look(check: str, do: Callable[[], str], cure: str, blocks: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """The finding of `do`, which returns what it saw, or raises. `cure`: for errors that name none."""
    try:
        yield Finding(True, check, do())
    except Trouble as trouble:
        yield Finding(False, check, trouble.told, trouble.cure, blocks)
    except Exception as error:  # a doctor reports whatever he meets, and goes on
        told = str(error) or type(error).__name__
        yield Finding(False, check, told if isinstance(error, ConfigError) else f"{type(error).__name__}: {told}", cure)
