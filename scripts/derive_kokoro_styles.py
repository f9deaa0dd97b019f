"""Derives `kespeechchat/engines/tts/kokoro_styles.npz` from the 54 style packs of the npm package `kokoro-js`.

    npm pack kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz
    python scripts/derive_kokoro_styles.py package/voices

Per voice: the mean of its 510 style rows, and the unit mean of Resemblyzer's vectors over the probe sentences below,
spoken with that mean style (Chinese voices speak Chinese, all others English). Takes a few minutes on two cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from kespeechchat.config.engines import KokoroSettings, ResemblyzerSettings
from kespeechchat.engines.speaker.resemblyzer import Resemblyzer
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.kokoro import Kokoro
from kespeechchat.records import RowError

# The first letter of a pack's name is its language or accent, the second its gender.
LANGUAGES = {"a": "en", "b": "en", "e": "es", "f": "fr", "h": "hi", "i": "it", "j": "ja", "p": "pt", "z": "zh"}
GENDERS = {"f": "female", "m": "male"}
PROBES = {
    "en": (
        "My sister keeps two small dogs, and they like to sleep by the window.",
        "Could you tell me when the next train to the coast is leaving?",
        "After dinner we usually talk about music, books and old friends.",
    ),
    "zh": (
        "我妹妹养了两只小狗，它们喜欢在窗边睡觉。",
        "请问下一班去海边的火车几点出发？",
        "晚饭以后，我们常常聊音乐、书和老朋友。",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voices", type=Path, help="folder of the *.bin style packs")
    default = Path(__file__).parent.parent / "kespeechchat/engines/tts/kokoro_styles.npz"
    parser.add_argument("--out", type=Path, default=default)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    packs = sorted(args.voices.glob("*.bin"))
    if not packs:
        parser.error(f"{args.voices}: no *.bin style packs")
    names = [p.stem for p in packs]
    styles = np.stack([mean_style(p) for p in packs])
    languages = [LANGUAGES[n[0]] for n in names]
    xvectors = speak_and_embed(styles, languages, args.threads)
    genders = [GENDERS[n[1]] for n in names]
    np.savez_compressed(args.out, names=names, languages=languages, genders=genders, styles=styles, xvectors=xvectors)
    print(f"{args.out}: {len(names)} voices, {args.out.stat().st_size} bytes")


def mean_style(pack: Path) -> np.ndarray:
    """Float32 [256]: the mean over the pack's 510 rows, one for each length of phonemes."""
    rows = np.fromfile(pack, dtype="<f4").reshape(510, 256)
    return rows.mean(axis=0, dtype=np.float64).astype(np.float32)


def speak_and_embed(styles: np.ndarray, languages: list[str], threads: int) -> np.ndarray:
    """Float32 [N, 256], unit length."""
    tts = Kokoro(KokoroSettings(use="kokoro", threads=threads))
    encoder = Resemblyzer(ResemblyzerSettings(use="resemblyzer", threads=threads))
    rows = []
    for style, language in zip(styles, languages, strict=True):
        spoken = "zh" if language == "zh" else "en"
        audios = tts.speak([Utterance(text, spoken, style, seed=0) for text in PROBES[spoken]])
        vectors = encoder.xvectors([a for a in audios if not isinstance(a, RowError)])
        good = [v for v in vectors if not isinstance(v, RowError)]
        if len(good) != len(PROBES[spoken]):
            raise SystemExit(f"a probe sentence failed: {[x for x in [*audios, *vectors] if isinstance(x, RowError)]}")
        mean = np.mean(good, axis=0)
        rows.append(mean / np.linalg.norm(mean))
    return np.stack(rows).astype(np.float32)


if __name__ == "__main__":
    main()
