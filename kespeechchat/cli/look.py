"""The commands that look at a build: status, errors, voices, models."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from kespeechchat.cli.builds import check_stages, profile_of, store_of
from kespeechchat.cli.exit_codes import EXIT_FAILED, EXIT_OK, exit_codes
from kespeechchat.cli.options import AsJson, Overrides, Pipeline, PipelineOrRoot, Root

PURPOSE = "Look at a build"


@exit_codes
def status(
    pipeline: PipelineOrRoot = None,
    root: Root = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    why: Annotated[
        str | None, typer.Option(metavar="STAGE/SHARD", help="Say what made this shard stale, e.g. gate/3.")
    ] = None,
) -> int:
    """Show each stage's shards (done, pending, stale, failed) and rows (kept, rejected by reason).

    \b
    kesc status pipelines/quickstart.yaml
    kesc status --root build/quickstart --why gate/3
    """
    from kespeechchat.commands import status as logic
    from kespeechchat.config.load import ConfigError

    profile = profile_of(pipeline, root, overrides)
    if why:
        stage, _, shard = why.partition("/")
        check_stages("--why", (stage,), profile)
        if not shard.isdigit():
            raise ConfigError(f"--why {why}: write STAGE/SHARD, e.g. gate/3")
        typer.echo("\n".join(logic.why(profile, store_of(profile), stage, int(shard))))
        return EXIT_OK
    found = logic.status(profile, store_of(profile))
    typer.echo(json.dumps(found, ensure_ascii=False, indent=1) if as_json else logic.render(found))
    return EXIT_OK


@exit_codes
def errors(pipeline: PipelineOrRoot = None, root: Root = None) -> int:
    """List every failed shard with its traceback and every failed row with its error.

    Exits with 1 if there are any.
    """
    from kespeechchat.commands.errors import errors as all_errors

    profile = profile_of(pipeline, root)
    count = 0
    for line in all_errors(profile, store_of(profile)):
        count += 1
        typer.echo(line)
    typer.echo(f"{count} errors")
    return EXIT_FAILED if count else EXIT_OK


@exit_codes
def voices(
    pipeline: PipelineOrRoot = None,
    root: Root = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the whole histograms.")] = False,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Compare every voice with every real clip again.")
    ] = False,
) -> int:
    """Measure what the voice library promises: balance, privacy, diversity, distinctness.

    Exits with 1 if a promise is broken.

    \b
    kesc voices --root build/quickstart
    """
    from kespeechchat.commands.voices import render, voice_report, well

    profile = profile_of(pipeline, root)
    report = voice_report(profile, store_of(profile), recompute)
    typer.echo(json.dumps(report, ensure_ascii=False, indent=1) if as_json else render(report))
    return EXIT_OK if well(report) else EXIT_FAILED


@exit_codes
def models(pipeline: Pipeline, overrides: Overrides = None) -> int:
    """List the models that PIPELINE names, with licence and size, and say which are missing.

    Exits with 1 if one is missing.

    \b
    kesc models pipelines/ke-speechchat.yaml
    """
    from kespeechchat.commands.models import models as find_models
    from kespeechchat.commands.models import render
    from kespeechchat.config.load import load_pipeline

    found = find_models(load_pipeline(pipeline, tuple(overrides or ())))
    for line in render(found):
        typer.echo(line)
    return EXIT_FAILED if any(model.problem for model in found) else EXIT_OK


COMMANDS = (status, errors, voices, models)
