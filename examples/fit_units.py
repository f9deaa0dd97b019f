"""Centroids for KE-Omni's second stage: k-means over HuBERT's hidden states of the agents' speech.

    kesc export --root build/quickstart --to my-dataset
    python examples/fit_units.py my-dataset --model models/hubert --layer 9 --clusters 4000 --to models/km4000.npy

Then name both in the profile and export the second stage:

    engines:
      units:
        own: {use: hubert, model: models/hubert, layer: 9, centroids: models/km4000.npy}

The clusters are scikit-learn's mini-batch k-means with a fixed seed. KE-Omni (arXiv 2412.01078) has 4,000 of them;
a hundred frames for each, 50 a second, want two hours and more of speech.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kespeechchat.config.engines import HubertUnitsSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.batches import heard
from kespeechchat.engines.units import RATE
from kespeechchat.engines.units.hubert import SAMPLE_RATE, SHORTEST, HubertStates
from kespeechchat.records import RowError
from kespeechchat.store.audio import AudioError, read

BATCH = 10_000  # frames of one step of the clustering, 200 s of speech
AGENTS = "*_1_mark.wav"  # a dialogue's second turn in the `ke-speechchat` layout


def frames(hubert: HubertStates, files: list[Path], hours: float) -> Iterator[np.ndarray]:
    """Float32 [n, width] of each file, until `hours` of speech were heard. What cannot be read is told and left out."""
    left = hours * 3600
    for file in files:
        try:
            samples = heard(read(file), SAMPLE_RATE, SHORTEST)
        except AudioError as error:
            samples = RowError(str(error))
        if isinstance(samples, RowError):
            print(f"left out: {file}: {samples.message}", file=sys.stderr)
            continue
        yield from (states.cpu().numpy() for states in hubert.of(samples))
        left -= len(samples) / SAMPLE_RATE
        if left <= 0:
            return


def fit(hubert: HubertStates, files: list[Path], clusters: int, hours: float, seed: int = 0) -> np.ndarray:
    """Float32 [clusters, width]. Exits where there are fewer frames than clusters."""
    from sklearn.cluster import MiniBatchKMeans

    means = MiniBatchKMeans(clusters, n_init=3, random_state=seed)
    seen = 0
    for batch in batches(frames(hubert, files, hours), max(BATCH, clusters)):
        if not seen and len(batch) < clusters:
            raise SystemExit(f"{len(batch)} frames of speech make no {clusters} clusters: more files, fewer --clusters")
        means.partial_fit(batch)
        seen += len(batch)
    if not seen:
        raise SystemExit("nothing of this can be heard")
    print(f"{clusters} centroids of {seen} frames, {seen / RATE / 3600:.2f} h")
    return means.cluster_centers_.astype(np.float32)


def batches(parts: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The frames of `parts` in batches of `size` and more; the last may be smaller."""
    waiting: list[np.ndarray] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= size:
            yield np.concatenate(waiting)
            waiting = []
    if waiting:
        yield np.concatenate(waiting)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="a `ke-speechchat` export, or any folder with *_1_mark.wav")
    parser.add_argument("--model", required=True, help="HuBERT: a folder, or a hub id that was fetched")
    parser.add_argument("--layer", type=int, default=9, help="whose states are clustered")
    parser.add_argument("--clusters", type=int, default=4000)
    parser.add_argument("--hours", type=float, default=100, help="speech to hear at most")
    parser.add_argument("--to", type=Path, required=True, help="the .npy file to write")
    asked = parser.parse_args()
    files = sorted(asked.dataset.rglob(AGENTS))
    if not files:
        raise SystemExit(f"{asked.dataset}: no {AGENTS} in it; export with --format ke-speechchat --audio")
    try:
        hubert = HubertStates(
            HubertUnitsSettings(use="hubert", model=asked.model, layer=asked.layer, centroids=str(asked.to))
        )
    except EngineError as error:
        raise SystemExit(str(error)) from None
    np.save(asked.to, fit(hubert, files, asked.clusters, asked.hours))


if __name__ == "__main__":
    main()
