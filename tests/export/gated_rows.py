"""Gated dialogues and their audio for the layouts' tests: sines, each of its dialogue's and role's own pitch."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile

from kespeechchat.config.dataset import PartitionSettings, PartitionSize
from kespeechchat.export.selection import InMemory, Selection, Subset, select

RATE = 8000
NAMES = ("XS", "S", "M", "L", "XL")
PARTITIONS = PartitionSettings(
    sizes={n: PartitionSize(fraction=f) for n, f in zip(NAMES, (1 / 40, 0.1, 0.25, 0.5, 1), strict=True)}
)
GENDERS = {f"SPK{i}f": "female" for i in range(5)} | {"agentMale": "male", "agentFemale": "female"}
_SAID = {"en": ("How far is the {}?", "Far, my {}!"), "zh": ("{}有多远？", "很远，{}。")}
_OF_SPLIT = {  # no turn says in two splits the same
    "train": {"en": ("moon", "friend"), "zh": ("月亮", "朋友")},
    "dev": {"en": ("sun", "dear"), "zh": ("太阳", "同学")},
    "test": {"en": ("star", "lady"), "zh": ("星星", "老师")},
}


def dialogue(i: int, **changes) -> dict:
    language = "en" if i % 3 else "zh"
    split = changes.get("split", {9: "test", 8: "dev"}.get(i % 10, "train"))
    texts = [said.format(word) for said, word in zip(_SAID[language], _OF_SPLIT[split][language], strict=True)]
    voices = (f"SPK{i % 5}f", "agentMale" if i % 2 else "agentFemale")
    turns = [
        {
            "role": role,
            "voice": voice,
            "text": text,
            "transcript": text.lower(),
            "seed": i,
            "tries": 1 + k,
            "error_rate": 0.025,
            "sample_rate": RATE,
            "seconds": float(np.float32((800 + 40 * i + 300 * k) / RATE)),
            "watermark_score": 1.0,
            "scores": [{"head": "dnsmos_ovrl", "value": 3.4}],
            "words": _words(text, (800 + 40 * i + 300 * k) / RATE),
            "silences": [{"start": 0.0, "end": 0.025}],
        }
        for k, (role, voice, text) in enumerate(zip(("user", "agent"), voices, texts, strict=True))
    ]
    return {
        "id": f"seed-{i:03d}",
        "source": "seed",
        "shard": i // 8,
        "round": 0,
        "language": language,
        "split": split,
        "metric": "WER",
        "error_rate": 0.025,
        "edits": 1,
        "units": 40,
        "seconds": sum(t["seconds"] for t in turns),
        "turns": turns,
    } | changes


def _words(text: str, seconds: float) -> list[dict]:
    """All words, one after the other."""
    parts = text.split()
    edges = np.linspace(0, seconds, len(parts) + 1).tolist()
    return [{"text": w, "start": a, "end": b} for w, a, b in zip(parts, edges, edges[1:], strict=False)]


ROWS = [dialogue(i) for i in range(40)]


def pcm(row: dict, role: str) -> np.ndarray:
    """int16 [T]: what the turn sounds like."""
    turn = next(t for t in row["turns"] if t["role"] == role)
    pitch = 200 + 5 * int(row["id"][-3:]) + (300 if role == "agent" else 0)
    time = np.arange(round(turn["seconds"] * RATE)) / RATE
    return np.rint(8000 * np.sin(2 * np.pi * pitch * time)).astype(np.int16)


def read_audio(row: dict) -> dict[str, bytes]:
    return {role: flac(pcm(row, role)) for role in ("user", "agent")}


def flac(samples: np.ndarray) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, RATE, format="FLAC", subtype="PCM_16")
    return out.getvalue()


def selected(rows=ROWS, subset: Subset | None = None, **more) -> Selection:
    return select(
        InMemory(rows) if isinstance(rows, list) else rows, seed=5, partitions=PARTITIONS, subset=subset, **more
    )


def split_ids(split: str, rows=ROWS) -> list[str]:
    return [r["id"] for r in rows if r["split"] == split]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
