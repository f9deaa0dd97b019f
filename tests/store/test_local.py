"""The folder store: create is atomic and exclusive, put replaces, nothing leaves the root."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kespeechchat.store.interface import AlreadyExists, StoreError, checked_key
from kespeechchat.store.local import LocalFolder
from tests.store.racing import one_of_many_wins


def test_create_is_exclusive(tmp_path):
    store = LocalFolder(str(tmp_path))
    store.create("a/b.json", b"first")
    with pytest.raises(AlreadyExists):
        store.create("a/b.json", b"second")
    assert store.get("a/b.json") == b"first"


def test_of_many_racing_creators_one_wins(tmp_path):
    store = LocalFolder(str(tmp_path))

    one_of_many_wins(store, 64)
    assert [key for key, _ in store.list("x")] == ["x/record.json"]


def test_put_replaces_and_list_is_sorted_and_hides_temporaries(tmp_path):
    store = LocalFolder(str(tmp_path))
    for key in ("s/b", "s/a", "s/deep/c"):
        store.put(key, b"1")
    store.put("s/a", b"22")
    (tmp_path / "s" / ".a.123.tmp").write_bytes(b"left by a killed writer")
    assert list(store.list("s")) == [("s/a", 2), ("s/b", 1), ("s/deep/c", 1)]


def test_missing_is_file_not_found_and_delete_forgives(tmp_path):
    store = LocalFolder(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        store.get("nothing")
    store.delete("nothing")
    assert list(store.list("nothing")) == []


def test_a_file_is_no_root(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file"):
        LocalFolder(str(tmp_path / "file"))


@pytest.mark.parametrize("key", ["", "../x", "a/../b", "/etc/x", "a//b", "a/./b", "a\0b", "a/" + "x" * 256])
def test_keys_cannot_escape(key):
    with pytest.raises(ValueError, match="not a key"):
        checked_key(key)


@given(st.text(max_size=40))
def test_any_accepted_key_stays_inside(key):
    try:
        checked_key(key)
    except ValueError:
        return
    assert not key.startswith("/")
    assert ".." not in key.split("/")


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = LocalFolder(str(tmp_path))
    (tmp_path / "s").mkdir()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="s/a: cannot be written: No space left"):
        store.create("s/a", b"1")
    assert list((tmp_path / "s").iterdir()) == []


def test_a_range_is_a_part_of_the_whole(tmp_path):
    store = LocalFolder(str(tmp_path))
    store.put("a", b"bytes")
    assert store.get_range("a", 1, 3) == b"yte"
    with pytest.raises(FileNotFoundError):
        store.get_range("b", 0, 1)


def test_what_another_process_removes_while_it_is_listed_is_passed_over(tmp_path):
    store = LocalFolder(str(tmp_path))
    for name in "abc":
        store.put(f"s/{name}", b"1")
    listed = store.list("s")
    assert next(listed) == ("s/a", 1)
    store.delete("s/b")
    assert list(listed) == [("s/c", 1)]
