"""How `kesc --help` lists the commands."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from typer.core import TyperGroup

if TYPE_CHECKING:  # typer has no public names for these
    from typer._click import Command, Context
    from typer._click.formatting import HelpFormatter


class CommandsByPurpose(TyperGroup):
    """Lists commands under their `rich_help_panel`, each with the whole first paragraph of its docstring.

    Plain text, and not typer's panels, because those break long example lines, take `[...]` in a help text for markup,
    and draw boxes into a pipe; typer's own plain text knows no sections and cuts sentences.
    """

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write one section for each purpose, in the order in which the commands were added."""
        width = max(len(name) for name in self.commands)
        for purpose, commands in groupby(self.commands.values(), key=lambda c: getattr(c, "rich_help_panel", None)):
            with formatter.section(purpose or "Commands"):
                formatter.write_dl([(f"{command.name:{width}}", _summary(command)) for command in commands])


def _summary(command: Command) -> str:
    return " ".join((command.help or "").partition("\n\n")[0].split())
