"""The commit protocol: names, generations, races, lost acknowledgements."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.records import SCHEMAS, Outcome, rejected
from kespeechchat.store import commit as c
from kespeechchat.store.interface import AlreadyExists
from kespeechchat.store.local import LocalFolder
from kespeechchat.store.shards import CorruptShard, count, read_table, to_parquet

FP = "0123456789ab"


def _record(attempt: str = "a" * 16, generation: int = 0, shard: int = 7) -> c.CommitRecord:
    counts = {"gate": c.Counts(2, 1, {"x": 1})}
    return c.CommitRecord("committed", "gate", shard, FP, generation, attempt, counts=counts)


@pytest.fixture
def store(tmp_path):
    return LocalFolder(str(tmp_path))


def _data() -> bytes:
    out = [("ingest", Outcome({"id": "s-1", "instruction": "Hi"})), ("ingest", rejected({"id": "s-2"}, "empty", "…"))]
    return to_parquet(out, SCHEMAS["ingest"])


def test_committed_shard_is_listed_and_read_back(store):
    record = c.commit(store, "gate", _record(), _data())
    listing = c.list_commits(store, "gate")
    assert listing.committed == {(7, FP): 0}
    assert c.read_record(store, "gate", record.key) == record
    assert read_table(store, "gate", record)["id"].to_pylist() == ["s-1"]
    assert read_table(store, "gate", record, kept_only=False)["reason"].to_pylist() == [None, "empty"]


def test_data_without_a_record_is_no_shard(store):
    store.put(c.data_key("gate", c.ShardKey(7, FP), "b" * 16), _data())
    assert c.list_commits(store, "gate").committed == {}


def test_the_loser_of_a_race_deletes_its_own_data_and_returns_the_standing_record(store):
    first = c.commit(store, "gate", _record("a" * 16), _data())
    second = c.commit(store, "gate", _record("b" * 16), _data())
    assert second == first
    assert [key for key, _ in store.list("gate/data")] == [first.file]


class _LostAcknowledgement(LocalFolder):
    """A store whose record arrives although the client is told that it exists already: its own put, retried."""

    def create(self, key: str, data: bytes) -> None:
        super().create(key, data)
        raise AlreadyExists(key)


def test_a_lost_acknowledgement_is_recognized_as_won(tmp_path):
    store = _LostAcknowledgement(str(tmp_path))
    record = c.commit(store, "gate", _record(), _data())
    assert record.attempt == "a" * 16
    assert read_table(store, "gate", record).num_rows == 1


def test_failure_stands_apart_and_does_not_block_success(store):
    c.commit_failure(store, "gate", _record())
    assert c.list_commits(store, "gate").failed == {(7, FP)}
    c.commit(store, "gate", _record("b" * 16), _data())
    assert c.list_commits(store, "gate").committed == {(7, FP): 0}


@pytest.mark.parametrize("harm", [lambda p: p.unlink(), lambda p: p.write_bytes(p.read_bytes()[:-9])])
def test_corrupt_data_is_named_marked_and_gets_a_new_generation(store, tmp_path, harm):
    record = c.commit(store, "gate", _record(), _data())
    harm(tmp_path / record.file)
    with pytest.raises(CorruptShard, match=record.file):
        read_table(store, "gate", record)
    listing = c.list_commits(store, "gate")
    assert listing.committed == {}
    assert listing.next_generation(7, FP) == 1
    c.commit(store, "gate", _record(generation=1), _data())
    assert c.list_commits(store, "gate").committed == {(7, FP): 1}


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"status": 1}', b'{"counts": 3}', b"null"])
def test_an_edited_record_is_a_clear_error(text):
    with pytest.raises(ValueError):
        c.CommitRecord.from_json(text)


def test_foreign_files_in_commits_are_ignored():
    assert c.parse_names(["gate/commits/README", "gate/commits/shard-1.x.g0.json"]).committed == {}


@given(
    st.lists(st.tuples(st.integers(0, 200_000), st.sampled_from(["0" * 12, "f" * 12]), st.integers(0, 3))),
    st.lists(st.integers(0, 3)),
)
def test_listing_law(keys, dropped):
    """The highest generation that is not marked corrupt counts."""
    names = [c.record_key("u", c.ShardKey(*key)) for key in keys]
    names += [c.record_key("u", c.ShardKey(*key), c.CORRUPT) for key in keys if key[2] in dropped]
    sound: dict = {}
    for shard, fp, generation in keys:
        if generation not in dropped:
            sound[(shard, fp)] = max(generation, sound.get((shard, fp), -1))
    assert c.parse_names(names).committed == sound


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=5))
def test_fingerprints_do_not_depend_on_key_order(value):
    shuffled = dict(reversed(list(value.items())))
    assert c.short_hash(value) == c.short_hash(json.loads(json.dumps(shuffled)))


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=8))
def test_the_quick_hash_of_texts_is_the_same(texts):
    """Otherwise every shard of every build would be stale."""
    assert c.texts_hash(texts) == c.short_hash(texts)


def test_counts_add_and_account_for_all():
    a, b = c.Counts(3, 1, {"x": 1}, 1), c.Counts(2, 0, {"x": 1, "y": 1})
    assert (a + b) == c.Counts(5, 1, {"x": 2, "y": 1}, 1)
    assert (a + b).rows_out == 5


def test_count_tallies_reasons():
    outcomes = [Outcome({"id": "1"}), rejected({"id": "2"}, "x"), Outcome({"id": "3"}, "failed", "error", "boom")]
    assert count(3, outcomes) == c.Counts(3, 1, {"x": 1}, 1)


def test_an_unknown_column_is_refused():
    with pytest.raises(KeyError, match="wrong"):
        to_parquet([("ingest", Outcome({"id": "1", "wrong": 1}))], SCHEMAS["ingest"])
