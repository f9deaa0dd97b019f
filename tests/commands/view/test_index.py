"""The viewer's index: what is in it, that it goes on where it was killed, and that large ones are paged cheaply."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from kespeechchat.commands.export import Wanted, export
from kespeechchat.commands.view import index as logic
from kespeechchat.commands.view import index_file
from kespeechchat.commands.view.cache_file import VERSION, opened
from kespeechchat.commands.view.query import BadQuery, Index, Query, TookTooLong
from kespeechchat.commands.view.takes import Take, shards_of
from kespeechchat.config.load import ConfigError
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.shards import CorruptShard
from tests.commands.view.builds import QUICKSTART, ROUNDS, spoken_build, state_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patches:
        return spoken_build(tmp_path_factory.mktemp("build"), QUICKSTART, patches)


def all_of(index: Index, size: int = 5, **given: str) -> list[dict]:
    """Every line, page by page; and the pages backwards are the same ones."""
    query, lines, pages = Query.parse(given, index.heads), [], []
    while True:
        page = index.page(query, size)
        lines += page.lines
        pages.append(page.lines)
        if page.later is None:
            break
        query = Query.parse(dict(parse_qsl(page.later.address())), index.heads)
    while page.earlier is not None:
        pages.pop()
        page = index.page(Query.parse(dict(parse_qsl(page.earlier.address())), index.heads), size)
        assert page.lines == pages[-1]
    assert len(pages) == 1
    return lines


def dump(file: Path) -> list[tuple]:
    with sqlite3.connect(file) as db:
        return db.execute("SELECT * FROM takes ORDER BY n").fetchall()


def test_it_holds_every_take_and_what_became_of_it(ground, tmp_path):
    state, file = state_of(ground), tmp_path / "i.sqlite"
    assert logic.update(state, file) == 16 + 8  # of the second round: those that the first refused
    index = Index(file)
    kept = list(FinishedRows(state.pipeline, ground.store, state))
    lines = all_of(index)
    assert [(line["id"], line["round"]) for line in lines] == [(row["id"], row["round"]) for row in kept]
    assert [line["error_rate"] for line in lines] == [row["error_rate"] for row in kept]
    assert lines[0]["said"].split("\n") == [t[k] for t in kept[0]["turns"] for k in ("text", "transcript")]
    refused = all_of(index, status="rejected")
    assert len(refused) == 8 + 4 and {line["reason"] for line in refused} == {"error_rate"}
    assert {line["stage"] for line in refused} == {"gate", "gate.r1"}
    assert all_of(index, status="any", round="1", language="zh", sort="error_rate", down="1", least_error_rate="0.5")
    rates = [line["error_rate"] for line in all_of(index, status="any", sort="error_rate", down="1")]
    assert rates == sorted(rates, reverse=True) and len(rates) == 24
    voice = lines[0]["user_voice"]
    assert {voice} <= {v for line in all_of(index, voice=voice) for v in (line["user_voice"], line["agent_voice"])}


def test_partitions_are_those_of_an_export(ground, tmp_path):
    state, file = state_of(ground), tmp_path / "i.sqlite"
    logic.update(state, file)
    index = Index(file)
    export(state.pipeline, ground.store, str(tmp_path / "out"), Wanted(audio=False))
    exported = [json.loads(one.read_text("utf-8")) for one in (tmp_path / "out" / "partitions").iterdir()]
    assert [one["name"] for one in sorted(exported, key=lambda one: len(one["ids"]))][-1] == "XL"
    for one in exported:
        assert {line["id"] for line in all_of(index, partition=one["name"])} == set(one["ids"])
    assert {one["name"] for one in exported} == set(index.partitions) and len({len(one["ids"]) for one in exported}) > 1
    with pytest.raises(BadQuery, match="XXL: no such partition; there is XS"):
        index.page(Query.parse({"partition": "XXL"}, index.heads))


@pytest.mark.parametrize("text", ["question number 4", "QUESTION", "第0个", "个", "0%", "<script>", "_"])
def test_text_is_found_as_it_is_written(ground, tmp_path, text):
    """Also in two characters, which no trigram has, and with the wildcards of LIKE."""
    logic.update(state_of(ground), tmp_path / "i.sqlite")
    index = Index(tmp_path / "i.sqlite")
    found = {(line["id"], line["round"]) for line in all_of(index, status="any", text=text)}
    lines = all_of(index, status="any")
    assert found == {(x["id"], x["round"]) for x in lines if text.lower() in x["said"].lower()}
    assert bool(found) == (text not in ("0%", "_"))


def test_a_killed_run_goes_on_and_a_shard_made_again_is_replaced(tmp_path, quickstart, monkeypatch):
    ground = spoken_build(tmp_path, quickstart, monkeypatch)
    state, file, whole = state_of(ground), tmp_path / "i.sqlite", tmp_path / "whole.sqlite"
    logic.update(state, whole)
    read: list[int] = []
    takes_of, insert = logic.takes_of, logic._insert

    def killed(db, takes, heads) -> None:
        insert(db, takes, heads)
        if takes and len(dump(file)) >= 8:
            raise KeyboardInterrupt

    def counted(build_state, shard) -> list[Take]:
        read.append(shard.first)
        return takes_of(build_state, shard)

    monkeypatch.setattr(logic, "takes_of", counted)
    monkeypatch.setattr(logic, "_insert", killed)
    with pytest.raises(KeyboardInterrupt):
        logic.update(state, file)
    assert len(dump(file)) == 8  # two shards whole; the third one's lines went with its mark
    monkeypatch.setattr(logic, "_insert", insert)
    done = len(read)
    logic.update(state, file)
    assert dump(file) == dump(whole)
    assert len(read) - done < len(list(shards_of(state)))
    read.clear()
    logic.update(state, file)
    assert not read
    ground.build("rounds=[seed]", "stages.gate={max_error: {zh: 1, en: 1}}")
    changed = logic.BuildState(ground.pipeline(ROUNDS, "stages.gate={max_error: {zh: 1, en: 1}}"), ground.store)
    assert logic.update(changed, file) == 16  # nothing is refused, so the second round has no take
    assert {line[4] for line in dump(file)} == {"kept"}
    logic.update(changed, tmp_path / "anew.sqlite")
    assert dump(file) == dump(tmp_path / "anew.sqlite")
    assert len(all_of(Index(file), text="number")) == len(all_of(Index(tmp_path / "anew.sqlite"), text="number")) > 0


def _indexes(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as db:
        return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}


def test_a_run_killed_before_its_indexes_were_made_makes_them(ground, tmp_path, monkeypatch):
    state, file = state_of(ground), tmp_path / "i.sqlite"
    logic.update(state, tmp_path / "whole.sqlite")
    with monkeypatch.context() as patched:
        patched.setattr(logic, "_missing", lambda db: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            logic.update(state, file)
    assert not _indexes(file) & logic._INDEXES.keys()
    logic.update(state, file)
    assert _indexes(file) == _indexes(tmp_path / "whole.sqlite") >= set(logic._INDEXES)


def _old(file: Path, shards: int) -> None:
    """Some shards of the gate are as if they had been made again since, and one is gone from the build."""
    with closing(sqlite3.connect(file)) as db, db:
        some = "SELECT unit, shard FROM shards WHERE unit LIKE 'gate%' AND takes > 0 ORDER BY unit, shard LIMIT ?"
        db.execute(f"UPDATE shards SET mark = 'old' WHERE (unit, shard) IN ({some})", (shards,))
        n = 1 << 40
        db.execute("INSERT INTO shards VALUES ('gone', 0, 'mark', ?, 1)", (n,))
        db.execute("INSERT INTO takes (n, shard, round, id, status, stage) VALUES (?, 0, 0, 'x', 'kept', 'gone')", (n,))
        db.execute("INSERT INTO spoken VALUES (?, 'nothing')", (n,))
        db.execute("INSERT INTO texts (rowid, said) VALUES (?, 'nothing')", (n,))
        db.execute("UPDATE facts SET value = '{\"names\": [], \"takes\": 25}' WHERE name = 'facets'")


@pytest.mark.parametrize("at", ["finish", "second shard", "removal"])
def test_a_run_that_stops_over_an_earlier_index_is_made_good(ground, tmp_path, monkeypatch, at):
    state, file, whole = state_of(ground), tmp_path / "i.sqlite", tmp_path / "whole.sqlite"
    logic.update(state, whole)
    logic.update(state, file)
    _old(file, shards=0 if at == "removal" else 2)
    takes_of, read = logic.takes_of, []

    def corrupt(build_state, shard) -> list[Take]:
        read.append(shard)
        if len(read) == 2:
            raise CorruptShard("a shard is broken")
        return takes_of(build_state, shard)

    with monkeypatch.context() as patched:
        if at == "second shard":
            patched.setattr(logic, "takes_of", corrupt)
        else:
            patched.setattr(logic, "_finish", lambda db, build_state: pytest.fail("killed"))
        with pytest.raises(CorruptShard if at == "second shard" else pytest.fail.Exception):
            logic.update(state, file)
    if at == "second shard":
        with closing(sqlite3.connect(file)) as db, db:  # it was made again as it was, so no shard is fresh
            marks = {(shard.unit.name, shard.number): shard.order.key.stem for shard in shards_of(state)}
            db.executemany(
                "UPDATE shards SET mark = ? WHERE unit = ? AND shard = ?", [(m, *key) for key, m in marks.items()]
            )
    assert logic.update(state, file) == 24
    assert dump(file) == dump(whole) and Index(file).facets == Index(whole).facets


def test_other_partitions_of_the_profile_are_cut(ground, tmp_path):
    file = tmp_path / "i.sqlite"
    logic.update(state_of(ground), file)
    own = "partitions={sizes: {half: {fraction: 0.5}, everything: {fraction: 1}}}"
    changed = logic.BuildState(ground.pipeline(ROUNDS, own), ground.store)
    logic.update(changed, file)
    logic.update(changed, tmp_path / "anew.sqlite")
    assert Index(file).partitions == ["half", "everything"]
    assert dump(file) == dump(tmp_path / "anew.sqlite")
    told: list[str] = []
    logic.update(changed, file, told.append)
    assert not told


def test_two_runs_over_one_index_wait_for_each_other(ground, tmp_path, monkeypatch):
    state, file = state_of(ground), tmp_path / "i.sqlite"
    logic.update(state, tmp_path / "whole.sqlite")
    finish, begun, go_on, waits = logic._finish, threading.Event(), threading.Event(), threading.Event()

    def slow(db, build_state) -> None:
        begun.set()
        assert go_on.wait(60)
        finish(db, build_state)

    monkeypatch.setattr(logic, "_finish", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(logic.update, state, file)
        assert begun.wait(60)
        told: list[str] = []

        def tell(line: str) -> None:
            told.append(line)
            waits.set()

        second = pool.submit(logic.update, state_of(ground), file, tell)
        waited = waits.wait(60)
        go_on.set()
        assert waited and first.result(60) == second.result(60) == 24
    assert told == [f"index: another kesc view is changing {file}; waiting until it is done"]
    assert dump(file) == dump(tmp_path / "whole.sqlite")


def test_a_few_new_shards_go_into_the_indexes_that_there_are(ground, tmp_path, monkeypatch):
    state, file = state_of(ground), tmp_path / "i.sqlite"
    logic.update(state, file)
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("UPDATE shards SET mark = 'old' WHERE (unit, shard) = (SELECT unit, shard FROM shards LIMIT 1)")
    monkeypatch.setattr(logic, "_MANY", 0.99)
    whole, missing, dropped = dump(file), logic._missing, []

    def seen(db: sqlite3.Connection) -> dict[str, str]:
        dropped.extend(found := missing(db))
        return found

    monkeypatch.setattr(logic, "_missing", seen)
    logic.update(state, file)
    assert dump(file) == whole and not dropped


def test_another_database_is_left_alone_and_a_broken_index_says_so(ground, tmp_path):
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE mine (x)")
    with pytest.raises(ConfigError, match=r"other\.sqlite: is not known as an index of kesc view; name another file"):
        logic.update(state_of(ground), other)
    with sqlite3.connect(other) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]
    other.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    with pytest.raises(ConfigError, match="delete it"):
        logic.update(state_of(ground), other)


def test_again_deletes_an_index_and_nothing_else(ground, tmp_path):
    thesis, takes, earlier = (tmp_path / name for name in ("thesis.docx", "takes.sqlite", "earlier.sqlite"))
    thesis.write_bytes(b"three years of work " * 1000)
    with closing(sqlite3.connect(takes)) as db, db:
        db.execute("CREATE TABLE takes (mine)")
    logic.update(state_of(ground), earlier)
    with closing(sqlite3.connect(earlier)) as db:
        db.execute("PRAGMA application_id = 0")  # as code before this one made it
    for file in (thesis, takes, earlier):
        before = file.read_bytes()
        with pytest.raises(ConfigError, match=f"{file.name}: .*; name another file, or, if it is an index .*delete it"):
            index_file("root", file, again=True)
        assert file.read_bytes() == before
        with pytest.raises(ConfigError, match="name another file"):
            logic.update(state_of(ground), file)
        assert file.read_bytes() == before
    assert not thesis.with_name("thesis.docx.lock").exists()
    ours = tmp_path / "ours.sqlite"
    logic.update(state_of(ground), ours)
    assert index_file("root", ours, again=False) == ours and ours.exists()
    assert index_file("root", ours, again=True) == ours and not ours.exists()
    logic.update(state_of(ground), ours)


def test_an_index_of_another_version_is_made_anew(ground, tmp_path):
    file = tmp_path / "i.sqlite"
    logic.update(state_of(ground), file)
    whole = dump(file)
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("DELETE FROM takes")
        db.execute(f"PRAGMA user_version = {VERSION - 1}")
    assert logic.update(state_of(ground), file) == 24 and dump(file) == whole


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"colour": "red"}, "colour: no such filter"),
        ({"sort": "n; DROP TABLE takes"}, "no such order"),
        ({"least_error_rate": "low"}, "write a number"),
        ({"least_nothing": "1"}, "no such filter"),
        ({"after": "x~y"}, "not a place"),
        ({"after": f"0~{1 << 64}"}, "not a place"),
        ({"round": "-1"}, "whole number"),
    ],
)
def test_an_address_that_asks_for_nothing_is_refused(given, told):
    with pytest.raises(BadQuery, match=told):
        Query.parse(given, ["dnsmos_ovrl"])


LINES = 100_000


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """An index of generated takes, put in as a shard's are."""
    file = tmp_path_factory.mktemp("large") / "large.sqlite"
    db = opened(file)
    logic._add_head(db, "dnsmos_ovrl")
    for start in range(0, LINES, 5000):
        with db:
            logic._insert(db, [_generated(n) for n in range(start, start + 5000)], ["dnsmos_ovrl"])
    with db:
        logic._set_fact(db, "facets", f'{{"names": ["XL"], "takes": {LINES}}}')
    for name, columns in logic._missing(db).items():
        db.execute(f"CREATE INDEX {name} ON takes {columns}")
    db.execute("ANALYZE")
    db.close()
    return file


def _generated(n: int) -> Take:
    language = "zh" if n % 2 else "en"
    said = f"Question {n}\nquestion {n}\nAnswer {n * 7919 % LINES}\nanswer"
    rate = (n * 7919 % 1000) / 1000
    voices = f"u{n % 977}", f"a{n % 4}"
    places = (n, n // 350, 0, f"id-{n}", "kept", "gate", None, None, language, "train")
    return Take(*places, rate, 5.0, *voices, rate, rate, said, {"dnsmos_ovrl": 2 + n * 31 % 997 / 500})


def test_pages_of_a_large_index_cost_little_wherever_they_are(large):
    index = Index(large)
    for given in ({}, {"sort": "error_rate"}, {"language": "zh", "sort": "dnsmos_ovrl", "down": "1"}, {"voice": "u5"}):
        query, seen, slowest = Query.parse(given, index.heads), set(), 0.0
        for _ in range(25):
            begun = time.process_time()
            page = index.page(query)
            slowest = max(slowest, time.process_time() - begun)
            ids = [line["id"] for line in page.lines]
            assert not seen & set(ids)
            seen |= set(ids)
            if page.later is None:
                break
            query = page.later
        assert slowest < 0.5, given  # some 10 ms; reading all lines and sorting them takes longer
    assert index.page(Query.parse({"text": "Question 99999"}, index.heads)).matches == 1
    assert index.page(Query.parse({"voice": "u5"}, index.heads)).matches == len(range(5, LINES, 977))
    assert index.page(Query.parse({"text": "question"}, index.heads)).more  # too many to be looked up at once
    both = index.page(Query.parse({"text": "question", "voice": "u5"}, index.heads))
    assert both.matches == len(range(5, LINES, 977)) and not both.more
    assert {line["user_voice"] for line in both.lines} == {"u5"}
    far = Query.parse({"sort": "error_rate", "after": f"0.5~{LINES}"}, index.heads)
    assert index.page(far).lines[0]["error_rate"] > 0.5 and index.page(far).more


def test_a_question_without_a_short_way_is_given_up(large, monkeypatch):
    index = Index(large)
    query = Query.parse({"text": "no such words", "sort": "error_rate"}, index.heads)
    assert not index.page(query).lines
    monkeypatch.setattr("kespeechchat.commands.view.query._PATIENCE", 0.0)
    with pytest.raises(TookTooLong, match="add a filter"):
        index.page(replace(query, text="er"))  # two characters: every line is read
