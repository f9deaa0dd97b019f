"""The sides of `python -m benchmarks.peers`: which library each is, where it lives, which works it can do, and why not.

Each side but ours lives in an environment of its own under `.venv-peers`, made by `make peers` from
`requirements/peers-NAME.txt`. What a side does is a script beside this file, run by that environment's interpreter.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ENVIRONMENTS = ROOT / ".venv-peers"


@dataclass(frozen=True)
class Side:
    """`package`: its distribution. `cannot`: work → why it has no figure. `facts`: what a finished unit is, what is
    written to disk for good (fsync), what is verified on reading, and what a second run resumes from."""

    name: str
    package: str
    unit: str
    fsync: str
    verifies: str
    resumes: str
    cannot: dict[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        return self.name == "kespeechchat"

    @property
    def python(self) -> Path:
        return Path(sys.executable) if self.ours else ENVIRONMENTS / self.name / "bin" / "python"

    def command(self, work: str, job: Path) -> list[str]:
        """The words that do `work` as the file `job` describes it."""
        return [str(self.python), str(HERE / f"side_{self.name}.py"), work, str(job)]

    def version(self) -> str | None:
        """Of its package; None where its environment has none."""
        if not self.python.exists():
            return None
        words = [str(self.python), "-c", f"import importlib.metadata as m; print(m.version({self.package!r}))"]
        asked = subprocess.run(words, capture_output=True, text=True)
        return asked.stdout.strip() if asked.returncode == 0 else None


SIDES = (
    Side(
        "kespeechchat",
        "kespeechchat",
        unit="a shard of a stage",
        fsync="data, folder, commit record, folder, before a shard counts as done",
        verifies="sha256 of each shard that is read",
        resumes="what has a commit record under the fingerprint that the profile asks for",
    ),
    Side(
        "distilabel",
        "distilabel",
        unit="a batch of a step; its state is one for the whole pipeline",
        fsync="nothing",
        verifies="nothing",
        resumes="the state that it saves when a run ends or is stopped by a signal that it can catch",
        cannot={"units": "it has no units that are finished apart from each other"},
    ),
    Side(
        "datatrove",
        "datatrove",
        unit="a task (an empty file `completions/00042`); in inference a chunk of rows",
        fsync="nothing of its own; SQLite syncs the answers of unfinished chunks",
        verifies="nothing",
        resumes="tasks without such a file, whatever the code or the settings are by now; in inference the rows after "
        "the last full chunk, and answers kept in SQLite",
    ),
    Side(
        "data_juicer",
        "py-data-juicer",
        unit="an operator over the whole dataset",
        fsync="nothing",
        verifies="nothing",
        resumes="operators after the last one that is in its cache (Hugging Face datasets') or its checkpoint",
        cannot={"units": "it has no units that are finished apart from each other"},
    ),
    Side(
        "nemo_curator",
        "nemo-curator",
        unit="a source partition (a group of files)",
        fsync="which partitions are complete (LMDB); none of what they hold",
        verifies="nothing",
        resumes="partitions that no counter calls complete, where Ray was started before and a folder for the "
        "counters was given",
    ),
)
