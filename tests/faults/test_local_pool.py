"""Workers forked from a nursery: what ends with what, and what is said where none can begin."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.processes import descendants
from benchmarks.recorded import fill, recipe
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit
from kespeechchat.engines import EngineError
from kespeechchat.execution import local_pool
from kespeechchat.execution.local_nursery import Nursery
from kespeechchat.execution.local_pool import LocalPool, fits
from kespeechchat.execution.progress import Progress
from kespeechchat.execution.runner import Runner
from kespeechchat.execution.sigterm import GracefulStop
from kespeechchat.execution.worker.nursery import READY, Birth
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.orders import Built
from kespeechchat.state.saved_profile import save_profile
from kespeechchat.store.opening import open_store
from tests.faults.ground import PROFILE

pytestmark = pytest.mark.faults
INGEST = Unit.of("ingest")


@pytest.fixture
def pipeline(tmp_path) -> Pipeline:
    """Six planned shards of one row."""
    return planned(tmp_path, [{"instruction": f"How far is place {n}?", "output": "Far away."} for n in range(6)])


def planned(folder: Path, rows: list[dict[str, str]]) -> Pipeline:
    """A shard for each row."""
    file = folder / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    speech = f"speech.inputs=[{{path: {recipe(folder / 'speech.yaml', 10)}}}]"
    made = load_pipeline(PROFILE, [speech, "instructions.shard_size=1"], inputs=[file], root=str(folder / "root"))
    fill(made, open_store(made.root), [])
    return made


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    made = Nursery(1)
    yield made
    made.close()


def birth(pipeline: Pipeline, **more) -> Birth:
    profile = save_profile(pipeline)
    return Birth(**{"root": pipeline.root, "profile": profile, "unit": INGEST, "session": "s", "threads": 1, **more})


def chains(pipeline: Pipeline) -> list[list]:
    return [[one.order] for one in BuildState(pipeline, open_store(pipeline.root)).states("ingest").values()]


def until(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_all_shards_are_built_once_and_no_process_is_left(pipeline):
    pool, built, others = LocalPool("s"), list[Built](), set(descendants(os.getpid()))
    try:
        pool.run(pipeline, [INGEST], chains(pipeline), built.append, lambda: frozenset())
    finally:
        pool.close()
    assert sorted(one.shard for one in built) == list(range(6))
    assert {one.status for one in built} == {"committed"}
    until(lambda: not set(descendants(os.getpid())) - others)


def test_workers_outlive_a_nursery_that_was_killed_and_another_one_takes_its_place(pipeline, nursery):
    first = nursery.worker(birth(pipeline))
    assert first.recv() == READY
    os.kill(nursery._process.pid, signal.SIGKILL)
    nursery._process.wait()
    second = nursery.worker(birth(pipeline))
    assert second.recv() == READY
    for n, connection in enumerate((first, second)):
        connection.send(chains(pipeline)[n][0])
        assert connection.recv().shard == n


def test_a_worker_ends_with_its_connection_in_the_middle_of_its_work(pipeline, nursery, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent / "inject"), *sys.path]))
    monkeypatch.setenv("KESC_FAULT_LOG", str(tmp_path / "begun.log"))
    monkeypatch.setenv("KESC_FAULT_SLOW", "600")
    connection = nursery.worker(birth(pipeline))
    connection.send(chains(pipeline)[0][0])
    until((tmp_path / "begun.log").exists)
    pid = int((tmp_path / "begun.log").read_text().split()[1])
    connection.close()
    until(lambda: not Path(f"/proc/{pid}/exe").exists())


def test_a_worker_that_cannot_begin_says_why(pipeline, nursery, monkeypatch):
    connection = nursery.worker(birth(pipeline, profile="0" * 16))
    assert "FileNotFoundError" in connection.recv()
    with pytest.raises(EOFError):
        connection.recv()
    monkeypatch.setattr(local_pool, "save_profile", lambda of: "0" * 16)
    with pytest.raises(EngineError, match="ingest: its worker cannot begin: FileNotFoundError"):
        LocalPool("s").run(pipeline, [INGEST], chains(pipeline), lambda built: None, lambda: frozenset())


def test_a_worker_that_lets_no_thread_run_ends_with_its_nursery(tmp_path, nursery, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent / "inject"), *sys.path]))
    monkeypatch.setenv("KESC_FAULT_LOG", str(tmp_path / "begun.log"))
    monkeypatch.setenv("KESC_FAULT_SLOW", "0")
    deaf = planned(tmp_path, [{"instruction": "How far is the DEAF one?", "output": "It is far away."}])
    connection = nursery.worker(birth(deaf))
    connection.send(chains(deaf)[0][0])
    until(lambda: (tmp_path / "begun.log").exists() and (tmp_path / "begun.log").read_text().endswith("\n"))
    pid = int((tmp_path / "begun.log").read_text().split()[1])
    time.sleep(0.5)  # until it sleeps
    connection.close()
    nursery.close()
    until(lambda: not Path(f"/proc/{pid}/exe").exists())


def test_the_orphan_of_a_nursery_that_was_killed_while_it_forked_takes_no_orders(pipeline, nursery, monkeypatch):
    """It dies between the fork and its word of it: the worker of the next try has a connection of its own."""
    forks, orphans = Nursery._forks, set[int]()

    def killed(self, birth, theirs):
        forked = forks(self, birth, theirs)
        if orphans:
            return forked
        orphans.update(descendants(self._process.pid))
        os.kill(self._process.pid, signal.SIGKILL)
        return False

    monkeypatch.setattr(Nursery, "_forks", killed)
    connection = nursery.worker(birth(pipeline))
    assert len(orphans) == 1 and connection.recv() == READY
    until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in orphans))
    connection.send(chains(pipeline)[0][0])
    assert connection.recv().shard == 0


def test_an_error_of_no_attempt_ends_the_build(pipeline, monkeypatch, tmp_path):
    """As where the journal cannot be read: nothing would count the deaths, so the worker must not be made again."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import kespeechchat.store.journal as j\n"
        "def broken(*_):\n    raise PermissionError(13, 'Permission denied')\n"
        "j.Journal.left_open = broken\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(hook), *sys.path]))
    pool = LocalPool("s")
    with pytest.raises(EngineError, match="ingest: its worker failed: PermissionError"):
        pool.run(pipeline, [INGEST], chains(pipeline), lambda built: None, lambda: frozenset())
    pool.close()


def test_files_of_the_users_folder_are_not_imported(pipeline, nursery, tmp_path, monkeypatch):
    for name in ("queue", "socket", "numpy"):  # the nursery's first imports among them
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the user’s own')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one not in ("", ".")])
    assert nursery.worker(birth(pipeline)).recv() == READY


def test_a_nursery_that_begins_before_it_is_asked_is_the_builds_and_ends_at_once_where_it_is_not_needed(pipeline):
    before = set(descendants(os.getpid()))
    assert Nursery.begun("auto", False) is None and Nursery.begun("local", True) is None
    unused, used = Nursery.begun("local", False), Nursery.begun("local", False)
    unused.close()
    assert set(descendants(os.getpid())) - before == {used._process.pid}
    pool = LocalPool("s", used)
    pool.run(pipeline, [INGEST], chains(pipeline)[:1], lambda built: None, lambda: frozenset())
    assert used._process.pid in descendants(os.getpid())
    pool.close()
    until(lambda: not set(descendants(os.getpid())) - before)


def test_a_nursery_that_cannot_begin_says_why(pipeline, nursery, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EngineError, match="ingest: no worker can begin"):
        nursery.worker(birth(pipeline))


@pytest.mark.parametrize("address", ["foo", "host:", ":1", "local:"])
def test_what_is_no_address_is_refused_at_once(address):
    with pytest.raises(ConfigError, match=f"--address {address}: no address; name local, ray, auto, or HOST:PORT"):
        Runner(address, False, Progress(quiet=True), GracefulStop(0))


def test_what_wants_a_gpu_or_an_environment_is_rays(quickstart):
    made = load_pipeline(quickstart, ["resources.ingest={num_gpus: 0.5}"])
    assert not fits(made, [INGEST]) and fits(made, [Unit.of("filter")])
    assert not fits(load_pipeline(quickstart, ["resources.ingest={resources: {disk: 1}}"]), [INGEST])
    assert not fits(load_pipeline(quickstart, ["resources.ingest={runtime_env: {env_vars: {A: b}}}"]), [INGEST])
