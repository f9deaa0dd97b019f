"""Who may import whom: downward only (DESIGN §5). A folder may import what stands below it, never what stands above."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "kespeechchat"
MAY_IMPORT = {
    "cli": {"run", "stages", "engines", "text", "voices", "dataset", "export", "store", "config", "bottom"},
    "run": {"stages", "engines", "text", "voices", "dataset", "export", "store", "config", "bottom"},
    "stages": {"engines", "text", "voices", "dataset", "store", "config", "bottom"},
    "export": {"dataset", "store", "config", "bottom"},
    "dataset": {"text", "config", "bottom"},
    "voices": {"config", "bottom"},
    "engines": {"text", "config", "bottom"},
    "text": {"config", "bottom"},
    "store": {"bottom"},
    "config": {"bottom"},
    "bottom": set(),
}
BOTTOM = {"records", "seeds", "processes", "waveform", "__init__", "__version__"}
HEAVY = {"torch", "ray", "onnxruntime", "faster_whisper", "xllamacpp", "librosa", "scipy", "wetext", "resemblyzer"}


def _layer(module: str) -> str:
    top = module.split(".")[1] if "." in module else "__init__"
    top = "cli" if top == "__main__" else top
    return "bottom" if top in BOTTOM else top


def _imports(file: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _modules() -> list[tuple[Path, str]]:
    files = sorted(PACKAGE.rglob("*.py"))
    return [(f, "kespeechchat." + ".".join(f.relative_to(PACKAGE).with_suffix("").parts)) for f in files]


def test_imports_go_downward_only():
    wrong = []
    for file, module in _modules():
        here = _layer(module)
        for name in _imports(file):
            if name.startswith("kespeechchat.") and (there := _layer(name)) != here and there not in MAY_IMPORT[here]:
                wrong.append(f"{module} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_every_folder_has_its_place():
    assert {_layer(module) for _, module in _modules()} <= set(MAY_IMPORT)


def test_heavy_libraries_are_imported_where_they_are_needed_only():
    """No module imports them at its top, but an engine's own file: `kesc --help` must answer in 0.3 s."""
    wrong = []
    for file, module in _modules():
        own_file = module.startswith("kespeechchat.engines.") and not module.endswith("__init__")
        heavy = {name.split(".")[0] for name in _imports(file, top_level_only=True)} & HEAVY
        if heavy and not own_file:
            wrong.append(f"{module} imports {sorted(heavy)} at its top")
    assert not wrong, "\n".join(wrong)


def test_help_loads_no_more_than_click():
    """`kesc --help` shows every command and must answer in 0.3 s: nothing outside the standard library but click."""
    script = "import sys, kespeechchat.cli; print({name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    third_party = ast.literal_eval(loaded) - set(sys.stdlib_module_names)
    own = {name for name in third_party if not name.startswith("_")} - {"click", "kespeechchat"}
    assert not own & {*HEAVY, "numpy", "pyarrow", "pydantic", "yaml", "obstore", "rich"}, own
