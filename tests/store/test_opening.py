"""ROOT decides the store: a path is a folder, a URL an object store."""

from __future__ import annotations

from pathlib import Path

import pytest

from kespeechchat.store.interface import StoreError
from kespeechchat.store.local import LocalFolder
from kespeechchat.store.opening import open_store
from kespeechchat.store.remote import RemoteStore


def test_a_path_is_a_folder_whether_it_exists_or_not(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "new"))
    assert isinstance(store, LocalFolder)
    assert store.url == str(tmp_path / "new")


def test_a_url_is_an_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    store = open_store("s3://bucket/prefix/")
    assert isinstance(store, RemoteStore)
    assert store.url == "s3://bucket/prefix"


def test_credentials_in_the_url_are_refused() -> None:
    with pytest.raises(StoreError, match="credentials belong in the environment"):
        open_store("s3://key:secret@bucket/prefix")
