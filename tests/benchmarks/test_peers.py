"""The peers' table: its server, its count of rows, its kills and its page; the libraries themselves run outside CI."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.bounds import Bounds
from benchmarks.measured import PROFILE
from benchmarks.peers import __main__ as peers
from benchmarks.peers import hearing, works
from benchmarks.peers.runs import _MARK, Answers, Job, SideFailed, kill_marked, serving, write_rows
from benchmarks.peers.server import answer, instruction, row_of
from benchmarks.peers.sides import HERE, ROOT, SIDES, Side
from benchmarks.peers.speech import sentence, utterances
from benchmarks.peers.table import SAME, judge, page
from benchmarks.peers.works import PART, Sizes
from kespeechchat.config.load import load_pipeline
from kespeechchat.text.compose import judge_question
from kespeechchat.text.prompts import parse_prompt

OURS = SIDES[0]
PROMPT = parse_prompt(load_pipeline(PROFILE).prompts["rewrite"], "rewrite", "en")


def ask(url: str, row: int, **headers: str) -> dict[str, Any]:
    there = urlparse(url)
    connection = http.client.HTTPConnection(str(there.hostname), there.port)
    body = json.dumps({"messages": [{"role": "user", "content": f"{instruction(99)} {instruction(row)}"}]})
    connection.request("POST", "/v1/chat/completions", body, headers)
    found: dict[str, Any] = json.load(connection.getresponse())
    connection.close()
    return found


def test_the_server_answers_so_many_at_once_after_its_latency(tmp_path: Path):
    with serving(tmp_path / "log", latency=0.2, at_once=4) as url, ThreadPoolExecutor(8) as pool:
        began = time.perf_counter()
        found = list(pool.map(lambda row: ask(url, row), range(8)))
        seconds = time.perf_counter() - began
    assert [a["choices"][0]["message"]["content"] for a in found] == [answer(row) for row in range(8)]
    assert seconds >= 0.4, "eight requests, four at once, are two rounds"
    assert sorted(map(int, (tmp_path / "log").read_text().split())) == list(range(8))


def test_a_client_that_asks_for_it_sees_its_connection_end(tmp_path: Path):
    with serving(tmp_path / "log", latency=0.0, at_once=1) as url:
        there = urlparse(url)
        connection = http.client.HTTPConnection(str(there.hostname), there.port, timeout=10)
        connection.request("POST", "/v1/chat/completions", instruction(1), {"Connection": "close"})
        assert connection.getresponse().headers["Connection"] == "close"


@given(st.integers(0, 999_999))
def test_a_row_is_known_again_by_its_instruction(row: int):
    assert row_of(f"{instruction(7)} {instruction(row)}") == row
    assert row_of(answer(row)) is None


def test_a_prompt_without_a_row_is_refused(tmp_path: Path):
    with serving(tmp_path / "log", latency=0.0, at_once=1) as url:
        there = urlparse(url)
        connection = http.client.HTTPConnection(str(there.hostname), there.port, timeout=10)
        connection.request("POST", "/v1/chat/completions", "How far is it?")
        assert connection.getresponse().status == 400


@given(st.integers(0, 999_999))
def test_an_answer_is_a_question_that_our_rewrite_keeps(row: int):
    assert judge_question(answer(row), instruction(row), "", None, PROMPT, 40) is None


class Fake(Side):
    """A side whose script is `script`."""

    script: Path

    def command(self, work: str, job: Path) -> list[str]:
        return [sys.executable, str(self.script), work, str(job)]


def fake(folder: Path, code: str) -> Job:
    side = Fake("fake", "fake", "", "", "", "")
    object.__setattr__(side, "script", folder / "script.py")
    (folder / "script.py").write_text(f"import json, sys, time\njob = json.load(open(sys.argv[2]))\n{code}")
    return Job(side, folder / "job")


def test_rows_that_are_lost_doubled_and_made_twice_are_counted(tmp_path: Path):
    job = fake(tmp_path, "open(job['read'], 'w').writelines(json.dumps({'row': r}) + '\\n' for r in (0, 1, 1, 3))")
    log = tmp_path / "log"
    log.write_text("0\n1\n1\n2\n3\n3\n")
    assert job.answers(log, 4) == Answers(lost=1, doubled=1, made_twice=2)


def test_a_side_that_fails_says_why(tmp_path: Path):
    with pytest.raises(SideFailed, match=r"fake: generate ended in 1\n.*no such server"):
        fake(tmp_path, "raise SystemExit('no such server')").run("generate")


def test_a_run_has_a_token_of_its_own_for_ray(tmp_path: Path):
    code = "import os\nprint(os.environ['RAY_AUTH_MODE'], os.environ['RAY_AUTH_TOKEN'])"
    said = [fake(tmp_path, code).run("hear").output.split() for _ in range(2)]
    assert [mode for mode, _ in said] == ["token", "token"] and said[0][1] != said[1][1]


def test_a_side_that_does_not_end_is_ended(tmp_path: Path):
    waits = replace(fake(tmp_path, "time.sleep(600)"), patience=0.5)
    with pytest.raises(SideFailed, match=r"still running after 0.5 s"):
        waits.run("generate")


def test_a_kill_reaches_what_has_left_the_process_tree(tmp_path: Path):
    away = (
        "import subprocess\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True)\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        f"open({str(tmp_path / 'log')!r}, 'w').write('0\\n')\n"
        "time.sleep(600)"
    )
    fake(tmp_path, away).run_and_kill("generate", tmp_path / "log", after=1)
    child = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_run_that_ends_before_it_is_killed_is_no_figure(tmp_path: Path):
    with pytest.raises(SideFailed, match="did not reach the half"):
        fake(tmp_path, "print('all done')").run_and_kill("generate", tmp_path / "log", after=1)


def test_no_other_process_is_killed():
    other = subprocess.Popen(["sleep", "600"], env={**os.environ, _MARK: "another"})
    kill_marked("mine")
    assert other.poll() is None
    other.kill()
    other.wait()


def test_the_rows_are_in_a_layout_that_ours_reads(tmp_path: Path):
    write_rows(tmp_path / "rows.jsonl", 3)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [row["row"] for row in rows] == [0, 1, 2]
    assert all(row_of(row["instruction"]) == row["row"] for row in rows)


SIZES = vars(Sizes((200, 600), (1000, 3000), 100, 50, 100))


def results(ours: float, theirs: float) -> dict[str, Any]:
    def side(seconds: float, version: str) -> dict[str, Any]:
        figures = {"seconds of 200": seconds, "seconds of 600": seconds + 1.3}
        return {"version": version, "rounds": 3, "figures": figures}

    gone = {"version": None, "rounds": 0, "why": "its environment is missing: `make peers`"}
    found = {OURS.name: side(ours, "0.1"), "datatrove": side(theirs, "0.10.1"), "data_juicer": gone, "sizes": SIZES}
    killed = {OURS.name: {"version": "0.1", "rounds": 1, "figures": KILLED}, "sizes": SIZES}
    return {"generate": found, "killed": killed}


KILLED = {"lost": 0, "doubled": 0, "made_twice": 31, "seconds again": 9.0}


def test_the_page_has_a_row_for_each_side_and_the_reason_of_one_without_figures():
    told = page(results(5.0, 6.0))
    assert "| kespeechchat | 5.0 | 6.3 | 4.3 | 3.25 | 1.04 | 3 |" in told
    assert "| datatrove | 6.0 | 7.3 |" in told
    assert "| data_juicer | – | – | – | – | – | 0 |" in told
    assert "data_juicer has no figure: its environment is missing" in told
    assert "datatrove 0.10.1" in told and "data_juicer (not installed)" in told
    assert "| kespeechchat | 0 | 0 | 31 | 9.0 | 1 |" in told


def test_being_behind_a_peer_breaks_a_bound():
    ahead, behind = Bounds(), Bounds()
    judge(results(5.0, 6.0), ahead)
    judge(results(6.0, 5.0), behind)
    assert not ahead.broken
    assert len(behind.broken) == 1 and "datatrove 6.3 s" in behind.broken[0]


def test_a_row_that_costs_less_than_the_server_takes_is_no_figure_and_holds_no_bound():
    found = results(5.0, 6.0)
    found["generate"][OURS.name]["figures"]["seconds of 600"] = 5.5  # 1.25 ms a row, of 3.125
    bounds = Bounds()
    judge(found, bounds)
    assert any("a further row" in line for line in bounds.broken)
    assert "| kespeechchat | 5.0 | 5.5 | not resolved | not resolved | not resolved | 3 |" in page(found)


def test_a_row_that_is_lost_breaks_a_bound():
    found = results(5.0, 6.0)
    found["killed"][OURS.name]["figures"] = {**KILLED, "lost": 1}
    bounds = Bounds()
    judge(found, bounds)
    assert len(bounds.broken) == 1


HEARD = {"seconds": 61.2, "cpu": 100.5, "memory": 1234.0, "missing": 0, "error rate": 0.0125}


def heard(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, Any]:
    sides = {OURS.name: ours, "datatrove": theirs}
    found = {name: {"version": "1", "rounds": 3, "figures": {**HEARD, **own}} for name, own in sides.items()}
    return {"hear": {**found, "sizes": SIZES}}


def test_the_page_says_what_recognizing_took_and_that_all_heard_the_same():
    told = page(heard({}, {"seconds": 70.0, "missing": 2}))
    assert "## 5. Transcribing and scoring" in told and "\n200 short English sentences" in told
    assert "| kespeechchat | 61.2 | 100.5 | 1,234 | 0 | 0.0125 | 3 |" in told
    assert "| datatrove | 70.0 | 100.5 | 1,234 | 2 | 0.0125 | 3 |" in told


@pytest.mark.parametrize(
    ("ours", "theirs", "broken"),
    [
        ({}, {"seconds": 70.0}, 0),
        ({}, {"seconds": 50.0}, 1),
        ({"missing": 1}, {"seconds": 70.0}, 1),
        ({}, {"seconds": 70.0, "error rate": HEARD["error rate"] + 2 * SAME}, 1),
    ],
)
def test_being_slower_leaving_speech_out_and_hearing_otherwise_break_a_bound(ours: Any, theirs: Any, broken: int):
    bounds = Bounds()
    judge(heard(ours, theirs), bounds)
    assert len(bounds.broken) == broken


def test_every_sentence_is_another_one():
    assert len({sentence(number) for number in range(1000)}) == 1000
    with pytest.raises(ValueError, match="1000: there are 1000 sentences"):
        sentence(1000)


def test_speech_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []

    def speak(words: list[str], **_: Any) -> None:
        asked.append(words)
        Path(words[-2]).mkdir()
        (Path(words[-2]) / "utterances.jsonl").write_text('{"id": "a"}\n')

    monkeypatch.setattr("benchmarks.peers.speech.subprocess.run", speak)
    assert utterances(tmp_path / "speech", 1) == utterances(tmp_path / "speech", 1) == [{"id": "a"}]
    assert len(asked) == 1


def test_an_error_rate_of_the_peers_minds_neither_case_nor_punctuation():
    assert hearing.error_rate("The old mill, near the river.", "the old mill near the river") == 0.0
    assert hearing.error_rate("The old mill.", "The cold mill") == pytest.approx(1 / 3)


def test_rows_are_shared_out_in_files_of_so_many(tmp_path: Path):
    write_rows(tmp_path / "rows.jsonl", 5)
    folder = hearing.parts(str(tmp_path / "rows.jsonl"), 2)
    assert [len(file.read_text().splitlines()) for file in sorted(folder.iterdir())] == [2, 2, 1]
    assert [row["row"] for row in hearing.json_rows(str(folder))] == [0, 1, 2, 3, 4]


def test_utterances_without_a_result_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spoken = [{"id": name, "reference": "Yes.", "path": f"{name}.wav"} for name in "abc"]
    monkeypatch.setattr(works, "utterances", lambda folder, count: spoken)
    monkeypatch.setattr("kespeechchat.engines.models.resolve", lambda model: tmp_path)
    code = (
        "rows = [{'id': 'a', 'error_rate': 0.5}, {'id': 'c', 'error_rate': 0.25}]\n"
        "assert job.get('part', 10) == 10\n"
        "open(job['read'], 'w').writelines(json.dumps(row) + '\\n' for row in rows)"
    )
    found = works.hear(fake(tmp_path, code).side, tmp_path / "hear" / "fake", Sizes(**SIZES))
    assert (found["missing"], found["error rate"]) == (1, 0.375)
    assert found["seconds"] > 0 and found["memory"] > 0


def call(folder: Path, monkeypatch: pytest.MonkeyPatch, work: Any, *words: str) -> dict[str, Any]:
    """What a call of `python -m benchmarks.peers` keeps of the work `units`, for which `work` stands."""
    monkeypatch.setitem(peers.WORKS, "units", work)
    monkeypatch.setattr(Side, "version", lambda side: "1.0")
    monkeypatch.setattr(Bounds, "close", lambda bounds: 0)  # what is kept matters here, not who is ahead
    monkeypatch.setattr(sys, "argv", ["peers", "--only", "units", "--folder", str(folder), *words])
    peers.main()
    kept: dict[str, Any] = json.loads((folder / "results.json").read_text())["units"]
    return kept


def test_results_of_other_sizes_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ours, other = OURS.name, "datatrove"

    def work(side: Side, folder: Path, sizes: Sizes) -> dict[str, float]:
        return {"seconds": sizes.units / 10, "memory": 1.0}

    both = call(tmp_path, monkeypatch, work, "--units", "50", "--sides", ours, other)
    same = call(tmp_path, monkeypatch, work, "--units", "50", "--sides", ours)
    assert both == same and both.keys() == {ours, other, "sizes"}
    larger = call(tmp_path, monkeypatch, work, "--units", "100", "--sides", ours)
    assert larger.keys() == {ours, "sizes"} and larger[ours]["figures"]["seconds"] == 10.0


def test_a_side_that_fails_keeps_the_rounds_that_it_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    gone: list[float] = []

    def work(side: Side, folder: Path, sizes: Sizes) -> dict[str, float]:
        if side.name != OURS.name or len(gone) == 2:
            raise SideFailed(f"{side.name}: no more")
        gone.append(len(gone) + 1.0)
        return {"seconds": gone[-1], "memory": 1.0}

    found = call(tmp_path, monkeypatch, work, "--rounds", "3", "--sides", OURS.name, "datatrove")
    assert found[OURS.name] == {"version": "1.0", "rounds": 2, "figures": {"seconds": 1.5, "memory": 1.0}}
    assert found["datatrove"] == {"version": "1.0", "rounds": 0, "why": "datatrove: no more"}


@pytest.mark.parametrize("side", SIDES, ids=lambda side: side.name)
def test_a_side_has_its_script_and_pinned_requirements(side: Side):
    script = (HERE / f"side_{side.name}.py").read_text()
    assert side.ours or "kespeechchat" not in script.replace(str(ROOT), "")
    if not side.ours:
        pins = [line for line in (ROOT / f"requirements/peers-{side.name}.txt").read_text().split("\n") if line]
        assert pins[0].startswith("#")
        assert all("==" in line and "/" not in line for line in pins if not line.startswith("#"))


@pytest.mark.slow
def test_our_side_generates_and_its_rows_are_found(tmp_path: Path):
    job = Job(replace(OURS), tmp_path / "job")
    job.folder.mkdir()
    write_rows(job.folder / "rows.jsonl", 130)
    with serving(tmp_path / "log", latency=0.01, at_once=32) as url:
        job.run("generate", url=url)
    assert job.answers(tmp_path / "log", 130) == Answers(0, 0, 0)


@pytest.mark.slow
@pytest.mark.model
def test_our_side_recognizes_and_scores_what_is_spoken(tmp_path: Path):
    found = works.hear(OURS, tmp_path / "hear" / "ours", replace(Sizes(**SIZES), utterances=PART + 1))
    assert found["missing"] == 0
    assert found["error rate"] < 0.3
