"""A file is there whole or not at all."""

from __future__ import annotations

import os

import pytest

from kespeechchat.whole_file import part_of, put_in_place, whole_file, write_json, write_text


def test_it_has_no_name_before_it_is_whole(tmp_path):
    path = tmp_path / "a"
    with whole_file(path) as file:
        file.write(b"one")
        assert not path.exists() and part_of(path).exists()
    assert path.read_bytes() == b"one" and os.listdir(tmp_path) == ["a"]


def test_what_raises_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a"]


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append((tmp_path / "a").exists()))
    write_text(tmp_path / "a", "x")
    part_of(tmp_path / "a").write_text("y")
    (tmp_path / "a").unlink()
    put_in_place(tmp_path / "a")
    assert synced == [False, False] and (tmp_path / "a").read_text() == "y"


def test_text_is_written_as_it_is(tmp_path):
    write_text(tmp_path / "a", "月\r\nx\n")
    assert (tmp_path / "a").read_bytes() == "月\r\nx\n".encode()


def test_json_has_no_infinity(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a", {"x": float("inf")})
    assert not os.listdir(tmp_path)
