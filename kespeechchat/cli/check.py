"""The commands that check what was made: verify, detect."""

from __future__ import annotations

from typing import Annotated

import typer

from kespeechchat.cli.builds import chains_of, profile_of, store_of
from kespeechchat.cli.exit_codes import EXIT_FAILED, EXIT_OK, exit_codes
from kespeechchat.cli.options import PipelineOrRoot, Root, completing, one_of
from kespeechchat.cli.terminal import say
from kespeechchat.display import counted
from kespeechchat.engines.registry import names_of

PURPOSE = "Check the result"
ENGINES = names_of("watermark")


@exit_codes
def verify(pipeline: PipelineOrRoot = None, root: Root = None) -> int:
    """Check every checksum, that no row is lost or duplicated, and that no two splits share a voice, speaker or text.

    Exits with 1 if there is a problem.
    """
    from kespeechchat.commands.verify import verify as run_verify

    found = [run_verify(profile, store_of(profile)) for profile in chains_of(pipeline, root)]
    checked = sum(one.checked for one in found)
    problems = [problem for one in found for problem in one.problems]
    incomplete = [stage for one in found for stage in one.incomplete]
    for problem in problems:
        say(problem)
    for stage in incomplete:
        typer.echo(f"not built yet: {stage}")
    typer.echo(f"{counted(checked, 'shard')} checked, {counted(len(problems), 'problem')}")
    return EXIT_FAILED if problems else EXIT_OK


@exit_codes
def detect(
    files: Annotated[list[str], typer.Argument(metavar="FILES", show_default=False, help="Audio files.")],
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            callback=one_of(ENGINES),
            autocompletion=completing(ENGINES),
            help=f"Watermark engine: {', '.join(ENGINES)}; perth if you name none.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|hub:ID@REV",
            show_default="the engine's own",
            help="The engine's checkpoints, if it needs any.",
        ),
    ] = None,
    root: Annotated[
        str | None, typer.Option(metavar="URL", help="ROOT of a build: use its engine, model and payload.")
    ] = None,
    payload: Annotated[
        str | None,
        typer.Option(metavar="HEX", show_default="any, or that of --root", help="Payload that the mark must carry."),
    ] = None,
) -> int:
    """Check audio files for a watermark.

    Exits with 0 if all are marked, with 1 if one is not. Each channel is checked by itself; audio of any sample rate is
    resampled for the engine.

    \b
    kesc detect my-dataset/audio/*.flac
    kesc detect --engine audioseal --model models/audioseal --payload 2412 suspect.wav
    kesc detect --root s3://bucket/ke-speechchat suspect.wav
    """
    from kespeechchat.commands.detect import detect as run_detect
    from kespeechchat.commands.detect import sought, sought_of
    from kespeechchat.config.load import ConfigError

    if root and (engine or model):
        raise ConfigError("--root names the engine and the model of its build: leave --engine and --model out")
    mark = sought_of(profile_of(None, root), payload) if root else sought(engine or "perth", model, payload)
    all_marked = True
    for line, marked in run_detect(files, mark):
        typer.echo(line)
        all_marked &= marked
    return EXIT_OK if all_marked else EXIT_FAILED


COMMANDS = (verify, detect)
