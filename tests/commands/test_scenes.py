"""`kesc export --scene` over recorded dialogues whose marks are real: shares, facts, --require-watermark, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.commands.export import NothingToExport, Wanted, export
from kespeechchat.config.engines import PerthSettings
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.display import counted
from kespeechchat.engines.registry import load
from kespeechchat.records import Audio
from kespeechchat.store.audio import encode_flac
from kespeechchat.store.opening import open_store
from tests.scenes.voices import hum, speech

pytestmark = pytest.mark.slow

RATE = 16_000
VOICES = [("SPK1f", "female", "user"), ("SPK2m", "male", "user"), ("agentFemale", "female", "agent")]


@pytest.fixture(scope="module")
def marked() -> list[bytes]:
    """Marked speech, for each of four texts."""
    perth = load(PerthSettings(use="perth"))
    clean = [Audio(speech(1.5 + i / 10, i), RATE) for i in range(4)]
    return [encode_flac(audio) for audio in perth.embed(clean)]


@pytest.fixture
def build(tmp_path, quickstart, marked):
    """Makes a build of 16 questions with these overrides, recorded to the end."""

    def rows(order) -> list[dict]:
        if order.name == "voices":
            same = {"parents": ["a", "b"], "nearest_speaker_cosine": 0.5, "xvectors": [[1.0, 0.0]]}
            return [{"id": name, "gender": gender, "role": role, **same} for name, gender, role in VOICES]
        if order.name not in ("watermark", "gate"):
            return [{"id": f"{order.name}-{order.key.shard}"}]
        return [_dialogue(order, i, marked) for i in range(4)]

    def make(*overrides: str):
        speech_input = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 20)}}}]"
        file = questions(tmp_path / "questions.jsonl", 16)
        settings = (speech_input, "instructions.shard_size=4", *overrides)
        pipeline = load_pipeline(quickstart, settings, inputs=[file], root=str(tmp_path / "root"))
        store = open_store(pipeline.root)
        fill(pipeline, store, rows=rows)
        return pipeline, store

    return make


def _dialogue(order, i: int, marked: list[bytes]) -> dict:
    turns = []
    for k, (role, voice) in enumerate((("user", VOICES[i % 2][0]), ("agent", "agentFemale"))):
        audio = marked[(i + k) % 4]
        turn = {"role": role, "voice": voice, "text": f"Text {order.key.shard}-{i} {role}.", "sample_rate": RATE}
        turn |= {"seconds": round((1.5 + (i + k) % 4 / 10) * RATE) / RATE, "seed": 1, "tries": 1}
        more = {"transcript": turn["text"], "error_rate": 0.0, "watermark_score": 1.0, "scores": []}
        turns.append(turn | ({"audio": audio} if order.name == "watermark" else more))
    row = {"id": f"q-{order.key.shard}-{i}", "source": "q", "language": order.language, "split": "train"}
    if order.name == "gate":
        seconds = sum(t["seconds"] for t in turns)
        row |= {"metric": "WER", "error_rate": 0.0, "edits": 0, "units": 4, "seconds": seconds}
    return {**row, "turns": turns}


def unmarked(folder: Path) -> Path:
    """A folder of noise. Babble would not do: it is made of marked speech, so that a detector finds marks in it."""
    folder.mkdir()
    soundfile.write(folder / "hum.wav", hum(3), RATE)
    return folder


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "scenes.jsonl").read_text().splitlines()]


def test_statistics_card_and_facts_say_how_much_of_the_mark_is_left(build, tmp_path):
    made = build()
    told = export(*made, str(tmp_path / "out"), Wanted(scene="noise"))
    statistics = json.loads((tmp_path / "out" / "statistics.json").read_text())["scenes"]
    facts = [(turn["role"], turn) for line in lines(tmp_path / "out") for turn in line["turns"]]
    users = [turn for role, turn in facts if role == "user"]
    assert statistics["scene"] == "noise" and statistics["turns"] == len(facts) == 32
    assert statistics["marked"] == sum(turn["watermark_score"] >= made[0].watermark_threshold for _, turn in facts)
    assert statistics["by"]["clean"] == {"turns": 16, "marked": 16, "share": 1.0}
    assert statistics["by"]["noise"]["turns"] == 16
    assert all(abs(t["scene"]["noise"]["snr"] - t["scene"]["noise"]["measured_snr"]) < 0.5 for t in users)
    assert f"{statistics['marked']} of 32 turns" in told
    assert "## Scene" in (tmp_path / "out" / "README.md").read_text()
    assert "watermark still found" in (tmp_path / "out" / "statistics.md").read_text()


def test_what_lost_its_mark_is_left_out_where_that_is_asked(build, tmp_path):
    loud = f"scenes.loud={{user: {{noise: {{snr: [-40, 15], folder: {unmarked(tmp_path / 'noise')}}}}}}}"
    made = build(loud)
    all_of_them = export(*made, str(tmp_path / "all"), Wanted(scene="loud"))
    kept = export(*made, str(tmp_path / "kept"), Wanted(scene="loud", require_watermark=True))
    scores = {line["id"]: min(t["watermark_score"] for t in line["turns"]) for line in lines(tmp_path / "all")}
    lost = {name for name, score in scores.items() if score < made[0].watermark_threshold}
    assert 0 < len(lost) < 16, scores  # else this test says nothing
    assert {line["id"] for line in lines(tmp_path / "kept")} == set(scores) - lost
    assert {line["id"]: line for line in lines(tmp_path / "kept")}.items() <= {
        line["id"]: line for line in lines(tmp_path / "all")
    }.items()
    metadata = json.loads((tmp_path / "kept" / "metadata.json").read_text())
    assert {row["id"] for row in metadata} == set(scores) - lost
    statistics = json.loads((tmp_path / "kept" / "statistics.json").read_text())["scenes"]
    assert statistics["share"] == 1.0 and statistics["left_out"] == len(lost)
    assert f"left out, because they lost it: {counted(len(lost), 'dialogue')}" in kept and "left out" not in all_of_them


def test_nothing_left_is_said_so(build, tmp_path):
    drowned = f"scenes.drowned={{user: {{noise: {{snr: [-60, -60], folder: {unmarked(tmp_path / 'noise')}}}}}}}"
    with pytest.raises(NothingToExport, match="choose a weaker scene"):
        export(*build(drowned), str(tmp_path / "out"), Wanted(scene="drowned", require_watermark=True))


def test_whisper_has_the_papers_training_unless_it_is_told_otherwise(build, tmp_path):
    made = build()
    told = export(*made, str(tmp_path / "asr"), Wanted("whisper"))
    assert "scene asr" in told and "left to the trainer: SpecAugment with probability 0.5" in told
    listed = [json.loads(line) for line in (tmp_path / "asr" / "train.jsonl").read_text().splitlines()]
    scenes = {line["id"]: line["turns"][0]["scene"] for line in lines(tmp_path / "asr")}
    assert any(scene.get("speed") for scene in scenes.values())
    for line in listed:
        frames = soundfile.info(tmp_path / "asr" / line["audio"]["path"]).frames
        assert line["duration"] == line["sentences"][0]["end"] == round(frames / RATE, 4)
    export(*made, str(tmp_path / "clean"), Wanted("whisper", scene="clean"))
    assert not (tmp_path / "clean" / "scenes.jsonl").exists()


def test_a_users_noise_folder_is_used_and_a_bad_one_is_named(build, tmp_path):
    (tmp_path / "cafe").mkdir()
    soundfile.write(tmp_path / "cafe" / "one.wav", np.stack([hum(0.4, rate=44_100)] * 2, axis=1), 44_100)
    cafe = f"scenes.cafe={{user: {{noise: {{folder: {tmp_path / 'cafe'}}}}}}}"
    made = build(cafe)
    export(*made, str(tmp_path / "out"), Wanted("stereo", scene="cafe"))
    sources = {line["turns"][0]["scene"]["noise"]["source"] for line in lines(tmp_path / "out")}
    assert sources == {"one.wav"}
    (tmp_path / "cafe" / "one.wav").unlink()
    with pytest.raises(ConfigError, match="cafe: no sound file in it"):
        export(*made, str(tmp_path / "out2"), Wanted("stereo", scene="cafe"))


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Wanted(scene="moon"), "no such scene; there is asr, .*telephone, and clean for none"),
        (Wanted(scene="noise", audio=False), "an export without audio has no scene"),
        (Wanted("preference", scene="noise"), "compares takes of a dialogue"),
        (Wanted(require_watermark=True), "clean speech has its mark"),
    ],
)
def test_what_cannot_be_is_refused(build, tmp_path, wanted: Wanted, why: str):
    with pytest.raises(ConfigError, match=why):
        export(*build(), str(tmp_path / "out"), wanted)
