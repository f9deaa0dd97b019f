"""Each stage's environment: its interpreter starts, has the driver's Python and Ray, and imports what it needs.

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
from dataclasses import dataclass, field
from typing import NamedTuple

from kespeechchat import __version__
from kespeechchat.commands.doctor.finding import Finding
from kespeechchat.commands.doctor.machines import Machine, Machines, resources_of
from kespeechchat.commands.doctor.uses import as_in_round_0, libraries_of, units_of
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.units import Unit

_MARK = "kesc-doctor:"
_PATIENCE = 300  # seconds; torch and vLLM are slow to import from a cold disk
_OWN = ("ray", "kespeechchat", "kespeechchat.execution.ray_cluster")
_PROBE = f"""
import importlib, json, platform, sys
found = {{"python": platform.python_version(), "versions": {{}}, "missing": {{}}}}
for name in json.loads(sys.argv[1]):
    try:
        module = importlib.import_module(name)
        found["versions"][name] = getattr(module, "__version__", "")
    except BaseException as error:
        found["missing"][name] = f"{{type(error).__name__}}: {{error}}"
print("\\n{_MARK}" + json.dumps(found))
"""


@dataclass(frozen=True)
class Environment:
    """What runs a unit. `command`: its interpreter, None for the workers' own."""

    command: str | None
    variables: tuple[tuple[str, str], ...]
    made_by_ray: tuple[str, ...]  # parts of a runtime_env that only Ray can set up: pip, image_uri, …

    @property
    def name(self) -> str:
        """For a reader."""
        return self.command or "the workers' own interpreter"


@dataclass(frozen=True)
class Probed:
    """What an interpreter said of itself: its Python version, the versions of the modules that it imported, and the
    errors of those that it could not import. `broken`: why it said nothing."""

    python: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    broken: str | None = None


class Problem(NamedTuple):
    """What is wrong with an environment, and what to do."""

    message: str
    fix: str


def check(pipeline: Pipeline, there: Machines) -> Iterator[Finding]:
    """A finding per unit that has an engine or an environment of its own."""
    needs: dict[Environment, list[str]] = {}
    units = [unit for unit in units_of(pipeline) if not as_in_round_0(pipeline, unit)]
    for unit in units:
        modules = needs.setdefault(_environment(pipeline, unit), [])
        modules += [module for module in libraries_of(pipeline, unit) if module not in modules]
    tried = _Probes(there, needs)
    for unit in units:
        environment, modules = _environment(pipeline, unit), libraries_of(pipeline, unit)
        name = f"environment of {unit}"
        if environment.made_by_ray:
            message = f"{', '.join(environment.made_by_ray)}: made by Ray when an actor starts; the trial rows test it"
            yield Finding(True, name, message)
        elif modules or environment.command:
            hosts = there.hosts(resources_of(pipeline, unit.first))
            problems = {m.name: tried.problem(m, environment, modules) for m in hosts}
            yield _finding(name, unit, environment, modules, problems)


def _finding(
    check: str,
    unit: Unit,
    environment: Environment,
    modules: list[str],
    problems: Mapping[str, Problem | None],
) -> Finding:
    broken = {name: p for name, p in problems.items() if p is not None}
    if not problems:
        return Finding(False, check, "no machine can run it, so none was tried", "see the machines above")
    if not broken:
        where = "" if len(problems) == 1 else f" on {len(problems)} machines"
        return Finding(True, check, f"{environment.name} imports {', '.join(modules) or 'the project'}{where}")
    name, (message, fix) = next(iter(broken.items()))
    where = "" if len(problems) == 1 else f" on {name}" + (f" and {len(broken) - 1} more" if len(broken) > 1 else "")
    return Finding(False, check, f"{environment.name}{where}: {message}", fix, frozenset(unit))


def _environment(pipeline: Pipeline, unit: Unit) -> Environment:
    runtime_env = resources_of(pipeline, unit.first).runtime_env
    given = runtime_env.get("env_vars")
    variables = tuple(sorted((str(k), str(v)) for k, v in given.items())) if isinstance(given, dict) else ()
    made = tuple(sorted(set(runtime_env) - {"py_executable", "env_vars", "config"}))
    command = runtime_env.get("py_executable")
    return Environment(None if command is None else str(command), variables, made)


class _Probes:
    """Each environment is tried once on a machine, with all that its units need."""

    def __init__(self, there: Machines, needs: Mapping[Environment, Sequence[str]]) -> None:
        self._there, self._needs = there, needs
        self._probed: dict[tuple[Environment, Machine], Probed] = {}

    def problem(self, machine: Machine, environment: Environment, modules: Sequence[str]) -> Problem | None:
        """What is wrong for a unit that needs `modules`; None: nothing."""
        key = (environment, machine)
        if key not in self._probed:
            self._probed[key] = self._probe(machine, environment)
        return _judged(self._probed[key], environment, {*_OWN, *modules})

    def _probe(self, machine: Machine, environment: Environment) -> Probed:
        try:
            found: Probed = self._there.on(machine, probe, environment, (*_OWN, *self._needs[environment]), os.getcwd())
        except Exception as error:  # Ray's many kinds: the node is gone, the project cannot be imported there
            last = str(error).strip().splitlines()[-1]
            return Probed(broken=f"cannot be tried, is this project installed there? {last}")
        return found


def probe(environment: Environment, modules: Sequence[str], beside: str) -> Probed:
    """Runs the interpreter and lets it import `modules`. `beside`: the driver's folder, which Ray adds to the path."""
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
        return Probed(broken=f"cannot be run: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Probed(broken=f"did not import its libraries in {_PATIENCE} s")
    lines = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if not lines:
        last = (done.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
        return Probed(broken=f"ended with exit code {done.returncode} while importing: {last}")
    return Probed(**json.loads(lines[-1].removeprefix(_MARK)))


def _judged(found: Probed, environment: Environment, needed: set[str]) -> Problem | None:
    import ray

    if found.broken:
        fix = "make the environment as docs/vllm.md and docs/cosyvoice.md show, or correct py_executable"
        return Problem(found.broken, fix)
    ours, theirs = platform.python_version_tuple()[:2], tuple(found.python.split(".")[:2])
    if theirs != ours:
        message = f"is Python {found.python}, the driver's is {platform.python_version()}; Ray needs the same minor"
        return Problem(message, f"make the environment with python{'.'.join(ours)}")
    of_ray, of_project = found.versions.get("ray"), found.versions.get("kespeechchat")
    if of_ray not in (None, ray.__version__):
        install = f"{environment.command or sys.executable} -m pip install 'ray[data]=={ray.__version__}'"
        return Problem(f"has Ray {of_ray}, the driver has {ray.__version__}", install)
    if of_project not in (None, __version__):
        message = f"has kespeechchat {of_project}, the driver has {__version__}"
        return Problem(message, "install the driver's version there")
    if missing := {name: error for name, error in found.missing.items() if name in needed}:
        message = "; ".join(f"cannot import {name}: {error[:300]}" for name, error in missing.items())
        return Problem(message, "install what is missing there: README and docs/ name the packages of each engine")
    return None
