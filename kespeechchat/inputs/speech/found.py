"""What every reader of a corpus gives: clips, each with its line, its fields and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

AUDIO_ENDINGS = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"}


class Fields(TypedDict, total=False):
    """A clip as it is planned. `recording` is a session; `speaker` is a person, where a corpus tells both apart."""

    recording: str
    speaker: str
    path: str
    transcript: str
    gender: str
    language: str
    dnsmos: str | float
    channel: str  # 0 | 1 | mix
    start: float  # seconds into the file; with `duration` where the clip is a part of it
    duration: float
    style: str | dict[str, float]  # of a recipe, in place of `path`


@dataclass(frozen=True)
class Found:
    """One clip. `line` counts from 1: a line of the manifest, an item of an array, or a file of the folder."""

    line: int
    fields: Fields
    problem: str | None = None  # without file and line
    seconds: float | None = None  # its length where the corpus states it


@dataclass(frozen=True)
class Corpus:
    """A corpus that was recognized. `layout` is its name for a reader; `language` is what all its speech is in."""

    layout: str
    clips: Iterator[Found]
    language: str | None = None
    namespace: str = field(default="")  # stands before the numbers of its people, which other corpora use too


def visible(folder: Path) -> Iterator[Path]:
    """All files below `folder`, sorted within each folder, without hidden ones: `._a.wav` is macOS's, and no audio."""
    for inside, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(inside, name)


def audio_files(folder: Path) -> list[Path]:
    """The audio files below `folder`, sorted by path."""
    return sorted(p for p in visible(folder) if p.suffix.lower() in AUDIO_ENDINGS and p.is_file())
