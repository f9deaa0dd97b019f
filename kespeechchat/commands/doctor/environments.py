"""Each stage's environment: its interpreter starts, is Ray's and Python's of the driver, and imports what it needs.

A worker's interpreter must have the driver's Python minor version and Ray version, the project itself, and the
libraries of the stage's engines. So that interpreter is run, on every machine that can hold the stage.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kespeechchat import __version__
from kespeechchat.commands.doctor.finding import Finding
from kespeechchat.commands.doctor.machines import Machine, Machines, resources_of
from kespeechchat.commands.doctor.uses import as_in_round_0, libraries_of
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit

_MARK = "kesc-doctor:"
_PATIENCE = 300  # seconds; torch and vLLM are slow to import from a cold disk
_OWN = ("ray", "kespeechchat", "kespeechchat.execution.ray_cluster")
_PROBE = f"""
import importlib, json, platform, sys
found = {{"python": platform.python_version(), "versions": {{}}, "problems": {{}}}}
for name in json.loads(sys.argv[1]):
    try:
        module = importlib.import_module(name)
        found["versions"][name] = getattr(module, "__version__", "")
    except BaseException as error:
        found["problems"][name] = f"{{type(error).__name__}}: {{error}}"
print("\\n{_MARK}" + json.dumps(found))
"""


@dataclass(frozen=True)
class Environment:
    """What runs a unit. `command`: its interpreter, None for the workers' own."""

    command: str | None
    variables: tuple[tuple[str, str], ...]
    made_by_ray: tuple[str, ...]  # parts of a runtime_env that only Ray can set up: pip, image_uri, …

    @property
    def told(self) -> str:
        return self.command or "the workers' own interpreter"


def check(pipeline: Pipeline, there: Machines) -> Iterator[Finding]:
    """A finding per unit that has an engine or an environment of its own."""
    needs: dict[Environment, list[str]] = {}
    units = [unit for unit in pipeline.units if not as_in_round_0(pipeline, unit)]
    for unit in units:
        modules = needs.setdefault(_environment(pipeline, unit), [])
        modules += [module for module in libraries_of(pipeline, unit) if module not in modules]
    tried = _Probes(there, needs)
    for unit in units:
        environment, modules = _environment(pipeline, unit), libraries_of(pipeline, unit)
        check_ = f"environment of {'+'.join(unit)}"
        if environment.made_by_ray:
            told = f"{', '.join(environment.made_by_ray)}: made by Ray when an actor starts; the canary tries it"
            yield Finding(True, check_, told)
        elif modules or environment.command:
            hosts = there.hosts(resources_of(pipeline, unit.first))
            problems = {m.name: tried.problem(m, environment, modules) for m in hosts}
            yield _told(check_, unit, environment, modules, problems)


def _told(
    check_: str,
    unit: Unit,
    environment: Environment,
    modules: list[str],
    problems: Mapping[str, tuple[str, str] | None],
) -> Finding:
    broken = {name: p for name, p in problems.items() if p is not None}
    if not problems:
        return Finding(False, check_, "no machine can hold it, so none was tried", "see the machines above")
    if not broken:
        where = "" if len(problems) == 1 else f" on {len(problems)} machines"
        return Finding(True, check_, f"{environment.told} imports {', '.join(modules) or 'the project'}{where}")
    name, (told, cure) = next(iter(broken.items()))
    where = "" if len(problems) == 1 else f" on {name}" + (f" and {len(broken) - 1} more" if len(broken) > 1 else "")
    return Finding(False, check_, f"{environment.told}{where}: {told}", cure, frozenset(unit))


def _environment(pipeline: Pipeline, unit: Unit) -> Environment:
    runtime_env = resources_of(pipeline, unit.first).runtime_env
    variables = tuple(sorted((k, str(v)) for k, v in dict(runtime_env.get("env_vars") or {}).items()))
    made = tuple(sorted(set(runtime_env) - {"py_executable", "env_vars", "config"}))
    return Environment(runtime_env.get("py_executable"), variables, made)


class _Probes:
    """Each environment is tried once on a machine, with all that its units need."""

    def __init__(self, there: Machines, needs: Mapping[Environment, Sequence[str]]) -> None:
        self._there, self._needs = there, needs
        self._found: dict[tuple[Environment, Machine], dict[str, Any]] = {}

    def problem(self, machine: Machine, environment: Environment, modules: Sequence[str]) -> tuple[str, str] | None:
        """(what is wrong, cure) for a unit that needs `modules`; None where all is well."""
        key = (environment, machine)
        if key not in self._found:
            self._found[key] = self._probe(machine, environment)
        return _judged(self._found[key], environment, {*_OWN, *modules})

    def _probe(self, machine: Machine, environment: Environment) -> dict[str, Any]:
        try:
            return self._there.on(machine, probe, environment, (*_OWN, *self._needs[environment]), os.getcwd())
        except Exception as error:  # Ray's many kinds: the node is gone, the project cannot be imported there
            return {
                "broken": f"cannot be tried, is this project installed there? {str(error).strip().splitlines()[-1]}"
            }


def probe(environment: Environment, modules: Sequence[str], beside: str) -> dict[str, Any]:
    """Runs the interpreter: {"python", "versions", "problems"} by module, or {"broken": why it does not even run}.

    `beside`: the driver's folder, which Ray adds to its workers' path.
    """
    command = shlex.split(environment.command) if environment.command else [sys.executable]
    paths = [dict(environment.variables).get("PYTHONPATH") or os.environ.get("PYTHONPATH", ""), beside]
    variables = {**os.environ, **dict(environment.variables), "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    try:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [*command, "-c", _PROBE, json.dumps(list(modules))],
                env=variables,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
            )
    except OSError as error:
        return {"broken": f"cannot be run: {error.strerror}"}
    except subprocess.TimeoutExpired:
        return {"broken": f"did not import its libraries in {_PATIENCE} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if not lines:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return {"broken": f"ended with exit code {done.returncode} while importing: {last}"}
    return json.loads(lines[-1].removeprefix(_MARK))


def _judged(found: Mapping[str, Any], environment: Environment, needed: set[str]) -> tuple[str, str] | None:
    import ray

    if "broken" in found:
        return found["broken"], "make the environment as docs/vllm.md and docs/cosyvoice.md show, or mend py_executable"
    ours, theirs = platform.python_version_tuple()[:2], tuple(found["python"].split(".")[:2])
    if theirs != ours:
        told = f"is Python {found['python']}, the driver's is {platform.python_version()}; Ray needs the same minor"
        return told, f"make the environment with python{'.'.join(ours)}"
    versions = found["versions"]
    if versions.get("ray", ray.__version__) != ray.__version__:
        told = f"has Ray {versions['ray']}, the driver has {ray.__version__}"
        return told, f"{environment.command or sys.executable} -m pip install 'ray[data]=={ray.__version__}'"
    if versions.get("kespeechchat", __version__) != __version__:
        told = f"has kespeechchat {versions['kespeechchat']}, the driver has {__version__}"
        return told, "install the driver's version there"
    if problems := {name: error for name, error in found["problems"].items() if name in needed}:
        told = "; ".join(f"cannot import {name}: {error[:300]}" for name, error in problems.items())
        return told, "install what is missing there: README and docs/ name the packages of each engine"
    return None
