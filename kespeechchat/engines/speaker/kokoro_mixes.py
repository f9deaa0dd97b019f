"""Voices for Kokoro from the table of mixes that were searched beforehand (`engines.tts.kokoro_mixes`).

A single person's embedding is the same likeness as `kokoro_projection`'s. Likenesses of different people are nearly one
voice to an encoder that took no part in making them, so a library of many voices takes them from the table instead.
"""

from __future__ import annotations

from kespeechchat.config.engines import KokoroMixesSettings
from kespeechchat.engines.speaker import ManyVoices, VoiceTable
from kespeechchat.engines.speaker.kokoro_projection import KokoroProjection
from kespeechchat.engines.tts.kokoro_mixes import mixes
from kespeechchat.records import Gender, Language


class KokoroMixes(KokoroProjection, ManyVoices):
    """A `TTSEmbedder` with a table of voices."""

    def __init__(self, settings: KokoroMixesSettings) -> None:
        super().__init__(settings)

    def identity(self) -> dict[str, str]:
        import hashlib

        table = mixes()
        columns = table.styles.tobytes() + table.xvectors.tobytes() + table.misheard.tobytes()
        digest = hashlib.sha256(columns).hexdigest()[:16]
        return super().identity() | {"mixes": f"kokoro_mixes sha256:{digest}"}

    def voices(self, language: Language, gender: Gender) -> VoiceTable:
        """Of a language and gender: embeddings float32 [N, 256], Resemblyzer's x-vectors [N, 256], rates [N], and the
        share misheard [N]."""
        table = mixes()
        rows = table.rows(language, gender)
        columns = table.styles, table.xvectors, table.seconds_per_character, table.misheard
        return VoiceTable(*(column[rows] for column in columns))
