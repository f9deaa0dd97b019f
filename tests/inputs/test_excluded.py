"""Excluded files: what overlaps with them, and what is said of a file that cannot be used."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.config.inputs import InstructionInput
from kespeechchat.config.load import ConfigError
from kespeechchat.config.screening import Overlap
from kespeechchat.inputs import excluded
from kespeechchat.inputs.excluded import questions, read_excluded
from kespeechchat.text.ngrams import ngrams, tokens

ASKED = ["What are the names of some famous actors that started their careers on Broadway?", "How tall is it?"]
ASKED_ZH = ["世界上最高的山峰叫什么名字，它有多高？", "你好吗？"]


def _write(path, rows):
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def _read(*paths, **settings):
    return read_excluded([InstructionInput(path=str(path)) for path in paths], Overlap(**settings))


@pytest.fixture
def found(tmp_path):
    """The file, line and share that a question overlaps with, of two benchmarks."""
    one = _write(tmp_path / "alpaca_eval.jsonl", [{"instruction": text, "output": "Yes."} for text in ASKED])
    two = _write(tmp_path / "belle_eval.jsonl", [{"question": text, "std_answer": "是。"} for text in ASKED_ZH])
    texts = _read(one, two)
    return lambda question, language="en": texts.find([[question]], language)[0]


def test_the_text_itself_is_found_however_it_is_written(found):
    assert found(ASKED[0].upper().replace("?", "!!")) == ("alpaca_eval.jsonl", 1, 1.0)
    assert found(ASKED_ZH[0].replace("，", " "), "zh") == ("belle_eval.jsonl", 1, 1.0)


def test_a_question_inside_a_longer_one_is_found_and_one_that_begins_alike_is_not(found):
    assert found(f"Tell me please. {ASKED[0]} And why did they begin there, of all places?").share == 1
    assert found("What are the names of some famous painters of the last century?") is None
    assert found("请你告诉我，世界上最高的山峰叫什么名字？", "zh").line == 1
    assert found("世界上最高的楼叫什么名字，它有多高？", "zh") is None


def test_a_short_text_is_compared_whole(found):
    assert found("How tall is it").line == 2
    assert found("How tall is it in winter, and how tall in summer?") is None
    assert found("你好吗", "zh").line == 2
    assert found("你好吗，朋友", "zh") is None


@given(st.lists(st.text(st.sampled_from("我你他学 ab"), max_size=30), min_size=1, max_size=6), st.integers(1, 4))
def test_every_excluded_text_is_found_with_all_of_its_n_grams(tmp_path_factory, texts, n):
    asked = [text for text in texts if tokens(text)]
    if not asked:
        return
    file = tmp_path_factory.mktemp("x") / "a.jsonl"
    _write(file, [{"instruction": text} for text in asked])
    held = read_excluded([InstructionInput(path=str(file), language="zh")], Overlap(ngram={"zh": n}))
    for text, found in zip(asked, held.find([[text] for text in asked], "zh"), strict=True):
        assert found.share == 1
        there = ngrams(tokens(asked[found.line - 1]), n)
        assert there & ngrams(tokens(text), n)


def test_two_texts_share_nothing_or_as_much_as_is_said(tmp_path):
    file = _write(tmp_path / "a.jsonl", [{"instruction": "one two three four five six"}])
    texts = _read(file, ngram={"en": 2}, share=0.6)
    assert texts.find([["one two three four"], ["one two nine ten"], ["nine ten"]], "en") == [
        ("a.jsonl", 1, 1.0),
        None,
        None,
    ]
    assert texts.find([[]], "en") == [None]


def test_every_layout_and_kind_of_the_inputs_is_read(tmp_path):
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps([{"instruction": ASKED[0], "output": ""}]))
    (folder / "b.csv").write_text("question,answer\nWhat is the boiling point of water in Peru?,99\n")
    messages = [{"role": "user", "content": "First of all, how do bees make their honey?"}]
    messages += [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "And how do wasps make theirs?"}]
    _write(folder / "c.jsonl", [{"messages": messages}])
    texts = _read(folder)
    assert texts.files == ("a.json", "b.csv", "c.jsonl")
    rows = [[ASKED[0]], ["What is the boiling point of water in Peru"], ["And how do wasps make theirs, please?"]]
    assert [one.file for one in texts.find(rows, "en")] == ["a.json", "b.csv", "c.jsonl"]


def test_the_questions_of_a_row_are_its_instruction_with_its_input_and_later_turns():
    turns = [{"role": r, "content": c} for r, c in (("user", "A"), ("assistant", "B"), ("user", "C"))]
    assert questions({"instruction": "A", "input": ""}) == ["A"]
    assert questions({"instruction": "A", "input": "x", "turns": turns}) == ["A\nx", "C"]


def test_nothing_is_excluded_without_files():
    assert read_excluded([], Overlap()) is None


def test_a_file_that_is_missing_or_empty_is_named_with_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match=r"instructions.exclude: .*none.jsonl: no such file; name one that exists"):
        _read(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(ConfigError, match=r"instructions.exclude: .*empty.jsonl: no text in it; name the file"):
        _read(tmp_path / "empty.jsonl")
    (tmp_path / "signs.txt").write_text("???\n")
    with pytest.raises(ConfigError, match=r"signs.txt: no text in it"):
        _read(tmp_path / "signs.txt")


def test_a_row_that_cannot_be_read_stops_the_build_with_its_line(tmp_path):
    file = tmp_path / "bench.jsonl"
    file.write_text('{"instruction": "One?"}\n{"prompt": "Two?"}\n{"instruction": ')
    with pytest.raises(ConfigError) as error:
        _read(file)
    said = str(error.value)
    assert f"instructions.exclude: {file}: 2 rows cannot be read" in said
    assert "bench.jsonl:2: layout not recognized" in said and "bench.jsonl:3: invalid JSON" in said
    assert "set the input's `layout` or `columns`" in said


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"\x00\x01")
    with pytest.raises(ConfigError, match="inputs are JSON arrays"):
        _read(tmp_path / "a.bin")


def test_more_n_grams_than_fit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(excluded, "MOST", 3)
    file = _write(tmp_path / "a.jsonl", [{"instruction": ASKED[0]}])
    with pytest.raises(ConfigError, match="over 3 n-grams with the files before it; exclude fewer"):
        _read(file)
