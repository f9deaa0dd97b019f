"""A build says what it read of each file, and does not call a file without a row "all well"."""

from __future__ import annotations

import json

import pytest

from benchmarks.recorded import questions, recipe
from kespeechchat.config.load import load_pipeline
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress


class Heard(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, text: str, level: str = "info") -> None:
        self.lines.append(text)


@pytest.fixture
def built(quickstart, tmp_path):
    """Builds up to `stages` from these instruction files; gives the result and what was said."""

    def run(*files, stages=("ingest",)):
        speech = f"speech.inputs=[{{path: {recipe(tmp_path / 'speech.yaml', 10)}}}]"
        pipeline = load_pipeline(quickstart, [speech], inputs=list(map(str, files)), root=str(tmp_path / "root"))
        progress = Heard()
        return build(pipeline, progress, list(stages), inline=True), progress.lines

    return run


def test_a_file_without_a_row_is_told_and_the_others_go_on(built, tmp_path):
    good, bad = questions(tmp_path / "good.jsonl", 4), tmp_path / "bad.jsonl"
    bad.write_text('{"title": "Rain"}\n{"title": "Snow"}\n')
    for _ in range(2):  # the second build reads nothing again, and says the same
        result, lines = built(good, bad)
        assert not result.ok
        assert "none of its 2 rows can be read; the first reasons:\n  bad.jsonl:1: layout not recog" in result.lines()
        assert "all well" not in result.lines()
        assert any("good.jsonl: JSON lines of 4 rows in Alpaca's layout" in line for line in lines)
    assert (tmp_path / "root" / "ingest" / "commits").exists()


@pytest.mark.parametrize("key", ["language", "Lang", "language-code"])
def test_a_column_that_names_languages_is_told_with_what_to_set(built, tmp_path, key):
    file = tmp_path / "faq.jsonl"
    file.write_text(json.dumps({"question": "Why is the sea salty?", key: "en", "mood": "calm"}) + "\n")
    _, lines = built(file)
    line = next(line for line in lines if "faq.jsonl" in line)
    assert line.startswith("instructions: faq.jsonl: JSON lines of 1 row in the layout question/answer; ")
    assert f"`{key}`, `mood` are not used; each row's language is recognized from its text" in line
    assert f"split the file by `{key}` and set `language: zh` or `language: en` on each input" in line
    assert "instructions: 1 row planned into 1 shard" in lines


def test_other_columns_are_told_without_a_hint(built, tmp_path):
    file = tmp_path / "faq.jsonl"
    file.write_text('{"question": "Why is the sea salty?", "mood": "calm"}\n')
    _, lines = built(file)
    assert any(line.endswith("the layout question/answer; `mood` is not used") for line in lines)


def test_nothing_is_built_where_no_input_has_a_row(built, tmp_path):
    (tmp_path / "bad.jsonl").write_text("no json\n")
    (tmp_path / "empty.jsonl").write_text("")
    result, _ = built(tmp_path / "bad.jsonl", tmp_path / "empty.jsonl", stages=())
    assert not result.ok
    assert "no row can be read, so nothing can be built" in result.lines()
    assert "empty.jsonl: no row in it" in result.lines()
    assert not (tmp_path / "root" / "clips").exists() and not (tmp_path / "root" / "ingest").exists()
