"""The commands that look at a build: status, report, rows, show, errors, voices, models."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from kespeechchat.cli.builds import build_at, chain_with, chains_of, profile_of, store_of
from kespeechchat.cli.exit_codes import EXIT_FAILED, EXIT_OK, exit_codes
from kespeechchat.cli.options import AsJson, Overrides, Pipeline, PipelineOrRoot, Root
from kespeechchat.cli.terminal import say
from kespeechchat.display import columns_of, counted

PURPOSE = "Look at a build"


@exit_codes
def status(
    pipeline: PipelineOrRoot = None,
    root: Root = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    why: Annotated[
        str | None,
        typer.Option(metavar="STAGE/SHARD", help="Say what made this shard stale: old and new values."),
    ] = None,
) -> int:
    """Show each stage's shards (done, pending, stale, failed) and rows (kept, rejected by reason).

    \b
    kesc status pipelines/quickstart.yaml
    kesc status --root build/quickstart --why gate/3
    """
    from kespeechchat.commands import status as logic
    from kespeechchat.config.load import ConfigError

    profile, *others = chains = chains_of(pipeline, root, overrides)
    if why:
        stage, _, shard = why.partition("/")
        profile = chain_with("--why", stage, chains)
        if not shard.isdigit():
            raise ConfigError(f"--why {why}: write STAGE/SHARD, e.g. gate/3")
        from kespeechchat.commands.why import why as find_why

        say("\n".join(find_why(profile, store_of(profile), stage, int(shard))))
        return EXIT_OK
    found = logic.status(profile, store_of(profile), others=others)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        typer.echo(logic.render(found, columns_of(sys.stdout)))
    return EXIT_OK


@exit_codes
def errors(pipeline: PipelineOrRoot = None, root: Root = None) -> int:
    """List every failed shard with its traceback and every failed row with its error.

    Exits with 1 if there are any.
    """
    from kespeechchat.commands.errors import errors as all_errors

    count = 0
    for profile in chains_of(pipeline, root):
        for line in all_errors(profile, store_of(profile)):
            count += 1
            typer.echo(line)
    typer.echo(counted(count, "error"))
    return EXIT_FAILED if count else EXIT_OK


@exit_codes
def rows(
    stage: Annotated[str, typer.Option(metavar="NAME", help="The stage, e.g. filter; gate.r1 is the gate of round 1.")],
    pipeline: PipelineOrRoot = None,
    root: Root = None,
    status: Annotated[
        str | None, typer.Option(metavar="[kept|rejected|failed]", help="Only rows of this status.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only rows that were rejected for this reason, e.g. error_rate.")
    ] = None,
    language: Annotated[Literal["zh", "en"] | None, typer.Option(help="Only rows of this language.")] = None,
    split: Annotated[Literal["train", "dev", "test"] | None, typer.Option(help="Only rows of this split.")] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", show_default="50 in a table, else all", help="Only the first N rows."),
    ] = None,
    format_: Annotated[
        Literal["table", "jsonl", "parquet"], typer.Option("--format", help="How to write the rows.")
    ] = "table",
    to: Annotated[
        str | None, typer.Option(metavar="FILE", show_default="standard output", help="File to write to.")
    ] = None,
) -> int:
    """List the current rows of a stage: kept, rejected and failed, with their reasons. Rows of old shards are left out.

    Rows come shard by shard and are never held all at once. jsonl and parquet have all columns but the audio, which
    `kesc show` and `kesc export` write. Pass an id to `kesc show` to see its row. An id that ends in -v1 is the second
    variant of a question; one that ends in -d2 is a row that was in the inputs for the second time.

    \b
    kesc rows --stage gate --status rejected --root build/quickstart
    kesc rows --stage filter --reason not_safe --language zh --format jsonl --root build/quickstart
    kesc rows --stage spoken --status kept --format parquet --to spoken.parquet --root build/quickstart
    """
    from kespeechchat.commands.rows import Wanted, status_of
    from kespeechchat.commands.rows import rows as list_rows
    from kespeechchat.state.build_state import BuildState

    profile = chain_with("--stage", stage, chains_of(pipeline, root))
    wanted = Wanted(stage, status_of(status), reason, language, split, limit)
    list_rows(BuildState(profile, store_of(profile)), wanted, format_, to)
    return EXIT_OK


@exit_codes
def show(
    row: Annotated[str, typer.Argument(metavar="ID", show_default=False, help="A row's id, or the beginning of one.")],
    pipeline: PipelineOrRoot = None,
    root: Root = None,
    audio: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the row's speech there, a WAV file a turn.")
    ] = None,
) -> int:
    """Show one row through all stages: texts, verdicts, what was heard, scores, voices, seeds, models, its files.

    ID is the id of an input row, a document, a dialogue, a clip, a speaker, a candidate or a voice, as `kesc rows`, an
    export or an error message prints it. All variants (-v1) and rounds of the row are shown, unless ID names one.

    \b
    kesc show quickstart-zh-0123 --root build/quickstart
    kesc show quickstart-zh-0123456789ab-v1 --root build/quickstart --audio listen
    """
    from kespeechchat.commands.show import show_any as find_row
    from kespeechchat.commands.show import write_audio
    from kespeechchat.commands.shown_text import render
    from kespeechchat.config.load import ConfigError
    from kespeechchat.state.build_state import BuildState

    chains = chains_of(pipeline, root)
    build_state, shown = find_row([BuildState(profile, store_of(profile)) for profile in chains], row)
    say(render(shown, build_state.store.url))
    if audio is not None:
        try:
            files = write_audio(build_state, shown, audio)
        except OSError as error:
            raise ConfigError(f"--audio {audio}: cannot write {error.filename}: {error.strerror}") from None
        typer.echo(
            "\n".join(f"wrote {file}" for file in files) if files else "no stage has made speech of this row yet"
        )
    return EXIT_OK


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
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        say(render(report), indent=8)
    return EXIT_OK if well(report) else EXIT_FAILED


@exit_codes
def report(
    pipeline: PipelineOrRoot = None,
    root: Root = None,
    to: Annotated[Path, typer.Option(metavar="FILE", help="File to write the page to.")] = Path("report.html"),
    against: Annotated[
        str | None, typer.Option(metavar="OTHER_ROOT", help="Put the build in OTHER_ROOT beside this one.")
    ] = None,
) -> int:
    """Write the build as one HTML page that opens anywhere, offline: figures, charts, and dialogues to hear.

    It tells what was made (beside the paper's figures), which rows left and why, how error rates, scores and lengths
    lie around the limits, how the voices keep apart, where the time went, what failed; and it plays dialogues: by
    chance, at the gate's edge, the worst that were kept, and some of each rejection, with the transcript's differences
    marked. The file has all it needs in it and stays under 5 MB, so it can be sent. Of more than 50,000 dialogues it
    looks at a sample. An unfinished build gives a report of what is there.

    \b
    kesc report pipelines/quickstart.yaml
    kesc report --root build/mine --to mine.html
    kesc report --root build/new-prompt --against build/old-prompt --to what-the-prompt-did.html
    """
    from kespeechchat.commands.report.page import report as write_report
    from kespeechchat.commands.report.page import told

    profile = profile_of(pipeline, root)
    other = build_at("--against", against) if against else None
    beside = (other, store_of(other)) if other else None
    say(told(*write_report(profile, store_of(profile), to, beside)))
    return EXIT_OK


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
        say(line)
    return EXIT_FAILED if any(model.problem for model in found) else EXIT_OK


COMMANDS = (status, report, rows, show, errors, voices, models)
