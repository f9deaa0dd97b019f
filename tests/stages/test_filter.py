"""`filter`: the judges' scores against their thresholds, which may differ by language."""

from __future__ import annotations

import pytest

from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.engines.judge import Verdict
from kespeechchat.stages.base import Task
from kespeechchat.stages.filter import Filter

ROW = {"id": "a-0", "parent": "a-0", "source": "a", "file": "a.jsonl", "line": 1, "task": None, "input": ""}


class _Sure:
    """A judge of one score for everything."""

    def judge(self, texts, criterion, language, seeds):
        return [Verdict(0.45) for _ in texts]


@pytest.mark.parametrize(
    ("language", "question", "reason"), [("zh", "谁写了这首诗？", None), ("en", "Who?", "not_clear")]
)
def test_a_threshold_may_differ_by_language(quickstart, language, question, reason):
    one = "stages.filter.criteria=[{prompt: clear, judge: e5, threshold: {zh: 0.4, en: 0.5}}]"
    stage = Filter(load_pipeline(quickstart, (one,)))
    stage.judges = [_Sure()]
    rows = [ROW | {"language": language, "instruction": question, "question": question}]
    (outcome,) = stage.process(Task(0, language, rows))
    assert outcome.reason == reason
    assert [verdict["passed"] for verdict in outcome.row["verdicts"]] == [reason is None]


def test_one_figure_stands_for_both_languages_and_a_word_for_none(quickstart):
    assert load_pipeline(quickstart, ("stages.ingest.max_characters=70",)).stages.ingest.max_characters == {
        "zh": 70,
        "en": 70,
    }
    for wrong in ("true", "much", "0"):
        with pytest.raises(ConfigError, match="max_characters"):
            load_pipeline(quickstart, (f"stages.ingest.max_characters={wrong}",))
