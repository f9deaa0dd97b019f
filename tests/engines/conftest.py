"""Speech for the measuring engines' tests: a few sentences that Kokoro speaks once a session."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from kespeechchat.records import Audio, Language


@dataclass(frozen=True)
class Spoken:
    text: str
    language: Language
    audio: Audio  # 24 kHz


_SENTENCES: list[tuple[Language, str, str]] = [
    ("en", "bf_emma", "Where can I take my kids on the weekend?"),
    ("en", "am_michael", "Take small steps, and remember what you have already achieved."),
    ("zh", "zf_xiaoxiao", "怎么样才能让自己更有自信？"),
    ("zh", "zm_yunxi", "简单来说，就是让机器像人一样思考和学习。"),
]


@pytest.fixture(scope="session")
def spoken() -> list[Spoken]:
    from kespeechchat.config.engines import KokoroSettings
    from kespeechchat.engines.tts import Utterance
    from kespeechchat.engines.tts.kokoro import Kokoro, style

    kokoro = Kokoro(KokoroSettings(use="kokoro"))
    asked = [Utterance(text, language, style({voice: 1.0}), seed=0) for language, voice, text in _SENTENCES]
    audios = kokoro.speak(asked)
    assert all(isinstance(audio, Audio) for audio in audios), audios
    return [Spoken(u.text, u.language, audio) for u, audio in zip(asked, audios, strict=True)]
