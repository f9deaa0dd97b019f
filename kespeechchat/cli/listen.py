"""The commands with which people judge a build by ear: view, review."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from kespeechchat.cli.builds import profile_of, store_of
from kespeechchat.cli.exit_codes import EXIT_INTERRUPTED, EXIT_OK, exit_codes
from kespeechchat.cli.options import AsJson, PipelineOrRoot, Root
from kespeechchat.cli.terminal import say

PURPOSE = "See it and hear it"


def _tell(line: str) -> None:
    say(line, err=True)


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

    Keys: n plays the next dialogue, p the one before, a plays it again, Space pauses and goes on, m marks, ? lists all
    keys. Any page is an address. A colleague who has the same build opens it with --page.

    \b
    kesc view --root build/quickstart --open
    kesc view --root build/quickstart --page 'http://127.0.0.1:8741/TOKEN/?reason=error_rate&status=rejected'
    """
    from kespeechchat.commands.view import index_file, page_of, serve
    from kespeechchat.state.build_state import BuildState

    profile = profile_of(pipeline, root)

    def ready(address: str) -> None:
        typer.echo(f"view: {address}\n      Ctrl-C ends it")
        if open_:
            typer.launch(address)

    begin = page_of(page)
    build_state = BuildState(profile, store_of(profile))
    try:
        file = index_file(build_state.store.url, index, again, _tell)
        serve(build_state, file, port, _tell, ready, begin)
    except KeyboardInterrupt:
        typer.echo("kesc: the viewer has ended; what was marked is kept", err=True)
        return EXIT_INTERRUPTED
    return EXIT_OK


@exit_codes
def review(
    what: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PIPELINE|FILE",
            show_default=False,
            help="The profile (.yaml), not needed with --root; with --import: the files that annotators saved.",
        ),
    ] = None,
    root: Root = None,
    sample: Annotated[
        int | None, typer.Option(min=1, max=100_000, metavar="N", help="Draw N dialogues that have no review yet.")
    ] = None,
    annotators: Annotated[int, typer.Option(min=1, max=20, metavar="K", help="How many people judge each one.")] = 2,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed draws other dialogues.")] = 0,
    language: Annotated[Literal["zh", "en"] | None, typer.Option(help="Draw from this language alone.")] = None,
    split: Annotated[Literal["train", "dev", "test"] | None, typer.Option(help="Draw from this split alone.")] = None,
    to: Annotated[Path, typer.Option(metavar="FOLDER", file_okay=False, help="Where to write the pages.")] = Path(
        "review"
    ),
    import_: Annotated[bool, typer.Option("--import", help="Take in the files that annotators saved.")] = False,
    as_json: AsJson = False,
) -> int:
    """Have people judge a sample of the dialogues by ear, and take in what they said.

    Without an option: shows how far the annotators are, what their verdicts come to, and how far they agree.

    --sample writes a page for each annotator, which works without a network: send it, they listen, press a key for each
    verdict, and send back the file that the page saves. --import checks these files and keeps them in ROOT/reviews.
    `kesc export` leaves out what annotators rejected; with --only-reviewed it writes what they accepted and no more. A
    dialogue that is spoken again after its review is unreviewed again.

    \b
    kesc review --sample 50 --to review --root build/quickstart
    kesc review --import annotator-*.json --root build/quickstart
    kesc review --root build/quickstart
    """
    from kespeechchat.commands.review import render, review_state
    from kespeechchat.commands.review.drawing import Wanted, draw_sample
    from kespeechchat.commands.review.importing import import_files
    from kespeechchat.commands.review.importing import lines as imported_lines
    from kespeechchat.config.load import ConfigError
    from kespeechchat.state.build_state import BuildState

    given = list(what or ())
    pipeline = given.pop(0) if given and given[0].suffix in (".yaml", ".yml") else None
    if sample is not None and import_:
        raise ConfigError("--sample and --import: name one of them")
    if bool(given) != import_:
        if import_:
            raise ConfigError("--import: name the files that annotators saved")
        raise ConfigError(f"{given[0]}: a profile ends in .yaml; files of annotators come after --import")
    profile = profile_of(pipeline, root)
    store = store_of(profile)
    if sample is not None:
        wanted = Wanted(sample, annotators, seed, language, split)
        told = draw_sample(profile, BuildState(profile, store), wanted, to, _tell)
        say(told)
        return EXIT_OK
    if import_:
        say("\n".join(imported_lines(import_files(store, given))), err=as_json)
    found = review_state(BuildState(profile, store))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        say(render(found))
    return EXIT_OK


COMMANDS = (view, review)
