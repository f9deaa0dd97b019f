"""What is installed: ranges in pyproject.toml, exact versions in requirements/, one version number."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import kespeechchat

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
CORE = [Requirement(line) for line in PROJECT["dependencies"]]
ALL = CORE + [Requirement(line) for extra in EXTRAS.values() for line in extra if not line.startswith("kespeechchat")]


def _pins(name: str) -> dict[str, str]:
    """Package → exact version, of a constraints file and those that it includes."""
    pins = {}
    for line in (ROOT / "requirements" / name).read_text().splitlines():
        if line.startswith("-c "):
            pins |= _pins(line.removeprefix("-c "))
        elif line and not line.startswith("#"):
            pin = re.fullmatch(r"([a-z0-9-]+)==([\w.]+)", line)
            assert pin, f"{name}: {line}: not a name and a version"
            pins[pin[1]] = pin[2]
    return pins


@pytest.mark.parametrize("requirement", ALL, ids=str)
def test_the_version_that_is_tested_is_in_the_range_and_installed(requirement: Requirement) -> None:
    version = _pins("constraints.txt")[canonicalize_name(requirement.name)]
    assert version in requirement.specifier
    assert metadata.version(requirement.name).partition("+")[0] == version


@pytest.mark.parametrize("requirement", CORE, ids=str)
def test_the_package_installs_beside_others(requirement: Requirement) -> None:
    assert all(part.operator != "==" for part in requirement.specifier)
    assert any(part.operator == ">=" for part in requirement.specifier)


def test_driver_and_workers_have_one_version_of_all_but_numpy_and_torch() -> None:
    ours, vllm = _pins("constraints.txt"), _pins("constraints-vllm.txt")
    assert {name for name in ours.keys() & vllm if ours[name] != vllm[name]} == {"numpy", "torch"}
    core = {canonicalize_name(requirement.name) for requirement in CORE}
    assert _pins("constraints-core.txt").keys() == core - {"numpy"}
    assert all(vllm[canonicalize_name(r.name)] in r.specifier for r in CORE)


def test_there_is_one_version_number() -> None:
    assert metadata.version("kespeechchat") == kespeechchat.__version__
    assert PROJECT["dynamic"] == ["version"]
    others = [*ROOT.glob("*.toml"), *ROOT.glob("*.cfg"), *ROOT.glob("*.py"), *ROOT.glob("CITATION.cff")]
    stated = re.compile(r"^version\s*[=:]\s*[\"']?\d", re.MULTILINE)
    assert not [file.name for file in others if stated.search(file.read_text())]


@pytest.mark.slow
def test_prompts_come_along_in_a_wheel(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("kespeechchat", "prompts"):
        shutil.copytree(ROOT / name, clone / name, symlinks=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*pip, str(tmp_path), str(clone)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in ZipFile(wheel).namelist() if name.startswith("kespeechchat/prompts/")}
    assert held == {f"kespeechchat/{file.relative_to(ROOT)}" for file in (ROOT / "prompts").rglob("*.yaml")}


def test_the_types_are_exported() -> None:
    assert (Path(kespeechchat.__file__).parent / "py.typed").exists()
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert "py.typed" in data["kespeechchat"]
