"""Which room may import which: the rules of docs/architecture.md, "Who imports whom"."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PAGE = "docs/architecture.md, “Who imports whom”"
PACKAGE = Path(__file__).parent.parent / "kespeechchat"
BELOW = {"config", "bottom"}
MAY_IMPORT = {
    "cli": {
        "commands",
        "commands.doctor",
        "commands.plan",
        "execution",
        "state",
        "store",
        "export.layouts",
        "engines",
        *BELOW,
    },
    "commands.doctor": {
        "commands",
        "commands.plan",
        "execution",
        "state",
        "inputs",
        "stages",
        "engines",
        "store",
        *BELOW,
    },
    "commands.plan": {"commands", "execution", "state", "inputs", "stages", "store", *BELOW},
    "commands": {
        "listening",
        "scenes",
        "state",
        "export",
        "export.layouts",
        "stages",
        "engines",
        "store",
        "voices",
        "dataset",
        *BELOW,
    },
    "execution": {"execution.worker", "state", "inputs", "stages", "engines", "store", *BELOW},
    "execution.worker": {"state", "stages", "engines", "store", "voices", *BELOW},
    "state": {"stages", "engines", "store", *BELOW},
    "inputs": {"stages", "store", "text", *BELOW},
    "listening": {"state", "dataset", "store", "text", *BELOW},
    "export.layouts": {"export", "dataset", *BELOW},
    "export": {"dataset", "scenes", *BELOW},
    "scenes": BELOW,
    "stages": {"engines", "text", "voices", "dataset", "store", *BELOW},
    "dataset": {"text", "voices", *BELOW},
    "voices": BELOW,
    "engines": {"text", *BELOW},
    "text": BELOW,
    "store": {"bottom"},
    "config": {"bottom"},
    "bottom": set(),
}
NESTED = {"commands.doctor", "commands.plan", "execution.worker", "export.layouts"}
HEAVY = {
    *("torch", "ray", "onnxruntime", "faster_whisper", "xllamacpp", "librosa", "scipy", "wetext", "resemblyzer"),
    *("av", "jinja2", "onnx"),
}


def _files() -> dict[str, Path]:
    """Module → file; a package stands for its __init__."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = ["kespeechchat", *file.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


FILES = _files()


def _room(module: str) -> str:
    parts = module.split(".")[1:]
    if parts == ["__main__"]:
        return "cli"
    if not parts or not (PACKAGE / parts[0]).is_dir():
        return "bottom"
    return nested if (nested := ".".join(parts[:2])) in NESTED else parts[0]


def _imported(file: Path, top_level_only: bool = False) -> Iterator[str]:
    """What a file imports, in functions too: `from a import b` is `a.b` where that is a module, else `a`."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in FILES else node.module


def test_imports_go_downward_only() -> None:
    wrong = [
        f"{module} ({_room(module)}) imports {name} ({_room(name)})"
        for module, file in FILES.items()
        for name in _imported(file)
        if name.startswith("kespeechchat.")
        and _room(name) != _room(module)
        and _room(name) not in MAY_IMPORT[_room(module)]
    ]
    assert not wrong, f"{PAGE}:\n" + "\n".join(sorted(set(wrong)))


def test_no_import_circle() -> None:
    """Between files, imports inside functions included: an interface never chooses its implementation."""
    graph = {
        module: {n for n in _imported(file) if n in FILES and n != "kespeechchat"} - {module}
        for module, file in FILES.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"{PAGE}: {' imports '.join(reversed(error.args[1]))}")


def test_every_room_has_its_rule() -> None:
    assert {_room(module) for module in FILES} == set(MAY_IMPORT), PAGE


def test_no_layout_imports_another() -> None:
    for module, file in FILES.items():
        if _room(module) == "export.layouts":
            own = module.split(".")[3:4]
            others = [n for n in _imported(file) if _room(n) == "export.layouts" and own and n.split(".")[3:4] != own]
            assert not others, f"{PAGE}: {module} imports {others}"


def test_heavy_libraries_are_imported_where_they_are_needed_only() -> None:
    """No module imports them at its top, but an engine's own file: `kesc --help` must answer in 0.3 s."""
    wrong = []
    for module, file in FILES.items():
        own_file = module.startswith("kespeechchat.engines.") and file.name != "__init__.py"
        heavy = {name.split(".")[0] for name in _imported(file, top_level_only=True)} & HEAVY
        if heavy and not own_file:
            wrong.append(f"{module} imports {sorted(heavy)} at its top")
    assert not wrong, f"{PAGE}:\n" + "\n".join(wrong)


def test_help_loads_typer_alone() -> None:
    """`kesc --help` must answer in 0.3 s: nothing outside the standard library but typer and its two small helpers."""
    script = """if True:
        import sys
        from kespeechchat.cli import app
        try:
            app(["--help"])
        finally:
            print({name.partition(".")[0] for name in sys.modules}, file=sys.stderr)"""
    helped = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Make a dataset:" in helped.stdout
    loaded = ast.literal_eval(helped.stderr) - set(sys.stdlib_module_names)
    own = {"kespeechchat", "typer", "annotated_doc", "shellingham"}
    assert not {name for name in loaded - own if not name.startswith("_")}, PAGE


def test_a_worker_imports_the_stages_of_its_unit_alone() -> None:
    """Those of the text branch read with a thousand patterns, which each process that needs none would compile."""
    script = """if True:
        import sys
        import kespeechchat.execution.worker.ray_worker
        from kespeechchat.stages.flow import stage_class
        stage_class("watermark.r1")
        rooms = ("kespeechchat.stages.", "kespeechchat.text.")
        print([name for name in sys.modules if name.startswith(rooms)])"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(ast.literal_eval(ran.stdout)) == {
        f"kespeechchat.stages.{name}" for name in ("base", "flow", "watermark")
    }
