"""Layouts write dialogues in a scene: times exact to the sample, each turn's facts kept, a killed export goes on."""

from __future__ import annotations

import io
import json
from dataclasses import fields

import numpy as np
import pytest
import soundfile

from kespeechchat.config.scenes import CodecSettings, LevelSettings, NoiseSettings, SceneSettings, SideSettings
from kespeechchat.config.scenes import SpeedSettings as Speed
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.timeline import Timing
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.folder import JOURNAL
from kespeechchat.export.layouts import layout_class
from kespeechchat.export.scene_journal import SceneJournal
from kespeechchat.export.scened import Renderer, ScenedDialogues, ScenedRows, scened_row
from kespeechchat.export.selection import InMemory
from kespeechchat.scenes.babble import babble_of
from kespeechchat.scenes.drawing import Draws
from kespeechchat.scenes.mixing import float32
from tests.export import test_turns as turns
from tests.export.gated_rows import GENDERS, RATE, ROWS, pcm, read_audio, selected, snapshot

pytestmark = pytest.mark.slow

BOTH = SideSettings(speed=Speed(probability=1.0), noise=NoiseSettings(snr=(20.0, 20.0), babble_voices=2))
NOISY = SceneSettings(user=BOTH, agent=BOTH)
SOFT = SceneSettings(user=SideSettings(level=LevelSettings(gain=(-6.0, -6.0))))
BY_ID = {row["id"]: row for row in ROWS}
BABBLE = babble_of([(row["id"], float32(pcm(row, "user"))) for row in ROWS[:8]], RATE, 2)


def read_clean(row: dict) -> dict[str, bytes]:
    """The audio as it is in ROOT, whatever times the row has by now."""
    return read_audio(BY_ID[row["id"]])


LOUD_AND_FAST = SceneSettings(
    user=SideSettings(speed=Speed(probability=1.0), level=LevelSettings(gain=(-6.0, -6.0))),
    agent=SideSettings(speed=Speed(probability=0.5)),
)


def dialogues(to, settings: SceneSettings, listen=lambda audio: 0.9, note: str = "n", read=read_clean):
    """Dialogues of 40 rows in the scene; `content` as the note."""
    draws = Draws("test", settings, 3)
    noises = {"user": BABBLE, "agent": BABBLE}
    renderer = Renderer(draws, noises, {}, listen, SceneJournal(to, note))
    selection = selected(ScenedRows(InMemory(ROWS), draws))
    return ScenedDialogues(selection, read, GENDERS, note, renderer=renderer)


def export(layout: str, to, settings: SceneSettings, **more):
    made = dialogues(to, settings, **more)
    done = layout_class(layout)().export(made, to, BuildFacts())
    return made, done


@pytest.mark.parametrize("layout", ["ke-speechchat", "stereo", "moshi"])
def test_another_speed_leaves_times_exact_to_the_sample(layout: str, tmp_path):
    made, _ = export(layout, tmp_path, NOISY)
    for old, row in zip(ROWS, made, strict=True):
        before, agent = (round(turn["seconds"] * RATE) for turn in row["turns"])
        speeds = [made.renderer.drawn(old, turn["role"]).speed for turn in old["turns"]]
        lasted = [round(turn["seconds"] * RATE) for turn in old["turns"]]
        assert [before, agent] == [round(n / s) for n, s in zip(lasted, speeds, strict=True)]
        if layout == "ke-speechchat":
            continue
        file = next((tmp_path / "audio").glob(f"{row['id']}.[fw]*"))
        assert soundfile.info(file).frames == before + agent
    if layout == "ke-speechchat":
        _metadata_fits_the_files(tmp_path)


def _metadata_fits_the_files(to) -> None:
    for dialogue in json.loads((to / "metadata.json").read_text()):
        clock = 0
        for turn in dialogue["dialog"]:
            frames = soundfile.info(to / "audio" / turn["audio_path"]).frames
            assert round(turn["start"] * RATE) == clock and round(turn["end"] * RATE) == clock + frames
            clock += frames
        assert round(dialogue["audio"]["duration"] * RATE) == clock


def test_word_times_move_with_the_speed(tmp_path):
    draws = Draws("test", NOISY, 3)
    for old in ROWS[:10]:
        new = scened_row(old, draws)
        for before, after in zip(old["turns"], new["turns"], strict=True):
            speed = draws.of(old["id"], old["split"], before["role"]).speed
            assert [w["end"] * speed for w in after["words"]] == pytest.approx([w["end"] for w in before["words"]])
            assert after["words"][-1]["end"] == pytest.approx(after["seconds"], abs=1 / RATE)
        assert new["seconds"] == sum(turn["seconds"] for turn in new["turns"])
    assert scened_row(ROWS[0], Draws("test", SOFT, 3)) is ROWS[0]


def test_a_channel_has_its_noise_from_end_to_end(tmp_path):
    made, _ = export("stereo", tmp_path, NOISY)
    row = next(iter(made))
    samples, _ = soundfile.read(tmp_path / "audio" / f"{row['id']}.flac", dtype="int16")
    user = round(row["turns"][0]["seconds"] * RATE)
    assert np.any(samples[user:, 0]) and np.any(samples[:user, 1])  # while the other speaks
    loud, soft = np.std(samples[:user, 0].astype(float)), np.std(samples[user:, 0].astype(float))
    assert 10 < 20 * np.log10(loud / soft) < 30  # 20 dB


def test_the_other_side_stays_the_very_samples(tmp_path):
    made, _ = export("huggingface", tmp_path, SOFT)
    row = ROWS[3]
    speech = made.speech(row)
    assert speech["agent"] == read_audio(row)["agent"] and np.array_equal(
        speech.channel("agent")[-5:], pcm(row, "agent")[-5:]
    )
    user, _ = soundfile.read(io.BytesIO(speech["user"]), dtype="int16")
    assert np.abs(user - pcm(row, "user") * 10**-0.3).max() <= 1


def test_each_written_turn_has_its_facts_and_was_searched(tmp_path):
    heard = []
    made, _ = export("whisper", tmp_path, NOISY, listen=lambda audio: heard.append(len(audio.samples)) or 0.25)
    written = {path.stem for path in (tmp_path / "audio").iterdir()}
    assert written and len(heard) == len(written)  # users alone, once each
    for row in made:
        turns = made.renderer.journal.written(row["id"])
        assert set(turns) == ({"user"} if row["id"] in written else set())
        for turn in turns.values():
            assert turn["watermark_score"] == 0.25 and turn["scene"]["noise"]["snr"] == 20.0
            assert abs(turn["scene"]["noise"]["measured_snr"] - 20.0) < 0.5


@pytest.mark.parametrize("layout", ["ke-speechchat", "stereo", "webdataset"])
def test_a_killed_export_goes_on_and_knows_all_facts(layout: str, tmp_path):
    def facts(made):
        return {row["id"]: made.renderer.journal.written(row["id"]) for row in made}

    whole, _ = export(layout, tmp_path / "whole", NOISY)
    calls = []

    def dies(row):
        calls.append(row["id"])
        if len(calls) == 25:
            raise KeyboardInterrupt
        return read_clean(row)

    with pytest.raises(KeyboardInterrupt):
        export(layout, tmp_path / "x", NOISY, read=dies)
    again, _ = export(layout, tmp_path / "x", NOISY)
    assert facts(again) == facts(whole) and all(len(turns) == 2 for turns in facts(again).values())
    left, right = snapshot(tmp_path / "x"), snapshot(tmp_path / "whole")
    assert {k: v for k, v in left.items() if JOURNAL not in k} == {k: v for k, v in right.items() if JOURNAL not in k}


def test_another_scene_replaces_the_files_and_forgets_the_facts(tmp_path):
    export("stereo", tmp_path, SOFT, note="soft")
    first = snapshot(tmp_path / "audio")
    made, done = export("stereo", tmp_path, NOISY, note="noisy")
    assert done.kept == 0 and snapshot(tmp_path / "audio") != first
    assert all("noise" in turn["scene"] for row in made for turn in made.renderer.journal.written(row["id"]).values())


def test_a_codec_goes_through_a_layout(tmp_path):
    made, _ = export("webdataset", tmp_path, SceneSettings(agent=SideSettings(codec=CodecSettings(codecs=("g722",)))))
    kinds = {
        role: [turns[role]["scene"] for row in made if (turns := made.renderer.journal.written(row["id"]))]
        for role in ("user", "agent")
    }
    assert all(scene == {"codec": "g722"} for scene in kinds["agent"]) and not any(kinds["user"])


def test_all_turns_of_a_dialogue_are_in_the_scene_at_their_places(tmp_path):
    draws, heard = Draws("test", LOUD_AND_FAST, 3), []
    for layout in ("ke-speechchat", "stereo"):
        to = tmp_path / layout
        renderer = Renderer(draws, {}, {}, lambda audio: heard.append(audio) or 0.9, SceneJournal(to, "n"))
        rows = selected(ScenedRows(InMemory(turns.ROWS), draws))
        of = Dialogues(rows, read_turns, GENDERS, "n", Timing(turns.TIMING, 5))
        made = ScenedDialogues(*(getattr(of, one.name) for one in fields(of) if one.init), renderer=renderer)
        layout_class(layout)().export(made, to, BuildFacts())
        told = {row["id"]: renderer.journal.written(row["id"]) for row in made}
        assert [len(told[row["id"]]) for row in made] == [len(row["turns"]) for row in made]
        assert all(turn["watermark_score"] is not None for one in told.values() for turn in one.values())
    items = json.loads((tmp_path / "ke-speechchat" / "metadata.json").read_text())
    for item, row in zip(items, made, strict=True):
        both = soundfile.read(tmp_path / "stereo" / "audio" / f"{item['id']}.flac", dtype="int16")[0]
        ours = turns.rebuilt(item, row, tmp_path / "ke-speechchat" / "audio")
        assert ours.shape == both.shape and np.abs(ours.astype(int) - both).max() <= 1  # a fade is rounded once more
    assert sum(place.cut for row in made for place in made.places(row)) >= 2, "some barge-ins were drawn"


def read_turns(row: dict) -> dict[str, bytes]:
    """The audio as it is in ROOT."""
    return turns.read_audio(next(own for own in turns.ROWS if own["id"] == row["id"]))
