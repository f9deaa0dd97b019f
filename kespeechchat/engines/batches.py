"""Batches of utterances of one length: what a neural network that hears padding needs.

WavLM, ECAPA and AudioSeal give another result for an utterance that is padded to its batch's longest (an attention
mask does not help: convolutions and group norms see the zeros). So every clip is first brought to a multiple of a
*step*, by its own length alone, and only clips of exactly one length share a batch. What a clip gets then depends on
the clip, never on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from kespeechchat.engines.arrays import Float32
from kespeechchat.records import Audio, RowError
from kespeechchat.waveform import defect, resample

Result = TypeVar("Result")


def heard(audio: Audio, rate: int, shortest: float) -> Float32 | RowError:
    """Float32 [T] of `audio` at `rate` Hz; a RowError for audio that is broken, under `shortest` seconds or silent."""
    if bad := defect(audio, shortest):
        return bad
    samples = resample(audio, rate).samples.astype(np.float32, copy=False)
    return samples if np.any(samples) else RowError("audio is silent")


def cut(samples: Float32, step: int) -> Float32:
    """`samples` [T] without the end that exceeds a multiple of `step`; whole where T < step."""
    return samples[: len(samples) // step * step] if len(samples) >= step else samples


def padded(samples: Float32, step: int) -> Float32:
    """`samples` [T] with zeros at its end, up to the next multiple of `step`."""
    return np.pad(samples, (0, -len(samples) % step))


def same_length(items: Sequence[Float32 | RowError], batch: int) -> Iterator[list[int]]:
    """Indices into `items` (each float32 [T]) of at most `batch` arrays of one T, shortest first; errors left out."""
    classes: dict[int, list[int]] = {}
    for index, item in enumerate(items):
        if not isinstance(item, RowError):
            classes.setdefault(len(item), []).append(index)
    for length in sorted(classes):
        members = classes[length]
        yield from (members[start : start + batch] for start in range(0, len(members), batch))


def in_batches(
    items: Sequence[Float32 | RowError], batch: int, run: Callable[[Float32], Iterable[Result]]
) -> list[Result | RowError]:
    """`run` on stacks [B, T] of `items` of one length; its B results in the place of their items, errors untouched."""
    out: list[Result | RowError] = [item if isinstance(item, RowError) else RowError("not run") for item in items]
    for indices in same_length(items, batch):
        results = run(np.stack([item for i in indices if not isinstance(item := items[i], RowError)]))
        for index, result in zip(indices, results, strict=True):
            out[index] = result
    return out
