"""Text on the terminal: lines are broken between words there, and stay whole in a pipe or a file."""

from __future__ import annotations

import sys

import typer

from kespeechchat.display import columns_of, folded


def say(text: str, err: bool = False, indent: int = 6) -> None:
    """Prints text for a reader. What of a line does not fit is `indent` columns further in, on the next ones."""
    typer.echo(folded(text, columns_of(sys.stderr if err else sys.stdout), indent), err=err)
