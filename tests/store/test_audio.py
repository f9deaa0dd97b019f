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
    TwoChannels,
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


def _voices(rate=16000):
    """Two people, who speak in turn."""
    time = np.arange(2 * rate) / rate
    ann = 0.3 * np.sin(2 * np.pi * 220 * time) * (time % 1 < 0.5)
    return ann, 0.3 * np.sin(2 * np.pi * 130 * time) * (time % 1 >= 0.5)


def _stereo(path, left, right):
    soundfile.write(path, np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    return path


def test_stereo_of_one_voice_is_averaged(tmp_path):
    ann, bob = _voices()
    assert read(_stereo(tmp_path / "s.wav", ann, ann)).samples == pytest.approx(ann, abs=1e-6)
    nearly = _stereo(tmp_path / "n.wav", ann, 0.8 * ann + 0.1 * bob)  # nearer to one microphone, with some of the room
    assert read(nearly).samples == pytest.approx(0.9 * ann + 0.05 * bob, abs=1e-6)
    assert not read(_stereo(tmp_path / "silence.wav", 0 * ann, 0 * ann)).samples.any()


@pytest.mark.slow
def test_stereo_of_two_voices_is_refused_unless_a_channel_is_chosen(tmp_path):
    ann, bob = _voices()
    cases = {"its channels differ": (ann, bob), "the other inverted": (ann, -ann), "only one of its": (ann, 0 * ann)}
    for says, (left, right) in cases.items():
        path = _stereo(tmp_path / "s.wav", left, right)
        with pytest.raises(TwoChannels, match=says + r".*set `channel: 0`") as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert read(path, "0").samples == pytest.approx(left, abs=1e-6)
        assert read(path, "1").samples == pytest.approx(right, abs=1e-6)
        assert read(path, "mix").samples == pytest.approx((left + right) / 2, abs=1e-6)
    soundfile.write(tmp_path / "mono.wav", ann, 16000)
    with pytest.raises(AudioError, match="has 1 channels, and channel 1 is wanted"):
        read(tmp_path / "mono.wav", "1")


def test_a_part_of_a_file(tmp_path):
    samples = np.linspace(-0.5, 0.5, 16000)
    soundfile.write(tmp_path / "long.wav", samples, 16000, subtype="FLOAT")
    part = read(tmp_path / "long.wav", None, 0.25, 0.5)
    assert part.seconds == 0.5 and part.samples == pytest.approx(samples[4000:12000], abs=1e-6)
    for start, seconds in ((1.0, 0.5), (0.5, 1.0)):
        with pytest.raises(AudioError, match=r"long\.wav: has 1\.00 s, and the corpus names"):
            read(tmp_path / "long.wav", None, start, seconds)


def _mp3(path, samples, rate, **options):
    """`samples` as MP3 of variable rate; `write_xing=0` leaves out the frame that says how long it is."""
    import av

    with av.open(str(path), "w", format="mp3", options=options) as container:
        stream = container.add_stream("libmp3lame", rate=rate, layout="mono", options={"compression_level": "0"})
        stream.codec_context.options = {"qscale": "9"}
        stream.codec_context.flags |= 2  # QSCALE: a variable rate
        stream.codec_context.global_quality = 9 * 118
        frame = av.AudioFrame.from_ndarray(samples.astype(np.float32)[None, :], format="fltp", layout="mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


@pytest.mark.parametrize("loud_first", [True, False])
def test_an_mp3_of_variable_rate_without_a_length_is_read_to_its_end(tmp_path, loud_first):
    rate, noise = 16000, 0.3 * np.random.default_rng(1).standard_normal(16000 * 4)
    parts = (noise, np.zeros(rate * 8)) if loud_first else (np.zeros(rate * 8), noise)
    path = _mp3(tmp_path / "vbr.mp3", np.concatenate(parts), rate, write_xing="0", id3v2_version="0")
    with soundfile.SoundFile(path) as file:
        assert abs(file.frames / rate - 12) > 1, "the length that libsndfile guesses is right: this tests nothing"
    audio = read(path)
    assert audio.seconds == pytest.approx(12, abs=0.2) and audio.sample_rate == rate
    quiet, loud = (audio.samples[: 7 * rate], audio.samples[9 * rate :])[:: -1 if loud_first else 1]
    assert np.abs(audio.samples).max() > 0.1
    if not loud_first:
        assert np.abs(quiet).max() < 0.05 < np.abs(loud).max()
    assert decode(path.read_bytes()).seconds == audio.seconds


def test_an_mp3_that_says_its_length_is_read_by_libsndfile(tmp_path, monkeypatch):
    samples = 0.3 * np.sin(np.arange(32000) / 10)
    path = _mp3(tmp_path / "xing.mp3", samples, 16000)
    monkeypatch.setattr("kespeechchat.sound_file._counted_mp3", None)
    assert read(path).seconds == pytest.approx(2, abs=0.2)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match="cut short"):
        read(path)


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
