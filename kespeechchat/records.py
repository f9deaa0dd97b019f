"""What the parts of the project exchange: small values, and the Arrow schema of every stage's shards.

Every row that a stage writes carries the five columns of :data:`COMMON`; the rest is the stage's own. Seconds are
seconds, sample rates Hz, lengths characters; audio in memory is mono float32 in [-1, 1].
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa

from kespeechchat.speech_tokens import SPEECH_TOKENS
from kespeechchat.voice_columns import CANDIDATE, PROMPTS, VECTOR, WORDS

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
Gender = Literal["female", "male", "unknown"]
Split = Literal["train", "dev", "test"]
Role = Literal["user", "agent"]

Status = Literal["kept", "rejected", "failed"]
KEPT: Final = "kept"
REJECTED: Final = "rejected"
FAILED: Final = "failed"
STATUSES: tuple[Status, ...] = (KEPT, REJECTED, FAILED)
_OTHER_WORDS: dict[str, Status] = {  # that users try
    **dict.fromkeys(("refused", "refuse", "reject", "rejects", "dropped", "discarded", "filtered"), REJECTED),
    **dict.fromkeys(("keep", "accepted", "passed", "ok", "done"), KEPT),
    **dict.fromkeys(("fail", "error", "errors", "broken"), FAILED),
}


def status_named(word: str) -> Status:
    """The status of that name. Raises ValueError that names the right word, or the words that there are.

    >>> status_named("rejected")
    'rejected'
    >>> status_named("refused")
    Traceback (most recent call last):
    ValueError: 'refused': write rejected, which is what such rows are called
    """
    if word in STATUSES:
        return word
    if right := _OTHER_WORDS.get(word.lower()):
        raise ValueError(f"{word!r}: write {right}, which is what such rows are called")
    raise ValueError(f"{word!r}: no such status; there are {', '.join(STATUSES)}")


@dataclass(frozen=True)
class Audio:
    """One utterance: `samples` float32 [T], mono, in [-1, 1], at `sample_rate` Hz."""

    samples: np.ndarray
    sample_rate: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class Word:
    """A word as a recognizer heard it: `text`, from `start` to `end` in seconds of its utterance."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class RowError:
    """What an engine returns in an item's place when that item alone failed; the rest of its batch is sound."""

    message: str


@dataclass(frozen=True)
class Outcome:
    """What became of one row in one stage.

    `row` holds `id` and the stage's own columns (`SCHEMAS`). Of a rejected row, `reason` is a code that is counted and
    `detail` explains it to a reader; of a failed row, `detail` is the error. Of a kept row, `made` is a code that is
    counted too, where a stage has several ways to make one (as it is, by a rule, by a model); `ended` is a code that is
    counted as well: why the dialogue ends before its source does, or before as many exchanges as were drawn for it.
    """

    row: dict[str, Any]
    status: Status = KEPT
    reason: str | None = None
    detail: str | None = None
    made: str | None = None
    ended: str | None = None


def rejected(row: dict[str, Any], reason: str, detail: str | None = None) -> Outcome:
    """The outcome of a row that the stage rejects, for the reason of this code."""
    return Outcome(row, REJECTED, reason, detail)


def failed(row: dict[str, Any], error: str) -> Outcome:
    """The outcome of a row that the stage could not settle."""
    return Outcome(row, FAILED, "error", error)


def turn_names(roles: Iterable[Role]) -> list[str]:
    """A name for each turn of a dialogue, by which its speech is found and a message speaks of it.

    >>> turn_names(["user", "agent", "user", "agent"])
    ['user', 'agent', 'user2', 'agent2']
    """
    seen: Counter[str] = Counter()
    names = []
    for role in roles:
        seen[role] += 1
        names.append(role if seen[role] == 1 else f"{role}{seen[role]}")
    return names


COMMON = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False, metadata={"doc": "source and content hash; stable for ever"}),
        pa.field("status", pa.string(), nullable=False, metadata={"doc": "kept | rejected | failed"}),
        pa.field("stage", pa.string(), nullable=False, metadata={"doc": "the stage that settled the row"}),
        pa.field("reason", pa.string(), metadata={"doc": "reason code of a rejected or failed row"}),
        pa.field("detail", pa.string(), metadata={"doc": "the reason for a reader: value, limit, error"}),
    ]
)

_SCORES = pa.list_(pa.struct([("head", pa.string()), ("value", pa.float32())]))  # e.g. dnsmos_ovrl, dnsmos_p808

# Times the engine's own pace, and what it was told of how to speak; null where the manner leaves it.
_MANNER = pa.struct([("name", pa.string()), ("speed", pa.float64()), ("instruct", pa.string())])
_TURN = [
    ("role", pa.string()),  # user | agent
    ("voice", pa.string()),
    ("text", pa.string()),
    ("seed", pa.int64()),
    ("tries", pa.int32()),  # how many seeds it took
    ("sample_rate", pa.int32()),
    ("seconds", pa.float32()),
    ("loudness", pa.float32()),  # LUFS, as the TTS spoke; null where `synthesize` leaves the level, or it was silent
    ("gain", pa.float32()),  # dB, by which it was then made louder or softer; null where `synthesize` leaves the level
    ("manner", _MANNER),  # null: the turn is spoken plainly
]

_HEARD = [  # of a turn's marked audio; null in a ROOT that an older `measure` wrote
    ("words", pa.list_(pa.struct([("text", pa.string()), ("start", pa.float32()), ("end", pa.float32())]))),  # s
    ("silences", pa.list_(pa.struct([("start", pa.float32()), ("end", pa.float32())]))),  # s; inside, from 0.1 s on
    ("leading_silence", pa.float32()),  # s before the first sound
    ("trailing_silence", pa.float32()),  # s after the last one
    ("longest_silence", pa.float32()),  # s, the longest between two sounds
]


def _exchanges(*fields: str) -> pa.DataType:
    return pa.list_(pa.struct([(name, pa.string()) for name in fields]))


_ENDED = ("ended", pa.string())  # why the dialogue ends before its source does; null where it does not
# The exchanges after the first one, null where there is none: a row of one exchange is what it was before there were
# several. What the first one's columns hold, `later` holds by the same names.
_INSTRUCTION = [
    ("source", pa.string()),
    ("file", pa.string()),
    ("line", pa.int64()),  # 1-based; for the reader, never part of an id
    ("language", pa.string()),
    ("task", pa.string()),
    ("instruction", pa.string()),
    ("input", pa.string()),
    ("reference", pa.string()),
]
_QUESTION = [
    *_INSTRUCTION,
    ("later", _exchanges("instruction", "reference", "question", "question_from")),
    _ENDED,
    ("parent", pa.string()),
    ("question", pa.string()),
    ("question_from", pa.string()),  # as_is | framed | with_given | model; null in a ROOT that an older `rewrite` wrote
]
_AUDITION = [
    *CANDIDATE,
    ("xvectors", pa.list_(VECTOR)),  # of each probe sentence's speech, unit length
    ("error_rate", pa.float32()),  # CER (zh) or WER (en) pooled over the probes
    ("spoken_seconds_per_character", pa.float32()),
    ("scores", _SCORES),
    ("prompts", PROMPTS),  # one for each language that the voice speaks; null where the audition keeps none
    ("backchannels", WORDS),  # null where the audition keeps none
]

SCHEMAS: dict[str, pa.Schema] = {
    name: pa.schema([*COMMON, *(pa.field(n, t) for n, t in fields)])
    for name, fields in {
        "ingest": [*_INSTRUCTION, ("later", _exchanges("instruction", "reference")), _ENDED],
        "rewrite": _QUESTION,
        "filter": [
            *_QUESTION,
            (
                "verdicts",
                pa.list_(pa.struct([("criterion", pa.string()), ("passed", pa.bool_()), ("score", pa.float32())])),
            ),
        ],
        "spoken": [
            ("source", pa.string()),
            ("language", pa.string()),
            ("task", pa.string()),
            ("split", pa.string()),
            ("question", pa.string()),
            ("reference", pa.string()),
            ("instruction", pa.string()),  # what the user says
            ("response", pa.string()),  # what the agent says
            ("response_from", pa.string()),  # source | model; null in a ROOT that an older `spoken` wrote
            ("later", _exchanges("question", "reference", "instruction", "response", "response_from")),
            _ENDED,
        ],
        "corpus": [
            ("recording", pa.string()),
            ("language", pa.string()),
            ("transcript", pa.string()),
            ("gender", pa.string()),
            ("path", pa.string()),  # of a real clip; null where `audio` holds it
            ("speaker", pa.string()),  # the person, where the corpus tells people and recordings apart
            ("channel", pa.string()),  # 0 | 1 | mix, where one was chosen
            ("start", pa.float64()),  # seconds into the file, where the clip is a part of it,
            ("part_seconds", pa.float64()),  # and how long that part is
            ("corpus_dnsmos", pa.float32()),
            ("audio", pa.binary()),  # FLAC, watermarked: only of a corpus that was synthesized
            ("sample_rate", pa.int32()),
            ("seconds", pa.float32()),
        ],
        "clips": [
            ("recording", pa.string()),
            ("speaker", pa.string()),
            ("language", pa.string()),
            ("path", pa.string()),
            ("transcript", pa.string()),
            ("transcript_from", pa.string()),  # manifest | recognizer
            ("gender", pa.string()),
            ("gender_from", pa.string()),  # manifest | engine
            ("gender_score", pa.float32()),
            ("seconds", pa.float32()),
            ("characters", pa.int32()),
            ("scores", _SCORES),
            ("xvector", VECTOR),
            ("auditor_xvector", VECTOR),  # by `clips.auditor`; null where there is none
            ("tts_embedding", VECTOR),
        ],
        "speakers": [
            ("recording", pa.string()),
            ("language", pa.string()),
            ("gender", pa.string()),
            ("split", pa.string()),
            ("clips", pa.int32()),  # that passed the corpus score
            ("core_clips", pa.int32()),  # in the one cluster; only these count
            ("pairs", pa.int32()),  # of clips over the x-vector threshold
            ("seconds_per_character", pa.float32()),  # rounded to 10 ms
            ("xvector", VECTOR),  # mean of the core clips', unit length
            ("tts_embedding", VECTOR),  # plain mean of the core clips'
        ],
        "blend": CANDIDATE,
        "audition": _AUDITION,
        "voices": [
            *_AUDITION,
            ("candidate", pa.string()),  # id of the audition that became this voice
            ("nearest_speaker", pa.string()),
            ("nearest_speaker_cosine", pa.float32()),
            ("privacy_margin", pa.float32()),  # threshold − nearest_speaker_cosine; > 0 for every kept voice
            ("nearest_voice", pa.string()),
            ("nearest_voice_cosine", pa.float32()),
        ],
        "synthesize": [
            ("source", pa.string()),
            ("language", pa.string()),
            ("split", pa.string()),
            # FLAC, 16 bit, mono
            ("turns", pa.list_(pa.struct([*_TURN, ("audio", pa.binary()), ("speech_tokens", SPEECH_TOKENS)]))),
        ],
        "measure": [
            ("source", pa.string()),
            ("language", pa.string()),
            ("split", pa.string()),
            (
                "turns",
                pa.list_(
                    pa.struct(
                        [
                            *_TURN,
                            ("transcript", pa.string()),  # raw, as the recognizer gave it
                            ("avg_logprob", pa.float32()),
                            ("compression_ratio", pa.float32()),
                            ("no_speech_prob", pa.float32()),
                            *_HEARD,
                            ("scores", _SCORES),
                            ("watermark_score", pa.float32()),
                            ("watermark_payload", pa.string()),  # hex; null where the mark carries none
                        ]
                    )
                ),
            ),
        ],
        "gate": [
            ("source", pa.string()),
            ("language", pa.string()),
            ("split", pa.string()),
            ("metric", pa.string()),  # CER | WER | SER
            ("error_rate", pa.float32()),  # pooled over the dialogue's turns
            ("edits", pa.int32()),
            ("units", pa.int32()),  # characters, words or syllables of what was to be said
            ("seconds", pa.float32()),
            (
                "turns",
                pa.list_(
                    pa.struct(
                        [
                            *_TURN,
                            ("transcript", pa.string()),
                            ("error_rate", pa.float32()),
                            ("watermark_score", pa.float32()),
                            ("scores", _SCORES),
                            *_HEARD,
                        ]
                    )
                ),
            ),
        ],
    }.items()
}
SCHEMAS["watermark"] = SCHEMAS["synthesize"]


def _sequence(*of_speech: tuple[str, pa.DataType], codebook: bool = False) -> pa.Schema:
    """A document in pieces, in order: joined, their texts are the document. A piece that is to be speech has `said`."""
    piece = [("text", pa.string()), ("language", pa.string()), ("said", pa.string()), ("words", pa.int32())]
    fields = [
        ("source", pa.string()),
        ("file", pa.string()),
        ("line", pa.int64()),  # 1-based; of Parquet the row; for the reader, never part of an id
        ("language", pa.string()),  # of most of its words
        ("words", pa.int32()),
        ("spoken_words", pa.int32()),
        ("unspeakable", pa.int32()),  # spans that were drawn and that no voice could say; they stay text
        ("pieces", pa.list_(pa.struct([*piece, *of_speech]))),
    ]
    if codebook:
        fields += [("rate", pa.float32()), ("codebooks", pa.int32()), ("codebook_size", pa.int32())]  # frames a second
    return pa.schema([*COMMON, *(pa.field(n, t) for n, t in fields)])


SCHEMAS["spans"] = _sequence()
SCHEMAS["interleaved"] = _sequence(
    ("voice", pa.string()),
    ("seed", pa.int64()),
    ("seconds", pa.float32()),  # of the audio behind the tokens; null where there was none
    ("tokens", pa.list_(pa.int32())),  # frame by frame; of several codebooks all of a frame, then the next frame
    codebook=True,
)
