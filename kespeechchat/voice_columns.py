"""The columns of candidate voices, and of what a voice says in its audition: parts of `records.SCHEMAS`."""

from __future__ import annotations

import pyarrow as pa

VECTOR = pa.list_(pa.float32())
CANDIDATE = [
    ("role", pa.string()),
    ("language", pa.string()),  # null: speaks every language
    ("gender", pa.string()),
    ("split", pa.string()),
    ("parents", pa.list_(pa.string())),  # ids of the two real speakers
    ("weights", VECTOR),  # of the parents, sums to 1
    ("embedding", VECTOR),  # what the TTS speaks with
    ("seconds_per_character", pa.float32()),
    ("place", pa.int32()),  # of a voice chosen from a table: how early it was chosen, from 0; null: a blend
]
PROMPTS = pa.list_(
    pa.struct(
        [
            ("language", pa.string()),
            ("text", pa.string()),
            ("audio", pa.binary()),  # FLAC, 16 bit, mono, watermarked: what a TTS speaks from that takes a recording
        ]
    )
)
WORDS = pa.list_(  # short words that the voice says as a listener, spoken once
    pa.struct(
        [
            ("language", pa.string()),
            ("text", pa.string()),
            ("audio", pa.binary()),  # FLAC, 16 bit, mono, watermarked; null where it could not be spoken or marked
            ("sample_rate", pa.int32()),
            ("seconds", pa.float32()),
            ("transcript", pa.string()),
            ("leading_silence", pa.float32()),
            ("longest_silence", pa.float32()),
            ("trailing_silence", pa.float32()),
            ("watermark_score", pa.float32()),
            ("own_voice", pa.float32()),  # cosine of all its words in the language to its probes; null: too short
            ("error", pa.string()),
        ]
    )
)
