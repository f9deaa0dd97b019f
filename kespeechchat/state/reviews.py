"""What annotators said of dialogues, in ROOT/reviews: the samples that they got, and the files that came back.

Nothing here is ever overwritten. A verdict is of a dialogue id and of its audio: one whose audio has changed since is
unreviewed again. A dialogue keeps its shard through all rebuilds, so few shards are read to see that.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from kespeechchat.config.flow import AUDIO, GATE
from kespeechchat.config.rounds import in_round, split_round
from kespeechchat.rows import Review
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.finished_rows import Reviewed
from kespeechchat.state.single_speech import SingleSpeech
from kespeechchat.store.documents import read_document
from kespeechchat.store.interface import ObjectStore
from kespeechchat.store.shards import read_table

Verdict = Literal["accept", "reject", "unsure"]
Reason = Literal["words", "unclear", "voice", "noise", "cut", "language", "content", "other"]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
_MOST = 100_000  # dialogues of a file
_SAMPLES, _FILES = "reviews/samples", "reviews/verdicts"
_FIX = "restore it from a copy, or remove it and import the annotator's file again"


@dataclass(frozen=True)
class Item:
    """A dialogue of a sample: where it was, and what it sounded like. `made`: the round and the stem of the shard that
    its audio was in; while that stands, so does the audio."""

    id: str
    shard: int
    audio: Digest
    made: str


@dataclass(frozen=True)
class Sample:
    """Dialogues that were drawn to be listened to, and by whom."""

    sample: Name
    seed: int
    annotators: tuple[Name, ...]
    items: Annotated[tuple[Item, ...], Field(max_length=_MOST)]
    version: Literal[1] = 1


@dataclass(frozen=True)
class Judged:
    """One annotator's verdict on one dialogue."""

    id: Annotated[str, Field(min_length=1, max_length=300)]
    audio: Digest
    verdict: Verdict
    reasons: Annotated[tuple[Reason, ...], Field(max_length=20)] = ()
    comment: Annotated[str, Field(max_length=4000)] = ""


@dataclass(frozen=True)
class Saved:
    """The file that an annotator's page saves. `copy`: of the page, made when it was opened first, so that two people
    who fill in the same page are known as two."""

    kind: Literal["kesc-review"]
    version: Literal[1]
    sample: Name
    annotator: Name
    copy: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
    saved: AwareDatetime
    items: Annotated[tuple[Judged, ...], Field(max_length=_MOST)]


@dataclass(frozen=True)
class CurrentReviews:
    """What the reviews say of the build as it is. `changed`: ids whose audio is another one since; `gone`: ids that
    are not in the dataset any more."""

    reviewed: Reviewed
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    counts: Mapping[Review, int] = field(default_factory=dict)


def sample_key(sample: str) -> str:
    """Where a sample is in ROOT."""
    return f"{_SAMPLES}/{sample}.json"


def saved_key(saved: Saved, data: bytes) -> str:
    """Where an annotator's file is in ROOT: by its content, so that the same file is there once."""
    return f"{_FILES}/{saved.sample}.{saved.annotator}.{hashlib.sha256(data).hexdigest()[:16]}.json"


def read_samples(store: ObjectStore) -> dict[str, Sample]:
    """All samples by name. Raises StoreError where one is not as it was written."""
    keys = [key for key, _ in store.list(_SAMPLES)]
    found = (read_document(store, key, Sample, "restore it from a copy: it cannot be made again") for key in keys)
    return {sample.sample: sample for sample in found}


def read_saved(store: ObjectStore) -> list[Saved]:
    """All annotators' files, the earliest first. Raises StoreError where one is not as it was imported."""
    files = [read_document(store, key, Saved, _FIX) for key, _ in store.list(_FILES)]
    return sorted(files, key=lambda saved: (saved.saved, saved.sample, saved.annotator))


def latest(files: Iterable[Saved]) -> dict[tuple[str, str], dict[str, Judged]]:
    """(sample, annotator) → id → verdict: of the file that was saved last."""
    found: dict[tuple[str, str], dict[str, Judged]] = defaultdict(dict)
    for saved in files:
        found[saved.sample, saved.annotator] |= {item.id: item for item in saved.items}
    return dict(found)


def audio_digest(speech: Mapping[str, bytes]) -> str:
    """sha256 of a dialogue's audio as ROOT holds it: each role's FLAC, with its length."""
    digest = hashlib.sha256()
    for role, data in sorted(speech.items(), reverse=True):
        digest.update(f"{role} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()


def decide(verdicts: Iterable[Verdict]) -> Review:
    """What several annotators' verdicts come to: the majority of those who accept or reject; `disputed` where both are
    as many, `unsure` where nobody does either.

    >>> decide(["accept", "accept", "reject"]), decide(["accept", "reject", "unsure"]), decide(["unsure"])
    ('accepted', 'disputed', 'unsure')
    """
    count = Counter(verdicts)
    if not count["accept"] and not count["reject"]:
        return "unsure"
    if count["accept"] == count["reject"]:
        return "disputed"
    return "accepted" if count["accept"] > count["reject"] else "rejected"


def current_reviews(build_state: BuildState) -> CurrentReviews:
    """What was said of the dialogues that are in the dataset, of those whose audio is what the annotators heard.

    Raises StoreError where a document of ROOT/reviews is not as it was written, CorruptShard.
    """
    items = {s.sample: {item.id: item for item in s.items} for s in read_samples(build_state.store).values()}
    heard: dict[str, list[tuple[Item, Judged]]] = defaultdict(list)
    for (sample, _), verdicts in latest(read_saved(build_state.store)).items():
        for id_, judged in verdicts.items():
            if id_ in items.get(sample, {}):
                heard[id_].append((items[sample][id_], judged))
    shards: dict[int, list[Item]] = defaultdict(list)
    for pairs in heard.values():
        shards[pairs[0][0].shard] += [item for item, _ in pairs]
    now: dict[str, str] = {}
    speech = SingleSpeech(build_state)
    for shard, known in sorted(shards.items()):
        now |= dict(_digests(build_state, speech, shard, known))
    reviews: dict[int, dict[str, Review]] = defaultdict(dict)
    changed, gone = [], []
    for id_, pairs in sorted(heard.items()):
        verdicts_now = [judged.verdict for _, judged in pairs if judged.audio == now.get(id_)]
        if id_ not in now:
            gone.append(id_)
        elif not verdicts_now:
            changed.append(id_)
        else:
            reviews[pairs[0][0].shard][id_] = decide(verdicts_now)
    counts = Counter(review for by_id in reviews.values() for review in by_id.values())
    return CurrentReviews(Reviewed(dict(reviews)), tuple(changed), tuple(gone), dict(counts))


def _digests(
    build_state: BuildState, speech: SingleSpeech, shard: int, items: Iterable[Item]
) -> Iterator[tuple[str, str]]:
    """(id, digest of its audio) of the items that the gate kept. Audio is read where its shard was made again only."""
    by_id = defaultdict(list)
    for item in items:
        by_id[item.id].append(item)
    for gate in build_state.pipeline.in_rounds(GATE):
        state = build_state.states(gate).get(shard)
        if state is None or state.state is not State.DONE:
            continue
        kept = read_table(build_state.store, state.order.name, build_state.standing_record(state.order), [])
        wanted = by_id.keys() & set(kept["id"].to_pylist())
        if not wanted:
            continue
        round_ = split_round(gate)[1]
        made = made_of(build_state, shard, round_)
        fresh = []
        for id_ in sorted(wanted):
            known = next((item.audio for item in by_id[id_] if item.made == made), None)
            if known is None:
                fresh.append(id_)
            else:
                yield id_, known
        for id_ in fresh:
            yield id_, audio_digest(speech.flac(shard, round_, id_))


def made_of(build_state: BuildState, shard: int, round_: int) -> str:
    """The round and the shard that hold the audio: `0 shard-00042.0123456789ab.g0`."""
    state = build_state.states(in_round(AUDIO, round_))[shard]
    return f"{round_} {state.order.key.stem}"
