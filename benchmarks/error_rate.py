"""What the gate's error rate costs: dialogues of two turns, new code against what it replaced, in one run.

    python -m benchmarks.error_rate [REVISION]     # exits 1 if the median dialogue takes 2 ms or more
    python -m benchmarks.error_rate --root ROOT    # the gate of a build by both codes: figures, and rows that change

The texts are ordinary turns of both languages and transcripts of them: as they were said, with written forms, and
with words misheard. The old code is read from this repository's git: REVISION, or the last one before readings.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from kespeechchat.commands.rows import Wanted, current_tables
from kespeechchat.config.base import pick
from kespeechchat.config.rounds import split_round
from kespeechchat.records import Language
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.saved_profile import load_profile
from kespeechchat.store.opening import open_store
from kespeechchat.text import error_rate

HERE = Path(__file__).parent
BEFORE = "905b9e3"
LIMIT = 2.0  # ms
DIALOGUES = 400

Turn = tuple[str, str]  # reference, transcript
TURNS: dict[Language, list[Turn]] = {
    "en": [
        ("Could you tell me how to make a simple tomato soup for four people?",) * 2,
        ("Take small steps, and remember what you have already achieved in the last year.",) * 2,
        (
            "The science museum has a wonderful new exhibit about the ocean.",
            "The science museum has wonderful new exhibits.",
        ),
        ("The shop opens at nine a.m. and closes at half past five.", "The shop opens at 9 AM and closes at 5:30."),
        (
            "Add a hundred grams of sugar and two and a half cups of flour.",
            "Add 100 grams of sugar and 2.5 cups of flour.",
        ),
        (
            "Music of the nineteen nineties was great, don't you think?",
            "Music of the 1990s was great, don't you think?",
        ),
        ("Doctor Smith lives at two twenty one B Elm Drive.", "Dr. Smith lives at 221B Elm Dr."),
        ("It costs three dollars and fifty cents, or five percent less.", "It costs $3.50 or 5% less."),
        ("I'd say it's about fifteen hundred people.", "I would say it is a bout 1500 people who came"),
        ("Why do leaves change color in the fall?", "Wide oh leaves chain Jim color in the full?"),
    ],
    "zh": [
        ("最近总是睡不好，有什么办法可以改善睡眠？",) * 2,
        ("你可以试着每天早点上床，睡前不要看手机，再喝一杯热牛奶。",) * 2,
        ("地球为什么会有四季的变化呢？", "地球为什么会有世纪的变化呢"),
        ("三点一刻开会，不要迟到。", "3:15开会,不要迟到。"),
        ("这袋米重五公斤，一共五块五。", "这袋米重5kg,一共5.5元。"),
        ("涨幅在百分之五十到百分之六十之间。", "涨幅在50%-60%之间"),
        ("二零二五年五月三号，一共来了一千五百个人。", "2025年5月3日一共來了1500個人。"),
        ("等一会儿再来，我的电话是一三八一二三四五六七八。", "等一会再来,我的电话是13812345678"),
        ("可以去公园放风筝，也可以去博物馆参观。", "可以去公元放风争也可以去博物馆参"),
        ("简单来说，就是让机器像人一样思考和学习。", "简单的说就让机器象人样思考和学系"),
    ],
}


def old_code(revision: str) -> ModuleType:
    """`text/error_rate.py` of `revision` with the two modules it needs, under other names, read from git."""
    for name in ("english", "normalize", "error_rate"):
        path = f"{revision}:kespeechchat/text/{name}.py"
        source = subprocess.run(["git", "show", path], cwd=HERE, check=True, capture_output=True, text=True).stdout
        for other in ("english", "normalize"):
            source = source.replace(f"kespeechchat.text.{other} ", f"replaced_{other} ")
        module = ModuleType(f"replaced_{name}")
        sys.modules[module.__name__] = module
        exec(compile(source, path, "exec"), module.__dict__)
    return module


def dialogues(language: Language) -> list[list[Turn]]:
    """Two turns each, drawn with a fixed seed."""
    draw = random.Random(2412)
    return [draw.sample(TURNS[language], 2) for _ in range(DIALOGUES)]


def costs(code: ModuleType, unit: str, work: list[list[Turn]]) -> list[float]:
    """Milliseconds of each dialogue in the unit that a gate compares: word (en), character or syllable (zh)."""
    out = []
    for turns in work:
        began = time.perf_counter()
        for reference, transcript in turns:
            if unit == "syllable":
                code.syllable_edits(reference, transcript)
            else:
                code.error_edits(reference, transcript, "en" if unit == "word" else "zh")
        out.append((time.perf_counter() - began) * 1e3)
    return out


def verdicts(root: str, old: ModuleType) -> None:
    """Judges the dialogues that a build's gate has seen by both codes, from the stored transcripts, and prints how many
    of each language pass, the pooled rates, and each dialogue whose verdict differs."""
    pipeline = load_profile(root)
    build_state = BuildState(pipeline, open_store(root))
    totals: dict[str, list[float]] = {}
    for unit in (u for u in pipeline.units if split_round(u.name)[0] == "gate"):
        settings = pipeline.settings_of(unit.name)
        for table in current_tables(build_state, Wanted(unit.stages[-1])):
            for row in table.to_pylist():
                counted, limit = pick(settings.unit, row["language"]), pick(settings.max_error, row["language"])
                rates = [_rate(code, row, counted) for code in (old, error_rate)]
                total = totals.setdefault(row["language"], [0, 0, 0, 0.0, 0.0])
                passed = [rate <= limit for rate in rates]
                for i, add in enumerate((1, *passed, *rates)):
                    total[i] += add
                if passed[0] != passed[1]:
                    print(f"{row['id']}: before {rates[0]:.3f}, now {rates[1]:.3f}, limit {limit}")
                    for turn in row["turns"]:
                        print(f"    said  {turn['text']}\n    heard {turn['transcript']}")
    for language, (rows, before, now, rate_before, rate_now) in sorted(totals.items()):
        means = f"mean rate {rate_before / rows:.4f} before, {rate_now / rows:.4f} now"
        print(f"{language}: {rows} dialogues judged; {before} pass before, {now} now; {means}")


def _rate(code: ModuleType, row: dict[str, Any], unit: str) -> float:
    counted = [
        code.syllable_edits(turn["text"], turn["transcript"])
        if unit == "syllable"
        else code.error_edits(turn["text"], turn["transcript"], row["language"])
        for turn in row["turns"]
    ]
    return float(code.pooled(counted))


def main() -> int:
    """Prints the medians and their ratio for each unit; 1 if a median is not under the limit."""
    if "--root" in sys.argv:
        verdicts(sys.argv[sys.argv.index("--root") + 1], old_code(BEFORE))
        return 0
    old = old_code(sys.argv[1] if len(sys.argv) > 1 else BEFORE)
    slowest = 0.0
    for unit, language in (("word", "en"), ("character", "zh"), ("syllable", "zh")):
        work = dialogues(language)
        for code in (old, error_rate):
            costs(code, unit, work[:10])  # what is loaded once is no dialogue's cost
        before, now = (statistics.median(costs(code, unit, work)) for code in (old, error_rate))
        print(f"{unit:9}  before {before:.3f} ms  now {now:.3f} ms  ratio {now / before:.2f}")
        slowest = max(slowest, now)
    print(f"the slowest median is {slowest:.3f} ms a dialogue; the limit is {LIMIT:.1f} ms")
    return 0 if slowest < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
