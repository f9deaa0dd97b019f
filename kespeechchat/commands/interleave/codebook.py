"""A codebook fitted on ROOT's own speech: the dialogues that passed the gate, in the order of a hash."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines.tokens.kmeans import fitted
from kespeechchat.engines.tokens.whisper import WhisperVectors
from kespeechchat.records import Audio, RowError
from kespeechchat.seeds import stable_hash
from kespeechchat.state.codebooks import place_of_codebook
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.audio import decode
from kespeechchat.store.interface import ObjectStore
from kespeechchat.whole_file import whole_file

_VECTORS_PER_CENTROID = 100  # more speech than that is not heard


def fit_codebook(pipeline: Pipeline, store: ObjectStore, name: str) -> str:
    """Fits the codebook of `engines.tokens.NAME` and writes it into ROOT. Returns what to tell the user. Raises
    ConfigError where nothing is gated yet, or too little."""
    settings, place = pipeline.engine("tokens", name), place_of_codebook(pipeline, name)
    vectors_of = WhisperVectors(settings)
    vectors, seconds, wanted = [], 0.0, _VECTORS_PER_CENTROID * settings.clusters
    for audio in _speech(FinishedRows(pipeline, store), pipeline.seed):
        found = vectors_of.of(audio)
        if isinstance(found, RowError):
            continue
        vectors.append(found)
        seconds += audio.seconds
        if sum(map(len, vectors)) >= wanted:
            break
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
        f"({len(table):,} frames), kept in {place}"
    )


def _speech(rows: FinishedRows, seed: int) -> Iterator[Audio]:
    """The turns of the gated dialogues, dialogue by dialogue in the order of a hash, shard by shard."""
    for part in rows.parts():
        for row in sorted(part.rows(["turns"]), key=lambda row: stable_hash(seed, "codebook", row["id"])):
            for flac in rows.audio(row).values():
                yield decode(flac)
