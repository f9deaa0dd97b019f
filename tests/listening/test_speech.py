"""Speech inside a page: MP3 that has the turn's length and pitch."""

from __future__ import annotations

import base64
import io

import av
import numpy as np
import pytest

from kespeechchat.listening.speech import BIT_RATE, data_url, mp3
from kespeechchat.records import Audio
from kespeechchat.store.audio import AudioError, decode, encode_flac


def _tone(rate: int, seconds: float, hz: float = 440) -> bytes:
    time = np.arange(round(rate * seconds)) / rate
    return encode_flac(Audio((0.3 * np.sin(2 * np.pi * hz * time)).astype("f4"), rate))


@pytest.mark.parametrize("rate", [2000, 16000, 24000, 44100, 96000])
def test_it_plays_as_long_and_as_high(rate) -> None:
    data = mp3(_tone(rate, 2.0))
    with av.open(io.BytesIO(data)) as container:
        assert container.streams.audio[0].codec_context.name.startswith("mp3")
    audio = decode(data)
    assert audio.seconds == pytest.approx(2.0, abs=0.1)
    middle = audio.samples[len(audio.samples) // 4 : -len(audio.samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * audio.sample_rate / len(middle) == pytest.approx(440, abs=5)


def test_it_is_small_and_the_same_again() -> None:
    flac = _tone(24000, 10)
    assert len(mp3(flac)) < 1.1 * BIT_RATE / 8 * 10 and mp3(flac) == mp3(flac)
    head, _, body = data_url(flac).partition(",")
    assert head == "data:audio/mpeg;base64" and base64.b64decode(body) == mp3(flac)


def test_what_is_no_audio_is_refused() -> None:
    with pytest.raises(AudioError):
        mp3(b"no audio")
