"""The openai engine for TTS: what it asks for, voices, answers; for real in test_speech_servers.py."""

from __future__ import annotations

import base64
import io
import re
import struct
from typing import Any

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from kespeechchat.config.engines import OpenAISpeechSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.tts import Prompt, Utterance
from kespeechchat.engines.tts.openai import OpenAISpeech
from kespeechchat.records import Audio, RowError
from kespeechchat.sound_file import encode
from tests.engines import speech_server
from tests.engines.moody import KEY, Moody
from tests.engines.speech_server import RATE, VOICES, engine, file, say, settings, tone

server, key = speech_server.server, speech_server.key
PAGE = 4096  # bytes, at most, of an Ogg page that these answers have


@pytest.mark.parametrize("format_", ["wav", "flac", "pcm", "mp3", "opus"])
def test_every_format_is_the_same_speech(server: Moody, format_: str):
    tts = engine(server, response_format=format_)
    (audio,) = tts.speak([say(tts, "ten letters and more")])
    assert isinstance(audio, Audio) and audio.sample_rate == RATE
    assert audio.samples.dtype == np.float32 and abs(audio.seconds - 2.0) < 0.1
    middle = audio.samples[RATE // 2 : RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert abs(spectrum.argmax() * RATE / len(middle) - 220) < 4
    assert 0.35 < np.abs(middle).max() < 0.45


def test_utterances_come_in_order_and_no_more_at_once_than_allowed(server: Moody):
    tts = engine(server)
    found = tts.speak([say(tts, "x" * (n + 2)) for n in range(20)])
    assert [round(audio.seconds, 3) for audio in found] == [round((n + 2) / 10, 3) for n in range(20)]
    assert 2 <= server.most <= 4
    assert not tts.deterministic


def test_a_request_carries_what_the_interface_has(server: Moody):
    tts = engine(server, extra={"stream": False}, by_language={"zh": {"language": "Chinese"}}, seeded=True)
    tts.speak([say(tts, "你好", "xiao", "zh", seed=2**40 + 5, speed=1.5)])
    assert server.paths == ["/v1/audio/speech"]
    assert server.bodies == [
        {
            "model": "m",
            "input": "你好",
            "voice": "xiao",
            "response_format": "wav",
            "speed": 1.5,
            "seed": 5,
            "stream": False,
            "language": "Chinese",
        }
    ]


def test_a_plain_request_has_nothing_that_a_strict_server_refuses(server: Moody):
    tts = engine(server)
    tts.speak([say(tts, "hello")])
    assert set(server.bodies[0]) == {"model", "input", "voice", "response_format"}


def test_a_server_is_told_how_to_speak_where_it_takes_that(server: Moody):
    tts = engine(server, instructions=True)
    tts.speak([say(tts, "hello", instruct="A busy man.")])
    tts.speak([say(tts, "hello")])
    assert [body.get("instructions") for body in server.bodies] == ["A busy man.", None]


def test_one_that_does_not_take_it_stops_the_build_before_anything_is_asked(server: Moody):
    tts = engine(server)
    with pytest.raises(EngineError, match=r"takes no instructions, and is told 'A busy man\.': set instructions: true"):
        tts.speak([say(tts, "hello"), say(tts, "hello", instruct="A busy man.")])
    assert server.bodies == []


# --- voices


def test_sums_of_voices_are_spoken_where_the_server_takes_them(server: Moody):
    tts = engine(server, sums=True)
    mixed = 0.25 * tts.style({"ann": 1.0}) + 0.75 * tts.style({"bob": 1.0})
    tts.speak([Utterance("hello", "en", mixed, 1)])
    assert server.bodies[0]["voice"] == "bob(0.75)+ann(0.25)"


def test_a_sum_that_the_server_does_not_take_stops_the_build_before_anything_is_asked(server: Moody):
    tts = engine(server)
    mixed = tts.style({"ann": 0.5, "bob": 0.5})
    with pytest.raises(EngineError, match=r"sum of ann, bob.*sums: true.*stock_voices"):
        tts.speak([say(tts, "fine"), Utterance("hello", "en", mixed, 1)])
    assert not server.bodies


@pytest.mark.parametrize("embedding", [np.zeros(256, np.float32), np.zeros(4, np.float32), np.full(4, np.nan)])
def test_a_voice_of_another_engine_stops_the_build(server: Moody, embedding: np.ndarray):
    with pytest.raises(EngineError, match=r"each of its voices \(4\).*stock_voices"):
        engine(server).speak([Utterance("hello", "en", embedding, 1)])


def test_a_voice_speaks_the_languages_that_the_profile_names_it_under(server: Moody):
    tts = engine(server)
    with pytest.raises(EngineError, match=r"'ann' is not among voices\.zh"):
        tts.speak([say(tts, "你好", "ann", "zh")])
    assert tts.languages == ("en", "zh")
    only = OpenAISpeech(settings(server.url, voices={"en": VOICES["en"]}))
    with pytest.raises(EngineError, match="voices of en, none of 'zh'"):
        only.speak([Utterance("你好", "zh", only.style({"ann": 1.0}), 1)])


def test_a_mix_names_what_is_wrong_with_it(server: Moody):
    tts = engine(server)
    with pytest.raises(ValueError, match="'af_heart' is none of ann, eve, bob, xiao"):
        tts.style({"af_heart": 1.0})
    with pytest.raises(ValueError, match="sum to 1"):
        tts.style({"ann": 0.7})


@pytest.mark.parametrize(
    "listed", [{"voices": ["ann", "eve"]}, {"voices": [{"id": "ann", "name": "Ann"}, {"name": "eve"}]}, ["ann", "eve"]]
)
def test_a_voice_that_the_server_does_not_list_is_named_at_once(server: Moody, listed: Any):
    server.listed["/v1/audio/voices"] = listed
    with pytest.raises(EngineError, match=r"has no voice bob, xiao; it lists ann, eve.*correct `voices`"):
        engine(server)


@pytest.mark.parametrize("listed", [{"voices": []}, {"voices": 3}, {"other": ["ann"]}, b"<html>", {"voices": [None]}])
def test_an_odd_list_of_voices_says_nothing(server: Moody, listed: Any):
    server.listed["/v1/audio/voices"] = listed
    assert engine(server).embedding_size == 4


# --- a recording of the speaker


@pytest.mark.parametrize("field", ["ref_audio", "references"])
def test_the_prompt_goes_along_as_a_data_url(server: Moody, field: str):
    tts = engine(server, reference=field)
    prompt = Prompt(Audio(tone(1.0, 16_000), 16_000), "What I said.")
    (audio,) = tts.speak([Utterance("hello", "en", np.zeros(0, np.float32), 1, prompt=prompt)])
    assert isinstance(audio, Audio)
    body = server.bodies[0]
    sent = body["references"][0]["audio_path"] if field == "references" else body["ref_audio"]
    text = body["references"][0]["text"] if field == "references" else body["ref_text"]
    assert text == "What I said." and "voice" not in body
    head, _, data = sent.partition(",")
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="float32")
    assert head == "data:audio/wav;base64" and rate == 16_000
    assert np.abs(samples - prompt.audio.samples).max() <= 1 / 32768


def test_recordings_are_encoded_as_they_are_sent_and_not_all_at_once(server: Moody, monkeypatch: pytest.MonkeyPatch):
    sent: list[int] = []

    def counted(audio: Audio, container: str) -> bytes:
        sent.append(len(server.bodies))
        return encode(audio, container)

    monkeypatch.setattr("kespeechchat.engines.tts.openai.encode", counted)
    prompt = Prompt(Audio(tone(1.0), RATE), "What I said.")
    asked = [Utterance("hello", "en", np.zeros(0, np.float32), n, prompt=prompt) for n in range(5)]
    assert all(isinstance(one, Audio) for one in engine(server, reference="ref_audio", concurrency=1).speak(asked))
    assert sent == [0, 1, 2, 3, 4]


def test_a_voice_without_a_recording_is_an_error_that_says_where_it_comes_from(server: Moody):
    with pytest.raises(EngineError, match=r"this voice has none.*stages\.audition\.prompts"):
        engine(server, reference="ref_audio").speak([Utterance("hello", "en", np.zeros(0, np.float32), 1)])


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"voices": {}}, "give one of the two"),
        ({"voices": VOICES, "reference": "ref_audio"}, "give one of the two"),
        ({"voices": {"en": {"female": []}}}, r"voices\.en\.female: no name"),
        ({"voices": {"fr": {"female": ["x"]}}}, "voices"),
        ({"response_format": "aac"}, "response_format"),
    ],
)
def test_a_profile_says_whose_voices_they_are(more: dict[str, Any], match: str):
    with pytest.raises(ValidationError, match=match):
        OpenAISpeechSettings(
            use="openai", url="http://h/v1", model="m", sample_rate=RATE, **({"voices": VOICES} | more)
        )


# --- answers of no use


def stream_header(data: bytes, size: int) -> bytes:
    """A WAV whose sizes a server wrote before it knew them."""
    return data[:4] + struct.pack("<I", min(size + 36, 2**32 - 1)) + data[8:40] + struct.pack("<I", size) + data[44:]


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_that_was_written_while_spoken_is_read_to_its_end(server: Moody, size: int):
    server.moods["x"] = [stream_header(file(tone(0.7)), size)]
    tts = engine(server)
    (audio,) = tts.speak([say(tts, "x")])
    assert isinstance(audio, Audio) and len(audio.samples) == round(0.7 * RATE)


def test_two_channels_of_one_voice_are_one(server: Moody):
    server.moods["x"] = [file(np.stack([tone(), tone()], axis=1))]
    tts = engine(server)
    (audio,) = tts.speak([say(tts, "x")])
    assert isinstance(audio, Audio) and audio.samples.shape == (len(tone()),)
    assert np.abs(audio.samples - tone()).max() < 1e-4


BAD = {
    "0 bytes": ("wav", b"", "0 bytes"),
    "prose": ("wav", b"I am sorry, I cannot do that." * 9, "not readable as audio.*I am sorry"),
    "prose as pcm": ("pcm", b'{"error": "no"}', "no PCM.*error"),
    "a page as pcm": ("pcm", b"\n<html>" + b"the gateway is busy " * 999 + b"</html> ", "no PCM.*gateway"),
    "a wav as pcm": ("pcm", file(tone(1, 22_050), rate=22_050), "no PCM.*RIFF"),
    "the head of a page of Ogg": ("opus", b"OggS", "cut short"),
    "silence": ("wav", file(np.zeros(RATE, np.float32)), "1.00 s of silence"),
    "no samples": ("wav", file(np.zeros(0, np.float32)), "holds no samples"),
    "a click": ("wav", file(tone(0.05)), "0.05 s, which is no speech"),
    "two voices": ("wav", file(np.stack([tone(), -tone()], axis=1)), "2 channels that differ"),
    "a cut wav": ("wav", file(tone(2))[:-20_000], "cut short"),
    "a cut flac": ("flac", file(tone(2), "flac")[:-3_000], "not readable|cut short"),
    "a cut mp3": ("mp3", file(tone(3), "mp3")[:-4_000], "cut short|not readable"),
    "a cut opus": ("opus", file(tone(3), "opus")[:-PAGE], "cut short|not readable"),
    "half a sample": ("pcm", file(tone(), "pcm")[:-1], "whole number of 16-bit samples"),
    "a WAV that ends in its header": ("wav", file(tone())[:36], "WAV without sound"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_answer_of_no_use_is_asked_for_again(server: Moody, case: str):
    format_, data, _ = BAD[case]
    server.moods["hello"] = [data, data]
    tts = engine(server, response_format=format_)
    (audio,) = tts.speak([say(tts, "hello")])
    assert isinstance(audio, Audio) and len(server.bodies) == 3


@pytest.mark.parametrize("case", BAD)
def test_an_answer_that_stays_of_no_use_fails_its_row_alone(server: Moody, case: str):
    format_, data, match = BAD[case]
    server.moods["hello"] = [data] * 3
    tts = engine(server, response_format=format_)
    failed, fine = tts.speak([say(tts, "hello"), say(tts, "you there")])
    assert isinstance(fine, Audio) and isinstance(failed, RowError)
    assert server.url in failed.message and "3 tries" in failed.message
    assert re.search(match, failed.message, re.DOTALL), failed.message


def test_another_rate_than_the_stated_one_stops_the_build(server: Moody):
    server.moods["hello"] = [file(tone(rate=22_050), rate=22_050)]
    tts = engine(server)
    with pytest.raises(EngineError, match=r"answers at 22050 Hz, and the profile states sample_rate: 24000"):
        tts.speak([say(tts, "hello")])


@pytest.mark.parametrize("mood", [400, 422, b"nothing of use"])
def test_a_server_whose_first_answers_are_all_of_no_use_stops_the_build(server: Moody, mood: Any):
    texts = [f"text {n}" for n in range(20)]
    server.moods |= {text: [mood] * 9 for text in texts}
    tts = engine(server, retries=0)
    with pytest.raises(
        EngineError, match=r"its (first|last) \d+ (answers|requests) .*(no, Bearer \*\*\*|nothing of use)"
    ):
        tts.speak([say(tts, text) for text in texts])
    assert len(server.bodies) < 20


def test_refusals_after_a_good_answer_are_the_rows_own(server: Moody):
    texts = [f"text {n}" for n in range(12)]
    server.moods |= {text: [400] for text in texts}
    tts = engine(server)
    assert isinstance(tts.speak([say(tts, "fine text")])[0], Audio)
    found = tts.speak([say(tts, text) for text in texts])
    assert all(isinstance(one, RowError) and "HTTP 400" in one.message and KEY not in one.message for one in found)
