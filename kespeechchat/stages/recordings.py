"""The recordings of the library's voices, from which some engines speak."""

from __future__ import annotations

from collections.abc import Iterable

from kespeechchat.engines.tts import Prompt
from kespeechchat.stages.base import Task
from kespeechchat.store.audio import decode


def prompts_of(task: Task, voices: Iterable[str], language: str) -> dict[str, Prompt]:
    """Each voice's own recording in that language; nothing of a voice that has none. Decoded, 4 s take 0.4 MB."""
    if task.recordings is None:
        raise RuntimeError("this stage speaks from recordings, and its task has none")
    found = task.recordings.of(set(voices), language)
    return {voice: Prompt(decode(own["audio"]), own["text"]) for voice, own in found.items()}
