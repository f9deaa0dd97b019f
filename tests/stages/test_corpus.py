"""A real corpus is only named by `corpus`; what the manifest leaves out, the profile may say."""

from __future__ import annotations

import json

import pytest

from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.stages.base import Task
from kespeechchat.stages.corpus import Corpus


@pytest.mark.parametrize("given", [{}, {"language": "zh"}])
def test_a_clip_has_its_shards_language_whoever_said_it(quickstart, given):
    clip = {"recording": "r1", "path": "/speech/r1.wav", "transcript": "你好", "dnsmos": "4.2", **given}
    row = {"id": "premium-1", "occurrence": 1, "file": "premium.tsv", "line": 2, "raw": json.dumps(clip)}
    pipeline = load_pipeline(quickstart.with_name("ke-speechchat.yaml"))
    (outcome,) = Corpus(pipeline).process(Task(0, "zh", [{**row, "problem": None}]))
    assert outcome.status == "kept" and outcome.row["language"] == "zh" and outcome.row["corpus_dnsmos"] == 4.2


def test_what_the_corpus_says_of_a_clip_is_handed_on(quickstart):
    clip = {"recording": 1, "speaker": "ann", "path": "/speech/a.wav", "gender": "female_feminine", "channel": "1"}
    clip |= {"start": 0.5, "duration": 1.5}
    row = {"id": "m-1", "occurrence": 1, "file": "m.jsonl", "line": 2, "raw": json.dumps(clip), "problem": None}
    (outcome,) = Corpus(load_pipeline(quickstart)).process(Task(0, "en", [row]))
    found = {k: outcome.row[k] for k in ("recording", "speaker", "gender", "channel", "start", "part_seconds")}
    expected = {"recording": "1", "speaker": "ann", "gender": "female", "channel": "1", "start": 0.5}
    assert found == expected | {"part_seconds": 1.5}


def test_a_recipe_needs_a_tts_with_stock_voices(quickstart, monkeypatch):
    monkeypatch.setattr("kespeechchat.stages.base._loaded", {})
    monkeypatch.setattr("kespeechchat.stages.base.load", lambda settings: object())
    clip = {"recording": "r1", "transcript": "你好", "style": {"zf_xiaobei": 1.0}}
    row = {"id": "r1-1", "occurrence": 1, "file": "c.yaml", "line": 2, "raw": json.dumps(clip), "problem": None}
    with pytest.raises(ConfigError, match=r"stages\.corpus\.tts: kokoro has no stock voices"):
        list(Corpus(load_pipeline(quickstart)).process(Task(0, "zh", [row])))
