"""One threshold decides what counts as marked; builds made when there were several stay valid."""

from __future__ import annotations

import json

import pytest

from kespeechchat.config.engines import AudioSealSettings, PerthSettings
from kespeechchat.config.load import ConfigError, from_json, load_pipeline


def _fingerprinted(pipeline, stage):
    return pipeline.relevant_to(stage, "en")


def test_fingerprints_are_those_of_builds_that_had_two_thresholds(quickstart):
    """As computed by the version that had `stages.gate.watermark_threshold: 0.75` and Perth's own 0.75."""
    pipeline = load_pipeline(quickstart)
    assert _fingerprinted(pipeline, "gate")["settings"]["watermark_threshold"] == 0.75
    for stage in ("watermark", "measure"):
        assert _fingerprinted(pipeline, stage)["named"]["watermark:perth"] == {"use": "perth", "threshold": 0.75}
    assert PerthSettings(use="perth").relevant() == {"use": "perth", "threshold": 0.75}
    assert AudioSealSettings(use="audioseal").relevant()["threshold"] == 0.5


def test_another_threshold_makes_the_gate_stale_and_no_speech(quickstart):
    before, after = load_pipeline(quickstart), load_pipeline(quickstart, ("engines.watermark.perth.threshold=0.6",))
    assert after.watermark_threshold == 0.6
    stale = {s for s in before.flow if _fingerprinted(before, s) != _fingerprinted(after, s)}
    assert stale == {"gate", *(f"gate.r{k}" for k in range(1, len(before.rounds) + 1))}


def test_the_engine_that_listens_decides(quickstart):
    two = "engines.watermark={perth: {use: perth}, ear: {use: perth, threshold: 0.9}}"
    assert load_pipeline(quickstart, (two, "stages.measure.watermark=ear")).watermark_threshold == 0.9


def test_the_setting_that_moved_says_where_to(quickstart):
    with pytest.raises(ConfigError, match=r"stages\.gate: .*engines\.watermark\.NAME\.threshold: 0\.4") as error:
        load_pipeline(quickstart, ("stages.gate.watermark_threshold=0.4",))
    assert "stages.measure.watermark" in str(error.value)


def test_a_pipeline_kept_by_an_earlier_version_keeps_its_threshold(quickstart):
    pipeline = load_pipeline(quickstart)
    old = json.loads(pipeline.to_json())
    old["stages"]["gate"]["watermark_threshold"] = 0.6
    old["engines"]["watermark"]["perth"]["threshold"] = 0.75  # only `kesc detect` without ROOT had read it
    kept = from_json(json.dumps(old))
    assert kept.watermark_threshold == 0.6
    assert _fingerprinted(kept, "gate")["settings"]["watermark_threshold"] == 0.6
    assert _fingerprinted(kept, "measure") == _fingerprinted(pipeline, "measure")
    assert from_json(kept.to_json()) == kept


@pytest.mark.parametrize("text", ["", "{", "[]", '{"stages": {"gate": {"watermark_threshold": 1}}}', "{}"])
def test_what_is_no_pipeline_is_refused(text):
    with pytest.raises(ConfigError, match="the pipeline kept in ROOT does not fit this version"):
        from_json(text)
