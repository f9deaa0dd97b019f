"""The commands about models and engines: models, detect."""

from __future__ import annotations

import click

from kespeechchat.cli.common import TROUBLE, WELL, named_pipeline, set_option, told
from kespeechchat.engines.registry import names_of


@click.command()
@click.argument("pipeline", type=click.Path(dir_okay=False))
@set_option
@told
def models(pipeline: str, overrides: tuple[str, ...]) -> int:
    """List the models that PIPELINE names, with licence and size, and which are here. Exit 1 where one is missing.

    \b
    kesc models pipelines/ke-speechchat.yaml
    """
    from kespeechchat.commands.models import models as find_models
    from kespeechchat.commands.models import render
    from kespeechchat.config.load import load_pipeline

    found = find_models(load_pipeline(pipeline, overrides))
    for line in render(found):
        click.echo(line)
    return TROUBLE if any(m.problem for m in found) else WELL


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--engine", type=click.Choice(names_of("watermark")), help="Watermark engine.  [default: perth]")
@click.option("--model", metavar="FOLDER|hub:ID@REV", help="AudioSeal's checkpoints.  [default: models/audioseal]")
@click.option("--root", metavar="URL", help="ROOT of a build: its engine, its model, its payload.")
@click.option("--payload", metavar="HEX", help="Payload that the mark must carry.  [default: any, or that of --root]")
@told
def detect(files: tuple[str, ...], engine: str | None, model: str | None, root: str | None, payload: str | None) -> int:
    """Tell whether each of FILES carries the watermark. Exit 0 where all do, 1 where one does not.

    Every channel is heard by itself; audio of any rate is brought to the engine's own.

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
    mark = sought_of(named_pipeline(None, root), payload) if root else sought(engine or "perth", model, payload)
    all_marked = True
    for line, marked in run_detect(files, mark):
        click.echo(line)
        all_marked &= marked
    return WELL if all_marked else TROUBLE
