"""The machines a build would run on: what each has, and how to run a function on one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kespeechchat.commands.doctor.finding import CheckFailed
from kespeechchat.config.load import ConfigError
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.resources import Resources

_PATIENCE = 1800  # seconds for loading the largest model


@dataclass(frozen=True)
class Machine:
    """A machine of the cluster, or this one."""

    name: str
    has: Mapping[str, float] = field(default_factory=dict, compare=False)  # CPU, GPU and custom resources
    node: str | None = None  # Ray's id of it; None: this machine

    def holds(self, wanted: Mapping[str, float]) -> bool:
        """Whether it has all of `wanted`."""
        return all(self.has.get(kind, 0.0) >= amount for kind, amount in wanted.items())


def takes(resources: Resources) -> dict[str, float]:
    """What one actor takes, by Ray's names; nothing that is zero."""
    named = {"CPU": resources.num_cpus, "GPU": resources.num_gpus, **resources.resources}
    return {kind: amount for kind, amount in named.items() if amount}


def resources_of(pipeline: Pipeline, stage: str) -> Resources:
    """Of the actor that runs the stage: of fused stages the first one's."""
    return pipeline.resources_of(pipeline.unit_of(stage).first)


class Machines:
    """This process alone (`inline`): whatever the stages ask for, they get this machine."""

    inline = True

    def __init__(self) -> None:
        self.all: Sequence[Machine] = (Machine("this machine"),)

    def __enter__(self) -> Machines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def hosts(self, resources: Resources) -> list[Machine]:
        """Those that have what one actor takes."""
        return [m for m in self.all if self.inline or m.holds(takes(resources))]

    def on(self, machine: Machine, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)` on that machine, outside any stage's environment."""
        return function(*arguments)

    def as_actor(self, resources: Resources, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)` in a process with these resources and this environment."""
        return function(*arguments)


class RayMachines(Machines):
    """Those of a Ray cluster; `local` is one on this machine, for as long as the doctor looks."""

    inline = False

    def __init__(self, address: str) -> None:
        from kespeechchat.execution.ray_cluster import HERE, Cluster

        self._local = address in HERE
        try:
            self._cluster = Cluster(address, secrets.token_hex(8))
        except ConfigError as error:
            message, _, fix = str(error).partition("; ")
            raise CheckFailed(message, fix) from None
        except Exception as error:  # RuntimeError and others of Ray's own kinds
            raise CheckFailed(
                f"Ray does not start: {error}",
                "read the error; if another Ray runs on this machine, stop it with `ray stop`",
            ) from None
        import ray

        nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]  # Ray leaves it without types
        self.all = [_machine(node) for node in nodes if node["Alive"]]
        if len({machine.name for machine in self.all}) < len(self.all):  # several nodes on one machine
            self.all = [replace(m, name=f"{m.name} ({str(m.node)[:6]})") for m in self.all]

    def __exit__(self, *_: object) -> None:
        self._cluster.close()

    def on(self, machine: Machine, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function(*arguments)` gives in a process on `machine`. Raises what it raises, and RuntimeError where no
        answer comes."""
        if self._local:
            return function(*arguments)
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        assert machine.node is not None
        there = NodeAffinitySchedulingStrategy(machine.node, soft=False)
        return _answer(function, arguments, num_cpus=0, scheduling_strategy=there)

    def as_actor(self, resources: Resources, function: Callable[..., Any], *arguments: Any) -> Any:
        """The same, with the CPUs, GPUs and `runtime_env` that an actor of `resources` gets, on any machine."""
        environment = {"runtime_env": dict(resources.runtime_env)} if resources.runtime_env else {}
        return _answer(
            function,
            arguments,
            num_cpus=resources.num_cpus,
            num_gpus=resources.num_gpus,
            resources=dict(resources.resources),
            **environment,
        )


def machines(address: str, inline: bool) -> Machines:
    """Raises CheckFailed where there is no Ray at `address`."""
    return Machines() if inline else RayMachines(address)


def _machine(node: Mapping[str, Any]) -> Machine:
    has = {k: v for k, v in node["Resources"].items() if not k.startswith("node:")}
    return Machine(node["NodeManagerAddress"], has, node["NodeID"])


def _answer(function: Callable[..., Any], arguments: Sequence[Any], **options: Any) -> Any:
    import ray

    waiting = ray.remote(function).options(max_retries=0, **options).remote(*arguments)
    ready, _ = ray.wait([waiting], timeout=_PATIENCE)
    if not ready:
        ray.cancel(waiting, force=True)
        raise RuntimeError(f"no answer in {_PATIENCE // 60} minutes: are the machines taken by another job?")
    return ray.get(waiting)
