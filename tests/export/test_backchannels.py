"""Backchannels in every layout that has them: metadata, files and channels say the same."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kespeechchat.config.backchannels import BackchannelTiming
from kespeechchat.config.timing import Offsets, TimingSettings
from kespeechchat.dataset.backchannels import Sound
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.timeline import Timing
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts import make_layout
from tests.export.gated_rows import GENDERS, RATE, dialogue, flac, selected

OFTEN = TimingSettings(
    agent_after_user=Offsets(mean=0.1),
    backchannels=BackchannelTiming(probability=0.8, gap=0.2, min_pause=0.05, beyond=0.1),
)
TEXTS = {"en": "Right.", "zh": "对。"}
VOICES = [voice for voice in GENDERS if voice != "SPK4f"]  # of one voice no word was kept
SOUNDS = {(voice, language): [Sound(text, 800, RATE)] for voice in VOICES for language, text in TEXTS.items()}
WORDS = {"kept": 14, "error_rate": 2}


def listened(i: int) -> dict:
    row = dialogue(i)
    for turn, seconds in zip(row["turns"], (1.0, 2.0), strict=True):
        pauses = [{"start": at, "end": at + 0.08} for at in (0.3, 0.7, 1.2) if at < seconds - 0.4]
        turn |= {"seconds": seconds, "silences": pauses, "words": [{"text": "w", "start": 0.1, "end": seconds}]}
    return row | {"seconds": 3.0}


ROWS = [listened(i) for i in range(12)]


def pcm(row: dict, index: int) -> np.ndarray:
    rng = np.random.default_rng([int(row["id"][-3:]), index])
    return rng.integers(1, 8000, round(row["turns"][index]["seconds"] * RATE)).astype(np.int16)


def word_pcm(voice: str, language: str) -> np.ndarray:
    return np.random.default_rng([VOICES.index(voice), len(language), ord(language[0])]).integers(1, 99, 800, np.int16)


def export(to: Path, layout: str, timing: TimingSettings = OFTEN, content: str = "c"):
    of = Dialogues(
        selected(ROWS),
        lambda row: {name: flac(pcm(row, k)) for k, name in enumerate(("user", "agent"))},
        GENDERS,
        content,
        Timing(timing, 5, SOUNDS),
        read_word=lambda voice, language, text: flac(word_pcm(voice, language)),
    )
    return make_layout(layout).export(of, to, BuildFacts(voice_words=WORDS))


def test_a_timeline_is_drawn_once_a_row():
    class Counting(Timing):
        def places(self, row):
            drawn.append(("places", row["id"]))
            return super().places(row)

        def backchannels(self, row, places):
            drawn.append(("backchannels", row["id"]))
            return super().backchannels(row, places)

    drawn: list[tuple[str, str]] = []
    dialogues = Dialogues(
        selected(ROWS),
        lambda row: {name: flac(pcm(row, k)) for k, name in enumerate(("user", "agent"))},
        GENDERS,
        timing=Counting(OFTEN, 5, SOUNDS),
        read_word=lambda voice, language, text: flac(word_pcm(voice, language)),
    )
    for row in (*ROWS[:3], *ROWS[:3]):
        places = dialogues.places(row)
        said = dialogues.backchannels(row, places)
        assert list(dialogues.speech(row))[2:] == [one.name for one in said]
        assert dialogues.places(row) == Timing(OFTEN, 5, SOUNDS).places(row)
    assert drawn == 2 * [(what, row["id"]) for row in ROWS[:3] for what in ("places", "backchannels")]


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> tuple[Path, dict[str, dict]]:
    to = tmp_path_factory.mktemp("paper")
    export(to, "ke-speechchat")
    return to, {item["id"]: item for item in json.loads((to / "metadata.json").read_text())}


def test_metadata_says_where_each_word_is_and_which_file_it_is(paper):
    to, items = paper
    assert sum(len(item.get("backchannels", ())) for item in items.values()) > 10
    for row in ROWS:
        item = items[row["id"]]
        assert "backchannels" not in item or item["backchannels"]
        for one in item.get("backchannels", ()):
            turn = item["dialog"][one["turn"]]
            assert turn["start"] < one["start"] < one["end"] < turn["end"]
            assert one["channel"] == 1 - turn["channel"] and one["text"] == TEXTS[row["language"]]
            assert one["speaker"] == item["dialog"][1 - one["turn"]]["speaker"] != "SPK4f"
            sound = soundfile.read(to / "audio" / one["audio_path"], dtype="int16")[0]
            assert np.array_equal(sound, word_pcm(one["speaker"], row["language"]))
    for row in ROWS:
        if row["turns"][0]["voice"] == "SPK4f":
            assert all(one["channel"] == 1 for one in items[row["id"]].get("backchannels", ()))


def test_the_channels_are_those_of_metadata_and_files(paper, tmp_path):
    to, items = paper
    export(tmp_path, "stereo")
    for line in map(json.loads, (tmp_path / "dialogues.jsonl").read_text().splitlines()):
        item = items[line["id"]]
        out = np.zeros((round(item["audio"]["duration"] * RATE), 2), np.int16)
        for one in [*item["dialog"], *item.get("backchannels", ())]:
            sound, start = (
                soundfile.read(to / "audio" / one["audio_path"], dtype="int16")[0],
                round(one["start"] * RATE),
            )
            assert not out[start : start + len(sound), one["channel"]].any(), "a channel speaks once at a time"
            out[start : start + len(sound), one["channel"]] = sound
        assert np.array_equal(soundfile.read(tmp_path / line["audio"], dtype="int16")[0], out)
        kept = ("text", "start", "end", "turn")
        assert [{k: one[k] for k in kept} for one in line.get("backchannels", ())] == [
            {k: one[k] for k in kept} for one in item.get("backchannels", ())
        ]


@pytest.mark.parametrize("layout", ["lhotse", "nemo-duplex"])
def test_supervisions_have_them(paper, layout, tmp_path):
    export(tmp_path, layout)
    for file in tmp_path.glob("*/cuts.*.jsonl.gz"):
        for cut in map(json.loads, gzip.decompress(file.read_bytes()).splitlines()):
            item = paper[1][cut["id"]]
            found = [s for s in cut["supervisions"] if "backchannel_in" in s["custom"]]
            assert len(cut["supervisions"]) == 2 + len(found)
            for one, wanted in zip(found, item.get("backchannels", ()), strict=True):
                assert (round(one["start"], 6), one["text"]) == (wanted["start"], wanted["text"])
                assert one["start"] + one["duration"] == pytest.approx(wanted["end"], abs=1e-6)
                assert one["custom"]["backchannel_in"] == wanted["turn"] and one["custom"]["voice"] == wanted["speaker"]


def test_moshi_has_the_agents_words(paper, tmp_path):
    export(tmp_path, "moshi")
    for row in ROWS:
        said = json.loads((tmp_path / "audio" / f"{row['id']}.json").read_text())["alignments"]
        wanted = [o for o in paper[1][row["id"]].get("backchannels", ()) if o["channel"] == 1]
        text = TEXTS[row["language"]]
        assert [span for word, span, _ in said if word == text] == [
            [pytest.approx(o["start"], abs=1e-4), pytest.approx(o["end"], abs=1e-4)] for o in wanted
        ]
        assert said == sorted(said, key=lambda word: word[1])


def test_figures_and_card_count_them(paper):
    to, items = paper
    count = sum(len(item.get("backchannels", ())) for item in items.values())
    found = json.loads((to / "statistics.json").read_text())["timeline"]
    assert sum(found["backchannels"]["words"].values()) == count == found["backchannels"]["seconds"]["count"]
    assert found["voice_words"] == WORDS
    for page in ("statistics.md", "README.md"):
        text = (to / page).read_text("utf-8")
        assert f"{count} backchannels: Right. " in text
        assert (
            "The voices say 14 words of which they are made, each spoken once; 2 were rejected (error_rate 2)." in text
        )


def test_an_export_again_keeps_their_files_and_one_without_removes_them(tmp_path):
    first = export(tmp_path, "ke-speechchat")
    assert export(tmp_path, "ke-speechchat").kept == first.written
    words = list((tmp_path / "audio").rglob("*_back*_mark.wav"))
    before = words[0].read_bytes()
    words[0].unlink()
    assert export(tmp_path, "ke-speechchat").written < first.written and words[0].read_bytes() == before
    export(tmp_path, "ke-speechchat", TimingSettings(agent_after_user=Offsets(mean=0.1)), content="d")
    assert not list((tmp_path / "audio").rglob("*_back*"))
    assert "backchannels" not in json.loads((tmp_path / "statistics.json").read_text())["timeline"]
