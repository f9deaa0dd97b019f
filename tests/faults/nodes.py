"""Runs a Ray cluster of several nodes, as told on stdin; each answer is a line of JSON.

A process of its own: Ray reads how it authenticates once per process, when it is first used.

    add          → process id of the new node's raylet (the first line is the head's address)
    take PID     → SIGKILL to that raylet and all that belongs to its node
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

STORE = 80 << 20  # bytes of a node's object store: references are all it holds


class Nodes:
    """The process that runs the cluster, from the outside. The head makes nothing, each other node has two makers."""

    def __init__(self, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.address = self._answer()

    def add(self) -> int:
        return self._told("add")

    def take_away(self, raylet: int) -> None:
        self._told(f"take {raylet}")

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(60)

    def _told(self, what: str) -> Any:
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        assert line, "the cluster's process has ended"
        return json.loads(line)


def main() -> None:
    from ray.cluster_utils import Cluster

    own = {"num_cpus": 1, "object_store_memory": STORE}
    cluster = Cluster(initialize_head=True, head_node_args=own | {"include_dashboard": False})
    _say(cluster.address)
    nodes: dict[int, Any] = {}
    for line in sys.stdin:
        match line.split():
            case ["add"]:
                node = cluster.add_node(**own, resources={"maker": 2})
                raylet = node.all_processes["raylet"][0].process.pid
                nodes[raylet] = node
                _say(raylet)
            case ["take", raylet]:
                cluster.remove_node(nodes.pop(int(raylet)), allow_graceful=False)
                _say(None)
    cluster.shutdown()


def _say(what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
