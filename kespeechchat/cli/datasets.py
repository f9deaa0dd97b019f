"""The commands that make a dataset of a build: export, release."""

from __future__ import annotations

from typing import Any

import click

from kespeechchat.cli.common import WELL, named_pipeline, pipeline_argument, root_option, store_of, told
from kespeechchat.export.layouts import LAYOUTS


@click.command()
@pipeline_argument
@root_option
@click.option("--to", required=True, type=click.Path(file_okay=False), help="Folder to write the dataset to.")
@click.option("--format", "layout", type=click.Choice(LAYOUTS), default=LAYOUTS[0], show_default=True, help="Layout.")
@click.option("--partition", metavar="NAME", help="Only this partition's dialogues: XS, S, M, L or XL.")
@click.option("--language", type=click.Choice(["zh", "en"]), help="Only this language's dialogues.")
@click.option("--release", metavar="NAME", help="Partitions as `kesc release NAME` froze them.")
@click.option(
    "--audio/--no-audio", default=None, help="With or without audio; unsaid: with, where that makes no huge folder."
)
@told
def export(pipeline: str | None, root: str | None, to: str, **wanted: Any) -> int:
    """Write a finished build as a dataset: the paper's layout, or another trainer's (--format).

    \b
    kesc export --root build/quickstart --to my-dataset
    kesc export --root build/quickstart --to my-parquet --format huggingface --partition XS --language en
    """
    from kespeechchat.commands.export import Wanted
    from kespeechchat.commands.export import export as run_export

    profile = named_pipeline(pipeline, root)
    click.echo(run_export(profile, store_of(profile), to, Wanted(**wanted), click.echo))
    return WELL


@click.command()
@click.argument("name")
@click.argument("pipeline", required=False, type=click.Path(dir_okay=False))
@root_option
@click.option("--allow-partial", is_flag=True, help="Freeze what is gated though shards are still missing.")
@told
def release(name: str, pipeline: str | None, root: str | None, allow_partial: bool) -> int:
    """Freeze the partitions' cuts as NAME, so that later data never re-cuts them; or compare data with release NAME.

    \b
    kesc release v1 --root build/quickstart
    kesc export --release v1 --root build/quickstart --to my-dataset
    """
    from kespeechchat.commands.release import release as run_release

    profile = named_pipeline(pipeline, root)
    click.echo(run_release(profile, store_of(profile), name, allow_partial))
    return WELL
