"""Speech manifests as people have them: kinds of file, names of columns, numbers, quotation marks, equal names."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.inputs import Speech, SpeechInput
from kespeechchat.config.load import ConfigError
from kespeechchat.inputs.sharding import shard_inputs
from kespeechchat.inputs.speech import CorpusFacts, speech_rows
from kespeechchat.store.local import LocalFolder
from kespeechchat.store.manifest import PlannedRow
from tests.fuzzing import broken

QUOTED = 'path\trecording\ttranscript\tlanguage\na.wav\tr1\t"Good evening, said the guard\ten\nb.wav\tr1\tTwo.\ten\n'
QUOTED += 'c.wav\tr2\tThree" she answered.\ten\nd.wav\tr2\tFour.\ten\n'
NUMBERS = [{"path": f"{n}.wav", "speaker": n, "text": "Good morning.", "language": "en"} for n in (0, 1)]


def read(path: Path, **more: Any) -> tuple[list[dict[str, Any]], list[PlannedRow], str]:
    """The clips as planned, their rows, and the line about the corpus."""
    facts = CorpusFacts(path.name)
    rows = list(speech_rows(SpeechInput(path=str(path), **more), facts))
    return [json.loads(row.raw) for row in rows], rows, facts.line()


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def test_a_quotation_mark_in_tsv_is_text(tmp_path: Path) -> None:
    clips, rows, line = read(write(tmp_path / "q.tsv", QUOTED))
    assert [c["transcript"] for c in clips] == [
        '"Good evening, said the guard',
        "Two.",
        'Three" she answered.',
        "Four.",
    ]
    assert not any(row.problem for row in rows) and [row.line for row in rows] == [2, 3, 4, 5]
    assert line == "q.tsv: a manifest, 2 recordings, 4 clips"


def test_a_quotation_mark_in_csv_goes_around_a_field(tmp_path: Path) -> None:
    path = write(tmp_path / "q.csv", 'path,recording,text\na.wav,r,"One, two\nthree"\nb.wav,r,four\n')
    clips, rows, _ = read(path, language="en")
    assert [c["transcript"] for c in clips] == ["One, two\nthree", "four"] and [r.line for r in rows] == [2, 4]


def test_a_separator_too_many_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    _, rows, line = read(write(tmp_path / "q.csv", "path,recording\na.wav,r,x\nb.wav,r\n"), language="en")
    assert [row.problem is None for row in rows] == [False, True]
    assert rows[0].problem and rows[0].problem.startswith("q.csv:2: 3 fields, the header names 2")
    assert line.endswith("1 clip; 1 malformed")


@pytest.mark.parametrize("name", ["n.jsonl", "n.json", "n.jsonl.gz", "n.parquet", "floats.parquet"])
def test_numbers_are_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "n.json":
        write(path, json.dumps(NUMBERS, indent=1))
    elif name.endswith("parquet"):
        table = pa.Table.from_pylist(NUMBERS)
        kind = pa.float64() if name.startswith("f") else pa.int64()
        pq.write_table(table.set_column(1, "speaker", table["speaker"].cast(kind)), path)
    else:
        write(path, gzip.compress(lines(NUMBERS).encode()) if name.endswith("gz") else lines(NUMBERS))
    clips, rows, _ = read(path)
    assert [c["recording"] for c in clips] == ["0", "1"] and not any(row.problem for row in rows)


@pytest.mark.parametrize("value", [True, [1], {"bytes": "x"}, float("nan")])
def test_what_is_no_text_is_told_with_line_and_field(tmp_path: Path, value: object) -> None:
    path = write(tmp_path / "m.jsonl", lines([*NUMBERS, {**NUMBERS[0], "speaker": value}]))
    _, rows, _ = read(path)
    assert [row.problem is None for row in rows] == [True, True, False]
    assert rows[2].problem and rows[2].problem.startswith("m.jsonl:3: speaker is ") and "not text" in rows[2].problem


@pytest.mark.parametrize("name", ["m.jsonl", "m.tsv", "m.csv", "m.json"])
def test_a_byte_order_mark_is_no_text(tmp_path: Path, name: str) -> None:
    separator = "\t" if name.endswith("tsv") else ","
    texts = {".jsonl": lines(NUMBERS), ".json": json.dumps(NUMBERS)}
    table = f"path{separator}speaker{separator}language\na.wav{separator}7{separator}en\n"
    clips, rows, _ = read(write(tmp_path / name, b"\xef\xbb\xbf" + texts.get(Path(name).suffix, table).encode()))
    assert clips and not any(row.problem for row in rows)


def test_the_same_file_name_in_two_folders_is_two_clips(tmp_path: Path) -> None:
    rows = [{"path": f"s{n}/0001.wav", "speaker": "A", "language": "en"} for n in (1, 2, 2)]
    _, planned, _ = read(write(tmp_path / "m.jsonl", lines(rows)))
    first, second, again = (row.id for row in planned)
    assert first != second and second == again
    alone = read(write(tmp_path / "m.jsonl", lines(rows[:1])))[1]
    assert alone[0].id == first, "an id must not depend on what comes behind it"


def test_ids_are_those_of_version_0_1_0(tmp_path: Path) -> None:
    rows = [{"path": "s1/0001.wav", "speaker": "A", "language": "en", "gender": "F", "text": "One."}]
    assert read(write(tmp_path / "clips.jsonl", lines(rows)))[1][0].id == "clips-3401b363e4332913"


def test_a_recipe_may_name_recordings_by_numbers(tmp_path: Path) -> None:
    text = "recordings: [{id: 0, language: en, style: {af_heart: 1}, clips: [1984, {text: [no]}, {text: ''}]}]"
    clips, rows, line = read(write(tmp_path / "r.yaml", text))
    assert (clips[0]["recording"], clips[0]["transcript"]) == ("0", "1984") and rows[0].problem is None
    assert (
        rows[1].problem == "r.yaml:2: transcript is a list, not text; write the text itself (audio: the path of a file)"
    )
    assert rows[2].problem and "a clip without text" in rows[2].problem and ": a recipe to synthesize, 1 rec" in line


def test_person_and_recording_are_told_apart(tmp_path: Path) -> None:
    rows = [{"path": f"{n}.wav", "speaker": 5, "recording": n, "language": "en"} for n in (1, 2)]
    clips, _, line = read(write(tmp_path / "m.jsonl", lines(rows)))
    assert [(c["speaker"], c["recording"]) for c in clips] == [("5", "1"), ("5", "2")]
    assert line == "m.jsonl: a manifest, 1 person in 2 recordings, 2 clips"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"path": "a.wav", "language": "en"}, "no recording id (its columns: language, path); add a column"),
        ({"speaker": "A", "language": "en"}, "no audio path (its columns: language, speaker); add a column"),
        ({"path": "a.wav", "speaker": "A"}, "language is None; give zh or en in the manifest or the profile"),
        ({"path": "a.wav", "speaker": "A", "locale": "zh-HK"}, "language is 'zh-HK'"),
        ({"path": "a.wav", "speaker": "A", "duration": "long"}, "duration is 'long', not seconds"),
    ],
)
def test_a_clip_that_lacks_something_is_told_with_the_fix(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    _, rows, _ = read(write(tmp_path / "m.jsonl", lines([row])))
    assert rows[0].problem and rows[0].problem.startswith("m.jsonl:1: ") and said in rows[0].problem


def test_a_torn_array_is_an_error_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"m\.json:3: invalid JSON"):
        read(write(tmp_path / "m.json", '[\n {"path": "a.wav"},\n {"path": '))


def test_the_line_about_a_corpus_is_planned_with_it(tmp_path: Path) -> None:
    file = write(tmp_path / "q.tsv", QUOTED)
    pipeline = SimpleNamespace(speech=Speech(inputs=(SpeechInput(path=str(file)),)))
    manifest = shard_inputs(LocalFolder(str(tmp_path / "root")), pipeline, "speech")  # type: ignore[arg-type]
    assert manifest.segments[-1].summary["corpora"] == ["q.tsv: a manifest, 2 recordings, 4 clips"]


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.integers(), max_size=2)
)
COLUMNS = st.sampled_from(["path", "audio_filepath", "speaker", "recording", "text", "offset", "duration", "gender"])
LHOTSE = st.sampled_from(["id", "recording_id", "start", "duration", "sources", "sampling_rate", "supervisions"])


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(COLUMNS | LHOTSE, VALUES, max_size=8), min_size=1, max_size=4))
def test_any_values_give_a_row_each_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, rows: Any) -> None:
    path = write(tmp_path_factory.mktemp("any") / "m.jsonl", lines(rows))
    try:
        clips, planned, _ = read(path, language="en")
    except ConfigError as error:
        assert "m.jsonl" in str(error)
        return
    assert len(planned) >= len(rows)
    for clip, row in zip(clips, planned, strict=True):
        assert row.problem is None or row.problem.startswith(f"m.jsonl:{row.line}: ")
        if row.problem is None:
            assert all(isinstance(clip[k], str) for k in ("recording", "path"))
            assert clip.get("start", 0.0) >= 0


@pytest.mark.parametrize("name", ["m.jsonl.gz", "m.json", "m.ndjson"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_broken_bytes_are_rows_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, name: str, data: Any) -> None:
    path = tmp_path_factory.mktemp("broken") / name
    sound = json.dumps(NUMBERS).encode() if name == "m.json" else lines(NUMBERS).encode()
    write(path, data.draw(broken(gzip.compress(sound) if name.endswith("gz") else sound)))
    try:
        rows = read(path)[1]
    except ConfigError as error:
        assert name in str(error)
        return
    assert all(row.id and (row.problem or row.raw) for row in rows)
