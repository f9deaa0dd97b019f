"""A real corpus is only named by `corpus`; what the manifest leaves out, the profile may say."""

from __future__ import annotations

import json

import pytest

from kespeechchat.config.load import load_pipeline
from kespeechchat.stages.base import Task
from kespeechchat.stages.corpus import Corpus


@pytest.mark.parametrize("given", [{}, {"language": "zh"}])
def test_a_clip_has_its_shards_language_whoever_said_it(quickstart, given):
    clip = {"recording": "r1", "path": "/speech/r1.wav", "transcript": "你好", "dnsmos": "4.2", **given}
    row = {"id": "premium-1", "occurrence": 1, "file": "premium.tsv", "line": 2, "raw": json.dumps(clip)}
    pipeline = load_pipeline(quickstart.with_name("ke-speechchat.yaml"))
    (outcome,) = Corpus(pipeline).process(Task(0, "zh", [{**row, "problem": None}]))
    assert outcome.status == "kept" and outcome.row["language"] == "zh" and outcome.row["corpus_dnsmos"] == 4.2
