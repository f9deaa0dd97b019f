"""What an utterance must be before CosyVoice speaks it, and what its speech must be afterwards."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from kespeechchat.config.engines import CosyVoiceModelSettings
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.tts import Utterance, off_speed
from kespeechchat.engines.tts import cosyvoice_prompts as prompts
from kespeechchat.engines.tts.cosyvoice_text import speakable
from kespeechchat.records import Audio, RowError

_SHORTEST = 0.1  # seconds; less is no speech
_MARK = re.compile(r"<\|.*?\||</?\w+>|\[\w[\w-]*\]")  # <|endoftext|>, <strong>, [laughter]


def defect(utterance: Utterance, prompted: bool) -> RowError | None:
    """Why `utterance` cannot be spoken, if it cannot; `prompted`: from the recording that it carries."""
    embedding = np.asarray(utterance.embedding, dtype=np.float32)
    if prompted:
        if unusable := prompts.unusable(utterance.prompt):
            return unusable
    elif not np.isfinite(embedding).all() or not embedding.any():
        return RowError("voice embedding is zero or not finite")
    if off := off_speed(utterance, CosyVoiceModelSettings.speeds):
        return off
    if not speakable(utterance.text):
        return RowError(f"nothing to speak in {utterance.text[:40]!r}")
    if mark := _MARK.search(utterance.text):
        return RowError(f"{mark.group()!r} is a control mark to CosyVoice; it takes plain text")
    return None


def checked(parts: Sequence[Float32], rate: int) -> Audio | RowError:
    """An utterance of its parts, each float32 [T] at `rate` Hz; a RowError for broken, too short or silent speech."""
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if not np.isfinite(samples).all():
        return RowError("CosyVoice gave NaN or infinite samples")
    if len(samples) < _SHORTEST * rate or not samples.any():
        return RowError(f"CosyVoice gave {len(samples) / rate:.2f} s of speech or silence")
    return Audio(np.clip(samples, -1.0, 1.0), rate)
