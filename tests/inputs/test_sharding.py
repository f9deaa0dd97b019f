"""The planning pass: append-only, idempotent, nothing lost, whatever is inserted when."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import asdict
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.inputs import InstructionInput, Instructions, Speech, SpeechInput
from kespeechchat.config.load import ConfigError
from kespeechchat.inputs import json_lines, sharding
from kespeechchat.inputs import reading as inputs
from kespeechchat.inputs.json_lines import MAX_LINE
from kespeechchat.inputs.reading import input_rows
from kespeechchat.inputs.sharding import shard_inputs
from kespeechchat.store.local import LocalFolder
from kespeechchat.store.manifest import planned_rows


def _plan(root, *files, size=3, limit=None):
    inputs = tuple(InstructionInput(path=str(f)) for f in files)
    pipeline = SimpleNamespace(instructions=Instructions(inputs=inputs, shard_size=size, limit=limit))
    return shard_inputs(LocalFolder(str(root)), pipeline, "instructions")


def _plan_speech(root, file, language=None):
    pipeline = SimpleNamespace(speech=Speech(inputs=(SpeechInput(path=str(file), language=language),), shard_size=4))
    return shard_inputs(LocalFolder(str(root)), pipeline, "speech")


def _shard_rows(manifest, shard):
    return planned_rows(manifest.store, shard).to_pylist()


def _rows(manifest):
    return [(s.number, s.language, row) for s in manifest.shards for row in _shard_rows(manifest, s)]


def _write(path, questions):
    path.write_text("".join(json.dumps({"instruction": q}) + "\n" for q in questions), encoding="utf-8")
    return path


def test_a_shard_holds_one_language_and_duplicates_are_kept_as_such(tmp_path):
    file = _write(tmp_path / "mix.jsonl", ["What is rain?", "雨是什么？", "What  is rain?", "Why is the sky blue?"])
    rows = _rows(_plan(tmp_path / "root", file))
    assert {(number, language) for number, language, _ in rows} == {(0, "en"), (1, "zh")}
    ids = [row["id"] for _, _, row in rows]
    assert len(set(ids)) == 4
    assert [row["occurrence"] for _, _, row in rows if row["id"].startswith(ids[0])] == [1, 2]


def test_planning_again_changes_nothing(tmp_path):
    file = _write(tmp_path / "a.jsonl", [f"Question {i}?" for i in range(8)])
    first = _plan(tmp_path / "root", file)
    again = _plan(tmp_path / "root", file)
    assert again.shards == first.shards
    assert len(again.segments) == 1


@settings(max_examples=25, deadline=None)
@given(
    before=st.lists(st.integers(0, 12), max_size=15),
    inserted=st.lists(st.tuples(st.integers(0, 15), st.integers(0, 20)), max_size=6),
)
def test_what_is_inserted_later_disturbs_no_shard_and_nothing_is_lost(tmp_path_factory, before, inserted):
    tmp = tmp_path_factory.mktemp("plan")
    questions = [f"How far is place number {n}?" for n in before]
    first = _plan(tmp / "root", _write(tmp / "a.jsonl", questions))
    for place, n in inserted:
        questions.insert(place, f"How far is place number {n}?")
    second = _plan(tmp / "root", _write(tmp / "a.jsonl", questions))
    assert second.shards[: len(first.shards)] == first.shards
    planned = sorted(json.loads(row["raw"])["instruction"] for _, _, row in _rows(second))
    assert planned == sorted(questions)
    assert [s.number for s in second.shards] == list(range(len(second.shards)))


def test_a_limit_lifted_later_appends(tmp_path):
    file = _write(tmp_path / "a.jsonl", [f"Question {i}?" for i in range(8)])
    few = _plan(tmp_path / "root", file, limit=2)
    assert sum(s.rows for s in few.shards) == 2
    assert sum(s.rows for s in _plan(tmp_path / "root", file).shards) == 8


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"instruction": "no end', "Unterminated string"),
        (b'["a list"]', "a row is a JSON object"),
        (b'{"prompt": "unknown layout"}', "layout not recognized"),
        (b'{"instruction": 7}', "instruction is the number 7, not text: write it as text in quotes"),
        (b'{"instruction": "\xff\xfe"}', "not UTF-8"),
        (b'{"instruction": "' + b"x" * (MAX_LINE + 5) + b'"}', "longer than"),
        (b"[" * 60_000, "recursion"),
    ],
)
def test_a_bad_line_is_told_with_file_and_line_and_the_rest_goes_on(tmp_path, line, said):
    file = tmp_path / "bad.jsonl"
    file.write_bytes(b'{"instruction": "Good one?"}\n' + line + b'\n\n{"instruction": "Good two?"}\n')
    rows = [row for _, _, row in _rows(_plan(tmp_path / "root", file, size=10))]
    assert [row["problem"] is None for row in sorted(rows, key=lambda r: r["line"])] == [True, False, True]
    problem = next(row["problem"] for row in rows if row["problem"])
    assert said in problem
    assert problem.startswith("bad.jsonl:2:")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(tmp_path_factory, data):
    tmp = tmp_path_factory.mktemp("fuzz")
    (tmp / "a.jsonl").write_bytes(data)
    if data.startswith((b"\x1f\x8b", b"PAR1", b"[", b"\xef\xbb\xbf")):
        return  # other kinds, which test_broken.py breaks
    manifest = _plan(tmp / "root", tmp / "a.jsonl")
    lines = [line for line in data.split(b"\n") if line.strip()]
    assert sum(s.rows for s in manifest.shards) == len(lines)


def test_parquet_reads_as_jsonl_does(tmp_path):
    questions = ["What is rain?", "Why is it cold?"]
    pq.write_table(pa.table({"instruction": questions}), tmp_path / "a.parquet")
    ids = lambda m: [row["id"] for _, _, row in _rows(m)]  # noqa: E731
    jsonl = _plan(tmp_path / "one", _write(tmp_path / "a.jsonl", questions))
    assert ids(_plan(tmp_path / "two", tmp_path / "a.parquet")) == ids(jsonl)


def test_inputs_that_cannot_be_read_are_errors_of_use(tmp_path):
    with pytest.raises(ConfigError, match="no such input file"):
        _plan(tmp_path / "root", tmp_path / "missing.jsonl")
    (tmp_path / "a.docx").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"a\.docx: inputs are JSON arrays, .* not '\.docx'"):
        _plan(tmp_path / "root", tmp_path / "a.docx")


def test_a_speech_manifest_a_folder_and_a_recipe(tmp_path):
    (tmp_path / "clips.tsv").write_text("file\tspeaker\tgender\na.flac\t12\tF\nb.flac\t12\tF\n\t13\tM\n")
    rows = [row for _, _, row in _rows(_plan_speech(tmp_path / "one", tmp_path / "clips.tsv", "en"))]
    assert [json.loads(r["raw"])["recording"] for r in rows] == ["12", "12", "13"]
    assert json.loads(rows[0]["raw"])["path"] == str(tmp_path / "a.flac")
    assert "no audio path" in rows[2]["problem"]
    folder = tmp_path / "corpus"
    (folder / "anna").mkdir(parents=True)
    for name in ("anna/1.wav", "bob-2.wav"):
        (folder / name).write_bytes(b"")
    rows = [row for _, _, row in _rows(_plan_speech(tmp_path / "two", folder, "zh"))]
    assert [json.loads(r["raw"])["recording"] for r in rows] == ["anna", "bob"]
    recipe = "recordings: [{id: r1, language: en, gender: female, style: {af_heart: 1}, clips: [{text: Hi there.}]}]"
    (tmp_path / "corpus.yaml").write_text(recipe)
    rows = [row for _, _, row in _rows(_plan_speech(tmp_path / "three", tmp_path / "corpus.yaml"))]
    assert json.loads(rows[0]["raw"])["style"] == {"af_heart": 1}


def test_a_clip_without_a_language_is_told(tmp_path):
    (tmp_path / "clips.tsv").write_text("file\tspeaker\na.flac\t12\n")
    rows = [row for _, _, row in _rows(_plan_speech(tmp_path / "root", tmp_path / "clips.tsv"))]
    assert "give zh or en" in rows[0]["problem"]


def _reference(items, size, known=()):
    """The pass as a loop over rows: shards as (language, rows), and all ids seen, to hold the real one against."""
    planned, seen, waiting, shards = Counter(known), Counter(), {}, []
    for row in (row for item in items for row in input_rows(item)):
        seen[row.id] += 1
        if seen[row.id] <= planned[row.id]:
            continue
        batch = waiting.setdefault(row.language, [])
        batch.append((row.id if seen[row.id] == 1 else f"{row.id}-d{seen[row.id]}", row.line, row.raw, row.problem))
        if len(batch) == size:
            shards.append((row.language, waiting.pop(row.language)))
    return shards + [(language, waiting[language]) for language in sorted(waiting)], list(seen.elements())


LINES = st.one_of(
    st.integers(0, 9).map(lambda n: f'{{"instruction": "How far is place {n}?"}}'.encode()),
    st.integers(0, 9).map(lambda n: f'{{"question": "第{n}个地方有多远？", "std_answer": "很远"}}'.encode()),
    st.sampled_from([b"", b"  ", b"no json", b'{"prompt": 1}', b"\xff\xfe", b'{"instruction": "a", "input": null}']),
)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(
    files=st.lists(st.lists(LINES, max_size=25), min_size=1, max_size=2),
    more=st.lists(LINES, max_size=10),
    part=st.integers(1, 300),
    size=st.integers(1, 5),
)
def test_parts_of_any_size_plan_what_a_loop_over_rows_would(tmp_path_factory, files, more, part, size):
    tmp = tmp_path_factory.mktemp("parts")
    paths = [tmp / f"{n}.jsonl" for n in range(len(files))]
    items = [InstructionInput(path=str(path)) for path in paths]
    known, shards = [], []
    for step in range(2):
        for path, lines in zip(paths, files, strict=True):
            path.write_bytes(b"\n".join([*lines, *(more * step)]))
        expected, known = _reference(items, size, known)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inputs, "PART_BYTES", part)
            manifest = _plan(tmp / "root", *paths, size=size)
        shards += expected
        assert [(s.language, _told(manifest, s)) for s in manifest.shards] == shards


def _told(manifest, shard):
    return [tuple(row[k] for k in ("id", "line", "raw", "problem")) for row in _shard_rows(manifest, shard)]


@pytest.mark.slow
def test_several_processes_read_what_one_reads(tmp_path):
    lines = [json.dumps({"instruction": f"第{n % 900}个问题是什么？"}, ensure_ascii=False) for n in range(1000)]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, "no json", ""]), encoding="utf-8")
    pq.write_table(pa.table({"instruction": [f"Question {n}?" for n in range(1000)]}), tmp_path / "b.parquet")
    for name in ("a.jsonl", "b.parquet"):
        item = InstructionInput(path=str(tmp_path / name))
        one, two = (pa.Table.from_batches(inputs.input_batches(item, 1001, n)) for n in (1, 2))
        assert one.equals(two) and len(one) == (1001 if name == "a.jsonl" else 1000)
    assert one["problem"].null_count == 1000
    two = pa.Table.from_batches(inputs.input_batches(InstructionInput(path=str(tmp_path / "a.jsonl")), None, 2))
    assert two["problem"][-1].as_py().startswith("a.jsonl:1001: invalid JSON")


def test_shards_of_a_root_that_has_a_file_for_each_are_read_and_kept(tmp_path):
    store = LocalFolder(str(tmp_path / "root"))
    first = _plan(tmp_path / "root", _write(tmp_path / "a.jsonl", [f"Question {i}?" for i in range(5)]))
    segment = first.segments[0]
    old = []
    for shard in segment.shards:
        file = f"plan/instructions/data/shard-{shard.number:05d}.{'a' * 16}.parquet"
        store.put(file, store.get_range(shard.file, shard.start, shard.size))
        old.append({**asdict(shard), "file": file})
        del old[-1]["start"], old[-1]["size"]
    store.delete(segment.shards[0].file)
    store.put("plan/instructions/00000.json", json.dumps({**asdict(segment), "shards": old}).encode())
    file = _write(tmp_path / "a.jsonl", [f"Question {i}?" for i in (0, 7, 1, 2, 3, 4)])
    second = _plan(tmp_path / "root", file)
    assert len(_rows(second)) == 6
    assert [s.rows for s in second.shards] == [3, 2, 1]
    assert second.segments[1].summary["rows_no_longer_in_inputs"] == 0


@settings(max_examples=200, deadline=None)
@given(data=st.text("ab\n\r", max_size=60), size=st.integers(1, 30), most=st.integers(1, 12))
def test_parts_hold_every_line_once_cut_off_where_it_is_too_long(tmp_path_factory, data, size, most):
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    path.write_bytes(data.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "MAX_LINE", most)
        found = [line for at in range(0, len(data), size) for line in json_lines.lines_of(path, at, at + size)]
    whole = re.findall(rb"[^\n]*\n|[^\n]+", data.encode())
    assert found == [line[: most + 1] if len(line) > most else line.removesuffix(b"\n") for line in whole]


@given(st.lists(st.tuples(*[st.text(max_size=5)] * 2, st.none() | st.text(max_size=5)), min_size=1, max_size=6))
def test_a_shards_checksum_is_of_what_its_rows_say(rows):
    columns = zip(*rows, strict=True)
    table = pa.table(dict(zip(("id", "raw", "problem"), (pa.array(c, pa.string()) for c in columns), strict=True)))
    said = "\x1e".join(f"{id_}\x1f{raw}\x1f{problem}" for id_, raw, problem in rows)
    pieces = pa.concat_tables([table[:1], table[1:]])
    assert sharding._checksum(pieces) == hashlib.sha256(said.encode()).hexdigest()


def test_half_a_surrogate_pair_is_a_malformed_row(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"instruction": "What is \\ud83d?"}\n{"instruction": "And \\ud83d\\ude00?"}\n')
    first, second = (row for _, _, row in _rows(_plan(tmp_path / "root", tmp_path / "a.jsonl")))
    assert "a.jsonl:1: \\ud83d is half a surrogate pair" in first["problem"]
    assert json.loads(second["raw"])["instruction"] == "And 😀?"


def test_a_line_behind_one_that_is_a_byte_too_long_is_not_lost(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"x" * MAX_LINE + b'\n{"instruction": "Still here?"}\n')
    rows = [row for _, _, row in _rows(_plan(tmp_path / "root", tmp_path / "a.jsonl"))]
    assert [row["problem"] is None for row in rows] == [False, True]
    assert rows[1]["line"] == 2
