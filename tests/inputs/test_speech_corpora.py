"""A small copy of each published corpus, made here with tiny audio, is recognized and read."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.inputs import SpeechInput
from kespeechchat.config.load import ConfigError
from kespeechchat.inputs.reading import input_digest
from kespeechchat.inputs.speech import audio_files
from tests.fuzzing import broken
from tests.inputs.test_speech import lines, read, write


def sound(path: Path, seconds: float = 0.1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(seconds * 8000)), 8000)
    return path


def told(path: Path, *keys: str, **more: Any) -> tuple[list[tuple[Any, ...]], list[str], str]:
    """These fields of each clip, sorted; the problems; the line about the corpus."""
    clips, rows, line = read(path, **more)
    assert all(Path(clip["path"]).is_file() for clip, row in zip(clips, rows, strict=True) if row.problem is None)
    found = sorted((tuple(c.get(k) for k in keys) for c in clips), key=str)
    return found, [r.problem for r in rows if r.problem], line


def librispeech(folder: Path) -> Path:
    for chapter in ("84/121123", "84/121550", "174/50561"):
        speaker, number = chapter.split("/")
        name = f"{speaker}-{number}"
        for n in (0, 1):
            sound(folder / "LibriSpeech/dev-clean" / chapter / f"{name}-{n:04}.flac")
        texts = f"{name}-0000 GO DO YOU HEAR\n{name}-0001 BUT IN LESS THAN FIVE MINUTES\n"
        write(folder / "LibriSpeech/dev-clean" / chapter / f"{name}.trans.txt", texts)
    write(
        folder / "LibriSpeech/SPEAKERS.TXT", ";ID |SEX| SUBSET\n84   | F | dev-clean | 8.02 | A\n174  | M | dev-clean\n"
    )
    write(folder / "LibriSpeech/dev-clean/84/121123/._84-121123-0000.flac", b"\0\5\x16\7")
    write(folder / "LibriSpeech/dev-clean/84/121123/._84-121123.trans.txt", b"\0\5\x16\7")
    return folder / "LibriSpeech"


@pytest.mark.parametrize("inside", [".", "dev-clean", "dev-clean/84"])
def test_librispeech(tmp_path: Path, inside: str) -> None:
    clips, problems, line = told(librispeech(tmp_path) / inside, "speaker", "recording", "gender", "language")
    assert not problems and len(clips) == (4 if inside.endswith("84") else 6)
    assert ("librispeech/84", "84/121550", "F", "en") in clips and ("librispeech/84", "84/121123", "F", "en") in clips
    if inside == ".":
        assert line == "LibriSpeech: LibriSpeech, 2 people in 3 recordings, 6 clips"
        assert clips[0] == ("librispeech/174", "174/50561", "M", "en")


def test_a_clip_without_a_line_in_the_transcripts_is_told(tmp_path: Path) -> None:
    sound(librispeech(tmp_path) / "dev-clean/84/121123/84-121123-0002.flac")
    _, problems, line = told(tmp_path / "LibriSpeech", "transcript")
    assert len(problems) == 1 and "84-121123-0002.flac has no line in the corpus's transcripts" in problems[0]
    assert line.endswith("6 clips; 1 malformed")


@pytest.mark.parametrize("inside", [".", "wav", "wav/train"])
def test_aishell_1(tmp_path: Path, inside: str) -> None:
    root = tmp_path / "data_aishell"
    for part, name in [("train", "BAC009S0002W0122"), ("train", "BAC009S0002W0123"), ("dev", "BAC009S0724W0121")]:
        sound(root / "wav" / part / name[6:11] / f"{name}.wav")
    texts = "BAC009S0002W0122 而 对 楼市\nBAC009S0002W0123 用 iPhone 手机\nBAC009S0724W0121 广州市\n"
    write(root / "transcript/aishell_transcript_v0.8.txt", texts)
    write(tmp_path / "resource_aishell/speaker.info", "0002 F\n0724 M\n")
    clips, problems, line = told(root / inside, "speaker", "recording", "transcript", "gender", "language")
    assert not problems and clips[:2] == [
        ("aishell1/S0002", "S0002", "用iPhone手机", "F", "zh"),
        ("aishell1/S0002", "S0002", "而对楼市", "F", "zh"),
    ]
    assert len(clips) == (2 if inside == "wav/train" else 3) and "AISHELL-1" in line


def test_aishell_3(tmp_path: Path) -> None:
    for part, name in [("train", "SSB00050001"), ("train", "SSB00050002"), ("test", "SSB00110001")]:
        sound(tmp_path / part / "wav" / name[:7] / f"{name}.wav")
    write(
        tmp_path / "train/content.txt",
        "SSB00050001.wav\t广 guang3 州 zhou1 女 nv3 大 da4\nSSB00050002.wav\t花儿 huar1 开 kai1\n",
    )
    write(tmp_path / "test/content.txt", "SSB00110001.wav\t你 ni3 好 hao3\n")
    write(tmp_path / "spk-info.txt", "# header\nSSB0005\tB\tfemale\tnorth\nSSB0011\tC\tmale\tsouth\n")
    clips, problems, line = told(tmp_path, "speaker", "transcript", "gender")
    assert not problems and clips == [
        ("aishell3/SSB0005", "广州女大", "female"),
        ("aishell3/SSB0005", "花儿开", "female"),
        ("aishell3/SSB0011", "你好", "male"),
    ]
    assert ": AISHELL-3, 2 people in 2 recordings, 3 clips" in line


def test_wenetspeech4tts(tmp_path: Path) -> None:
    for name, text in [
        ("X0000000001_7178_S00000", "吃的时候"),
        ("X0000000001_7178_S00001", "我们"),
        ("Y2_9_S00000", ""),
    ]:
        sound(tmp_path / "WenetSpeech4TTS_Premium_0/wavs" / f"{name}.wav")
        write(
            tmp_path / "WenetSpeech4TTS_Premium_0/txts" / f"{name}.txt", f"{name}\t{text}\n[[0, 1]]\n" if text else ""
        )
    clips, problems, line = told(tmp_path, "recording", "speaker", "transcript")
    assert clips[:2] == [("X0000000001_7178", None, "吃的时候"), ("X0000000001_7178", None, "我们")]
    assert len(problems) == 1 and "is empty" in problems[0] and "WenetSpeech4TTS, 1 recording, 2 clips; 1 mal" in line


@pytest.mark.parametrize("inside", [".", "validated.tsv"])
def test_common_voice(tmp_path: Path, inside: str) -> None:
    sound(tmp_path / "en/clips/a.wav")
    sound(tmp_path / "en/clips/b.wav")
    head = "client_id\tpath\tsentence_id\tsentence\tup_votes\tage\tgender\taccents\tlocale\tsegment\n"
    rows = 'c1\ta.wav\ts1\t"Hey, you!\t2\t\tfemale_feminine\t\tzh-CN\t\nc1\tb.wav\ts2\tTwo\t2\t\t\t\tzh-CN\t\n'
    write(tmp_path / "en/validated.tsv", head + rows)
    clips, problems, line = told(tmp_path / "en" / inside, "recording", "transcript", "gender", "language")
    assert not problems and ": Common Voice, 1 recording, 2 clips" in line
    assert clips == [("c1", '"Hey, you!', "female_feminine", "zh"), ("c1", "Two", None, "zh")]


def test_a_nemo_manifest(tmp_path: Path) -> None:
    sound(tmp_path / "audio/a.wav", 2)
    row = {"audio_filepath": "audio/a.wav", "text": "hello", "duration": 1.0, "speaker": 3, "lang": "en"}
    path = write(tmp_path / "train_manifest.json", lines([row, {**row, "offset": 0.5, "duration": 1.4}]))
    clips, problems, line = told(path, "recording", "transcript", "start", "duration")
    assert not problems and line == "train_manifest.json: a NeMo manifest, 1 recording, 2 clips, 0.0 h"
    assert clips == [("3", "hello", 0.5, 1.4), ("3", "hello", None, None)]


def test_a_manifest_whose_paths_name_the_person(tmp_path: Path) -> None:
    rows = [{"audio_filepath": f"wav/ann/{n}.wav", "text": "hello", "duration": 1.0} for n in (1, 2)]
    path = write(tmp_path / "m.json", lines([*rows, {**rows[0], "audio_filepath": "stray.wav"}]))
    clips, planned, _ = read(path, language="en", speaker_folder=2)
    assert [c.get("recording") for c in clips] == ["ann", "ann", None]
    assert planned[2].problem and planned[2].problem.startswith(
        "m.json:3: no recording id (its columns: audio_filepath"
    )


def _lhotse(tmp_path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    sound(tmp_path / "audio/call.wav", 4)
    source = {"type": "file", "channels": [0, 1], "source": "audio/call.wav"}
    recording = {"id": "call", "sources": [source], "sampling_rate": 8000, "num_samples": 32000, "duration": 4.0}
    said = {"recording_id": "call", "language": "English", "gender": "female", "text": "hello"}
    return recording, [
        {"id": "call-0", "start": 0.5, "duration": 1.0, "channel": 0, "speaker": "ann", **said},
        {"id": "call-1", "start": 2.0, "duration": 1.5, "channel": 1, "speaker": "bob", **said},
    ]


KEYS = ("speaker", "recording", "start", "duration", "channel", "language")
PARTS = [("ann", "call", 0.5, 1.0, "0", "en"), ("bob", "call", 2.0, 1.5, "1", "en")]


@pytest.mark.parametrize("inside", [".", "set_supervisions_dev.jsonl.gz"])
def test_lhotse_recordings_and_supervisions(tmp_path: Path, inside: str) -> None:
    recording, said = _lhotse(tmp_path)
    write(tmp_path / "set_recordings_dev.jsonl.gz", gzip.compress(lines([recording]).encode()))
    lost = {**said[0], "recording_id": "gone"}
    write(tmp_path / "set_supervisions_dev.jsonl.gz", gzip.compress(lines([*said, lost]).encode()))
    clips, rows, line = read(tmp_path / inside)
    assert [tuple(c[k] for k in KEYS) for c in clips[:2]] == PARTS
    problem = "set_supervisions_dev.jsonl.gz:3: recording_id is 'gone', and set_recordings_dev.jsonl.gz has no such"
    assert rows[2].problem and rows[2].problem.startswith(problem)
    assert "lhotse recordings and supervisions, 2 people in 1 recording, 2 clips, 0.0 h; 1 malformed" in line


def test_lhotse_cuts(tmp_path: Path) -> None:
    recording, said = _lhotse(tmp_path)
    cut = {"id": "c", "start": 0.5, "duration": 3.0, "channel": [0, 1], "type": "MultiCut", "recording": recording}
    cut["start"] = 1.0  # within what ann says
    inside = [{**one, "start": one["start"] - 1.0} for one in said]
    path = write(tmp_path / "cuts.jsonl", lines([{**cut, "supervisions": inside}, {**cut, "supervisions": []}]))
    clips, rows, _ = read(path)
    assert [tuple(c[k] for k in KEYS) for c in clips[:2]] == PARTS
    assert rows[2].problem and rows[2].problem.startswith("cuts.jsonl:2: a cut without")


@pytest.mark.parametrize("start", [10**400, -1.0, "0", None, True, float("inf")])
def test_a_start_that_is_no_time_is_told(tmp_path: Path, start: object) -> None:
    recording, said = _lhotse(tmp_path)
    cut = {"id": "c", "start": 0, "recording": recording, "supervisions": [{**said[0], "start": start}]}
    _, rows, _ = read(write(tmp_path / "cuts.jsonl", lines([cut])))
    assert rows[0].problem and rows[0].problem.startswith("cuts.jsonl:1: start is ")


def test_lhotse_itself_writes_what_is_read(tmp_path: Path) -> None:
    import lhotse

    file = sound(tmp_path / "a.wav", 1)
    recording = lhotse.Recording.from_file(file)
    said = lhotse.SupervisionSegment("s", recording.id, 0.0, 1.0, speaker="ann", text="hello", language="en")
    lhotse.RecordingSet.from_recordings([recording]).to_file(tmp_path / "x_recordings.jsonl.gz")
    lhotse.SupervisionSet.from_segments([said]).to_file(tmp_path / "x_supervisions.jsonl.gz")
    cut = recording.to_cut()
    cut.supervisions = [said]
    lhotse.CutSet.from_cuts([cut]).to_file(tmp_path / "cuts.jsonl.gz")
    for name in (".", "cuts.jsonl.gz"):
        clips, problems, _ = told(tmp_path / name, "speaker", "recording", "transcript", "start")
        assert clips == [("ann", "a", "hello", None)] and not problems


def test_supervisions_alone_are_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "x_supervisions.jsonl", lines(_lhotse(tmp_path)[1]))
    with pytest.raises(ConfigError, match=r"put x_recordings\.jsonl beside them"):
        read(path)


def test_a_folder_whose_people_are_a_level(tmp_path: Path) -> None:
    for name in ("train/ann/monday/1.wav", "train/ann/friday/1.wav", "train/bob/1.wav", "train/stray.wav"):
        sound(tmp_path / name)
    found, rows, line = read(tmp_path, language="en", speaker_folder=2)
    clips, problems = [(c.get("speaker"), c["recording"]) for c in found], [r.problem for r in rows if r.problem]
    assert {("ann", "train/ann/monday"), ("ann", "train/ann/friday"), ("bob", "train/bob")} <= set(clips)
    assert len(problems) == 1 and "train/stray.wav is in 1 folders" in problems[0]
    assert ": a folder of audio, 2 people in 3 recordings, 3 clips; 1 malformed" in line


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    sound(tmp_path / "ann/1.wav")
    write(tmp_path / "ann/._1.wav", b"\0\5\x16\7")
    write(tmp_path / ".cache/1.wav", b"")
    assert audio_files(tmp_path) == [tmp_path / "ann/1.wav"]


def test_a_changed_transcript_is_read_again(tmp_path: Path) -> None:
    item = SpeechInput(path=str(librispeech(tmp_path)))
    before = input_digest(item, "")
    assert input_digest(item, "") == before
    chapter = tmp_path / "LibriSpeech/dev-clean/84/121123/84-121123.trans.txt"
    write(chapter, "84-121123-0000 GO\n")
    assert input_digest(item, "") != before


def test_a_channel_of_the_profile_is_planned(tmp_path: Path) -> None:
    sound(tmp_path / "a/1.wav")
    assert read(tmp_path, language="en", channel=1)[0][0]["channel"] == "1"


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_broken_corpora_are_rows_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("broken")
    recording, said = _lhotse(folder)
    cut = {"id": "c", "start": 0, "duration": 4.0, "type": "MonoCut", "recording": recording, "supervisions": said}
    write(folder / "cuts.jsonl", data.draw(broken(lines([cut, cut]).encode())))
    libri = librispeech(folder)
    chapter = next(libri.rglob("84-121123.trans.txt"))
    chapter.write_bytes(data.draw(broken(chapter.read_bytes())))
    write(libri / "SPEAKERS.TXT", data.draw(broken((libri / "SPEAKERS.TXT").read_bytes())))
    for path in (folder / "cuts.jsonl", libri):
        try:
            rows = read(path, language="en")[1]
        except ConfigError as error:
            assert str(path) in str(error)
            continue
        for row in rows:
            assert row.problem is None or row.problem.startswith(f"{row.file}:{row.line}: ")
