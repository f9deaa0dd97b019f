#!/usr/bin/env bash
# wetext 0.1.8, the text normalizer in front of several Chinese synthesizers, reads a number that follows "=" digit by
# digit and drops its tens, and counts days and ordinals with 两 where Chinese says 二.
#
#   6×6=36平方分米   六乘六等于三六平方分米      expected …三十六平方分米
#   12月2日          十二月两日                  expected 十二月二日
#   第2名            第两名                      expected 第二名
#
# Why it matters: these sentences are common in instruction data (sums, dates, rankings). The synthesizer says what the
# normalizer wrote, and a recognizer confirms it, so no error rate of the finished speech shows that the number is wrong.
#
# Exits 0 while the behaviour stands, 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'wetext==0.1.8'
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from wetext import Normalizer

print("wetext", version("wetext"))
seen_before = {"6×6=36平方分米": "三六平方分米", "12月2日": "十二月两日", "第2名": "第两名"}
expected = {"6×6=36平方分米": "三十六平方分米", "12月2日": "十二月二日", "第2名": "第二名"}
normalizer = Normalizer(lang="zh", operator="tn")
changed = 0
for text, end in seen_before.items():
    read = normalizer.normalize(text)
    stands = read.endswith(end)
    changed += not stands
    print(f"{text}: read {read}, expected …{expected[text]}: {'as described' if stands else 'CHANGED'}")
sys.exit(1 if changed else 0)
PYTHON
