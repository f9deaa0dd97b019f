"""`kesc export`: the gated dataset in a trainer's layout."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from kespeechchat.commands.refused import RefusedTakes
from kespeechchat.commands.release import read_release
from kespeechchat.commands.scenes import SceneExport, scene_name
from kespeechchat.commands.status import status
from kespeechchat.commands.summary import planned_inputs, summary
from kespeechchat.commands.tokens import tokens_reader
from kespeechchat.commands.units import units_reader
from kespeechchat.commands.voice_words import library_words
from kespeechchat.commands.voices import privacy_facts
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.origins import corpus_of, departures_of, inputs_of
from kespeechchat.dataset.speaking import how_spoken
from kespeechchat.dataset.timeline import Timing
from kespeechchat.display import counted, hours, size
from kespeechchat.export.cards import write_plain_card
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import Done, alone_in
from kespeechchat.export.layout import AudioRates, HasBackchannels, HoldsSome, Layout, check_many_files
from kespeechchat.export.layouts import make_layout
from kespeechchat.export.selection import Selection, Subset, select
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.state.reviews import CurrentReviews, current_reviews
from kespeechchat.store.interface import ObjectStore

_REASONS = 5  # that an empty export names
_WEAKER = "choose a weaker scene, or leave --require-watermark out"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAMPLED = 8  # dialogues whose FLAC an estimate rests on


class NothingToExport(RuntimeError):
    """No dialogue is what the user asked for. The message says what there is instead."""


@dataclass(frozen=True)
class Wanted:
    """What the user asked for. `audio`: None for the layout's own rule (files of their own only up to a number).
    `only_reviewed`: what annotators accepted, and nothing else. `scene`: its name, `clean` for none, None for the
    layout's own; `require_watermark`: leave out what it costs its mark. `options`: the layout's own settings, as
    text."""

    layout: str = "ke-speechchat"
    partition: str | None = None
    language: str | None = None
    release: str | None = None
    audio: bool | None = None
    only_reviewed: bool = False
    scene: str | None = None
    require_watermark: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


def export(
    pipeline: Pipeline, store: ObjectStore, to: str, wanted: Wanted, tell: Callable[[str], None] = lambda line: None
) -> str:
    """Writes the export and returns what to tell the user; `tell` gets the sizes before it starts. Raises ConfigError
    where it cannot be made as asked, NothingToExport where there is no dialogue to write."""
    build_state = BuildState(pipeline, store)
    reviews = current_reviews(build_state)
    reviewed = replace(reviews.reviewed, accepted_only=wanted.only_reviewed)
    rows, folder = FinishedRows(pipeline, store, build_state, reviewed), Path(to)
    drawn = "" if pipeline.timing.plain else _hash(pipeline.timing.model_dump_json(), pipeline.seed)
    try:
        dialogues = Dialogues(
            _selection(rows, wanted),
            None if wanted.audio is False else rows.audio,
            {voice["id"]: voice["gender"] for voice in rows.voices},
            _content(rows, drawn),
            Timing(pipeline.timing, pipeline.seed),
            read_tokens=rows.tokens,
            shards=rows.content_of_shards,
            drawn=drawn,
        )
        if not len(dialogues):
            raise NothingToExport(_why_nothing(rows, wanted, reviews))
        needed = {
            "units": lambda: units_reader(pipeline),
            "refused": lambda: RefusedTakes(rows.build_state),
            "tokens": lambda: tokens_reader(pipeline),
        }
        layout = make_layout(wanted.layout, needed, wanted.options)
        dialogues = replace(dialogues, first_alone=not layout.several)
        alone = scene_name(layout, wanted.scene, dialogues.audio) is None and isinstance(layout, HasBackchannels)
        if (words := library_words(rows) if alone else None) is not None:
            timing, drawn = replace(dialogues.timing, sounds=words.sounds), _hash(drawn, words.content)
            content = _content(rows, drawn)
            dialogues = replace(dialogues, timing=timing, read_word=words.read, content=content, drawn=drawn)
        if wanted.audio is None:
            check_many_files(layout, dialogues)
        facts, scene = _build_facts(rows, layout), _scene(pipeline, layout, folder, wanted, dialogues)
        facts = replace(facts, voice_words=words.counts if words is not None else {})
        tell(_size_line(layout, dialogues, folder, facts))
        with alone_in(folder, tell):
            if scene is not None:
                dialogues, facts = scene.begin(dialogues, facts), replace(facts, scenes=scene.shares)
                if scene.left_out and not scene.kept:
                    raise NothingToExport(f"no dialogue keeps its watermark in this scene: {_WEAKER}")
            done = layout.export(dialogues, folder, facts)
            if done.dialogues and not done.carded:
                write_plain_card(folder, dialogues, facts, layout, done.dialogues)
            if scene is not None:
                done = replace(done, notes=(*done.notes, *scene.finish()))
            if not done.dialogues:
                raise NothingToExport("; ".join((f"{layout.name}: nothing is written", *done.notes)))
    except ValueError as error:
        raise ConfigError(str(error)) from None
    except OSError as error:
        if (why := _cannot_write(error, to)) is None:
            raise
        raise ConfigError(f"--to {to}: {why}") from None
    table = [summary(pipeline, store, rows.build_state), ""] if "yields" in layout.needs else []
    return "\n".join([*table, *_closing_lines(rows, folder, done, reviews), *_turn_lines(dialogues, layout)])


def _content(rows: FinishedRows, drawn: str) -> str:
    """What the files of an export depend on beside the subset; `drawn`: of a timeline that is not plain, its hash."""
    return _hash(rows.content, drawn) if drawn else rows.content


def _hash(*parts: object) -> str:
    return hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()


def _turn_lines(dialogues: Dialogues, layout: Layout) -> Iterable[str]:
    """What the user should know of dialogues of several exchanges."""
    selection = dialogues.selection
    if selection.longer and dialogues.first_alone:
        yield (
            f"        {layout.name} holds one exchange: of dialogues that have several, the first is written "
            f"({selection.longer:,} of the whole build)"
        )
    if len(selection.barred):
        left_out = counted(len(selection.barred), "dialogue is", "dialogues are")
        yield f"        {left_out} left out: a turn of each says what a turn of a held-out dialogue says"


def _scene(
    pipeline: Pipeline, layout: Layout, folder: Path, wanted: Wanted, dialogues: Dialogues
) -> SceneExport | None:
    name = scene_name(layout, wanted.scene, dialogues.audio)
    if name is None:
        if wanted.require_watermark:
            raise ConfigError(
                "--require-watermark: clean speech has its mark, the gate sees to it; add --scene, or leave it"
            )
        return None
    return SceneExport(pipeline, name, folder, layout, wanted.require_watermark)


def _why_nothing(rows: FinishedRows, wanted: Wanted, reviews: CurrentReviews) -> str:
    if wanted.only_reviewed:
        return _why_none_accepted(wanted, reviews)
    if next(iter(rows), None) is not None:
        parts = [f"{name} {of}" for name in ("language", "partition", "release") if (of := getattr(wanted, name))]
        return f"no dialogue of {', '.join(parts)}: others are there, leave out --{parts[0].split()[0]}"
    if rows.missing:
        shards = counted(rows.missing, "shard of the gate is", "shards of the gate are")
        return f"no dialogue has passed the gate yet, and {shards} pending, stale or failed: run `kesc build` again"
    stages = status(rows.pipeline, rows.store, rows.build_state)["stages"]
    lost = [(n, f"{s['name']} rejected {n:,} as {reason}") for s in stages for reason, n in s["rejected"].items()]
    named = [text for _, text in sorted(lost, key=lambda one: -one[0])[:_REASONS]]
    return f"no dialogue passed the gate, so there is nothing to export: {', '.join(named) or 'nothing was rejected'}"


def _why_none_accepted(wanted: Wanted, reviews: CurrentReviews) -> str:
    chosen = [f"{name} {of}" for name in ("language", "partition", "release") if (of := getattr(wanted, name))]
    which = f" of {', '.join(chosen)}" if chosen else ""
    given = ", ".join(f"{name} {n:,}" for name, n in sorted(reviews.counts.items()))
    accepted = reviews.counts.get("accepted", 0)
    if accepted and chosen:
        others = counted(accepted, "accepted dialogue is", "accepted dialogues are")
        fix = f"leave --{chosen[0].split()[0]} out"
        return f"--only-reviewed: no dialogue{which} was accepted by annotators; {others} elsewhere: {fix}"
    why = f"their verdicts come to: {given}" if given else "no dialogue of this build has a review that still holds"
    return (
        f"--only-reviewed: no dialogue{which} was accepted by annotators ({why}). Draw a sample with `kesc review "
        "--sample N`, take in what annotators save with `kesc review --import FILE...`, and export again; or leave "
        "--only-reviewed out"
    )


def _cannot_write(error: OSError, to: str) -> str | None:
    """What is wrong with the folder, and what to do; None where the error is about something else. A write that the
    disk has no room for names no file."""
    if error.errno in _NO_ROOM and (error.filename is None or _of_folder(error, Path(to))):
        free = size(shutil.disk_usage(to).free)
        fix = "make room and run the same command again: what is written is kept"
        return f"{error.strerror} ({free} are free); {fix}"
    if _of_folder(error, Path(to)):
        return f"cannot write {error.filename}: {error.strerror}; export to a folder that you may write to"
    return None


def _of_folder(error: OSError, folder: Path) -> bool:
    """Whether the error is about the folder, a file in it, or what it lies in."""
    if not isinstance(error.filename, str):
        return False
    at, folder = Path(error.filename).absolute(), folder.absolute()
    return at.is_relative_to(folder) or folder.is_relative_to(at)


def _selection(rows: FinishedRows, wanted: Wanted) -> Selection:
    release = read_release(rows.store, wanted.release).cuts if wanted.release else None
    pipeline, subset = rows.pipeline, Subset(wanted.partition, wanted.language)
    return select(rows, seed=pipeline.seed, partitions=pipeline.partitions, subset=subset, release=release)


def _build_facts(rows: FinishedRows, layout: Layout) -> BuildFacts:
    """What the build says of itself; what is counted over all of ROOT, its yields and how alike its voices are, only
    where the layout has a page for it."""
    pipeline = rows.pipeline
    built = status(pipeline, rows.store, rows.build_state) if "yields" in layout.needs else None
    stages = built["stages"] if built else []
    planned = planned_inputs(rows.build_state)
    corpus = corpus_of(planned)
    return BuildFacts(
        name=f"kespeechchat: {pipeline.name}",
        licences=(*pipeline.licences, *inputs_of(pipeline, planned)),
        departures=departures_of(pipeline, corpus),
        corpus=corpus,
        watermark=pipeline.engine("watermark", pipeline.stages.watermark.watermark).use,
        watermark_threshold=pipeline.watermark_threshold,
        privacy=privacy_facts(rows) if built else {},
        audited=pipeline.stages.clips.auditor is not None,
        spoken=how_spoken(pipeline),
        parents={voice["id"]: voice["parents"] for voice in rows.voices},
        subsets=pipeline.subsets,
        rejected={s["name"]: s["rejected"] for s in stages if s["rejected"] and pipeline.decides(s["name"])},
        yields=stages,
        rounds=built["rounds"] if built else {},
        manners=pipeline.manner,
        unfinished=rows.missing,
    )


def _closing_lines(rows: FinishedRows, folder: Path, done: Done, reviews: CurrentReviews) -> Iterable[str]:
    written = f", {counted(done.written, 'file')} written" if done.written or done.kept else ""
    kept = f", {done.kept:,} of an earlier run kept" if done.kept else ""
    yield f"export: {folder.resolve()} ({counted(done.dialogues, 'dialogue')}{written}{kept})"
    yield from (f"        {note}" for note in done.notes)
    if rejected := reviews.counts.get("rejected"):
        yield f"        left out {counted(rejected, 'dialogue')} that annotators rejected: `kesc review` tells more"
    if reviews.changed:
        yield f"        {counted(len(reviews.changed), 'review')} void: the dialogue sounds different since"
    if rows.missing:
        shards = counted(rows.missing, "shard of the gate is", "shards of the gate are")
        yield f"        {shards} pending, stale or failed, so not exported: `kesc status` names the stages"
    if done.example:
        yield f"listen: any player, for example {done.example}"
        yield f"check:  kesc detect {done.example}"


def _size_line(layout: Layout, dialogues: Dialogues, folder: Path, build: BuildFacts) -> str:
    """How large the export is, before it starts. Its bytes are estimated: FLAC from the first dialogues' own."""
    selection = dialogues.selection
    by_language = ", ".join(f"{language} {hours(h)} h" for language, h in selection.hours.items())
    seconds = 3600 * sum(selection.hours.values())
    of_all = layout.text_bytes * len(dialogues) + seconds * layout.audio_bytes_per_second(_audio_rates(dialogues))
    about, share = ("at most", layout.share(dialogues, build)) if isinstance(layout, HoldsSome) else ("about", 1.0)
    count = of_all * share
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    short = f", but only {size(free)} are free at {there}" if count > free else ""
    weight = f"{about} {size(count)}{short}"
    return f"{layout.name}: {counted(len(dialogues), 'dialogue')}, {by_language or '0 h'}, {weight}"


def _audio_rates(dialogues: Dialogues) -> AudioRates:
    selection, read_audio = dialogues.selection, dialogues.read_audio
    if read_audio is None or not len(dialogues):
        return AudioRates()
    sampled = [(read_audio(row), row["seconds"]) for row in islice(selection, _SAMPLED)]
    flac = sum(len(data) for speech, _ in sampled for data in speech.values()) / sum(s for _, s in sampled)
    return AudioRates(flac, 2.0 * max(selection.rates), selection.user_share)
