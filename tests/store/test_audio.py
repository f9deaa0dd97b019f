import io

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kespeechchat.records import Audio
from kespeechchat.store.audio import (
    AudioError,
    decode,
    encode_flac,
    read,
    resample,
    write_wav,
)
from tests.fuzzing import broken

RATES = st.sampled_from([8000, 16000, 22050, 24000, 44100, 48000])
SAMPLES = arrays(np.float32, st.integers(1, 400), elements=st.floats(-1, 1, width=32))


def tone(seconds=0.5, rate=24000, hertz=440.0):
    return Audio(
        (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32),
        rate,
    )


@settings(max_examples=60, deadline=None)
@given(SAMPLES, RATES)
def test_flac_keeps_every_sample_within_half_a_step(samples, rate):
    back = decode(encode_flac(Audio(samples, rate)))
    assert back.sample_rate == rate and back.samples.dtype == np.float32
    assert np.abs(back.samples - np.clip(samples, -1, 32767 / 32768)).max() <= 0.5 / 32768


@settings(max_examples=60, deadline=None)
@given(SAMPLES, RATES)
def test_a_second_encoding_loses_nothing(samples, rate):
    once = decode(encode_flac(Audio(samples, rate)))
    assert np.array_equal(decode(encode_flac(once)).samples, once.samples)
    assert encode_flac(once) == encode_flac(Audio(samples, rate))


def test_loud_samples_are_clipped_not_wrapped():
    back = decode(encode_flac(Audio(np.array([1.7, -1.7, 1.0], np.float32), 16000)))
    assert back.samples == pytest.approx([32767 / 32768, -1.0, 32767 / 32768])


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (np.zeros(0, np.float32), "empty"),
        (np.array([0.0, np.nan], np.float32), "NaN"),
        (np.zeros((2, 2), np.float32), "channel"),
    ],
)
def test_encode_refuses(samples, says):
    with pytest.raises(AudioError, match=says):
        encode_flac(Audio(samples, 16000))


def test_wav_round_trip(tmp_path):
    write_wav(tmp_path / "a.wav", tone())
    assert soundfile.info(tmp_path / "a.wav").subtype == "PCM_16"
    assert np.abs(read(tmp_path / "a.wav").samples - tone().samples).max() <= 0.5 / 32768


def test_stereo_is_averaged(tmp_path):
    soundfile.write(tmp_path / "s.wav", np.array([[0.5, 0.0], [0.25, 0.25]]), 16000, subtype="FLOAT")
    assert read(tmp_path / "s.wav").samples == pytest.approx([0.25, 0.25])


def test_unreadable_files_are_named(tmp_path):
    junk, none = tmp_path / "junk.flac", tmp_path / "none.wav"
    junk.write_bytes(b"not audio at all")
    soundfile.write(none, np.zeros(0), 16000)
    for path, says in [
        (junk, "not readable"),
        (none, "no samples"),
        (tmp_path / "gone.wav", "no such file"),
    ]:
        with pytest.raises(AudioError, match=says) as caught:
            read(path)
        assert path.name in str(caught.value)


def test_cut_short_is_an_error():
    whole = encode_flac(tone(2.0))
    with pytest.raises(AudioError):
        decode(whole[: len(whole) // 2])


def test_decode_reads_other_formats():
    out = io.BytesIO()
    soundfile.write(out, tone().samples, 24000, format="OGG", subtype="VORBIS")
    assert decode(out.getvalue()).seconds == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 32000])
def test_resample_keeps_length_and_tone(rate):
    out = resample(tone(1.0, 24000), rate)
    assert out.sample_rate == rate and abs(len(out.samples) - rate) <= 1 and out.samples.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(out.samples))
    assert np.argmax(spectrum) == pytest.approx(440, abs=2)


def test_resample_at_the_same_rate_is_the_same_object():
    audio = tone()
    assert resample(audio, 24000) is audio


@settings(deadline=None)
@given(data=st.data())
def test_broken_bytes_are_audio_or_an_audio_error(data):
    container = data.draw(st.sampled_from(["FLAC", "WAV", "OGG"]))
    out = io.BytesIO()
    soundfile.write(out, tone(0.05).samples, 16000, format=container)
    try:
        audio = decode(data.draw(broken(out.getvalue())))
    except AudioError:
        return
    assert audio.samples.ndim == 1 and len(audio.samples) and audio.sample_rate > 0


def test_a_file_that_claims_hours_is_refused_before_it_is_read():
    flac = bytearray(encode_flac(tone()))
    flac[21] |= 0x0F  # STREAMINFO's count of samples: its 36 bits end at byte 25
    flac[22:26] = b"\xff" * 4
    with pytest.raises(AudioError, match=r"68719476735 samples .* cut it into utterances"):
        decode(bytes(flac))
