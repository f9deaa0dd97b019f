"""The openai engine for ASR: against a small server that misbehaves on order; for real in test_speech_servers.py."""

from __future__ import annotations

import email
import email.policy
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import soundfile

from kespeechchat.config.engines import OpenAITranscriptionSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.asr import Transcript
from kespeechchat.engines.asr.openai import OpenAITranscription
from kespeechchat.records import Audio, RowError, Word
from tests.engines.moody import KEY, Moody, nobody, serving
from tests.engines.tones import unusable, voice

SEGMENTS = [
    {"start": 0.0, "end": 1.0, "text": " Hello", "avg_logprob": -0.2, "no_speech_prob": 0.1},
    {"start": 1.0, "end": 4.0, "text": " there.", "avg_logprob": -0.6, "no_speech_prob": 0.5},
]
WORDS = [{"word": " Hello", "start": 0.1, "end": 0.9}, {"word": "there.", "start": 1.2, "end": 1.1}]
FULL = {"text": " Hello there. ", "segments": SEGMENTS, "words": WORDS}


def understand(path: str, headers: Any, raw: bytes) -> Any:
    """Moods go by the utterance's length in tenths of a second."""
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + raw, policy=email.policy.HTTP).iter_parts()
    body: dict[str, Any] = {}
    for part in parts:
        name = part.get_param("name", header="content-disposition")
        body.setdefault(name, []).append(part.get_payload(decode=True))
    samples, rate = soundfile.read(io.BytesIO(body["file"][0]), dtype="int16")
    body["file"] = [(len(samples), rate)]
    return str(round(10 * len(samples) / rate)), body, lambda: FULL


@pytest.fixture
def server() -> Iterator[Moody]:
    with serving(understand) as moody:
        yield moody


def engine(url: str, **more: Any) -> OpenAITranscription:
    given = {"timeout": 20, "backoff": 0.02, "retries": 2, "concurrency": 4}
    return OpenAITranscription(OpenAITranscriptionSettings(use="openai", url=url, model="m", **(given | more)))


def answer(**of: Any) -> bytes:
    return json.dumps(FULL | of).encode()


def test_a_transcript_has_text_scores_and_word_times(server: Moody):
    (heard,) = engine(server.url).transcribe([voice(1.0)], "en")
    assert isinstance(heard, Transcript)
    assert heard.text == "Hello there."
    assert heard.avg_logprob == pytest.approx(-0.5) and heard.no_speech_prob == pytest.approx(0.4)
    assert heard.compression_ratio == pytest.approx(12 / 20)
    assert heard.words == (Word("Hello", 0.1, 0.9), Word("there.", 1.2, 1.2))


def test_a_request_carries_what_the_interface_has(server: Moody):
    engine(server.url, extra={"prompt": "p"}, by_language={"zh": {"hotwords": "w"}}).transcribe(
        [voice(1.0, 24_000)], "zh"
    )
    body = server.bodies[0]
    assert server.paths == ["/v1/audio/transcriptions"]
    assert body == {
        "file": [(24_000, 24_000)],
        "model": [b"m"],
        "language": [b"zh"],
        "temperature": [b"0"],
        "response_format": [b"verbose_json"],
        "timestamp_granularities[]": [b"word", b"segment"],
        "prompt": [b"p"],
        "hotwords": [b"w"],
    }


def test_text_alone_is_asked_for_as_json(server: Moody):
    server.moods["10"] = [b'{"text": "Hello"}']
    asr = engine(server.url, words=False, scores=False)
    assert asr.transcribe([voice(1.0)], "en") == [Transcript("Hello", None, pytest.approx(5 / 13), None)]
    assert server.bodies[0]["response_format"] == [b"json"] and "timestamp_granularities[]" not in server.bodies[0]
    assert asr.identity()["gives"] == "text" and engine(server.url).identity()["gives"] == "text, words, scores"


def test_words_inside_segments_are_found(server: Moody):
    server.moods["10"] = [
        answer(words=None, segments=[s | {"words": [w]} for s, w in zip(SEGMENTS, WORDS, strict=True)])
    ]
    (heard,) = engine(server.url).transcribe([voice(1.0)], "en")
    assert isinstance(heard, Transcript) and [w.text for w in heard.words] == ["Hello", "there."]


@pytest.mark.parametrize(
    ("lacks", "match"),
    [
        ({"words": None}, "gives no word times; set `words: false`"),
        ({"segments": None}, "gives no scores of segments; set `scores: false`"),
        ({"segments": [{"start": 0, "end": 1}]}, "gives no scores of segments"),
    ],
)
def test_what_the_server_cannot_give_is_said_with_the_setting_to_change(server: Moody, lacks: Any, match: str):
    server.moods["10"] = [answer(**lacks)]
    with pytest.raises(EngineError, match=match):
        engine(server.url).transcribe([voice(1.0)], "en")


@pytest.mark.parametrize("empty", [b'{"text": ""}', answer(text="  ", segments=[], words=[])])
def test_nothing_heard_is_a_transcript(server: Moody, empty: bytes):
    server.moods["10"] = [empty]
    assert engine(server.url).transcribe([voice(1.0)], "en") == [Transcript("", None, 0.0, None)]


@pytest.mark.parametrize(
    "odd",
    [
        b"<html>",
        b"[1]",
        b'{"error": "no"}',
        answer(words=[{"word": "x"}]),
        b"",
        answer(segments=[SEGMENTS[0] | {"avg_logprob": float("nan")}]),
    ],
)
def test_an_odd_answer_is_asked_again_and_then_fails_its_row_alone(server: Moody, odd: bytes):
    server.moods["10"] = [odd] * 2
    assert [h.text for h in engine(server.url).transcribe([voice(1.0)], "en")] == ["Hello there."]
    server.moods["10"] = [odd] * 3
    failed, fine = engine(server.url).transcribe([voice(1.0), voice(2.0)], "en")
    assert isinstance(failed, RowError) and "3 tries" in failed.message and isinstance(fine, Transcript)


def test_transcripts_come_in_order(server: Moody):
    for n in range(10, 22):
        server.moods[str(n)] = [answer(text=str(n))]
    found = engine(server.url).transcribe([voice(n / 10) for n in range(10, 22)], "en")
    assert [heard.text for heard in found] == [str(n) for n in range(10, 22)]
    assert 2 <= server.most <= 4


def test_broken_audio_is_not_sent(server: Moody):
    empty, short, _, nan, stereo = unusable()
    *failed, fine = engine(server.url).transcribe([empty, short, nan, stereo, voice(1.0)], "en")
    assert all(isinstance(one, RowError) for one in failed) and isinstance(fine, Transcript)
    assert len(server.bodies) == 1


def test_a_server_that_transcribes_nothing_stops_the_build(server: Moody):
    server.moods |= {str(n): [400] for n in range(10, 30)}
    with pytest.raises(EngineError, match=r"asr.use: openai: .* transcribes nothing: its first \d+ answers"):
        engine(server.url).transcribe([voice(n / 10) for n in range(10, 30)], "en")


def test_no_server_and_a_refused_key_are_errors_with_the_cure(server: Moody, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(EngineError, match=r"asr\.use: openai: no server at"):
        engine(nobody(), retries=0)
    monkeypatch.setenv("KESC_TEST_KEY", KEY)
    server.moods["10"] = [401]
    with pytest.raises(EngineError, match="key_variable") as told:
        engine(server.url, key_variable="KESC_TEST_KEY").transcribe([voice(1.0)], "en")
    assert KEY not in str(told.value)


def test_a_language_that_is_none_of_ours_is_an_error(server: Moody):
    with pytest.raises(EngineError, match="'fr'"):
        engine(server.url).transcribe([Audio(np.zeros(16000, np.float32), 16000)], "fr")  # type: ignore[arg-type]
