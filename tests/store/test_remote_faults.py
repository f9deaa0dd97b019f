"""A store that fails, hangs, forgets to answer or hears late; and how many requests a plan makes of it."""

from __future__ import annotations

import math
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import pytest

from kespeechchat.config.load import load_pipeline
from kespeechchat.records import SCHEMAS, Outcome
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.store import commit as c
from kespeechchat.store.interface import AlreadyExists, StoreError
from kespeechchat.store.journal import Journal, open_attempts
from kespeechchat.store.manifest import Manifest, PlannedShard, Segment
from kespeechchat.store.opening import open_store
from kespeechchat.store.shards import read_table, to_parquet
from tests.store.s3_proxy import ABSENT, DELAY, FORGET, HANG, REFUSE, Fault, writes

pytestmark = pytest.mark.faults  # they wait for what hangs
FP = "0123456789ab"
ALL = 10**9


def _record(attempt: str) -> c.CommitRecord:
    return c.CommitRecord("committed", "gate", 7, FP, 0, attempt, counts={"gate": c.Counts(1, 1)})


def _data() -> bytes:
    return to_parquet([("ingest", Outcome({"id": "s-1", "instruction": "Hi"}))], SCHEMAS["ingest"])


@pytest.mark.parametrize(("kind", "times"), [(REFUSE, 3), (HANG, 1), (FORGET, 1), (DELAY, 1)])
@pytest.mark.parametrize(
    "meets", [writes("/data/"), writes("/commits/"), writes("?delete"), lambda r: r.method == "GET"],
    ids=["data", "record", "delete", "read"],
)  # fmt: skip
def test_a_shard_is_committed_and_read_back_through_it(s3_root, proxy, monkeypatch, kind, times, meets):
    # a request is given up after a third of it: longer than a busy machine's disk takes, whatever else it does
    monkeypatch.setenv("KESC_STORE_PATIENCE", "12" if kind in (HANG, DELAY) else "60")
    store, record = open_store(s3_root), _record("a" * 16)
    store.put("warm", b"")
    proxy.faults = [fault := Fault(kind, times, meets)]
    entry = Journal(store, "gate", "session", "node").open(record.key, record.attempt)
    won = c.commit(store, "gate", record, _data())
    entry.close()
    assert won.attempt == record.attempt
    assert c.list_commits(store, "gate").committed == {(7, FP): 0}
    assert read_table(store, "gate", won)["id"].to_pylist() == ["s-1"]
    assert open_attempts(store, "gate") == {}
    assert fault.met == times


@pytest.mark.parametrize("kind", [REFUSE, HANG])
@pytest.mark.parametrize("act", ["put", "create", "get", "list", "delete"])
def test_for_good_it_ends_in_an_error_that_names_object_and_cure(s3_root, proxy, monkeypatch, kind, act):
    monkeypatch.setenv("KESC_STORE_PATIENCE", "1")
    store = open_store(s3_root)
    with suppress(AlreadyExists):  # asked twice on a busy machine, it finds itself
        store.create("s/warm", b"")
    proxy.faults = [Fault(kind, ALL)]
    acts = {"put": (b"1",), "create": (b"1",), "get": (), "list": (), "delete": ()}
    began = time.monotonic()
    with pytest.raises(StoreError, match=rf"{s3_root}/s: .*(500|error).* run the same command again"):
        found = getattr(store, act)("s", *acts[act])
        list(found or ())
    assert time.monotonic() - began < 30  # not minutes; on a busy machine a second may take long


@pytest.mark.parametrize("act", [lambda s: s.put("a", b"1"), lambda s: s.get("a"), lambda s: list(s.list("a"))])
def test_a_bucket_that_is_not_there_is_told(s3_root, proxy, act):
    proxy.faults = [Fault(ABSENT, ALL)]
    with pytest.raises(StoreError, match="no such bucket"):
        act(open_store(s3_root))


def test_a_patience_that_is_no_number_is_told(s3_root, monkeypatch):
    monkeypatch.setenv("KESC_STORE_PATIENCE", "soon")
    with pytest.raises(StoreError, match="KESC_STORE_PATIENCE=soon: give seconds"):
        open_store(s3_root)


@pytest.fixture
def given_up(s3_root, proxy, monkeypatch):
    """A store whose first attempt at a shard gave up; the proxy still holds its record."""
    monkeypatch.setenv("KESC_STORE_PATIENCE", "1")
    store = open_store(s3_root)
    store.create("warm", b"")
    proxy.faults = [Fault(DELAY, ALL, writes("/commits/"))]
    with pytest.raises(StoreError):
        c.commit(store, "gate", _record("a" * 16), _data())
    proxy.faults = []
    return store


def test_a_put_that_arrives_after_its_client_gave_up_changes_nothing(given_up, proxy):
    """The record of an attempt that gave up arrives when another attempt has committed the shard."""
    store = given_up
    won = c.commit(store, "gate", _record("b" * 16), _data())
    late = proxy.deliver()
    assert len(late) > 1
    assert set(late) == {412}
    assert c.read_record(store, "gate", won.key) == won
    assert read_table(store, "gate", won).num_rows == 1


def test_a_put_that_arrives_late_before_anyone_else_is_the_shard(given_up, proxy):
    store = given_up
    assert proxy.deliver()[0] == 200
    second = c.commit(store, "gate", _record("b" * 16), _data())
    assert second.attempt == "a" * 16
    assert [key for key, _ in store.list("gate/data")] == [second.file]
    assert read_table(store, "gate", second).num_rows == 1


def test_a_plan_lists_a_thousand_records_a_request_and_asks_for_no_shard(s3_root, proxy, quickstart):
    pipeline, count = load_pipeline(quickstart, root=s3_root), 1_203
    store = open_store(s3_root)
    shards = tuple(PlannedShard(n, "en", 350, f"plan/instructions/data/{n}", f"{n:064d}") for n in range(count))
    Manifest(store, "instructions").append(Segment(0, {}, shards))
    keys = [c.record_key("ingest", s.order.key) for s in BuildState(pipeline, store).states("ingest").values()]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: store.put(key, b"{}"), keys))
    proxy.requests.clear()
    build_state = BuildState(pipeline, store)
    states = {unit.name: build_state.states(unit.name) for unit in pipeline.units}
    assert [s.state for s in states["ingest"].values()] == [State.DONE] * count
    assert len(states["gate"]) == count
    lists = [parse_qs(urlsplit(r.path).query) for r in proxy.requests if "list-type" in r.path]
    pages = Counter(query["prefix"][0].split("/", 1)[1] for query in lists)
    assert pages["ingest/commits/"] == math.ceil(count / 1000)
    assert max(n for prefix, n in pages.items() if prefix != "ingest/commits/") == 1
    others = [r.path.split("/", 3)[3] for r in proxy.requests if "list-type" not in r.path]
    assert sorted(others) == ["plan/instructions/00000.json", "voices/pin.json"]
