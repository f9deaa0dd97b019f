"""Each kind of file that people have gives the rows that are in it, and a line that says what was read."""

from __future__ import annotations

import csv
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.inputs import InstructionInput
from kespeechchat.config.load import ConfigError
from kespeechchat.inputs import reading
from kespeechchat.inputs.json_array import items
from kespeechchat.inputs.json_lines import MAX_LINE
from kespeechchat.inputs.parquet_rows import row_batches
from kespeechchat.inputs.reading import input_batches, input_rows, passed_over
from tests.fuzzing import broken

ROWS = [
    {"instruction": "Why do cats purr?", "input": "", "output": "They are calm, and [safe]."},
    {"instruction": '他说"好", \\ 为什么？', "input": "一\n二", "output": "} ] ,"},
    {"instruction": "How do bees find flowers?", "input": "", "output": "By scent."},
]
BOM = b"\xef\xbb\xbf"


def _text(kind: str) -> bytes:
    if kind == "lines":
        return "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS).encode()
    return json.dumps(ROWS, ensure_ascii=False, indent={"array": None, "indented": 2}[kind]).encode()


def _read(path, **more):
    rows = list(input_rows(InstructionInput(path=str(path), **more)))
    assert [row.problem for row in rows if row.problem] == []
    return [json.loads(row.raw) for row in rows]


def _told(path, limit=None, **more):
    reports = []
    list(input_batches(InstructionInput(path=str(path), **more), limit, 1, reports))
    return [str(report) for report in reports]


EXPECTED = [
    {"instruction": r["instruction"], "input": r["input"], "reference": r["output"], "task": None} for r in ROWS
]


ENDINGS = (".json", ".jsonl", ".txt", "")
WRAPPINGS = [(kind, ending) for kind in ("lines", "array", "indented") for ending in ENDINGS]
WRAPPINGS.remove(("lines", ".txt"))  # plain text, which may hold anything a line


@pytest.mark.parametrize(("kind", "ending"), WRAPPINGS)
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("bom", [b"", BOM])
def test_json_in_all_its_wrappings(tmp_path, kind, ending, zipped, bom):
    path = tmp_path / f"a{ending}{'.gz' if zipped else ''}"
    data = bom + _text(kind)
    path.write_bytes(gzip.compress(data) if zipped else data)
    assert _read(path) == EXPECTED
    what = "JSON lines" if kind == "lines" else "a JSON array"
    assert _told(path) == [f"{path.name}: {what} of 3 rows in Alpaca's layout"]


def test_tables_text_and_parquet(tmp_path):
    with open(tmp_path / "a.csv", "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, ROWS[0])
        writer.writeheader()
        writer.writerows(ROWS)
    assert _read(tmp_path / "a.csv") == EXPECTED
    (tmp_path / "a.tsv").write_text('question\tanswer\nWhat is a "quark"?\tA "particle\n')
    assert _read(tmp_path / "a.tsv")[0]["instruction"] == 'What is a "quark"?'
    (tmp_path / "a.txt").write_bytes(BOM + "Why is the sky blue?\r\n\r\n水是什么？\n".encode())
    assert [row["instruction"] for row in _read(tmp_path / "a.txt")] == ["Why is the sky blue?", "水是什么？"]
    talk = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}]
    pq.write_table(pa.table({"messages": [talk]}), tmp_path / "a.parquet")
    assert _read(tmp_path / "a.parquet")[0]["reference"] == "Hello."
    assert _told(tmp_path / "a.csv") == ["a.csv: a CSV file of 3 rows in Alpaca's layout"]
    assert _told(tmp_path / "a.txt") == ["a.txt: plain text of 2 rows"]


def test_rows_of_a_table_say_their_lines(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'question,answer\n"Two\nlines?",a\nOne,b,c\n\nBad \xff?,d\nGood?,e\n')
    rows = list(input_rows(InstructionInput(path=str(tmp_path / "a.csv"))))
    assert [row.line for row in rows] == [2, 4, 6, 7]
    assert rows[1].problem == "a.csv:4: 3 fields, but the header names 2; quote a field that holds the separator"
    assert rows[2].problem == "a.csv:6: not UTF-8; save the file as UTF-8"
    assert [bool(row.problem) for row in rows] == [False, True, True, False]


def test_a_folder_gives_its_files_in_order(tmp_path):
    (tmp_path / "b.jsonl").write_bytes(_text("lines"))
    (tmp_path / "a.txt").write_text("Why is the sky blue?\n")
    (tmp_path / "._b.jsonl").write_bytes(b"\0\0")
    (tmp_path / "README.md").write_text("about")
    item = InstructionInput(path=str(tmp_path))
    assert [row.file for row in input_rows(item)] == ["a.txt", "b.jsonl", "b.jsonl", "b.jsonl"]
    assert passed_over(item) == ["README.md"]
    assert sum(map(len, input_batches(item, 2))) == 2
    before = reading.input_digest(item, "")
    (tmp_path / "a.txt").write_text("Why is the sea blue?\n")
    assert reading.input_digest(item, "") != before
    empty = tmp_path / "none"
    empty.mkdir()
    with pytest.raises(ConfigError, match="a folder with nothing in it"):
        list(input_rows(InstructionInput(path=str(empty))))


def test_a_limit_is_told(tmp_path):
    (tmp_path / "a.json").write_bytes(_text("array"))
    assert _told(tmp_path / "a.json", 2) == ["a.json: the first 2 rows of a JSON array in Alpaca's layout"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (b'[{"instruction": "a"}, {"instruction": "b" "input": ""}, {"instruction": "c"}]', {2: "invalid JSON"}),
        (
            b'[{"instruction": "a"}, {"instruction": "b, {"instruction": "c"}, {"instruction": "d"}]',
            {2: "invalid JSON"},
        ),
        (b'[{"instruction": "a"}, {"instruction": "b"}}, {"instruction": "c"}]', {2: "invalid JSON"}),
        (b'[{"instruction": "a"}, {"instruction": "b"', {2: "invalid JSON", 3: "does not end with ]"}),
        (b'[{"instruction": "a"},', {2: "does not end with ]"}),
        (b'[{"instruction": "a"}] {"b": 1}', {2: "follows the end of the array"}),
        (b'[{"instruction": "a"}, 7, {"instruction": "c"}]', {2: "a row is a JSON object, this is the number 7"}),
    ],
)
def test_a_broken_item_costs_itself_and_is_told_by_its_number(tmp_path, text, problems):
    (tmp_path / "a.json").write_bytes(text)
    rows = list(input_rows(InstructionInput(path=str(tmp_path / "a.json"))))
    told = {row.line: row.problem for row in rows if row.problem}
    for number, why in problems.items():
        assert told[number].startswith(f"a.json: item {number}: ") and why in told[number]
    sound = {json.loads(row.raw)["instruction"] for row in rows if not row.problem}
    assert {"a", *(["c"] if b'"c"' in text and b'"b, ' not in text else [])} <= sound
    assert b'"d"' not in text or "d" in sound


@pytest.mark.parametrize("cut", [30, -3])
def test_gzip_that_is_cut_off_is_told(tmp_path, cut):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(_text("lines"))[:cut])
    assert list(input_rows(InstructionInput(path=str(tmp_path / "a.jsonl.gz"))))[-1].problem
    (tmp_path / "b.jsonl.gz").write_bytes(b"\x1f\x8bnonsense")
    with pytest.raises(ConfigError, match="not readable as gzip"):
        list(input_rows(InstructionInput(path=str(tmp_path / "b.jsonl.gz"))))


def test_other_bytes_are_refused_with_what_to_do(tmp_path):
    (tmp_path / "a.json").write_text('{\n  "rows": []\n}')
    with pytest.raises(ConfigError, match="one JSON object over several lines; write its rows as a JSON array"):
        list(input_rows(InstructionInput(path=str(tmp_path / "a.json"))))
    (tmp_path / "b.json").write_bytes('[{"instruction": "a"}]'.encode("utf-16"))
    with pytest.raises(ConfigError, match="UTF-16; save the file as UTF-8"):
        list(input_rows(InstructionInput(path=str(tmp_path / "b.json"))))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.text('"\\[]{},', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"\\]', max_size=4), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(VALUES, max_size=8),
    indent=st.none() | st.integers(0, 3),
    ascii_=st.booleans(),
    b=st.integers(1, 40),
)
def test_an_array_is_split_into_its_items(values, indent, ascii_, b):

    text = json.dumps(values, indent=indent, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")
    found = [item for item in items(io.BytesIO(text[1:]).read, b) if item.strip()]
    assert [json.loads(item.decode("utf-8", "surrogatepass")) for item in found] == values


@pytest.mark.parametrize("name", ["t.json", "t.json.gz", "t.csv", "t.tsv", "t.txt", "t.parquet"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_broken_bytes_are_rows_or_a_config_error(tmp_path_factory, name, data):
    path = tmp_path_factory.mktemp("in") / name
    sound = _text("indented") if "json" in name else b"question,answer\na,b\n"
    path.write_bytes(data.draw(broken(gzip.compress(sound) if name.endswith(".gz") else sound)))
    try:
        rows = list(input_rows(InstructionInput(path=str(path))))
    except ConfigError as error:
        assert path.name in str(error)
        return
    assert all(row.id and (row.problem or row.raw) for row in rows)


@pytest.mark.slow
def test_an_item_without_end_is_given_up_and_the_rest_goes_on(tmp_path):
    many = ", ".join(json.dumps({"instruction": str(n)}) for n in range(9 * MAX_LINE // 24))
    (tmp_path / "a.json").write_text('[{"instruction": "a}, ' + many + "]")
    rows = list(input_rows(InstructionInput(path=str(tmp_path / "a.json"))))
    assert sum(bool(row.problem) for row in rows) <= 2
    assert len(rows) == 1 + many.count("{")


def test_times_of_every_kind_are_no_obstacle(tmp_path):
    """Python has no type for most of these; pyarrow would ask pandas, or raise."""
    at, talk = pa.timestamp("ns", "Asia/Shanghai"), pa.struct([("at", pa.timestamp("ns")), ("took", pa.time64("ns"))])
    columns = {
        "instruction": pa.array(["Why do cats purr?"]),
        "output": pa.array(["They are calm."]),
        "at": pa.array([1_001], at),
        "nowhere": pa.array([1], pa.timestamp("us", "No/Where")),
        "far": pa.array([10**15], pa.timestamp("s")).cast(pa.timestamp("ms")),
        "day": pa.array([10**8], pa.date32()),
        "clock": pa.array([123_456_789], pa.time64("ns")),
        "took": pa.array([2**62], pa.duration("ns")),
        "talk": pa.array([[{"at": 2_002, "took": 3_003}]], pa.list_(talk)),
        "named": pa.array([[("a", 4_004)]], pa.map_(pa.string(), at)),
    }
    pq.write_table(pa.table(columns), tmp_path / "times.parquet")
    assert [row["instruction"] for row in _read(tmp_path / "times.parquet")] == ["Why do cats purr?"]
    (batch,) = row_batches(tmp_path / "times.parquet", 10)
    (row,) = batch.to_pylist()
    assert row["at"] == "1970-01-01 00:00:00.000001001Z" and row["clock"] == "00:00:00.123456789"
    assert row["talk"] == [{"at": "1970-01-01 00:00:00.000002002", "took": "00:00:00.000003003"}]
