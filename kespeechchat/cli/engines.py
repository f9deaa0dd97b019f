"""The commands about models and engines: models, detect."""

from __future__ import annotations

import click

from kespeechchat.cli.common import TROUBLE, WELL, set_option, told


@click.command()
@click.argument("pipeline", type=click.Path(dir_okay=False))
@set_option
@told
def models(pipeline: str, overrides: tuple[str, ...]) -> int:
    """List the models that PIPELINE names, with licence and size, and which are here. Exit 1 where one is missing.

    \b
    kesc models pipelines/ke-speechchat.yaml
    """
    from kespeechchat.config.load import load_pipeline
    from kespeechchat.run.models import models as find_models
    from kespeechchat.run.models import render

    found = find_models(load_pipeline(pipeline, overrides))
    for line in render(found):
        click.echo(line)
    return TROUBLE if any(m.problem for m in found) else WELL


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--engine", default="perth", show_default=True, help="Watermark engine to look for.")
@told
def detect(files: tuple[str, ...], engine: str) -> int:
    """Tell whether each of FILES carries the watermark. Exit 0 where all do, 1 where one does not."""
    from kespeechchat.run.detect import detect as run_detect

    all_marked = True
    for line, marked in run_detect(files, engine):
        click.echo(line)
        all_marked &= marked
    return WELL if all_marked else TROUBLE
