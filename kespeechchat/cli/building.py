"""The commands around a build: build, plan, doctor, clean."""

from __future__ import annotations

import json
from typing import Any

import click

from kespeechchat.cli.common import (
    TROUBLE,
    WELL,
    known_stages,
    named_pipeline,
    pipeline_argument,
    root_option,
    set_option,
    store_of,
    told,
)


@click.command()
@click.argument("pipeline", type=click.Path(dir_okay=False))
@click.option(
    "--stage", "stages", multiple=True, metavar="NAME", help="Build this stage alone, e.g. gate.r1; repeatable."
)
@click.option("--input", "inputs", multiple=True, type=click.Path(), help="Instruction file instead of the profile's.")
@click.option("--limit", type=click.IntRange(1), help="Plan only the first N rows of each instruction file.")
@set_option
@root_option
@click.option("--address", default="local", show_default=True, help="Ray: local, auto, or HOST:PORT of a cluster.")
@click.option("--inline", is_flag=True, help="Without Ray, in this process: for debugging.")
@click.option("--allow-partial", is_flag=True, help="Let reduce stages (speakers, voices) go on with what is there.")
@click.option("--replace-voices", is_flag=True, help="Take a changed voice library; all audio becomes stale.")
@click.option(
    "--grace",
    type=click.FloatRange(0),
    default=20,
    show_default=True,
    metavar="SECONDS",
    help="After SIGTERM: how long shards at work may take to come to their end.",
)
@click.option("--log-format", type=click.Choice(["auto", "plain", "json"]), default="auto", show_default=True)
@told
def build(
    pipeline: str,
    stages: tuple[str, ...],
    inputs: tuple[str, ...],
    limit: int | None,
    overrides: tuple[str, ...],
    root: str | None,
    log_format: Any,
    **how: Any,
) -> int:
    """Build the dataset of PIPELINE; only what is missing, stale or failed is made.

    \b
    kesc build pipelines/quickstart.yaml
    kesc build pipelines/quickstart.yaml --input mine.jsonl --limit 20 --root /data/mine
    kesc build pipelines/quickstart.yaml --stage gate --set stages.gate.max_error.zh=0.1
    """
    from kespeechchat.commands.summary import summary
    from kespeechchat.config.load import load_pipeline
    from kespeechchat.execution.driver import build as run_build
    from kespeechchat.execution.guards import GuardStop
    from kespeechchat.execution.progress import Progress

    profile = load_pipeline(pipeline, overrides, inputs=inputs, limit=limit, root=root)
    known_stages(stages, profile)
    progress = Progress(log_format)
    try:
        result = run_build(profile, progress, stages, **how)
    except GuardStop as stop:
        click.echo(f"kesc: stopped by a guard: {stop}", err=True)
        return TROUBLE
    click.echo(f"{summary(profile, store_of(profile), result.build_state)}\n\n{result.lines()}")
    return WELL if result.ok else TROUBLE


@click.command()
@click.argument("pipeline", type=click.Path(dir_okay=False))
@click.option("--pilot", type=click.IntRange(1), metavar="N", help="First build N rows of each input, in ROOT-pilot.")
@click.option("--pilot-clips", type=click.IntRange(1), metavar="N", help="Clips of each speech input in the pilot.")
@click.option("--rows", type=click.IntRange(1), help="Instruction rows to estimate for.  [default: the inputs' own]")
@click.option("--gpus", type=click.IntRange(0), help="GPUs of the cluster.  [default: all that the pools may take]")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@set_option
@root_option
@click.option("--address", default="local", show_default=True, help="Of the pilot: local, auto, or HOST:PORT.")
@click.option("--inline", is_flag=True, help="The pilot without Ray, in this process.")
@told
def plan(
    pipeline: str,
    pilot: int | None,
    pilot_clips: int | None,
    rows: int | None,
    gpus: int | None,
    as_json: bool,
    overrides: tuple[str, ...],
    root: str | None,
    **how: Any,
) -> int:
    """Estimate yield, hours, GPU-hours, wall time and storage, from a pilot or from what ROOT holds.

    \b
    kesc plan pipelines/quickstart.yaml --pilot 20
    kesc plan mine.yaml --root s3://bucket/earlier-build --rows 5000000 --gpus 64
    """
    from kespeechchat.commands.plan.forecast import forecast
    from kespeechchat.commands.plan.pilot import pilot_of, run_pilot
    from kespeechchat.commands.plan.text import render
    from kespeechchat.config.load import load_pipeline
    from kespeechchat.execution.progress import Progress

    profile = measured_in = load_pipeline(pipeline, overrides, root=root)
    if pilot:
        measured_in = pilot_of(profile, pilot, pilot_clips)
        run_pilot(measured_in, Progress(), **how)
    found = forecast(profile, measured_in, store_of(measured_in), rows, gpus)
    click.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=1) if as_json else render(found))
    return WELL


@click.command()
@click.argument("pipeline", type=click.Path(dir_okay=False))
@set_option
@root_option
@click.option("--address", default="local", show_default=True, help="Ray: local, auto, or HOST:PORT of a cluster.")
@click.option("--inline", is_flag=True, help="Without Ray, in this process.")
@told
def doctor(pipeline: str, overrides: tuple[str, ...], root: str | None, address: str, inline: bool) -> int:
    """Check ROOT, free space, inputs, machines, environments and models before a long build.

    Each finding is a line, ok or FAIL, and a failure has its fix below it. Exit 1 if one fails. Then a few rows of each
    language go through every stage as in a build, in its environment and with its resources; none of them is kept.

    \b
    kesc doctor pipelines/quickstart.yaml
    kesc doctor pipelines/ke-speechchat.yaml --address auto --root s3://bucket/ke-speechchat
    """
    from kespeechchat.commands.doctor import doctor as run_doctor
    from kespeechchat.config.load import load_pipeline

    well = True
    for finding in run_doctor(load_pipeline(pipeline, overrides, root=root), address, inline):
        click.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.check}: {finding.message}")
        if finding.fix:
            click.echo(f"      fix: {finding.fix}")
        well &= finding.ok
    return WELL if well else TROUBLE


@click.command()
@pipeline_argument
@root_option
@click.option("--yes", is_flag=True, help="Remove; without it only show what would go.")
@click.option("--replaced-audio", is_flag=True, help="Also unmarked speech whose marked copy is there.")
@told
def clean(pipeline: str | None, root: str | None, yes: bool, replaced_audio: bool) -> int:
    """Remove superseded shards and what killed attempts left behind; never what is current.

    With --replaced-audio also speech whose marked copy has taken its place, where the profile does not fuse
    `synthesize` and `watermark`. Its shards stay done; should that speech be needed again, it is made again.
    """
    from kespeechchat.commands.clean import clean as run_clean
    from kespeechchat.commands.clean import removable

    profile = named_pipeline(pipeline, root)
    removals = list(removable(profile, store_of(profile), replaced_audio))
    for removal in removals:
        click.echo(f"{removal.why}: {removal.key} ({removal.size:,} bytes)")
    if not yes:
        click.echo(f"{len(removals)} objects, {sum(r.size for r in removals):,} bytes would go; --yes removes them")
        return WELL
    click.echo(f"{len(removals)} objects, {run_clean(store_of(profile), removals):,} bytes removed")
    return WELL
