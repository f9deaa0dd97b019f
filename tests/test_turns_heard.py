"""Real engines speak a dialogue of several exchanges; a recognizer reads on each channel what the metadata says.

Kokoro speaks, the stereo layout puts the turns on the timeline, and Whisper reads each side cut out at `start` and
`end` of metadata.json: also of a turn that the user cut short.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from kespeechchat.config.load import load_pipeline
from kespeechchat.config.timing import BargeIn, Offsets, TimingSettings
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.timeline import Timing
from kespeechchat.engines.registry import load
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.kokoro_styles import style
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts import make_layout
from kespeechchat.records import Audio
from kespeechchat.store.audio import encode_flac
from kespeechchat.text.error_rate import edits_in, pooled
from tests.conftest import ROOT
from tests.export.gated_rows import selected

pytestmark = pytest.mark.slow

SAID = (
    ("How do bees find their way home?", "They watch the sun, and they remember trees and houses along their way."),
    (
        "And how do they do that on a cloudy day?",
        "They see light that people cannot see, so they know the sun's place.",
    ),
)
TIMING = TimingSettings(
    agent_after_user=Offsets(mean=0.2, std=0.3, low=-0.15, high=0.6),
    barge_in=BargeIn(probability=1.0, after=1.5),
)


@pytest.fixture(scope="module")
def engines():
    pipeline = load_pipeline(ROOT / "pipelines" / "quickstart.yaml")
    return load(pipeline.engine("tts", "kokoro")), load(pipeline.engine("asr", "whisper"))


def test_the_recognizer_reads_what_the_metadata_says(engines, tmp_path):
    tts, asr = engines
    texts = [text for exchange in SAID for text in exchange]
    user, agent = (style({name: 1.0}) for name in ("af_heart", "am_michael"))
    audios = tts.speak([Utterance(t, "en", (user, agent)[k % 2], 1) for k, t in enumerate(texts)])
    heard = asr.transcribe(audios, "en")
    row = _row(texts, audios, heard)
    names = ("user", "agent", "user2", "agent2")
    speech = {name: encode_flac(audio) for name, audio in zip(names, audios, strict=True)}
    genders = {"SPK1f": "female", "agentMale": "male"}
    for layout in ("ke-speechchat", "stereo"):
        of = Dialogues(selected([row]), lambda _: speech, genders, "", Timing(TIMING, 3))
        make_layout(layout).export(of, tmp_path / layout, BuildFacts())
    (item,) = json.loads((tmp_path / "ke-speechchat" / "metadata.json").read_text())
    both, rate = soundfile.read(tmp_path / "stereo" / "audio" / "d-1.flac", dtype="float32")
    cut = [turn for turn, text in zip(item["dialog"], texts, strict=True) if turn["text"] != text]
    assert len(cut) == 1 and cut[0]["channel"] == 1
    sides = [both[round(t["start"] * rate) : round(t["end"] * rate), t["channel"]] for t in item["dialog"]]
    read = asr.transcribe([Audio(np.ascontiguousarray(side), rate) for side in sides], "en")
    for turn, found in zip(item["dialog"], read, strict=True):
        limit = 0.25 if turn in cut else 0.1  # the last word of a cut turn may be half a word
        assert pooled([edits_in("word", turn["text"], found.text, "en")]) <= limit, (turn["text"], found.text)
    silent = both.copy()
    for turn in item["dialog"]:
        silent[round(turn["start"] * rate) : round(turn["end"] * rate), turn["channel"]] = 0
    assert not silent.any(), "nothing is heard outside of the turns"


def _row(texts, audios, heard) -> dict:
    turns = [
        {
            "role": "agent" if k % 2 else "user",
            "voice": "agentMale" if k % 2 else "SPK1f",
            "text": text,
            "transcript": found.text,
            "seed": 1,
            "tries": 1,
            "error_rate": 0.0,
            "sample_rate": audio.sample_rate,
            "seconds": float(np.float32(audio.seconds)),
            "watermark_score": 1.0,
            "scores": [],
            "words": [{"text": w.text, "start": w.start, "end": w.end} for w in found.words],
            "silences": [],
        }
        for k, (text, audio, found) in enumerate(zip(texts, audios, heard, strict=True))
    ]
    about = {"id": "d-1", "source": "s", "shard": 0, "round": 0, "language": "en", "split": "train", "metric": "WER"}
    figures = {"error_rate": 0.0, "edits": 0, "units": 30, "seconds": sum(t["seconds"] for t in turns)}
    return about | figures | {"turns": turns}
