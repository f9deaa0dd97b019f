"""The commands with which people judge a build by ear: view, review."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kespeechchat.cli.builds import profile_of, store_of
from kespeechchat.cli.exit_codes import EXIT_OK, exit_codes
from kespeechchat.cli.options import PipelineOrRoot, Root

PURPOSE = "See it and hear it"


@exit_codes
def view(
    pipeline: PipelineOrRoot = None,
    root: Root = None,
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port on this machine; 0: any.")] = 8741,
    page: Annotated[
        str | None, typer.Option(metavar="URL", help="Begin with this page: the address that a colleague sent you.")
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, show_default="in the cache folder", help="Where the index is."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Make the index again from the shards.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the browser.")] = False,
) -> int:
    """Look at and listen to all dialogues of a build in a browser: filter, sort, search, mark.

    The first start makes an index from the shards' columns (docs/viewer.md says how long and how large); later ones
    read what is new. The server answers on this machine only, and only to who knows the address that it prints. Ctrl-C
    ends it.

    Keys: n plays the next dialogue, b the one before, a plays it again, p plays every turn or pauses, m marks, ? lists
    all keys. Any page is an address. A colleague who has the same build opens it with --page.

    \b
    kesc view --root build/quickstart --open
    kesc view --root build/quickstart --page 'http://127.0.0.1:8741/…/?reason=error_rate&status=rejected'
    """
    from kespeechchat.commands.view import index_file, page_of, serve
    from kespeechchat.state.build_state import BuildState

    profile = profile_of(pipeline, root)

    def ready(address: str) -> None:
        address += page_of(page)
        typer.echo(f"view: {address}\n      Ctrl-C ends it")
        if open_:
            typer.launch(address)

    build_state = BuildState(profile, store_of(profile))
    file = index_file(build_state.store.url, index, again)
    serve(build_state, file, port, lambda line: typer.echo(line, err=True), ready)
    return EXIT_OK


COMMANDS = (view,)
