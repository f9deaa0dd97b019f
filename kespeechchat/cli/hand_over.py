"""The commands that hand a dataset over to its users: export, release."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from kespeechchat.cli.builds import profile_of, store_of
from kespeechchat.cli.exit_codes import EXIT_FAILED, EXIT_OK, exit_codes
from kespeechchat.cli.options import PipelineOrRoot, Root, completing, one_of
from kespeechchat.cli.terminal import say
from kespeechchat.export.layouts import LAYOUTS

PURPOSE = "Hand it over"


@exit_codes
def export(
    to: Annotated[str, typer.Option(metavar="FOLDER", help="Folder to write the dataset to.")],
    pipeline: PipelineOrRoot = None,
    root: Root = None,
    layout: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="LAYOUT",
            callback=one_of(LAYOUTS),
            autocompletion=completing(LAYOUTS),
            help=f"Layout of the files: {', '.join(LAYOUTS)}.",
        ),
    ] = LAYOUTS[0],
    partition: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this partition's dialogues: XS, S, M, L or XL.")
    ] = None,
    language: Annotated[
        Literal["zh", "en"] | None, typer.Option(metavar="zh|en", help="Only this language's dialogues.")
    ] = None,
    release: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use the partitions that `kesc release NAME` froze.")
    ] = None,
    only_reviewed: Annotated[
        bool, typer.Option("--only-reviewed", help="Only dialogues that annotators accepted (`kesc review`).")
    ] = False,
    audio: Annotated[
        bool | None,
        typer.Option(
            "--audio/--no-audio",
            show_default="with audio, unless that makes too many files",
            help="Write the audio or leave it out.",
        ),
    ] = None,
    scene: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Put the speech into a scene: one of the profile's `scenes` or a preset (docs/scenes.md), or clean.",
            show_default="clean; asr for whisper",
        ),
    ] = None,
    require_watermark: Annotated[
        bool,
        typer.Option("--require-watermark", help="Leave out dialogues that lose their watermark in the scene."),
    ] = False,
    options: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            metavar="NAME=VALUE",
            help="A setting of the layout (repeatable), e.g. left=agent of stereo; docs/layouts.md has them.",
        ),
    ] = None,
) -> int:
    """Write a finished build as a dataset, in the paper's layout or another trainer's (--format).

    Exits with 1 if there is no dialogue to write.

    \b
    kesc export --root build/quickstart --to my-dataset
    kesc export --root build/quickstart --to my-parquet --format huggingface --partition XS --language en
    kesc export --root build/quickstart --to my-calls --scene telephone
    kesc export --root build/quickstart --to my-tts --format cosyvoice --option recipe=cosyvoice3
    """
    from kespeechchat.commands.export import NothingToExport, Wanted
    from kespeechchat.commands.export import export as run_export

    profile = profile_of(pipeline, root)
    of_scene = (scene, require_watermark)
    wanted = Wanted(layout, partition, language, release, audio, only_reviewed, *of_scene, _named(options or []))
    try:
        say(run_export(profile, store_of(profile), to, wanted, say))
    except NothingToExport as nothing:
        say(f"kesc: {nothing}", err=True)
        return EXIT_FAILED
    return EXIT_OK


def _named(options: list[str]) -> dict[str, str]:
    """name → value of `NAME=VALUE`."""
    for option in options:
        if "=" not in option:
            raise typer.BadParameter(f"{option!r} is not NAME=VALUE", param_hint="--option")
    return dict(option.split("=", 1) for option in options)


@exit_codes
def release(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the release, e.g. v1.")],
    pipeline: PipelineOrRoot = None,
    root: Root = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Freeze what has passed the gate while shards are still missing.")
    ] = False,
) -> int:
    """Freeze the partitions as NAME, so that later data never cuts them anew; or compare the data with release NAME.

    \b
    kesc release v1 --root build/quickstart
    kesc export --release v1 --root build/quickstart --to my-dataset
    """
    from kespeechchat.commands.release import release as run_release

    profile = profile_of(pipeline, root)
    say(run_release(profile, store_of(profile), name, allow_partial))
    return EXIT_OK


COMMANDS = (export, release)
