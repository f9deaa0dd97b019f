"""The command line, `kesc`: it parses, calls `commands` and `execution`, and prints. The logic is theirs.

Each file holds the commands of one purpose, which is also a section of `kesc --help`. Heavy libraries are imported
inside the commands, so that the help answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from kespeechchat import __version__
from kespeechchat.cli import check, clean_up, hand_over, listen, look, make
from kespeechchat.cli.help import CommandsByPurpose

app = typer.Typer(
    name="kesc",
    cls=CommandsByPurpose,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a user sends the plain traceback to the maintainers
    rich_markup_mode=None,  # see CommandsByPurpose
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kesc, version {__version__}")
        raise typer.Exit()


@app.callback()
def kesc(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Turn instruction text into a bilingual (Chinese and English) speech dialogue dataset.

    \b
    kesc build pipelines/quickstart.yaml         make a small dataset on a laptop; run again to resume
    kesc status pipelines/quickstart.yaml        see what is done
    kesc report pipelines/quickstart.yaml        see and hear what was made, on one page
    kesc export pipelines/quickstart.yaml --to my-dataset

    Exit codes: 0 success; 1 some rows or shards failed, or a check failed; 2 wrong usage or configuration;
    130 and 143 after Ctrl-C and SIGTERM.
    """


for _family in (make, look, listen, check, hand_over, clean_up):
    for _command in _family.COMMANDS:
        app.command(rich_help_panel=_family.PURPOSE)(_command)
