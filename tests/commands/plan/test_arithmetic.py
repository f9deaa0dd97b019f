"""`kesc plan`: the laws of its arithmetic, and an estimate from recorded shards worked out by hand."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.cli import app
from kespeechchat.commands.plan.arithmetic import (
    Pool,
    Range,
    Sample,
    TooFewGPUs,
    measured,
    rounds_after,
    rows_backward,
    rows_forward,
    share_of_first,
    shared_out,
    spread,
    wall_hours,
    wilson,
)
from kespeechchat.commands.plan.forecast import forecast
from kespeechchat.commands.plan.measurements import clip_rows, instruction_rows
from kespeechchat.commands.plan.pilot import pilot_of
from kespeechchat.commands.plan.text import render
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.store.commit import CommitRecord, Counts, ShardKey, list_commits, record_key
from kespeechchat.store.opening import open_store

pytestmark = pytest.mark.slow

QUICKSTART = Path(__file__).parents[3] / "pipelines" / "quickstart.yaml"

counts = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)).map(lambda t: (min(t), t[1])), min_size=1)
positive = st.floats(0.01, 1e4)
ranges = st.tuples(positive, positive, positive).map(sorted).map(lambda t: Range(*t))


def near(found: Range, low: float, mid: float, high: float) -> bool:
    return [found.low, found.mid, found.high] == pytest.approx([low, mid, high], rel=1e-3)


# --- arithmetic


def test_wilson_is_the_textbook_interval():
    """8 of 10: 0.4902 to 0.9433 (Wilson 1927, as in any table of it)."""
    assert near(wilson([(8, 10)]), 0.4902, 0.8, 0.9433)
    assert wilson([(0, 20)]).low == 0 and wilson([(20, 20)]).high == 1


@given(counts)
def test_wilson_holds_the_share_and_stays_a_share(shards):
    found = wilson(shards)
    assert 0 <= found.low <= found.mid <= found.high <= 1
    assert found.mid == pytest.approx(sum(k for k, _ in shards) / sum(n for _, n in shards))


def test_shards_that_differ_by_more_than_chance_widen_the_yield():
    alike, unlike = wilson([(10, 20)] * 4), wilson([(20, 20), (0, 20)] * 2)
    assert unlike.high - unlike.low > 2 * (alike.high - alike.low)


@given(ranges, ranges)
def test_products_keep_their_order_and_are_wider_than_their_parts(a, b):
    found = a * b
    assert found.low <= found.mid <= found.high and found.mid == pytest.approx(a.mid * b.mid)
    assert found.high / found.mid >= a.high / a.mid * (1 - 1e-9)
    assert found.high <= a.high * b.high * (1 + 1e-9)


@given(ranges)
def test_inverse_of_the_inverse_is_the_range(a):
    assert near(a.inverse().inverse(), a.low, a.mid, a.high)


@given(st.lists(ranges, min_size=1, max_size=6), st.floats(1, 1e7))
def test_backward_undoes_forward(shares, rows):
    out = rows_forward(shares, rows)[-1].mid
    assert rows_backward(shares, out)[0].mid == pytest.approx(rows)


def test_nothing_kept_needs_endless_rows():
    nothing = wilson([(0, 10)])
    assert rows_backward([nothing], 100)[0].mid == math.inf
    assert rows_forward([nothing, Range.exact(1)], 100)[-1].mid == 0


@given(st.lists(st.tuples(st.floats(0, 1e4), st.integers(1, 100)), min_size=1))
def test_the_mean_lies_within_the_spread(shards):
    found = spread(shards)
    mean = sum(a for a, _ in shards) / sum(n for _, n in shards)
    assert found.low <= found.mid <= found.high and found.low <= mean <= found.high


def test_a_shard_that_loaded_models_moves_the_end_and_not_the_middle():
    found = spread([(65.0, 10), *[(5.0, 10)] * 9])
    assert found.mid == 0.5 and found.high == pytest.approx(1.1)  # the mean: 110 s for 100 rows


def test_a_fused_stage_with_variants_multiplies_rows():
    sample = Sample("rewrite", "en", 10, 30, 24, 60.0, 3000, 0.0)
    figures = measured([sample])[("rewrite", "en")]
    assert figures.share.mid == pytest.approx(2.4) and figures.seconds.mid == 6 and figures.size.mid == 300


# --- wall time


def test_gpus_go_where_most_is_left_to_do():
    pools = {"tts": Pool(1, 1, 64), "asr": Pool(1, 1, 64)}
    assert shared_out({"tts": 30.0, "asr": 10.0}, pools, 8) == {"tts": 6, "asr": 2}


def test_an_actor_of_several_gpus_is_whole_or_not_there():
    pools = {"llm": Pool(8, 1, 4), "judge": Pool(1, 1, 4)}
    assert shared_out({"llm": 100.0, "judge": 1.0}, pools, 15) == {"llm": 1, "judge": 1}


def test_a_cluster_too_small_says_what_is_needed():
    with pytest.raises(TooFewGPUs, match="need 9 GPUs at once and there are 4"):
        shared_out({"llm": 1.0, "judge": 1.0}, {"llm": Pool(8, 1, 4), "judge": Pool(1, 1, 4)}, 4)


def test_stages_overlap_within_a_segment_and_segments_follow_one_another():
    hours = {name: Range.exact(h) for name, h in (("a", 8.0), ("b", 2.0), ("c", 5.0))}
    pools = {"a": Pool(0, 1, 4), "b": Pool(0, 1, 1), "c": Pool(0, 1, 1)}
    wall, actors = wall_hours([["a", "b"], ["c"]], hours, pools, None)
    assert wall.mid == 2.0 + 5.0 and actors == {"a": 4, "b": 1, "c": 1}


# --- from the records of a build


_GIVEN = {  # unit → (rows in, kept, seconds, audio seconds) of every shard
    "ingest": (10, 8, 0.1, 0.0),
    "rewrite": (8, 8, 8.0, 0.0),
    "filter": (8, 4, 4.0, 0.0),
    "spoken": (4, 4, 8.0, 0.0),
    "watermark": (4, 4, 40.0, 80.0),
    "measure": (4, 4, 4.0, 80.0),
    "gate": (4, 2, 0.1, 40.0),
}


def _record_figures(store, given=_GIVEN):
    """Gives the recorded shards counts and seconds, as a build would have measured them."""
    for unit, (rows, kept, seconds, audio) in given.items():
        for (shard, fingerprint), generation in list_commits(store, unit).committed.items():
            name = record_key(unit, ShardKey(shard, fingerprint, generation))
            record = CommitRecord.from_json(store.get(name))
            settled = {s: Counts(rows, rows) for s in record.counts} | {
                unit: Counts(rows, kept, {"refused": rows - kept})
            }
            changed = dataclasses.replace(
                record, counts=settled, seconds=seconds, audio_seconds=audio, size=rows * 1000
            )
            store.put(name, changed.to_json())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A folder with inputs and a build of them, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("recorded")
    questions(folder / "questions.jsonl", 40)
    recipe(folder / "speech.yaml", 20)
    profile = _profile(folder)
    store = open_store(profile.root)
    fill(profile, store)
    _record_figures(store)
    return folder


def _profile(folder, *overrides: str):
    speech = f"speech.inputs=[{{path: {folder / 'speech.yaml'}}}]"
    inputs = [folder / "questions.jsonl"]
    return load_pipeline(QUICKSTART, (speech, "rounds=[]", *overrides), inputs=inputs, root=str(folder / "root"))


@pytest.fixture
def build(tmp_path, recorded):
    """(profile with overrides, the store of its build)"""
    folder = shutil.copytree(recorded, tmp_path / "own")
    return partial(_profile, folder), open_store(str(folder / "root"))


def _line(size, unit, language):
    return next(line for line in size.lines if (line.unit, line.language) == (unit, language))


def test_an_estimate_is_the_arithmetic_it_shows(build):
    make, store = build
    own, paper = forecast(make(), make(), store, rows=20_000).sizes
    # half of 20,000 rows are Chinese: 0.8 pass ingest, 0.5 filter, 0.5 gate
    assert own.dialogues["zh"].mid == pytest.approx(10_000 * 0.8 * 0.5 * 0.5)
    assert own.audio_hours["zh"].mid == pytest.approx(2000 * 20 / 3600)  # 40 s for 2 dialogues kept
    speech = _line(own, "watermark", "zh")
    assert speech.rows.mid == pytest.approx(4000) and speech.actor_hours.mid == pytest.approx(4000 * 10 / 3600)
    assert speech.storage.mid > 4000 * 1000
    assert own.dialogues["zh"].low < own.dialogues["zh"].mid < own.dialogues["zh"].high
    assert sum(d.mid for d in paper.dialogues.values()) == pytest.approx(7_000_000)
    assert paper.rows["en"].mid == pytest.approx(3_500_000 / (0.8 * 0.5 * 0.5))
    assert own.unknown == [] and paper.unknown == []


def test_rounds_take_what_the_one_before_left():
    rounds = [[Range.exact(0.9), Range.exact(0.5)], [Range.exact(0.4)], [Range.exact(1.0)]]
    after = rounds_after(rounds, Range.exact(1000.0))
    assert [[r.mid for r in found] for found in after] == [pytest.approx([550, 220]), pytest.approx([330, 330])]
    assert share_of_first(rounds) == pytest.approx(0.45)
    assert share_of_first(rounds[:1]) == share_of_first([[Range.exact(0.0)]]) == 1.0


def test_what_a_round_brings_back_is_in_the_estimate(build):
    make, store = build
    profile = make("rounds=[voice]")
    fill(profile, store)
    assert any("gate.r1 (zh)" in what for what in forecast(profile, profile, store).sizes[0].unknown)
    again = {"watermark.r1": (2, 2, 20.0, 40.0), "measure.r1": (2, 2, 2.0, 40.0), "gate.r1": (2, 1, 0.1, 30.0)}
    _record_figures(store, again)
    own, paper = forecast(profile, profile, store, rows=20_000).sizes
    # 4,000 Chinese dialogues are spoken; half pass the gate, and half of the rest the second time
    assert _line(own, "measure.r1", "zh").rows.mid == pytest.approx(2000)
    assert own.dialogues["zh"].mid == pytest.approx(3000) and own.unknown == []
    assert own.audio_hours["zh"].mid == pytest.approx((2000 * 20 + 1000 * 30) / 3600)
    assert sum(d.mid for d in paper.dialogues.values()) == pytest.approx(7_000_000)
    assert paper.rows["en"].mid == pytest.approx(3_500_000 / (0.8 * 0.5 * 0.75))


def test_gpu_hours_are_actor_hours_times_gpus(build):
    make, store = build
    profile = make("resources.synthesize={num_gpus: 2, max_actors: 8}", "resources.measure={num_gpus: 1}")
    own, _ = forecast(profile, profile, store, rows=20_000, gpus=9).sizes
    speech, measure = _line(own, "watermark", "en"), _line(own, "measure", "en")
    assert speech.gpu_hours.mid == pytest.approx(2 * speech.actor_hours.mid) and measure.gpus == 1
    assert own.actors["watermark"] == 4 and own.wall is not None  # 2 × 4 + 1 GPUs
    assert forecast(profile, profile, store, rows=20_000, gpus=2).sizes[0].wall is None


def test_what_was_not_measured_is_named_and_in_no_sum(build):
    make, store = build
    for key, _ in list(store.list("gate/commits")):
        store.delete(key)
    own, paper = forecast(make(), make(), store).sizes
    assert "gate (zh)" in own.unknown and own.dialogues == {}
    assert paper.rows == {} and any("7,000,000" in what for what in paper.unknown)
    assert "not measured, so in no sum: gate (zh)" in render(forecast(make(), make(), store))


def test_superseded_figures_are_called_so(build):
    make, store = build
    changed = make("stages.gate.max_error.zh=0.2", "stages.gate.max_error.en=0.2")
    found = forecast(changed, changed, store)
    assert found.measured.superseded == ("gate",)
    assert "figures of superseded shards are used instead" in render(found)


def test_other_engines_than_the_profiles_are_named(build):
    make, store = build
    changed = make("engines.asr.other={use: faster_whisper}", "stages.measure.asr=other")
    found = forecast(changed, changed, store)
    assert found.measured.others == {"measure": ("asr:whisper", "asr:other")}
    assert "measure was measured with asr:whisper, the profile has asr:other" in render(found)
    assert forecast(make(), make(), store).measured.others == {}


def test_shards_that_loaded_models_do_not_count_where_there_are_others():
    def seconds(*shards: tuple[float, bool]) -> Range:
        samples = [Sample("gate", "zh", 10, 10, 10, s, 0, 0.0, cold=cold) for s, cold in shards]
        return measured(samples)[("gate", "zh")].seconds

    assert seconds((90.0, True), (1.0, False)) == Range.exact(0.1)
    assert seconds((90.0, True)) == Range.exact(9.0)


def test_the_rows_that_target_hours_take(build):
    make, store = build
    profile = make("target_hours.zh={train: 8.5, test: 0.3}", "stages.spoken.splits={dev: 0, test: 0.15, of: 1}")
    own, targets, _ = forecast(profile, profile, store, rows=20_000).sizes
    assert targets.title == "the target hours"
    # 20 s a dialogue: 1,800 dialogues are 10 h, 8.5 of them train and 1.5 test; 0.2 of the rows become dialogues
    assert targets.dialogues["zh"].mid == pytest.approx(1800)
    assert targets.rows["zh"].mid == pytest.approx(1800 / 0.2)
    assert targets.rows["en"] == own.rows["en"]


def test_inputs_that_are_not_here_are_taken_as_measured_and_told(build):
    make, store = build
    (item,) = make().instructions.inputs
    elsewhere = make().instructions.model_copy(update={"inputs": (item.model_copy(update={"path": "/no/rows.jsonl"}),)})
    away = make("speech.inputs=[{path: /no/clips.tsv}]").model_copy(update={"instructions": elsewhere})
    with pytest.raises(ConfigError, match="--rows N"):
        forecast(away, away, store)
    found = forecast(away, away, store, rows=1000)
    assert found.sizes[0].rows == {"en": Range.exact(500), "zh": Range.exact(500)}
    assert "/no/rows.jsonl: not here" in render(found) and "/no/clips.tsv: not here" in render(found)


def test_an_empty_root_says_how_to_measure(build, tmp_path):
    make, _ = build
    with pytest.raises(ConfigError, match="--pilot 50"):
        forecast(make(), make(), open_store(str(tmp_path / "nothing")))


def test_inputs_are_counted_by_language(build):
    make, _ = build
    assert instruction_rows(make()) == {"zh": 20, "en": 20} and clip_rows(make()) == {"en": 20}
    assert instruction_rows(make(), rows=1000) == {"zh": 500, "en": 500}
    limited = make("instructions.limit=10")
    assert instruction_rows(limited) == {"zh": 5, "en": 5}


def test_a_pilot_is_small_and_lives_beside_the_build(build):
    make, _ = build
    pilot = pilot_of(make(), 5, clips=7)
    assert pilot.root == make().root + "-pilot"
    assert pilot.instructions.limit == 5 and clip_rows(pilot) == {"en": 7}
    assert max(pilot.stages.blend.blending.users.values()) <= 4 and pilot.guards == {}


def test_the_command_prints_text_and_json(build):
    make, _ = build
    inputs = make().instructions.inputs[0].path
    speech = make().speech.inputs[0].path
    where = ["--root", make().root, "--set", f"speech.inputs=[{{path: {speech}}}]"]
    where += ["--input", inputs]
    text = CliRunner().invoke(app, ["plan", str(QUICKSTART), *where, "--gpus", "8"])
    assert text.exit_code == 0, text.output
    assert "the paper's size" in text.output and "synthesize+watermark" in text.output
    found = CliRunner().invoke(app, ["plan", str(QUICKSTART), *where, "--json", "--rows", "1000"])
    data = json.loads(found.output)
    assert data["sizes"][0]["title"] == "1,000 rows" and data["sizes"][1]["dialogues"]["zh"]["mid"] == 3_500_000
