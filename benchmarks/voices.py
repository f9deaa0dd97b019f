"""The voice branch's arithmetic at the paper's scale, over invented x-vectors: time and peak memory.

    python benchmarks/voices.py [--recordings 5000] [--clips 10] [--dimensions 512] [--probes 2]

Bound: under 300 s and 4 GB on 2 cores for 42,002 voices and 5,000 speakers. Inventing the vectors is not counted.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from kespeechchat.config.voices import BlendingSettings, MiningSettings, PrivacySettings
from kespeechchat.voices.blending import Candidate, Speaker, blend, targets
from kespeechchat.voices.mining import Clips, Mined, balance_genders, mine
from kespeechchat.voices.privacy import RealClips, mean_xvector, missing, number_voices, select
from kespeechchat.voices.promises import Library, report
from kespeechchat.voices.splits import draw_speaker_splits

MINING = MiningSettings(similarity=0.9)
BLENDING = BlendingSettings()
LANGUAGES = ("zh", "en")


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@contextmanager
def timed(name: str, spent: list[float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    spent.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name:<44}{spent[-1]:8.1f} s   peak {peak:.2f} GiB", flush=True)


def mined(xvectors: np.ndarray) -> list[Mined]:
    """xvectors float32 [recordings, clips, D], each recording one speaker."""
    found = []
    for i, own in enumerate(xvectors):
        n = len(own)
        clips = Clips(
            ids=[f"{i}-{j}" for j in range(n)],
            xvectors=own,
            tts_embeddings=own[:, :192],
            seconds=np.full(n, 2.0 + i % 10 / 10),
            characters=np.full(n, 10),
            genders=[("male", "female")[i % 2]] * n,
            languages=[LANGUAGES[i // 2 % 2]] * n,
            scores=[{"corpus_dnsmos": 4.5}] * n,
        )
        found.append(mine(f"recording-{i}", clips, MINING))
    return [f for f in found if isinstance(f, Mined)]


def blended(speakers: list[Mined], seed: int) -> list[Candidate]:
    kept, _ = balance_genders(speakers, seed)
    splits = draw_speaker_splits([(m.recording, m.gender, m.language) for m in kept], MINING.splits, seed)
    names = ("recording", "language", "gender", "seconds_per_character", "tts_embedding")
    return blend(
        [Speaker(**{n: getattr(m, n) for n in names}, split=splits[m.recording]) for m in kept], BLENDING, seed
    )


def auditioned(candidates: list[Candidate], probes: int, dimensions: int, rng: np.random.Generator) -> list[dict]:
    rows = []
    for candidate in candidates:
        voice = rng.normal(size=(1, dimensions)) + 0.3 * rng.normal(size=(probes, dimensions))
        measured = {"xvectors": unit(voice), "error_rate": 0.0, "spoken_seconds_per_character": 0.12}
        rows.append({**candidate.row(), **measured})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("recordings", 5000), ("clips", 10), ("dimensions", 512), ("probes", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args, rng, spent = parser.parse_args(), np.random.default_rng(0), []
    centres = rng.normal(size=(args.recordings, 1, args.dimensions)).astype(np.float32)
    noise = rng.normal(size=(args.recordings, args.clips, args.dimensions)).astype(np.float32)
    clips = unit(centres + 0.1 * noise)
    with timed(f"mine {args.recordings} recordings", spent):
        speakers = mined(clips)
    with timed("balance, split, blend", spent):
        candidates = blended(speakers, seed=0)
    rows = auditioned(candidates, args.probes, args.dimensions, rng)
    real = RealClips(
        clips.reshape(-1, args.dimensions), np.repeat([m.recording for m in speakers], args.clips).tolist()
    )
    wanted = targets(BLENDING, LANGUAGES)
    with timed(f"choose from {len(rows)} auditions, {len(real.owners)} clips", spent):
        outcomes = number_voices(select(rows, real, wanted, PrivacySettings(), seed=0))
    voices = [o.row for o in outcomes if o.status == "kept"]
    with timed(f"promises of {len(voices)} voices, all pairs of them", spent):
        probes = [v["xvectors"] for v in voices]
        library = Library(voices, probes, np.stack([mean_xvector(p) for p in probes]))
        found = report(library, BLENDING, PrivacySettings())
    print(f"{'in all':<44}{sum(spent):8.1f} s   (bound: 300 s, 4 GiB)")
    reasons = dict(Counter(o.reason for o in outcomes))
    print("broken promises:", [p["name"] for p in found["promises"] if not p["holds"]])
    print(f"voices {len(voices)}, missing {sum(missing(outcomes, wanted).values())}, {reasons}")


if __name__ == "__main__":
    main()
