"""A sample for annotators: drawn, put into ROOT/reviews, and written as pages that work without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kespeechchat.commands.review.sampling import COLUMNS, Drawn, draw
from kespeechchat.config.base import pick
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.display import counted
from kespeechchat.listening.page import render
from kespeechchat.listening.speech import data_url
from kespeechchat.records import LANGUAGES, Language, Role, Split, turn_names
from kespeechchat.rows import FinishedRow
from kespeechchat.seeds import stable_hash
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.state.reviews import Item, Sample, audio_digest, current_reviews, made_of, sample_key
from kespeechchat.state.single_speech import SingleSpeech
from kespeechchat.store.commit import short_hash
from kespeechchat.store.documents import dump
from kespeechchat.store.interface import AlreadyExists
from kespeechchat.whole_file import write_text

_HERE = Path(__file__).parent / "page"
_OF_PAGE = 100  # dialogues: about 10 MB of speech
_ENCODED = 1000  # dialogues whose MP3 is kept for the next annotator: some 80 MB
_REASONS = {  # code → what the page calls it; state.reviews.Reason has the codes
    "words": "wrong words",
    "unclear": "hard to understand",
    "voice": "voice unnatural",
    "noise": "noise or artefacts",
    "cut": "cut off or silent",
    "language": "wrong language",
    "content": "question or answer bad",
    "other": "something else",
}
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What to draw: `count` dialogues by `seed`, of a language and split or (None) of all, for so many annotators."""

    count: int
    annotators: int = 2
    seed: int = 0
    language: Language | None = None
    split: Split | None = None

    def takes(self, row: FinishedRow) -> bool:
        """Whether the row is of the language and split."""
        return self.language in (None, row["language"]) and self.split in (None, row["split"])


@dataclass(frozen=True)
class _Card:
    """A dialogue of a page: what its turns say, and their audio as addresses. Nothing of what others judged or models
    measured: an annotator is to hear it without them."""

    id: str
    audio: str
    language: Language
    turns: Sequence[tuple[Role, str, str]]


def _why_none(pipeline: Pipeline, build_state: BuildState, wanted: Wanted) -> str:
    chosen = [f"--{name} {of}" for name in ("language", "split") if (of := getattr(wanted, name))]
    which = f" with {' '.join(chosen)}" if chosen else ""
    everything = FinishedRows(pipeline, build_state.store, build_state)  # what annotators rejected too
    if not any(wanted.takes(row) for part in everything.parts() for row in part.rows(COLUMNS)):
        return f"--sample: the dataset has no dialogue{which}: `kesc status` shows what the gates kept"
    return (
        f"--sample: every dialogue{which} has a review already; `kesc review` shows what they come to. Build more "
        "dialogues, or draw from another language or split"
    )


def draw_sample(pipeline: Pipeline, build_state: BuildState, wanted: Wanted, to: Path, tell: Tell) -> str:
    """Draws dialogues that have no review yet, and writes the pages of each annotator into `to`. The same command
    writes the same pages. Returns what to tell the user; raises ConfigError where there is nothing to draw, or `to`
    cannot be written."""
    reviewed = current_reviews(build_state).reviewed
    rows = FinishedRows(pipeline, build_state.store, build_state, reviewed)
    limits: dict[str, float | None] = {lang: pick(pipeline.stages.gate.max_error, lang) for lang in LANGUAGES}
    drawn = draw(_unreviewed(rows, wanted), wanted.count, wanted.seed, limits)
    if not drawn:
        raise ConfigError(_why_none(pipeline, build_state, wanted))
    speech = SingleSpeech(build_state)
    items = tuple(
        Item(d.id, d.shard, audio_digest(speech.flac(*_place(d))), made_of(build_state, d.shard, d.round))
        for d in drawn
    )
    names = tuple(f"annotator-{k + 1}" for k in range(wanted.annotators))
    name = short_hash([wanted.seed, names, [[item.id, item.audio] for item in items]])
    sample = Sample(name, wanted.seed, names, items)
    try:
        build_state.store.create(sample_key(name), dump(Sample, sample))
    except AlreadyExists:
        tell(f"review: sample {name} was drawn before; its pages are written again")
    files = _write(rows, sample, drawn, to, tell)
    few = f", fewer than the {wanted.count:,} that were asked for" if len(items) < wanted.count else ""
    kinds = len({d.kind for d in drawn})
    return "\n".join(
        [
            f"review: sample {name}: {counted(len(items), 'dialogue')}{few}, of {counted(kinds, 'kind')} "
            "(language, split, error rate)",
            *(f"        {file}" for file in files),
            "Send each annotator the pages of one name. What they save comes back with kesc review --import FILE...",
        ]
    )


def _unreviewed(rows: FinishedRows, wanted: Wanted) -> Iterator[FinishedRow]:
    for part in rows.parts():
        for row in part.rows(COLUMNS):
            if wanted.takes(row) and not row.get("review"):
                yield row


def _place(drawn: Drawn) -> tuple[int, int, str]:
    return drawn.shard, drawn.round, drawn.id


def _write(rows: FinishedRows, sample: Sample, drawn: Sequence[Drawn], to: Path, tell: Tell) -> list[Path]:
    """The pages of all annotators; each has the dialogues in an order of its own."""
    texts = _texts(rows, drawn)
    by_id = {d.id: d for d in drawn}
    digest = {item.id: item.audio for item in sample.items}
    speech, files = SingleSpeech(rows.build_state), []

    @lru_cache(maxsize=_ENCODED)
    def sounds(drawn: Drawn) -> dict[str, str]:
        return {name: data_url(flac) for name, flac in speech.flac(*_place(drawn)).items()}

    for annotator in sample.annotators:
        order = sorted(by_id, key=lambda id_: stable_hash(sample.sample, annotator, id_))
        pages = [order[i : i + _OF_PAGE] for i in range(0, len(order), _OF_PAGE)]
        for n, ids in enumerate(pages):
            cards = {
                d.id: _Card(d.id, digest[d.id], _language(d), [(r, t, sounds(d)[n]) for n, r, t in texts[d.id]])
                for d in sorted((by_id[id_] for id_ in ids), key=_place)  # so that a file is read once
            }
            part = f"-{n + 1:02d}-of-{len(pages):02d}" if len(pages) > 1 else ""
            file = to / f"{annotator}-{sample.sample}{part}.html"
            _put(file, _page(sample, annotator, [cards[id_] for id_ in ids], n + 1, len(pages)))
            files.append(file)
        tell(f"review: pages of {annotator} written")
    return files


def _language(drawn: Drawn) -> Language:
    return next(language for language in LANGUAGES if language == drawn.kind[0])


def _texts(rows: FinishedRows, drawn: Iterable[Drawn]) -> dict[str, list[tuple[str, Role, str]]]:
    """Dialogue id → its turns: name, role, what they say. Of the shards that were drawn from alone."""
    wanted = {d.id for d in drawn}
    shards = {d.shard for d in drawn}
    columns = [f"turns.list.element.{name}" for name in ("role", "text")]
    return {
        row["id"]: [
            (name, turn["role"], turn["text"])
            for name, turn in zip(turn_names(turn["role"] for turn in row["turns"]), row["turns"], strict=True)
        ]
        for part in rows.parts()
        for row in part.of(shards).rows(columns)
        if row["id"] in wanted
    }


def _page(sample: Sample, annotator: str, cards: Sequence[_Card], part: int, parts: int) -> str:
    return render(
        "review.html",
        _HERE,
        title=f"Review {sample.sample}, {annotator}",
        styles=("review.css",),
        scripts=("review.js",),
        sample=sample.sample,
        annotator=annotator,
        cards=cards,
        reasons=_REASONS,
        part=part,
        parts=parts,
    )


def _put(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, text)
    except OSError as error:
        raise ConfigError(f"--to {file.parent}: cannot write {file.name}: {error.strerror}") from None
