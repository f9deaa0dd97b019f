"""One folder that several exports in scenes write into: it holds what the last one says, and no trace of the others."""

from __future__ import annotations

import json
import os
import signal
import tarfile
from pathlib import Path

import pytest

from kespeechchat.commands import scenes
from kespeechchat.commands.export import NothingToExport, Wanted, export
from kespeechchat.config.load import ConfigError
from kespeechchat.display import counted
from kespeechchat.export.folder import JOURNAL, LOCK, SCENES, STATE
from kespeechchat.records import Audio
from kespeechchat.store.audio import encode_flac
from tests.commands import test_scenes
from tests.export.gated_rows import snapshot
from tests.scenes.voices import speech

pytestmark = pytest.mark.slow

RATE = test_scenes.RATE
build = test_scenes.build
TELEPHONE = "scenes.line={user: {codec: {codecs: [g711_alaw]}}}"
LOST = {f"q-{shard}-{i}" for shard in range(4) for i in (1,)}  # whose user's turn loses its mark
LAYOUTS = ["ke-speechchat", "webdataset"]  # the one keeps each dialogue's files, the other whole shards


@pytest.fixture(scope="module")
def marked() -> list[bytes]:
    """Speech of four lengths, by which `listen` knows it."""
    return [encode_flac(Audio(speech(1.5 + i / 10, i), RATE)) for i in range(4)]


class Listener:
    """Finds no mark in speech of 1.6 s, and counts how often it is asked. `dies`: at which time it is killed."""

    def __init__(self) -> None:
        self.asked, self.dies = 0, 0

    def __call__(self, audio: Audio) -> float:
        self.asked += 1
        if self.asked == self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0.25 if len(audio.samples) == 25_600 else 0.75


@pytest.fixture
def listen(monkeypatch) -> Listener:
    """In place of the build's detector."""
    found = Listener()
    monkeypatch.setattr(scenes, "listener", lambda pipeline: found)
    return found


def line(layout: str, **more) -> Wanted:
    return Wanted(layout, scene="line", **more)


def facts(folder: Path) -> dict[str, dict]:
    return {row["id"]: row for row in map(json.loads, (folder / SCENES).read_text().splitlines())}


def ids(folder: Path) -> set[str]:
    """Of the dialogues whose audio is in the folder."""
    if (folder / "audio").exists():
        return {path.name for path in (folder / "audio").iterdir()}
    return {name.partition(".")[0] for tar in folder.glob("*.tar") for name in tarfile.open(tar).getnames()}


def files(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in snapshot(folder).items() if not name.startswith(JOURNAL)}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_lost_its_mark_leaves_a_folder_that_held_it(build, tmp_path, listen, layout):
    made = build(TELEPHONE)
    export(*made, str(tmp_path / "kept"), line(layout, require_watermark=True))
    export(*made, str(tmp_path / "x"), line(layout))
    whole = files(tmp_path / "x")
    assert ids(tmp_path / "x") == set(facts(tmp_path / "x")) >= LOST
    asked = listen.asked
    told = export(*made, str(tmp_path / "x"), line(layout, require_watermark=True))
    assert listen.asked == asked, "the same turns were searched before"
    assert ids(tmp_path / "x") == set(facts(tmp_path / "x")) and not ids(tmp_path / "x") & LOST
    assert files(tmp_path / "x") == files(tmp_path / "kept")
    assert "still found in 24 of 24 turns" in told and "lost it: 4 dialogues" in told
    export(*made, str(tmp_path / "x"), line(layout))
    assert files(tmp_path / "x") == whole and listen.asked == asked


@pytest.mark.parametrize("wanted", [line("stereo"), line("webdataset", require_watermark=True)])
def test_a_refused_export_costs_nothing_of_what_is_known(build, tmp_path, listen, wanted):
    """Of another layout: it is refused before it does anything."""
    made, to = build(TELEPHONE), tmp_path / "x"
    export(*made, str(to), line("lhotse"))
    before, asked = snapshot(to), listen.asked
    with pytest.raises(ConfigError, match="holds an export of layout lhotse"):
        export(*made, str(to), wanted)
    assert snapshot(to) == before and listen.asked == asked
    told = export(*made, str(to), line("lhotse"))
    assert "of an earlier run kept" in told and files(to) == {k: v for k, v in before.items() if JOURNAL not in k}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_of_others_gets_no_journal(build, tmp_path, listen, layout):
    mine = tmp_path / "x" / "audio" / "mine.wav"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(ConfigError, match="holds files that no export made"):
        export(*build(TELEPHONE), str(tmp_path / "x"), line(layout, require_watermark=True))
    assert list(snapshot(tmp_path / "x")) == ["audio/mine.wav"] and listen.asked == 0


def test_an_option_that_names_the_default_keeps_files_and_facts(build, tmp_path, listen):
    made, to = build(TELEPHONE), tmp_path / "x"
    export(*made, str(to), line("stereo"))
    before, asked = files(to), listen.asked
    told = export(*made, str(to), line("stereo", options={"left": "user", "fan_out_beyond": "500"}))
    assert "16 of an earlier run kept" in told and files(to) == before and listen.asked == asked


def test_facts_stay_with_the_files_that_another_partition_keeps(build, tmp_path, listen):
    """The default layout keeps the audio of the dialogues that both partitions hold."""
    sizes = "partitions.sizes={XS: {fraction: 0.3}, XL: {fraction: 1}}"
    made, to = build(TELEPHONE, sizes), tmp_path / "x"
    export(*made, str(tmp_path / "small"), line("ke-speechchat", partition="XS"))
    export(*made, str(tmp_path / "large"), line("ke-speechchat"))
    for partition, alone in (("XS", "small"), (None, "large"), ("XS", "small")):
        told = export(*made, str(to), line("ke-speechchat", partition=partition))
        assert files(to) == files(tmp_path / alone), partition
    assert "of an earlier run kept" in told and len(facts(to)) < len(facts(tmp_path / "large"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_journal_that_was_removed_takes_the_files_with_it(build, tmp_path, listen, layout):
    made, to = build(TELEPHONE), tmp_path / "x"
    export(*made, str(to), line(layout))
    before = files(to)
    (to / JOURNAL).unlink()
    told = export(*made, str(to), line(layout))
    assert "earlier run kept" not in told and files(to) == before and len(facts(to)) == 16


@pytest.mark.parametrize("layout", LAYOUTS)
def test_clean_speech_leaves_nothing_of_the_scene(build, tmp_path, listen, layout):
    made, to = build(TELEPHONE), tmp_path / "x"
    export(*made, str(tmp_path / "clean"), Wanted(layout))
    export(*made, str(to), line(layout))
    export(*made, str(to), Wanted(layout, scene="clean"))
    assert snapshot(to) == snapshot(tmp_path / "clean")
    export(*made, str(to), line(layout))
    assert len(facts(to)) == 16


def killed(work) -> None:
    """Runs it in a process that is killed over it."""
    if not (pid := os.fork()):
        try:
            work()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dies", [1, 14])
def test_a_killed_export_goes_on_under_its_note(build, tmp_path, listen, layout, dies: int):
    made, to = build(TELEPHONE), tmp_path / "x"
    export(*made, str(tmp_path / "whole"), line(layout))
    asked, listen.asked, listen.dies = listen.asked, 0, dies
    killed(lambda: export(*made, str(to), line(layout)))
    note = (to / STATE).read_text()
    assert (to / LOCK).exists(), "what a killed export leaves keeps nobody out"
    assert note == (tmp_path / "whole" / STATE).read_text() and not (to / SCENES).exists()
    listen.dies = 0
    export(*made, str(to), line(layout))
    assert files(to) == files(tmp_path / "whole") and listen.asked == asked - (dies - 1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_scene_after_a_killed_one_is_all_its_own(build, tmp_path, listen, layout):
    made, to = build(TELEPHONE, "scenes.soft={user: {level: {gain: [-9, -3]}}}"), tmp_path / "x"
    export(*made, str(tmp_path / "soft"), Wanted(layout, scene="soft"))
    listen.asked, listen.dies = 0, 9
    killed(lambda: export(*made, str(to), line(layout)))
    listen.dies = 0
    export(*made, str(to), Wanted(layout, scene="soft"))
    assert files(to) == files(tmp_path / "soft")


def test_a_search_that_is_killed_costs_nothing_of_what_stands(build, tmp_path, listen):
    made, to = build(TELEPHONE, "scenes.soft={user: {level: {gain: [-9, -3]}}}"), tmp_path / "x"
    export(*made, str(to), line("stereo"))
    before, listen.asked, listen.dies = files(to), 0, 9
    killed(lambda: export(*made, str(to), Wanted("stereo", scene="soft", require_watermark=True)))
    listen.asked = listen.dies = 0
    told = export(*made, str(to), line("stereo"))
    assert files(to) == before and listen.asked == 0 and "16 of an earlier run kept" in told


PARTS = ("partitions.sizes={S: {fraction: 0.5}, XL: {fraction: 1}}", "subsets.tts.utterances={zh: 3, en: 3}")


@pytest.mark.parametrize("layout", ["whisper", "cosyvoice"])
def test_the_mark_is_asked_of_the_turns_in_the_subset_alone(build, tmp_path, listen, layout):
    made = build(TELEPHONE, *PARTS)
    export(*made, str(tmp_path / "all"), line(layout))
    asked, listen.asked = listen.asked, 0
    told = export(*made, str(tmp_path / "kept"), line(layout, require_watermark=True))
    every, limit = facts(tmp_path / "all"), made[0].watermark_threshold
    lost = {name for name, row in every.items() if any(turn["watermark_score"] < limit for turn in row["turns"])}
    assert 0 < len(lost) < len(every) < 16, "else this test says nothing"
    assert listen.asked == asked, "a turn that is not written was searched"
    assert facts(tmp_path / "kept") == {name: row for name, row in every.items() if name not in lost}
    assert f"lost it: {counted(len(lost), 'dialogue')}" in told
    written, before = (files(tmp_path / folder) for folder in ("kept", "all"))
    audio = {name for name in before if name.startswith("audio/")}
    assert {name for name in written if name.startswith("audio/")} < audio, "nothing takes the place of what is lost"


@pytest.mark.parametrize("layout", ["whisper", "cosyvoice"])
def test_a_subset_that_lost_every_mark_is_no_export(build, tmp_path, monkeypatch, layout):
    monkeypatch.setattr(scenes, "listener", lambda pipeline: lambda audio: 0.25)
    wanted = Wanted(layout, scene="all", require_watermark=True)
    made = build("scenes.all={user: {level: {gain: [-9, -3]}}, agent: {level: {gain: [-9, -3]}}}", *PARTS)
    with pytest.raises(NothingToExport, match="no dialogue keeps its watermark in this scene"):
        export(*made, str(tmp_path / "x"), wanted)


def test_an_export_without_audio_leaves_nothing_of_the_scene(build, tmp_path, listen):
    made, to = build(TELEPHONE), tmp_path / "x"
    export(*made, str(tmp_path / "text"), Wanted(audio=False))
    export(*made, str(to), line("ke-speechchat"))
    told = export(*made, str(to), Wanted(audio=False))
    assert "32 files of an earlier export removed: their dialogues are gone, or written otherwise now" in told
    assert snapshot(to) == snapshot(tmp_path / "text")
    assert not (to / "audio").exists()
    export(*made, str(to), line("ke-speechchat"))
    assert len(ids(to)) == len(facts(to)) == 16


def test_an_export_without_audio_leaves_the_audio_of_the_same_dialogues(build, tmp_path):
    made, to = build(), tmp_path / "x"
    export(*made, str(to), Wanted())
    before = snapshot(to)
    told = export(*made, str(to), Wanted(audio=False))
    assert "removed" not in told
    assert {k: v for k, v in snapshot(to).items() if "audio/" in k} == {
        k: v for k, v in before.items() if "audio/" in k
    }
    assert "32 of an earlier run kept" in export(*made, str(to), Wanted()) and snapshot(to) == before


def test_an_export_without_audio_writes_into_no_folder_of_another_layout(build, tmp_path):
    made, to = build(), tmp_path / "x"
    export(*made, str(to), Wanted("stereo"))
    before = snapshot(to)
    with pytest.raises(ConfigError, match="holds an export of layout stereo"):
        export(*made, str(to), Wanted(audio=False))
    assert snapshot(to) == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_two_exports_do_not_write_into_one_folder_at_once(build, tmp_path, listen, monkeypatch, layout):
    made, to, refused = build(TELEPHONE), tmp_path / "x", []
    export(*made, str(tmp_path / "alone"), line(layout))

    def meanwhile(audio: Audio) -> float:
        if not refused:
            for wanted in (Wanted(layout), line(layout), Wanted(audio=False)):
                with pytest.raises(ConfigError, match="another export writes into it; wait until it ends"):
                    export(*made, str(to), wanted)
                refused.append(wanted)
        return listen(audio)

    monkeypatch.setattr(scenes, "listener", lambda pipeline: meanwhile)
    export(*made, str(to), line(layout))
    assert len(refused) == 3 and files(to) == files(tmp_path / "alone") and not (to / LOCK).exists()
