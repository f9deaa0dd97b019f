"""`kesc report` over builds whose speech is made on engines of the test: one page that holds all it needs."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from kespeechchat.cli import app
from kespeechchat.commands.report import choice, survey
from kespeechchat.commands.report.contents import contents, read_build
from kespeechchat.commands.status import status
from kespeechchat.records import RowError
from tests import spoken_again
from tests.pages import check_page
from tests.spoken_again import ROWS, Ground

pytestmark = pytest.mark.slow
TWO = "rounds=[seed, voice]"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def ground(tmp_path, quickstart, monkeypatch) -> Ground:
    return Ground(tmp_path, quickstart, monkeypatch)


def _report(ground, *options: str) -> str:
    to = ground._folder / "page" / "report.html"
    ran = CliRunner().invoke(app, ["report", "--root", ground.store.url, "--to", str(to), *options])
    assert ran.exit_code == 0, ran.output
    assert ran.output.startswith(f"report: {to} (")
    return to.read_text(encoding="utf-8")


def _words(page) -> str:
    return " ".join(" ".join(page.text).split())


def test_the_page_holds_all_it_needs(ground) -> None:
    ground.build()
    page = check_page(_report(ground))
    headings = {attributes["id"] for attributes in page.all("h2")}
    assert headings == {"made-h", "flow-h", "spread-h", "voices-h", "hear-h", "work-h", "paper-h"}
    players = page.all("audio")
    assert players and all(p["src"].startswith("data:audio/mpeg;base64,") for p in players)
    assert len(page.all("main")) == 1 and page.all("html")[0]["lang"] == "en"
    assert len(page.all("article")) * 2 == len(players)


def test_totals_are_those_of_status(ground) -> None:
    ground.engines.mumbles = lambda u, before: "第0个" in u.text or ("number 4" in u.text and before == 0)
    ground.build(TWO)
    found = status(ground.pipeline(TWO), ground.store)
    stages = {stage["name"]: stage for stage in found["stages"]}
    build = read_build(ground.pipeline(TWO), ground.store)
    page = contents(build)
    assert sum(build.kept.values()) == sum(stages[g]["kept"] for g in ("gate", "gate.r1", "gate.r2")) == 4 * ROWS - 1
    spoken = sum(sum(part["hours"]) for part in found["rounds"]["languages"].values())
    assert sum(build.hours.values()) == pytest.approx(spoken, abs=1e-5)
    for branch in page.branches:
        for step in branch.steps:
            of = stages[step.name]
            assert (step.rows_in, step.kept, step.failed) == (of["rows_in"], of["kept"], of["failed_rows"])
            assert {left.reason: left.rows for left in step.left} == of["rejected"]
    (left,) = next(s for b in page.branches for s in b.steps if s.name == "gate.r2").left
    assert (
        left.reason == "error_rate" and "第0个" in left.examples[0].text and "heard '嗯啊'" in left.examples[0].detail
    )
    said = check_page(_report(ground))
    assert f"{4 * ROWS - 1}" in _words(said) and "Rounds of speech" in _words(said)


def test_text_and_names_are_never_html(ground, monkeypatch) -> None:
    """A question that is a script, a transcript that is one, a source file with quotes, a root with signs."""
    plain = spoken_again.dialogue
    said = f"{HOSTILE}\"><img src=x onerror=alert(2)> '&amp; {{{{7*7}}}}"
    monkeypatch.setattr(spoken_again, "dialogue", lambda order, i: plain(order, i) | {"instruction": f"{i} {said}"})
    rows = spoken_again._rows
    origin = {"file": f"a\"b'c{HOSTILE}.jsonl", "line": 3, "task": HOSTILE, "instruction": said}

    def hostile(order):
        if order.name != "filter":
            return rows(order)
        return [{"id": plain(order, i)["id"], **origin} for i in range(ROWS)]

    monkeypatch.setattr(spoken_again, "_rows", hostile)
    folder = ground._folder / 'odd "<b>&'
    folder.mkdir()
    odd = Ground(folder, ground._profile, monkeypatch)
    monkeypatch.setattr(odd.engines, "transcribe", _transcribing(odd.engines, HOSTILE))
    odd.build("stages.gate={max_error: {zh: 1, en: 1}}")
    html = _report(odd)
    page = check_page(html)
    assert len(page.all("script")) == 1 and not page.all("img")
    assert HOSTILE in _words(page) and said in _words(page) and origin["file"] in _words(page)
    assert "{{7*7}}" in _words(page) and HOSTILE not in html


def _transcribing(engines, text):
    plain = engines.transcribe

    def heard(audios, language):
        return [replace(t, text=f"{t.text} {text}") for t in plain(audios, language)]

    return heard


def test_it_is_the_same_again(ground) -> None:
    ground.engines.mumbles = lambda u, before: "第1个" in u.text
    ground.build()
    assert _report(ground) == _report(ground)


def test_a_large_build_is_sampled_by_hash(ground) -> None:
    ground.build()
    build = read_build(ground.pipeline(), ground.store)
    whole = build.dialogues.shards
    chosen = survey.sample_of(build.dialogues, {n: ("zh" if n % 2 else "en", ROWS) for n in whole}, 2 * ROWS)
    assert len(chosen) == 2 and {n % 2 for n in chosen} == {0, 1}  # of each language as many
    assert survey.sample_of(build.dialogues, {n: ("zh", ROWS) for n in whole}, 10 * ROWS) == whole
    few = {n: ("zh", ROWS) for n in whole}
    assert survey.sample_of(build.dialogues, few, ROWS) == survey.sample_of(build.dialogues, few, ROWS) != []
    found = survey.survey(build.dialogues, chosen)
    assert found.sampled and found.seen == 2 * ROWS


def test_speech_stays_within_its_bytes(ground) -> None:
    ground.build()
    build = read_build(ground.pipeline(), ground.store)
    groups = choice.choose(build.dialogues, build.seen)
    full, silent = choice.with_speech(build.dialogues, groups)
    assert silent == 0
    some, silent = choice.with_speech(build.dialogues, groups, budget=8000)
    spent = sum(len(url) for g in some for s in g.shown for url in s.sources.values())
    most = max(sum(map(len, s.sources.values())) for g in full for s in g.shown)
    assert 0 < spent < 8000 + most and silent == sum(not s.sources for g in some for s in g.shown) > 0
    assert len({s.heard.id for g in full for s in g.shown}) == sum(len(g.shown) for g in full)  # each once


def test_an_unfinished_build_says_what_is_missing(ground) -> None:
    ground.build(stages=("watermark",))
    page = check_page(_report(ground))
    assert "This build is not finished." in _words(page)
    assert re.search(r"measure: \d+ pending of \d+ shards", _words(page))
    assert not page.all("audio") and "spread-h" not in {a["id"] for a in page.all("h2")}


def test_a_build_without_speech_gives_a_page(ground) -> None:
    page = check_page(_report(ground))
    assert "This build is not finished." in _words(page) and re.search(r"synthesize: \d+ pending", _words(page))
    assert "voices-h" in {a["id"] for a in page.all("h2")} and not page.all("audio")


def test_without_a_build_it_says_what_to_do(tmp_path, quickstart) -> None:
    for options in ([], [str(quickstart)]):
        ran = CliRunner().invoke(app, ["report", *options, "--root", str(tmp_path), "--to", str(tmp_path / "r.html")])
        assert ran.exit_code == 2 and "no build here; run `kesc build" in ran.output
        assert not (tmp_path / "r.html").exists()


def test_a_file_that_cannot_be_written_is_one_line_before_the_work(ground, monkeypatch) -> None:
    ground.build()
    monkeypatch.delattr("kespeechchat.commands.report.page.contents")
    (ground._folder / "file").write_text("")
    to = ground._folder / "file" / "report.html"
    ran = CliRunner().invoke(app, ["report", "--root", ground.store.url, "--to", str(to)])
    assert ran.exit_code == 2 and "cannot write it" in ran.output


def test_failures_are_told_with_their_errors(ground) -> None:
    speak = ground.engines.speak

    def breathless(utterances):
        pairs = zip(utterances, speak(utterances), strict=True)
        return [RowError("out of <b>breath</b>") if "number 5" in u.text else audio for u, audio in pairs]

    ground.monkeypatch.setattr(ground.engines, "speak", breathless)
    ground.build()
    page = check_page(_report(ground))
    assert "failures-h" in {a["id"] for a in page.all("h2")}
    assert "1 shard or row failed" in _words(page) and "out of <b>breath</b>" in _words(page)
