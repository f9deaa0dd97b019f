"""Fingerprints of the quick start: a changed one makes finished shards stale, so none may change unnoticed.

Held here is what a stage's own declaration, settings, engines and prompts contribute to the fingerprint of its shards,
and which inputs it names; the content of those inputs is left out, for it holds bytes that pyarrow wrote. After a
deliberate change (a stage's `version`, a new setting, another prompt), name the stages in CHANGELOG.md under "Makes
shards stale" and run

    python tests/stages/test_fingerprints.py
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))  # for the run as a script, from any folder

from benchmarks.recorded import ANY_LANGUAGE, fill, questions, recipe  # noqa: E402
from kespeechchat.config.load import load_pipeline  # noqa: E402
from kespeechchat.state.build_state import BuildState  # noqa: E402
from kespeechchat.store.commit import short_hash  # noqa: E402
from kespeechchat.store.opening import open_store  # noqa: E402

HELD = HERE / "fingerprints.json"
PROFILE = HERE.parents[1] / "pipelines" / "quickstart.yaml"


def _fingerprints(folder: Path) -> dict[str, str]:
    """`UNIT LANGUAGE` → hash of its shards' ingredients, of every unit of the quick start, and of a round."""
    speech = f"speech.inputs=[{{path: {recipe(folder / 'speech.yaml', 10)}}}]"
    inputs = [questions(folder / "questions.jsonl", 4)]
    pipeline = load_pipeline(
        PROFILE, (speech, ANY_LANGUAGE, "rounds=[voice]"), inputs=inputs, root=str(folder / "root")
    )
    store = open_store(pipeline.root)
    fill(pipeline, store)
    build_state = BuildState(pipeline, store)
    found = {}
    for unit in pipeline.units:
        for state in build_state.states(unit.name).values():
            own = {k: "" if k.startswith("input:") else v for k, v in state.order.ingredients.items()}
            found[f"{unit} {state.order.language or 'all'}"] = short_hash(own)
    return found


def test_no_fingerprint_of_the_quick_start_changed(tmp_path: Path) -> None:
    held, found = json.loads(HELD.read_text()), _fingerprints(tmp_path)
    assert list(found) == list(held), "other units, or other languages: see the top of this file"
    changed = [unit for unit, fingerprint in found.items() if fingerprint != held[unit]]
    assert not changed, f"finished shards of {', '.join(changed)} would be made again: see the top of this file"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        HELD.write_text(json.dumps(_fingerprints(Path(folder)), indent=1) + "\n")
