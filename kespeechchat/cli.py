"""kesc: parses, calls, prints. No logic; heavy imports stand inside the commands, so that --help answers at once."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from kespeechchat.export import LAYOUTS

if TYPE_CHECKING:
    from kespeechchat.config.pipeline import Pipeline
    from kespeechchat.store.objects import ObjectStore

WELL, TROUBLE, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="kespeechchat")
def main() -> None:
    """Turn instruction text into a bilingual (zh, en) speech dialogue dataset.

    \b
    kesc build pipelines/quickstart.yaml       the whole flow, on a laptop, resumable
    kesc status pipelines/quickstart.yaml      what stands
    kesc export pipelines/quickstart.yaml --to my-dataset

    Exit codes: 0 all well; 1 some shards failed or a check did not hold; 2 wrong use or configuration.
    """


def _told(command: Callable[..., int | None]) -> Callable[..., None]:
    """Errors of use and interruptions become one clear line and an exit code."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        from kespeechchat.config.load import ConfigError
        from kespeechchat.engines import EngineError
        from kespeechchat.store.objects import StoreError

        signal.signal(signal.SIGTERM, _terminated)
        try:
            code = command(*args, **kwargs)
        except (ConfigError, StoreError) as error:
            click.echo(f"kesc: {error}", err=True)
            code = WRONG_USE
        except EngineError as error:
            click.echo(f"kesc: {error}", err=True)
            code = TROUBLE
        except KeyboardInterrupt:
            click.echo("kesc: interrupted. What was committed stays; the same command goes on from there.", err=True)
            code = INTERRUPTED
        sys.exit(code or WELL)

    return run


def _terminated(*_: object) -> None:
    os.write(2, b"kesc: ended by SIGTERM. What was committed stays; the same command goes on from there.\n")
    sys.exit(143)


def _named_pipeline(pipeline: str | None, root: str | None, overrides: tuple[str, ...] = ()) -> Pipeline:
    """The PIPELINE file, or the resolved one that a build keeps in its ROOT."""
    from kespeechchat.config.load import ConfigError, absolute_root, load_pipeline
    from kespeechchat.run.kept import kept_pipeline

    if pipeline:
        return load_pipeline(pipeline, overrides, root=root)
    if not root:
        raise ConfigError("name the PIPELINE file, or the ROOT of a build with --root URL")
    url = absolute_root(root)
    try:
        return kept_pipeline(url)
    except FileNotFoundError:
        raise ConfigError(f"{url}: no build here; run `kesc build PIPELINE --root {url}`") from None


def _store(pipeline: Pipeline) -> ObjectStore:
    from kespeechchat.store.objects import open_store

    return open_store(pipeline.root)


_pipeline = click.argument("pipeline", required=False, type=click.Path(dir_okay=False))
_root = click.option("--root", metavar="URL", help="Folder or object store of the build; replaces the profile's root.")
_set = click.option("--set", "overrides", multiple=True, metavar="KEY.SUB=VALUE", help="Override one setting.")


@main.command()
@click.argument("pipeline", type=click.Path(dir_okay=False))
@click.option("--stage", "stages", multiple=True, metavar="NAME", help="Build this stage alone (repeatable).")
@click.option("--input", "inputs", multiple=True, type=click.Path(), help="Instruction file instead of the profile's.")
@click.option("--limit", type=click.IntRange(1), help="Plan only the first N rows of each instruction file.")
@_set
@_root
@click.option("--address", default="local", show_default=True, help="Ray: local, auto, or HOST:PORT of a cluster.")
@click.option("--inline", is_flag=True, help="Without Ray, in this process: for debugging.")
@click.option("--allow-partial", is_flag=True, help="Let reduce stages (speakers, voices) go on with what is there.")
@click.option("--replace-voices", is_flag=True, help="Take a changed voice library; all audio becomes stale.")
@click.option("--log-format", type=click.Choice(["auto", "plain", "json"]), default="auto", show_default=True)
@_told
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
    from kespeechchat.config.load import load_pipeline
    from kespeechchat.run.build import build as run_build
    from kespeechchat.run.guards import GuardStop
    from kespeechchat.run.progress import Progress
    from kespeechchat.run.report import summary

    profile = load_pipeline(pipeline, overrides, inputs=inputs, limit=limit, root=root)
    _known_stages(stages)
    progress = Progress(log_format)
    try:
        result = run_build(profile, progress, stages, **how)
    except GuardStop as stop:
        click.echo(f"kesc: stopped by a guard: {stop}", err=True)
        return TROUBLE
    click.echo(summary(profile, _store(profile), result))
    return WELL if result.well else TROUBLE


def _known_stages(names: tuple[str, ...]) -> None:
    from kespeechchat.config.load import ConfigError
    from kespeechchat.config.pipeline import STAGES

    for name in names:
        if name not in STAGES:
            raise ConfigError(f"--stage {name}: no such stage; stages are {', '.join(STAGES)}")


@main.command()
@click.argument("pipeline", type=click.Path(dir_okay=False))
@click.option("--pilot", type=click.IntRange(1), metavar="N", help="First build N rows of each input, in ROOT-pilot.")
@click.option("--pilot-clips", type=click.IntRange(1), metavar="N", help="Clips of each speech input in the pilot.")
@click.option("--rows", type=click.IntRange(1), help="Instruction rows to estimate for.  [default: the inputs' own]")
@click.option("--gpus", type=click.IntRange(0), help="GPUs of the cluster.  [default: all that the pools may take]")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@_set
@_root
@click.option("--address", default="local", show_default=True, help="Of the pilot: local, auto, or HOST:PORT.")
@click.option("--inline", is_flag=True, help="The pilot without Ray, in this process.")
@_told
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
    from kespeechchat.config.load import load_pipeline
    from kespeechchat.run.outlook import outlook
    from kespeechchat.run.outlook_text import render
    from kespeechchat.run.pilot import pilot_of, run_pilot
    from kespeechchat.run.progress import Progress

    profile = measured_in = load_pipeline(pipeline, overrides, root=root)
    if pilot:
        measured_in = pilot_of(profile, pilot, pilot_clips)
        run_pilot(measured_in, Progress(), **how)
    found = outlook(profile, measured_in, _store(measured_in), rows, gpus)
    click.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=1) if as_json else render(found))
    return WELL


@main.command()
@_pipeline
@_root
@_set
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.option("--why", metavar="STAGE/SHARD", help="What made this shard stale, e.g. gate/3.")
@_told
def status(pipeline: str | None, root: str | None, overrides: tuple[str, ...], as_json: bool, why: str | None) -> int:
    """Show shards and rows per stage: done, pending, stale, failed; kept and rejected by reason."""
    from kespeechchat.config.load import ConfigError
    from kespeechchat.run import status as s

    profile = _named_pipeline(pipeline, root, overrides)
    if why:
        stage, _, shard = why.partition("/")
        _known_stages((stage,))
        if not shard.isdigit():
            raise ConfigError(f"--why {why}: write STAGE/SHARD, e.g. gate/3")
        click.echo("\n".join(s.why(profile, _store(profile), stage, int(shard))))
        return WELL
    found = s.status(profile, _store(profile))
    click.echo(json.dumps(found, ensure_ascii=False, indent=1) if as_json else s.render(found))
    return WELL


@main.command()
@_pipeline
@_root
@_told
def verify(pipeline: str | None, root: str | None) -> int:
    """Check every checksum, that no row is lost or doubled, and that no two splits share a voice, speaker or text."""
    from kespeechchat.run.verify import incomplete
    from kespeechchat.run.verify import verify as run_verify

    profile = _named_pipeline(pipeline, root)
    checked, problems = run_verify(profile, _store(profile))
    for problem in problems:
        click.echo(problem)
    for stage in incomplete(profile, _store(profile)):
        click.echo(f"not built yet: {stage}")
    click.echo(f"{checked} shards checked, {len(problems)} problems")
    return TROUBLE if problems else WELL


@main.command()
@_pipeline
@_root
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, with the whole histograms.")
@click.option("--recompute", is_flag=True, help="Hold every voice against every real clip again.")
@_told
def voices(pipeline: str | None, root: str | None, as_json: bool, recompute: bool) -> int:
    """Measure the voice library's promises: balance, privacy, diversity, distinctness. Exit 1 where one is broken.

    \b
    kesc voices --root build/quickstart
    """
    from kespeechchat.run.voice_report import render, voice_report, well

    profile = _named_pipeline(pipeline, root)
    found = voice_report(profile, _store(profile), recompute)
    click.echo(json.dumps(found, ensure_ascii=False, indent=1) if as_json else render(found))
    return WELL if well(found) else TROUBLE


@main.command()
@_pipeline
@_root
@_told
def errors(pipeline: str | None, root: str | None) -> int:
    """List every failed shard with its traceback and every failed row with its error."""
    from kespeechchat.run.errors import errors as run_errors

    profile = _named_pipeline(pipeline, root)
    found = 0
    for line in run_errors(profile, _store(profile)):
        found += 1
        click.echo(line)
    click.echo(f"{found} errors")
    return TROUBLE if found else WELL


@main.command()
@_pipeline
@_root
@click.option("--to", required=True, type=click.Path(file_okay=False), help="Folder to write the dataset to.")
@click.option("--format", "layout", type=click.Choice(LAYOUTS), default=LAYOUTS[0], show_default=True, help="Layout.")
@click.option("--partition", metavar="NAME", help="Only this partition's dialogues: XS, S, M, L or XL.")
@click.option("--language", type=click.Choice(["zh", "en"]), help="Only this language's dialogues.")
@click.option("--release", metavar="NAME", help="Partitions as `kesc release NAME` froze them.")
@click.option(
    "--audio/--no-audio", default=None, help="With or without audio; unsaid: with, where that makes no huge folder."
)
@_told
def export(pipeline: str | None, root: str | None, to: str, **wanted: Any) -> int:
    """Write a finished build as a dataset: the paper's layout, or another trainer's (--format).

    \b
    kesc export --root build/quickstart --to my-dataset
    kesc export --root build/quickstart --to my-parquet --format huggingface --partition XS --language en
    """
    from kespeechchat.run.export import Wanted
    from kespeechchat.run.export import export as run_export

    profile = _named_pipeline(pipeline, root)
    click.echo(run_export(profile, _store(profile), to, Wanted(**wanted), click.echo))
    return WELL


@main.command()
@click.argument("name")
@click.argument("pipeline", required=False, type=click.Path(dir_okay=False))
@_root
@click.option("--allow-partial", is_flag=True, help="Freeze what is gated though shards are still missing.")
@_told
def release(name: str, pipeline: str | None, root: str | None, allow_partial: bool) -> int:
    """Freeze the partitions' cuts as NAME, so that later data never re-cuts them; or compare data with release NAME.

    \b
    kesc release v1 --root build/quickstart
    kesc export --release v1 --root build/quickstart --to my-dataset
    """
    from kespeechchat.run.release import release as run_release

    profile = _named_pipeline(pipeline, root)
    click.echo(run_release(profile, _store(profile), name, allow_partial))
    return WELL


@main.command()
@click.argument("pipeline", type=click.Path(dir_okay=False))
@_set
@_root
@click.option("--address", default="local", show_default=True, help="Ray: local, auto, or HOST:PORT of a cluster.")
@click.option("--inline", is_flag=True, help="Without Ray, in this process.")
@_told
def doctor(pipeline: str, overrides: tuple[str, ...], root: str | None, address: str, inline: bool) -> int:
    """Check ROOT, inputs, models and resources before a long build: one row goes through every stage."""
    from kespeechchat.config.load import load_pipeline
    from kespeechchat.run.doctor import doctor as run_doctor

    well = True
    for finding in run_doctor(load_pipeline(pipeline, overrides, root=root), address, inline):
        click.echo(f"{'ok  ' if finding.well else 'FAIL'}  {finding.check}: {finding.told}")
        well &= finding.well
    return WELL if well else TROUBLE


@main.command()
@_pipeline
@_root
@click.option("--yes", is_flag=True, help="Remove; without it only show what would go.")
@_told
def clean(pipeline: str | None, root: str | None, yes: bool) -> int:
    """Remove superseded shards and what killed attempts left behind; never what is current."""
    from kespeechchat.run.clean import clean as run_clean
    from kespeechchat.run.clean import removable

    profile = _named_pipeline(pipeline, root)
    removals = list(removable(profile, _store(profile)))
    for removal in removals:
        click.echo(f"{removal.why}: {removal.key} ({removal.size:,} bytes)")
    if not yes:
        click.echo(f"{len(removals)} objects, {sum(r.size for r in removals):,} bytes would go; --yes removes them")
        return WELL
    click.echo(f"{len(removals)} objects, {run_clean(_store(profile), removals):,} bytes removed")
    return WELL


@main.command()
@click.argument("pipeline", type=click.Path(dir_okay=False))
@_set
@_told
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


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option("--engine", default="perth", show_default=True, help="Watermark engine to look for.")
@_told
def detect(files: tuple[str, ...], engine: str) -> int:
    """Tell whether each of FILES carries the watermark. Exit 0 where all do, 1 where one does not."""
    from kespeechchat.run.detect import detect as run_detect

    all_marked = True
    for line, marked in run_detect(files, engine):
        click.echo(line)
        all_marked &= marked
    return WELL if all_marked else TROUBLE
