"""A codebook fitted on ROOT's own speech: the dialogues that passed the gate, in the order of a hash, as much of each
language as of the others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.rounds import split_round
from kespeechchat.engines.tokens.kmeans import fitted
from kespeechchat.engines.tokens.whisper import WhisperVectors
from kespeechchat.records import Audio, RowError
from kespeechchat.seeds import stable_hash
from kespeechchat.state.codebooks import place_of_codebook
from kespeechchat.state.finished_rows import FinishedPart, FinishedRows, marked_speech
from kespeechchat.store.audio import decode
from kespeechchat.store.commit import ShardKey
from kespeechchat.store.interface import ObjectStore
from kespeechchat.whole_file import whole_file

_VECTORS_PER_CENTROID = 100  # more speech than that is not heard


def fit_codebook(pipeline: Pipeline, store: ObjectStore, name: str) -> str:
    """Fits the codebook of `engines.tokens.NAME` and writes it into ROOT. Returns what to tell the user. Raises
    ConfigError where nothing is gated yet, or too little."""
    settings, place = pipeline.engine("tokens", name), place_of_codebook(pipeline, name)
    vectors_of = WhisperVectors(settings)
    vectors, seconds, wanted = [], 0.0, _VECTORS_PER_CENTROID * settings.clusters
    speech = _speech(FinishedRows(pipeline, store), pipeline.seed)
    heard = Counter(dict.fromkeys(speech, 0))  # language → frames
    while speech and heard.total() < wanted:
        language = min(speech, key=lambda one: (heard[one], one))
        if (audio := next(speech[language], None)) is None:
            del speech[language]
        elif not isinstance(found := vectors_of.of(audio), RowError):
            vectors.append(found)
            seconds += audio.seconds
            heard[language] += len(found)
    if not vectors:
        raise ConfigError(
            f"engines.tokens.{name}: none of the dialogues in {store.url} can be heard: see `kesc report`"
        )
    table = np.concatenate(vectors)
    try:
        centroids = fitted(table, settings.clusters, pipeline.seed)
    except ValueError as error:
        raise ConfigError(
            f"engines.tokens.{name}.clusters: {settings.clusters}, but {error}; or name a codebook in `centroids`"
        ) from None
    place.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(place) as file:
        np.save(file, centroids)
    return (
        f"tokens: {settings.clusters} centroids fitted on {seconds:.0f} s of this build's speech "
        f"({', '.join(f'{frames:,} frames of {language}' for language, frames in sorted(heard.items()))}), "
        f"kept in {place}"
    )


def _speech(rows: FinishedRows, seed: int) -> dict[str, Iterator[Audio]]:
    """Language → the turns of its gated dialogues: its shards, and the dialogues of each, in the order of a hash."""
    shards: defaultdict[str, list[tuple[str, ShardKey]]] = defaultdict(list)
    for unit, key in sorted(rows.shards, key=lambda pair: stable_hash(seed, "codebook", pair[1].shard, pair[0])):
        language = rows.build_state.states(unit)[key.shard].order.language
        shards[language or ""].append((unit, key))
    return {language: _turns(rows, own, seed) for language, own in shards.items()}


def _turns(rows: FinishedRows, shards: Sequence[tuple[str, ShardKey]], seed: int) -> Iterator[Audio]:
    for unit, key in shards:
        ids = [row["id"] for row in FinishedPart(rows.store, ((unit, key),)).rows(["split"])]
        speech = marked_speech(rows.build_state, key.shard, split_round(unit)[1], ids)
        for id_ in sorted(ids, key=lambda id_: stable_hash(seed, "codebook", id_)):
            yield from map(decode, speech[id_].values())
