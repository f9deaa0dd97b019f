"""The folder of an export is one export's at a time."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest

from kespeechchat.export.errors import ExportError
from kespeechchat.export.folder import LOCK, alone_in


def test_a_folder_is_made_and_kept_for_one(tmp_path: Path):
    to, told = tmp_path / "a" / "b", []
    with alone_in(to, told.append):
        with pytest.raises(ExportError, match="another export writes into it"), alone_in(to, told.append):
            pass
        assert (to / LOCK).exists(), "who was kept out removes no lock"
    assert not to.exists() and not told, "nothing was written"
    with pytest.raises(KeyError), alone_in(to, told.append):
        (to / "kept").touch()
        raise KeyError
    with alone_in(to, told.append):
        pass
    assert [path.name for path in to.iterdir()] == ["kept"]


def test_a_lock_that_went_with_another_export_holds_nothing(tmp_path: Path, monkeypatch):
    """The other one ends between the opening of the file and its locking."""

    def late(lock: int, how: int) -> None:
        (tmp_path / LOCK).unlink()
        (tmp_path / LOCK).touch()  # a third one's

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(ExportError, match="another export"), alone_in(tmp_path, print):
        pass


def test_a_lock_that_an_ending_export_took_with_it_is_taken_anew(tmp_path: Path, monkeypatch):
    """It ends between the opening of the file and its locking, and no third one has made the file again."""
    flock, ended = fcntl.flock, []

    def late(lock: int, how: int) -> None:
        flock(lock, how)
        if not ended:
            ended.append((tmp_path / LOCK).unlink())

    monkeypatch.setattr(fcntl, "flock", late)
    with alone_in(tmp_path, print):
        assert ended and (tmp_path / LOCK).exists()
        with pytest.raises(ExportError, match="another export"), alone_in(tmp_path, print):
            pass
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch):
    def none(lock: int, how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", none)
    told: list[str] = []
    with alone_in(tmp_path, told.append):
        pass
    assert told == [
        f"{tmp_path}: its file system has no locks (Function not implemented); see to it that no other export writes "
        "into it"
    ]


def test_another_error_of_the_lock_is_raised(tmp_path: Path, monkeypatch):
    def broken(lock: int, how: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match="Input/output"), alone_in(tmp_path, print):
        pass
