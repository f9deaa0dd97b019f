"""Rows read in columns are what they are read one by one, over good and bad lines of every layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.inputs import InstructionInput
from kespeechchat.inputs import instructions
from kespeechchat.inputs.files import input_file
from kespeechchat.inputs.instructions import part_rows, parts
from kespeechchat.inputs.layouts import _KNOWN_BY, LAYOUTS
from kespeechchat.inputs.read_report import PartFacts

TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        *("How far is it?", "  第1个地方，有多远？ ", "Note: a b", "Human: hi\nAssistant: ho", "用户：好\n助手：你好"),
        *("", "\t", "N/A", "<noinput>", "No input.", "nan", "Nothing", "无输入。", "12 34", "안녕 hello", "…真的？！"),
        *("a  b\u3000c", "①㎡ ﬁne", "e\u0301", "x\0y", "\u00a8", '\\"quo\n\x01te', "😀", "half \ud83d"),
    ]
)
MESSAGES = [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hello."}]
VALUES = st.one_of(
    *[TEXTS] * 6,
    st.none() | st.integers() | st.booleans(),
    st.sampled_from([[], [["q", "a"]], {}, MESSAGES, MESSAGES * 2, [{"input": "i", "output": "o"}]]),
)
SHAPES = sorted({tuple(sorted(keys)) for _, keys in _KNOWN_BY})
MORE = st.sampled_from(["history", "input", "context", "task", "class", "category", "id", "unknown"])


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A row of some layout, most often one that is read; its values are whatever."""
    keys = [*draw(st.sampled_from(SHAPES)), *draw(st.lists(MORE, max_size=2))]
    row = {key: draw(VALUES) for key in draw(st.permutations(keys))}
    return json.dumps(row, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


OTHERS = st.sampled_from(
    [
        *(b"", b"  ", b"\r", b"no json", b"\xff\xfe", b"null", b"[]", b"3", b"{}", b'{"instruction": NaN}'),
        *(b'\xc2\xa0{"instruction": "b"}', b'{"instruction": "\\ud83d"}', b'{"prompt": "?"}', b"[" * 3000),
        *(b'{"instruction": "a"}, {"instruction": "b"}', b'{"instruction": "a", "instruction": "b"}'),
    ]
)


def _parts(path: Path, size: int, **more: Any) -> list[tuple[pa.RecordBatch, int, PartFacts]]:
    item = InstructionInput(path=str(path), **more)
    return [part_rows(part) for part in parts(item, input_file(path), size)]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    given_lines=st.lists(st.one_of(lines(), lines(), lines(), OTHERS), max_size=25),
    layout=st.sampled_from(["auto", "auto", "auto", *LAYOUTS]),
    columns=st.sampled_from([{}, {}, {"instruction": "question"}, {"instruction": "prompt", "reference": "input"}]),
    language=st.sampled_from([None, None, "zh"]),
    size=st.integers(1, 400),
    name=st.sampled_from(["a.jsonl", "a.json", "a.txt", "a.csv"]),
)
def test_columns_say_what_rows_say(
    tmp_path_factory: pytest.TempPathFactory,
    given_lines: list[bytes],
    layout: str,
    columns: dict[str, str],
    language: str | None,
    size: int,
    name: str,
) -> None:
    path = tmp_path_factory.mktemp("rows") / name
    opening = {"a.jsonl": b"", "a.json": b"[", "a.txt": b"a question\n", "a.csv": b"question,answer\n"}[name]
    path.write_bytes(opening + (b"," if name == "a.json" else b"\n").join(given_lines) + b"\n")
    more: dict[str, Any] = {"layout": layout, "columns": columns, "language": language}
    found = _parts(path, size, **more)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instructions, "plain_rows", lambda *_: iter(()))
        expected = _parts(path, size, **more)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours[0].to_pylist() == theirs[0].to_pylist()
        assert ours[0].schema == theirs[0].schema == instructions.PARSED
        assert ours[1:] == theirs[1:]
        assert list(ours[2].shapes) == list(theirs[2].shapes)  # the order in which keys are told


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets the places of the rows that are read by themselves."""
    places: list[int] = []
    one_row = instructions._one_row

    def noted(read: Any, place: int, item: InstructionInput) -> Any:
        places.append(place)
        return one_row(read, place, item)

    monkeypatch.setattr(instructions, "_one_row", noted)
    return places


@pytest.mark.parametrize(("name", "keys"), [(n, k) for n, k in _KNOWN_BY if n not in ("alpaca-seed", "text")])
def test_plain_rows_of_every_layout_are_read_in_columns(
    tmp_path: Path, alone: list[int], name: str, keys: set[str]
) -> None:
    rows = [dict.fromkeys(sorted(keys), text) | {"history": []} for text in ("Why?", "为什么？", " Note: this. ")]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ((batch, count, facts),) = _parts(tmp_path / "a.jsonl", 1 << 20)
    assert (len(batch), count, facts.shapes.total()) == (3, 3, 3 if name not in ("messages", "sharegpt") else 0)
    assert alone == ([0, 1, 2] if name in ("messages", "sharegpt") else [])


def test_one_bad_line_leaves_its_neighbours_in_columns(tmp_path: Path, alone: list[int]) -> None:
    good = [json.dumps({"instruction": f"How far is place {n}?"}) for n in range(200)]
    (tmp_path / "a.jsonl").write_text("\n".join([*good[:100], "{no json", *good[100:]]))
    ((batch, _, _),) = _parts(tmp_path / "a.jsonl", 1 << 20)
    assert alone == [100]
    assert batch["line"].to_pylist() == list(range(1, 202))
    assert [n for n, problem in enumerate(batch["problem"].to_pylist()) if problem] == [100]
