"""The command that frees space: clean."""

from __future__ import annotations

from typing import Annotated

import typer

from kespeechchat.cli.builds import chains_of, store_of
from kespeechchat.cli.exit_codes import EXIT_OK, exit_codes
from kespeechchat.cli.options import PipelineOrRoot, Root
from kespeechchat.display import counted

PURPOSE = "Clean up"


@exit_codes
def clean(
    pipeline: PipelineOrRoot = None,
    root: Root = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only show what would be deleted.")] = False,
    replaced_audio: Annotated[
        bool, typer.Option("--replaced-audio", help="Also delete unmarked speech whose marked copy exists.")
    ] = False,
) -> int:
    """Delete superseded shards and leftovers of interrupted attempts, and nothing that is current.

    With --replaced-audio also speech whose marked copy has replaced it, if the profile does not fuse `synthesize` and
    `watermark`. Its shards stay done; if that speech is needed again, it is made again.
    """
    from kespeechchat.commands.clean import clean as run_clean
    from kespeechchat.commands.clean import removable

    chains = chains_of(pipeline, root)
    store = store_of(chains[0])
    found = [removal for profile in chains for removal in removable(profile, store, replaced_audio)]
    removals = list({removal.key: removal for removal in found}.values())  # what is no chain's is found by each
    for removal in removals:
        typer.echo(f"{removal.why}: {removal.key} ({counted(removal.size, 'byte')})")
    if not yes:
        total = sum(removal.size for removal in removals)
        typer.echo(f"{counted(len(removals), 'object')}, {counted(total, 'byte')} would be deleted; --yes deletes them")
        return EXIT_OK
    typer.echo(f"{counted(len(removals), 'object')}, {counted(run_clean(store, removals), 'byte')} removed")
    return EXIT_OK


COMMANDS = (clean,)
