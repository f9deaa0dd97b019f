"""The openai engine for TTS against a server that misbehaves on order, is gone, or does not know the key."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from kespeechchat.engines import EngineError
from kespeechchat.engines.tts.openai import OpenAISpeech
from kespeechchat.records import Audio, RowError
from tests.engines import speech_server
from tests.engines.moody import KEY, Moody, nobody
from tests.engines.speech_server import engine, say, settings, tone

server, key = speech_server.server, speech_server.key


def test_pcm_that_begins_softly_is_no_text(server: Moody):
    """Bytes of 0xFF are samples of -1, and no UTF-8."""
    samples = np.concatenate([np.full(400, -1, "<i2"), np.rint(tone() * 32767).astype("<i2")])
    server.moods["hello"] = [samples.tobytes()]
    tts = engine(server, response_format="pcm")
    (audio,) = tts.speak([say(tts, "hello")])
    assert isinstance(audio, Audio) and len(audio.samples) == len(samples)


@pytest.mark.slow
@pytest.mark.parametrize("mood", [429, 500, 503, "hang", "drop", "packed"])
def test_what_passes_is_asked_again(server: Moody, mood: Any):
    server.moods["hello"] = [mood, mood]
    tts = engine(server, timeout=0.9 if mood == "hang" else 20)
    assert all(isinstance(one, Audio) for one in tts.speak([say(tts, "hello"), say(tts, "you there")]))
    assert len(server.bodies) == 4


@pytest.mark.slow
def test_a_server_that_stays_slow_is_named_with_what_to_change(server: Moody):
    server.moods["hello"] = ["hang"] * 3
    tts = engine(server, timeout=0.5)
    (failed,) = tts.speak([say(tts, "hello")])
    assert isinstance(failed, RowError) and "no answer within 0.5 s" in failed.message and "`timeout`" in failed.message


def test_a_server_that_trickles_is_left_when_the_time_is_over(server: Moody):
    server.moods["hello"] = ["drip"]
    tts, begun = engine(server, timeout=0.5), time.monotonic()
    (audio,) = tts.speak([say(tts, "hello")])
    assert isinstance(audio, Audio) and time.monotonic() - begun < 5  # the whole drip takes 10


@pytest.mark.parametrize("mood", [502, b"<html>out of order</html>"])
def test_a_server_that_goes_bad_stops_the_build_and_does_not_fail_row_after_row(server: Moody, mood: Any):
    texts = [f"text {n}" for n in range(40)]
    server.moods |= {text: [mood] for text in texts}
    tts = engine(server, retries=0)
    assert isinstance(tts.speak([say(tts, "fine text")])[0], Audio)
    with pytest.raises(EngineError, match=r"its last \d+ requests .*(HTTP 502|out of order).*build again"):
        tts.speak([say(tts, text) for text in texts])
    assert len(server.bodies) < 20


def test_single_failures_among_good_answers_stop_nothing(server: Moody):
    texts = [f"text {n}" for n in range(40)]
    server.moods |= {text: [502] for text in texts[::2]}
    tts = engine(server, retries=0, concurrency=1)
    found = tts.speak([say(tts, "fine text"), *(say(tts, text) for text in texts)])
    assert [isinstance(one, RowError) for one in found] == [False, *([True, False] * 20)]


@pytest.mark.parametrize("named", ["0", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_server_that_names_no_wait_is_not_asked_at_once(server: Moody, named: str):
    server.moods["hello"], server.retry_after = [429, 429], named
    tts, begun = engine(server, backoff=0.4), time.monotonic()
    assert isinstance(tts.speak([say(tts, "hello")])[0], Audio)
    assert time.monotonic() - begun >= 0.4  # twice at least half of `backoff`


@pytest.mark.parametrize("before", [b"e" * 285, b"x" * 101])
@pytest.mark.parametrize("status", [400, 200, 500])
def test_no_part_of_the_key_is_in_an_error(server: Moody, status: int, before: bytes):
    """The key stands where an error cuts the server's words."""
    server.moods["hello"] = [(status, before + b"KEY")] * 3
    tts = engine(server)
    (failed,) = tts.speak([say(tts, "hello")])
    assert isinstance(failed, RowError) and KEY[:3] not in failed.message, failed.message


@pytest.mark.parametrize("odd", ["abc\ndef-secret", "ключ-secret", "abc\x7f-secret"])
def test_a_key_that_no_header_carries_is_refused_and_not_shown(
    server: Moody, monkeypatch: pytest.MonkeyPatch, odd: str
):
    monkeypatch.setenv("KESC_TEST_KEY", odd)
    with pytest.raises(EngineError, match="KESC_TEST_KEY holds characters") as told:
        engine(server)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(("mood", "cure"), [(401, "key_variable"), (404, "/models")])
def test_what_no_row_can_help_stops_the_build(server: Moody, mood: int, cure: str):
    server.moods["hello"] = [mood]
    tts = engine(server)
    with pytest.raises(EngineError, match=cure) as told:
        tts.speak([say(tts, "hello")])
    assert KEY not in str(told.value) and "tts.use: openai" in str(told.value)


def test_no_server_is_an_error_with_its_address_and_the_cure():
    url = nobody()
    with pytest.raises(EngineError, match=rf"tts.use: openai: no server at {url}.*--omni"):
        OpenAISpeech(settings(url))


def test_the_key_is_sent_and_in_no_identity(server: Moody):
    tts = engine(server)
    tts.speak([say(tts, "hello")])
    assert server.keys == {f"Bearer {KEY}"}
    assert KEY not in str(tts.identity()) + tts._settings.model_dump_json()
    assert tts.identity() == {"tts": "openai m", "server": server.url, "voices": "4 stock voices"}


@pytest.mark.parametrize(("text", "speed"), [(" ", 1.0), ("hello", 9.0)])
def test_what_cannot_be_asked_is_the_rows_own(server: Moody, text: str, speed: float):
    tts = engine(server)
    failed, fine = tts.speak([say(tts, text, speed=speed), say(tts, "you there")])
    assert isinstance(failed, RowError) and isinstance(fine, Audio) and len(server.bodies) == 1
