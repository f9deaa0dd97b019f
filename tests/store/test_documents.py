"""Whatever lies in ROOT is read as what it should be, or refused in one clear sentence."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.state.counts_cache import CountsCache
from kespeechchat.state.voice_pin import PinnedVoices, read_pin
from kespeechchat.store.commit import CommitRecord, Counts, ShardKey, commit
from kespeechchat.store.documents import dump, parse
from kespeechchat.store.interface import StoreError
from kespeechchat.store.journal import Journal, open_attempts
from kespeechchat.store.local import LocalFolder
from kespeechchat.store.manifest import Manifest, PlannedShard, Segment
from tests.fuzzing import broken

RECORD = CommitRecord("committed", "gate", 3, "0" * 12, 0, "a" * 16, counts={"gate": Counts(3, 1, {"error_rate": 2})})
SEGMENT = Segment(0, {"d": "in.jsonl"}, (PlannedShard(0, "zh", 6, "plan/x", "c"),), {"rows": 6})
VALUES = {CommitRecord: RECORD, Segment: SEGMENT, PinnedVoices: PinnedVoices("c", 0, "0" * 12, 0)}


@pytest.mark.parametrize("kind", VALUES)
def test_what_was_written_is_read(kind):
    assert parse(kind, dump(kind, VALUES[kind])) == VALUES[kind]
    assert parse(kind, json.dumps(asdict(VALUES[kind])).encode()) == VALUES[kind]


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_anything_else_is_a_value_error(kind, data):
    try:
        read = parse(kind, data.draw(broken(dump(kind, VALUES[kind]))))
    except ValueError:
        return
    assert isinstance(read, kind) and parse(kind, dump(kind, read)) == read


@pytest.mark.parametrize("number", [b"1e9990", b"-Infinity", b"NaN"])
def test_a_number_that_json_cannot_give_back_is_refused(number):
    with pytest.raises(ValueError, match=r"audio_seconds: .*finite"):
        parse(CommitRecord, dump(CommitRecord, RECORD).replace(b'"audio_seconds":0.0', b'"audio_seconds":' + number))


def test_the_field_is_named():
    edited = json.loads(RECORD.to_json()) | {"size": "large"}
    with pytest.raises(ValueError, match=r"not a commit record: size: is \"large\", not an integer"):
        CommitRecord.from_json(json.dumps(edited).encode())


@settings(max_examples=30, deadline=None)  # each writes and syncs files
@given(data=st.data())
def test_the_caches_and_the_journal_live_with_anything(tmp_path_factory, data):
    store = LocalFolder(str(tmp_path_factory.mktemp("root")))
    key = commit(store, "gate", RECORD, b"data").key
    rollup = CountsCache(store, "gate")
    counts = rollup.counts([key])
    rollup.save()
    Journal(store, "gate", "session", "node").open(key, "b" * 16)
    for name in ("gate/rollup.json", f"gate/attempts/{key.stem}.{'b' * 16}.json"):
        store.put(name, data.draw(broken(store.get(name))))
    open_attempts(store, "gate")
    assert CountsCache(store, "gate").counts([key]).keys() == counts.keys()


def test_a_broken_plan_or_pin_names_the_file_and_the_cure(tmp_path):
    store = LocalFolder(str(tmp_path))
    store.put("plan/instructions/00000.json", b'{"number": 0}')
    with pytest.raises(StoreError, match=r"plan/instructions/00000\.json.*inputs.*restore it"):
        Manifest(store, "instructions")
    store.put("voices/pin.json", b"[]")
    with pytest.raises(StoreError, match=r"voices/pin\.json.*the next build pins"):
        read_pin(store)


def test_a_rollup_is_read_back(tmp_path):
    store = LocalFolder(str(tmp_path))
    rollup, key = CountsCache(store, "gate"), ShardKey(3, "0" * 12, 0)
    rollup.learn({key.stem: RECORD.counts})
    rollup.save()
    assert CountsCache(store, "gate").counts([key]) == {
        key: RECORD.counts
    }  # no record lies there: it came from the cache
