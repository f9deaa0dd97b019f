"""A real Ray cluster of several nodes on one machine: a node taken away, a node added, the driver killed, in one build.

The stage is pinned to nodes by a custom resource, as a GPU stage is by GPUs; the head and the driver's node have none.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from benchmarks.processes import descendants
from tests.faults.ground import committed, ingested, questions
from tests.faults.nodes import Nodes
from tests.faults.test_ray_kills import Build, _failures, _kesc

pytestmark = [pytest.mark.faults, pytest.mark.long]
SHARDS = 24
PINNED = "resources.ingest={num_cpus: 0.1, min_actors: 3, max_actors: 3, resources: {maker: 1}}"


def made_on(raylet: int) -> set[int]:
    """Process ids of the node's workers."""
    return set(descendants(raylet))


@pytest.fixture
def nodes(tmp_path, monkeypatch):
    inject = str(Path(__file__).parent / "inject")
    here = [inject, os.environ.get("PYTHONPATH", ""), str(Path(__file__).parents[2])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, here)))  # workers have their node's environment
    monkeypatch.setenv("KESC_FAULT_LOG", str(tmp_path / "shards.log"))
    monkeypatch.setenv("KESC_FAULT_SLOW", "0.5")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")  # Ray joins nodes by the machine's own address, never by loopback
    monkeypatch.setenv("RAY_AUTH_TOKEN", os.urandom(16).hex())
    started = Nodes(dict(os.environ))
    yield started
    started.close()


def test_a_node_is_lost_a_node_joins_and_the_driver_is_killed(tmp_path, nodes):
    inputs = questions(tmp_path / "questions.jsonl", SHARDS)
    (tmp_path / "a").mkdir()
    undisturbed, root = tmp_path / "a" / "undisturbed", tmp_path / "root"
    assert Build(undisturbed, inputs, slow=0, runner="--inline").ends() == 0
    first, second = nodes.add(), nodes.add()
    where = {"slow": 0.5, "runner": f"--address={nodes.address}", "sets": [PINNED]}

    build = Build(root, inputs, **where)
    build.until(lambda: all(build.workers() & made_on(node) for node in (first, second)))
    nodes.take_away(first)
    before, stood = len(build.begun()), committed(root)
    build.until_shards(before + 3)
    build.held.touch()  # a node takes seconds to come, or many
    third = nodes.add()
    build.until(lambda: bool(build.workers() & made_on(third)))  # the work moves onto it
    assert build.process.poll() is None, build.said.read_text()
    os.kill(build.process.pid, signal.SIGKILL)
    assert build.ends() == -signal.SIGKILL
    build.held.unlink()
    assert len(committed(root)) < SHARDS
    assert committed(root).items() >= stood.items(), "a committed shard changed"

    stood = committed(root)
    again = Build(root, inputs, **where)  # another process, the same command
    assert again.ends() == 0, again.said.read_text()
    assert committed(root).items() >= stood.items(), "a committed shard changed"
    assert ingested(root) == ingested(undisturbed)
    assert not _failures(root), "nobody is to blame for a lost node or a killed driver"
    assert _kesc("verify", "--root", str(root)).returncode == 0
