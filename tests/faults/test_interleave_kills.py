"""kill -9 in the middle of `kesc interleave`, from its plan to its card: the same command goes on, nothing is lost,
nothing is there twice, and every file has the bytes of an undisturbed run."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.sameness import changed
from tests.faults.ground import PROFILE, committed, ingested
from tests.interleaving import profile

pytestmark = pytest.mark.faults
STEP = 5  # boundaries from kill to kill: those of the commits are all met in test_commit_kills
TEXTS = [
    "The harbour wakes before the town does, and the first boats are out before six in the morning.",
    "Nobody had seen the old bridge since the flood, but all of them could draw it from memory.",
    "",
    "早上八点钟，他们一起走过银行门口，去看河边新种的树。",
]


def _words(root: Path, documents: Path) -> list[str]:
    settings = ("interleave.shard_size=2", f"engines.tokens.whisper.centroids={documents.parent / 'codebook.npy'}")
    words = ["interleave", str(PROFILE), "--inline", "--root", str(root), "--input", str(documents)]
    return [*words, *(word for setting in settings for word in ("--set", setting))]


def _sequences(root: Path) -> dict[str, object]:
    """Name of each file for a trainer → what it holds."""
    files = {str(p.relative_to(root)): p for p in sorted((root / "sequences").rglob("*")) if p.is_file()}
    return {
        name: pq.read_table(path).to_pylist() if path.suffix == ".parquet" else path.read_bytes()
        for name, path in files.items()
    }


def test_a_kill_anywhere_loses_and_doubles_nothing(tmp_path, kesc):
    documents, log = tmp_path / "a.jsonl", tmp_path / "kills.log"
    documents.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    np.save(tmp_path / "codebook.npy", np.zeros((4, 4), np.float32))

    def fresh(name: str) -> Path:
        """A ROOT with voices."""
        return Path(profile(tmp_path / name, documents=documents).root)

    root = fresh("undisturbed")
    assert kesc(_words(root, documents)) == 0, kesc.said
    wanted, files = ingested(root, "interleaved"), _sequences(root)
    assert len(wanted) == 4 and len(files) == 6, "two pairs, a card and a vocabulary"
    kills = 0
    for at in range(0, 10_000, STEP):
        root = fresh(f"killed-{at:03d}")
        code = kesc(_words(root, documents), root, kill_at=at, log=log)
        if code == 0:
            break
        assert code == -signal.SIGKILL, kesc.said
        kills += 1
        before = committed(root)
        assert kesc(_words(root, documents)) == 0, f"the run after kill {at} failed:\n{kesc.said}"
        assert not changed(before, committed(root)), f"a committed shard changed after kill {at}"
        assert ingested(root, "interleaved") == wanted, f"other rows after kill {at}"
        assert _sequences(root) == files, f"other sequences after kill {at}"
    hits = Counter(line.split(":")[0] for line in log.read_text().splitlines())
    print(f"\n{kills} kills: {dict(hits)}")
    assert {"plan", "attempts", "root"} <= hits.keys() and hits.total() == kills
