"""The commands that look at a build: status, verify, errors, voices."""

from __future__ import annotations

import json

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
@pipeline_argument
@root_option
@set_option
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.option("--why", metavar="STAGE/SHARD", help="What made this shard stale, e.g. gate/3.")
@told
def status(pipeline: str | None, root: str | None, overrides: tuple[str, ...], as_json: bool, why: str | None) -> int:
    """Show shards and rows per stage: done, pending, stale, failed; kept and rejected by reason."""
    from kespeechchat.commands import status as s
    from kespeechchat.config.load import ConfigError

    profile = named_pipeline(pipeline, root, overrides)
    if why:
        stage, _, shard = why.partition("/")
        known_stages((stage,), profile)
        if not shard.isdigit():
            raise ConfigError(f"--why {why}: write STAGE/SHARD, e.g. gate/3")
        click.echo("\n".join(s.why(profile, store_of(profile), stage, int(shard))))
        return WELL
    found = s.status(profile, store_of(profile))
    click.echo(json.dumps(found, ensure_ascii=False, indent=1) if as_json else s.render(found))
    return WELL


@click.command()
@pipeline_argument
@root_option
@told
def verify(pipeline: str | None, root: str | None) -> int:
    """Check every checksum, that no row is lost or doubled, and that no two splits share a voice, speaker or text."""
    from kespeechchat.commands.verify import verify as run_verify

    profile = named_pipeline(pipeline, root)
    checked, problems, incomplete = run_verify(profile, store_of(profile))
    for problem in problems:
        click.echo(problem)
    for stage in incomplete:
        click.echo(f"not built yet: {stage}")
    click.echo(f"{checked} shards checked, {len(problems)} problems")
    return TROUBLE if problems else WELL


@click.command()
@pipeline_argument
@root_option
@told
def errors(pipeline: str | None, root: str | None) -> int:
    """List every failed shard with its traceback and every failed row with its error."""
    from kespeechchat.commands.errors import errors as run_errors

    profile = named_pipeline(pipeline, root)
    found = 0
    for line in run_errors(profile, store_of(profile)):
        found += 1
        click.echo(line)
    click.echo(f"{found} errors")
    return TROUBLE if found else WELL


@click.command()
@pipeline_argument
@root_option
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, with the whole histograms.")
@click.option("--recompute", is_flag=True, help="Hold every voice against every real clip again.")
@told
def voices(pipeline: str | None, root: str | None, as_json: bool, recompute: bool) -> int:
    """Measure the voice library's promises: balance, privacy, diversity, distinctness. Exit 1 where one is broken.

    \b
    kesc voices --root build/quickstart
    """
    from kespeechchat.commands.voices import render, voice_report, well

    profile = named_pipeline(pipeline, root)
    found = voice_report(profile, store_of(profile), recompute)
    click.echo(json.dumps(found, ensure_ascii=False, indent=1) if as_json else render(found))
    return WELL if well(found) else TROUBLE
