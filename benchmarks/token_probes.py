"""What a small probe reads in speech tokens: words by CTC, or the phone at a given time.

A token is read as its centroid, so that a probe need not learn from little speech which tokens are alike. Centroids and
the vectors they stand for go through one and the same projection, fitted on the training voices' vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.phones import Phone
from kespeechchat.engines.tokens.kmeans import fitted, nearest

FRAMES = 50  # vectors a second, before they are averaged
_MOST = 20_000  # vectors that a codebook is fitted on
_WIDTH = 48  # numbers that a probe reads of a frame
_BINS = (-2, -1, 0, 1, 2)  # around a phone's middle, of 80 ms each
_BIN = 4  # frames of a bin

Floats = np.ndarray  # float32 [n, width], of one utterance


@dataclass(frozen=True)
class Codebook:
    """Centroids of training vectors, averaged `pool` by `pool`, and the projection through which a probe reads.

    `residual`: further codebooks, each of what the ones before it leave of a vector (a residual quantizer).
    """

    pool: int
    centroids: Floats
    mean: Floats
    axes: Floats  # [width, 48], the principal ones, each of unit variance
    residual: tuple[Floats, ...] = ()

    @classmethod
    def of(cls, train: Sequence[Floats], pool: int, clusters: int, codebooks: int = 1) -> Codebook:
        """Fitted on float32 [n, width] vectors, 50 a second, of the training voices. `clusters` 0: no codebook."""
        vectors = np.concatenate([averaged(v, pool) for v in train])
        chosen = np.random.default_rng(0).permutation(len(vectors))[:_MOST]
        mean = vectors.mean(axis=0)
        variance, axes = np.linalg.eigh(np.cov((vectors[chosen] - mean).T))  # the greatest last
        axes = axes[:, : -_WIDTH - 1 : -1] / np.sqrt(np.maximum(variance[: -_WIDTH - 1 : -1], 1e-9))
        centroids = fitted(vectors[chosen], clusters, 0) if clusters else np.zeros((0, vectors.shape[1]), np.float32)
        made = cls(pool, centroids, mean, axes.astype(np.float32))
        for seed in range(1, codebooks):
            left = vectors[chosen] - made._quantized(vectors[chosen])
            made = replace(made, residual=(*made.residual, fitted(left, clusters, seed)))
        return made

    def tokens(self, vectors: Floats) -> np.ndarray:
        """Int32 [⌈n / pool⌉], of the first codebook."""
        return nearest(averaged(vectors, self.pool), self.centroids)

    def read_tokens(self, vectors: Floats) -> Floats:
        """What a probe reads of the tokens, [⌈n / pool⌉, 48]."""
        return self._read(self._quantized(averaged(vectors, self.pool)))

    def read_vectors(self, vectors: Floats) -> Floats:
        """What a probe reads of the averaged vectors themselves."""
        return self._read(averaged(vectors, self.pool))

    def _quantized(self, vectors: Floats) -> Floats:
        """The sum of each vector's centroids."""
        said = self.centroids[nearest(vectors, self.centroids)]
        for centroids in self.residual:
            said = said + centroids[nearest(vectors - said, centroids)]
        return said

    def _read(self, vectors: Floats) -> Floats:
        return np.asarray((vectors - self.mean) @ self.axes, dtype=np.float32)


def averaged(vectors: Floats, pool: int) -> Floats:
    """Means of each `pool` vectors in a row, as `tokens.whisper` averages; the last ones may be fewer."""
    return np.stack([vectors[at : at + pool].mean(axis=0) for at in range(0, len(vectors), pool)])


def around(read: Floats, pool: int, phone: Phone) -> np.ndarray:
    """Float32 [240]: what was read in five bins of 80 ms around the phone's middle, whatever the rate."""
    middle = round((phone.start + phone.end) / 2 * FRAMES)
    frames = [np.arange(_BIN) + middle + _BIN * place - _BIN // 2 for place in _BINS]
    places = np.clip(np.stack(frames) // pool, 0, len(read) - 1)
    return read[places].mean(axis=1).ravel()


def phone_bits(
    train: np.ndarray, named: Sequence[str], test: np.ndarray, wanted: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Of each tested phone: bits that a logistic regression on `train` float32 [n, 240] knows of it beyond how frequent
    it is, and whether its guess is right. The mean is a lower bound of the mutual information (usable information:
    Xu et al., arXiv 2002.10689). Phones that never occur in training are left out of both."""
    from sklearn.linear_model import LogisticRegression

    train, test = standardized(train, test)
    probe = LogisticRegression(C=0.01, max_iter=100).fit(train, named)
    known = {name: place for place, name in enumerate(probe.classes_)}
    kept = np.array([name in known for name in wanted])
    places = np.array([known[name] for name in wanted if name in known])
    shares = probe.predict_proba(test[kept])
    frequent = np.array([np.mean(np.asarray(named) == name) for name in probe.classes_])
    bits = np.log2(shares[np.arange(len(places)), places] + 1e-12) - np.log2(frequent[places])
    out, right = np.full(len(wanted), np.nan), np.full(len(wanted), np.nan)
    out[kept], right[kept] = bits, shares.argmax(axis=1) == places
    return out, right


def standardized(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both with the mean and the spread of `train` taken off: centroids vary less than the vectors they stand for, and
    a probe that is held to small weights would read less in them for that alone."""
    mean, spread = train.mean(axis=0), train.std(axis=0) + 1e-6
    return (train - mean) / spread, (test - mean) / spread


def words_read(
    train: Sequence[Floats], labels: Sequence[list[int]], test: Sequence[Floats], size: int, steps: int
) -> list[list[int]]:
    """Trains a bidirectional GRU by CTC on what is read of each utterance and its words (numbers from 1, below `size`);
    gives the words that it reads in the others."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(1)
    frames = np.concatenate(train)
    train, test = ([standardized(frames, one)[1] for one in part] for part in (train, test))
    width, hidden = train[0].shape[1], 64
    into, out = nn.Linear(width, hidden), nn.Linear(2 * hidden, size)
    cells = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
    model = nn.ModuleList([into, cells, out])
    optimizer = torch.optim.AdamW(model.parameters(), 4e-3, weight_decay=1e-2)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = np.random.default_rng(0)

    def run(inputs: Sequence[Floats]) -> tuple[torch.Tensor, torch.Tensor]:
        lengths = torch.tensor([len(x) for x in inputs])
        padded = nn.utils.rnn.pad_sequence([torch.from_numpy(np.asarray(x, np.float32)) for x in inputs], True)
        padded = nn.functional.dropout(padded, 0.1, model.training)
        packed = nn.utils.rnn.pack_padded_sequence(torch.relu(into(padded)), lengths, True, False)
        states, _ = nn.utils.rnn.pad_packed_sequence(cells(packed)[0], True)
        return torch.log_softmax(out(nn.functional.dropout(states, 0.3, model.training)), -1), lengths

    for _ in range(steps):
        chosen = generator.choice(len(train), min(16, len(train)), replace=False)
        found, lengths = run([train[i] for i in chosen])
        targets = torch.tensor([label for i in chosen for label in labels[i]])
        sizes = torch.tensor([len(labels[i]) for i in chosen])
        loss = nn.functional.ctc_loss(found.transpose(0, 1), targets, lengths, sizes, zero_infinity=True)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        slower.step()
    model.eval()
    with torch.inference_mode():
        found, lengths = run(test)
    rows = zip(found.argmax(-1), lengths.tolist(), strict=True)
    return [collapsed(row[:length].tolist()) for row, length in rows]


def collapsed(row: Sequence[int]) -> list[int]:
    """What CTC reads: repeats once, blanks left out.

    >>> collapsed([0, 3, 3, 0, 3, 1])
    [3, 3, 1]
    """
    return [label for n, label in enumerate(row) if label and (n == 0 or row[n - 1] != label)]


def word_errors(found: Sequence[Sequence[object]], wanted: Sequence[Sequence[object]]) -> list[tuple[int, int]]:
    """(edits, words) of each utterance."""
    from rapidfuzz.distance import Levenshtein

    return [(Levenshtein.distance(a, b), len(b)) for a, b in zip(found, wanted, strict=True)]


def error_with_spread(errors: Sequence[tuple[int, int]]) -> str:
    """The pooled error and half of its 95 % interval, by a bootstrap over utterances, e.g. `12.0% ± 3.1`."""
    edits, words = np.array(errors).T
    draws = np.random.default_rng(0).integers(0, len(errors), (1000, len(errors)))
    low, high = np.percentile(edits[draws].sum(1) / words[draws].sum(1), [2.5, 97.5])
    return f"{edits.sum() / words.sum():.1%} ± {50 * (high - low):.1f}"
