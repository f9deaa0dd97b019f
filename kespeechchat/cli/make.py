"""The commands that make a dataset: build, interleave, plan, doctor."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from kespeechchat.cli.builds import check_stages, store_of
from kespeechchat.cli.exit_codes import EXIT_FAILED, EXIT_OK, exit_codes
from kespeechchat.cli.options import (
    Address,
    AsJson,
    Grace,
    Inline,
    Inputs,
    Llm,
    LogFormat,
    Model,
    Overrides,
    Pipeline,
    Root,
)
from kespeechchat.cli.terminal import say
from kespeechchat.display import columns_of

if TYPE_CHECKING:  # it imports what the command begins without
    from kespeechchat.execution.progress import Progress

PURPOSE = "Make a dataset"


@exit_codes
def build(
    pipeline: Pipeline,
    stages: Annotated[
        list[str] | None,
        typer.Option("--stage", metavar="NAME", help="Build only this stage, e.g. gate.r1; repeatable."),
    ] = None,
    inputs: Inputs = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Use only the first N rows of each instruction file.")
    ] = None,
    llm: Llm = None,
    model: Model = None,
    overrides: Overrides = None,
    root: Root = None,
    address: Address = "local",
    inline: Inline = False,
    allow_partial: Annotated[
        bool,
        typer.Option("--allow-partial", help="Let reduce stages (speakers, voices) start before all rows are there."),
    ] = False,
    replace_voices: Annotated[
        bool, typer.Option("--replace-voices", help="Accept a changed voice library; all audio becomes stale.")
    ] = False,
    grace: Grace = 20,
    log_format: LogFormat = "auto",
) -> int:
    """Build the dataset that PIPELINE describes: make only what is missing, stale or failed.

    \b
    kesc build pipelines/quickstart.yaml
    kesc build pipelines/quickstart.yaml --input mine.jsonl --limit 20 --root /data/mine
    kesc build pipelines/quickstart.yaml --stage gate --set stages.gate.max_error.zh=0.1
    kesc build pipelines/quickstart.yaml --llm qwen2.5-7b-instruct-q4_k_m.gguf
    kesc build pipelines/quickstart.yaml --llm http://127.0.0.1:8000/v1 --model Qwen2.5-7B-Instruct
    """
    from kespeechchat.execution.local_nursery import Nursery

    nursery = Nursery.begun(address, inline)  # while this process imports the rest

    from kespeechchat.commands.summary import summary
    from kespeechchat.config.load import load_pipeline
    from kespeechchat.execution.driver import build as run_build
    from kespeechchat.execution.guards import GuardStop
    from kespeechchat.execution.progress import Progress

    changes = {"inputs": tuple(inputs or ()), "limit": limit, "root": root, "llm": llm, "model": model}
    profile = load_pipeline(pipeline, tuple(overrides or ()), **changes)
    check_stages("--stage", stages or (), profile)
    progress = Progress(log_format)
    try:
        result = run_build(
            profile, progress, stages or (), address, inline, allow_partial, replace_voices, grace, nursery
        )
    except GuardStop as stop:
        say(f"kesc: stopped by a guard: {stop}", err=True)
        return EXIT_FAILED
    typer.echo(summary(profile, store_of(profile), result.build_state, columns_of(sys.stdout)))
    say(f"\n{result.lines()}")
    return _exit_code(result.ok, progress)


def _exit_code(ok: bool, progress: Progress) -> int:
    """1 also where the log could not be written: then not all was said."""
    if progress.unsaid:
        say("the log has gaps: standard error could not be written")
    return EXIT_OK if ok and not progress.unsaid else EXIT_FAILED


@exit_codes
def interleave(
    pipeline: Pipeline,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="FILE",
            help="Documents instead of the profile's: .txt, .jsonl or .parquet, or a folder; repeatable.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", show_default="ROOT/sequences", help="Folder to write the sequences to."),
    ] = None,
    overrides: Overrides = None,
    root: Root = None,
    address: Address = "local",
    inline: Inline = False,
    replace_tokens: Annotated[
        bool, typer.Option("--replace-tokens", help="Accept another tokenizer or codebook; all tokens become stale.")
    ] = False,
    grace: Grace = 20,
    log_format: LogFormat = "auto",
) -> int:
    """Turn documents into sequences of text and speech tokens, in the voices of the build of PIPELINE.

    It makes only what is missing, stale or failed, so the same command resumes. Build the voices first.

    \b
    kesc interleave pipelines/quickstart.yaml --input examples/documents.jsonl
    kesc interleave mine.yaml --input corpus/ --to my-sequences --set interleave.stages.spans.ratio=0.5
    """
    from kespeechchat.execution.local_nursery import Nursery

    nursery = Nursery.begun(address, inline)  # while this process imports the rest

    from kespeechchat.commands.interleave import of_interleave, prepared, written
    from kespeechchat.config.load import load_pipeline
    from kespeechchat.execution.driver import build as run_build
    from kespeechchat.execution.guards import GuardStop
    from kespeechchat.execution.progress import Progress

    profile = of_interleave(
        load_pipeline(pipeline, tuple(overrides or ()), documents=tuple(inputs or ()), root=root), to
    )
    progress = Progress(log_format, command="interleave")
    profile = prepared(profile, store_of(profile), progress.say, replace_tokens)
    try:
        result = run_build(profile, progress, address=address, inline=inline, grace=grace, nursery=nursery)
    except GuardStop as stop:
        say(f"kesc: stopped by a guard: {stop}", err=True)
        return EXIT_FAILED
    say(f"{written(profile, store_of(profile), to)}\n\n{result.lines()}")
    return _exit_code(result.ok, progress)


@exit_codes
def plan(
    pipeline: Pipeline,
    inputs: Inputs = None,
    pilot: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="First build N rows of each input, in ROOT-pilot.")
    ] = None,
    pilot_clips: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Clips of each speech input in the pilot.")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default="the inputs' own", help="Instruction rows to estimate for."),
    ] = None,
    gpus: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", show_default="all that the pools may take", help="GPUs of the cluster."),
    ] = None,
    as_json: AsJson = False,
    llm: Llm = None,
    model: Model = None,
    overrides: Overrides = None,
    root: Root = None,
    address: Address = "local",
    inline: Inline = False,
) -> int:
    """Estimate yield, hours of speech, GPU-hours, wall time and storage, from a pilot or from an earlier build.

    --address and --inline say where the pilot runs.

    \b
    kesc plan pipelines/quickstart.yaml --pilot 20
    kesc plan pipelines/quickstart.yaml --input mine.jsonl --pilot 20
    kesc plan mine.yaml --root s3://bucket/earlier-build --rows 5000000 --gpus 64
    """
    from kespeechchat.commands.plan.forecast import forecast as make_forecast
    from kespeechchat.commands.plan.pilot import pilot_of, run_pilot
    from kespeechchat.commands.plan.text import render
    from kespeechchat.config.load import load_pipeline
    from kespeechchat.execution.progress import Progress

    changes = {"inputs": tuple(inputs or ()), "root": root, "llm": llm, "model": model}
    profile = measured_in = load_pipeline(pipeline, tuple(overrides or ()), **changes)
    if pilot:
        measured_in = pilot_of(profile, pilot, pilot_clips)
        run_pilot(measured_in, Progress(), address=address, inline=inline)
    forecast = make_forecast(profile, measured_in, store_of(measured_in), rows, gpus)
    if as_json:
        typer.echo(json.dumps(forecast.to_json(), ensure_ascii=False, indent=1))
    else:
        say(render(forecast))
    return EXIT_OK


@exit_codes
def doctor(
    pipeline: Pipeline,
    inputs: Inputs = None,
    llm: Llm = None,
    model: Model = None,
    overrides: Overrides = None,
    root: Root = None,
    address: Address = "local",
    inline: Inline = False,
) -> int:
    """Check storage, inputs, machines, environments and models before a long build, and try a few rows.

    Prints a line for each check, ok or FAIL, and a fix for each failure; exits with 1 if one failed. A few rows of each
    language go through every stage as in a build, in its environment and with its resources; none of them is kept.

    \b
    kesc doctor pipelines/quickstart.yaml
    kesc doctor pipelines/ke-speechchat.yaml --address auto --root s3://bucket/ke-speechchat
    """
    from kespeechchat.commands.doctor import doctor as run_doctor
    from kespeechchat.config.load import load_pipeline

    all_ok = True
    changes = {"inputs": tuple(inputs or ()), "root": root, "llm": llm, "model": model}
    profile = load_pipeline(pipeline, tuple(overrides or ()), **changes)
    for finding in run_doctor(profile, address, inline):
        say(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.check}: {finding.message}")
        if finding.fix:
            say(f"      fix: {finding.fix}", indent=5)
        all_ok &= finding.ok
    return EXIT_OK if all_ok else EXIT_FAILED


COMMANDS = (build, interleave, plan, doctor)
