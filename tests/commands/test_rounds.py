"""Rounds of speech in a build: what a gate does not keep is spoken again, each dialogue ends once, nothing is lost."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from benchmarks.recorded import record_shard
from kespeechchat.cli import app
from kespeechchat.commands.clean import removable
from kespeechchat.commands.export import Wanted, export
from kespeechchat.commands.status import render, status
from kespeechchat.commands.why import why
from kespeechchat.config.rounds import split_round
from kespeechchat.dataset.tables import statistics_markdown
from kespeechchat.execution.guards import GuardStop
from kespeechchat.records import Outcome, failed, rejected
from kespeechchat.stages.flow import STAGE_CLASSES
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.audio import decode
from kespeechchat.store.commit import read_record
from kespeechchat.store.shards import read_table
from tests.spoken_again import ROWS, Ground, problems

pytestmark = pytest.mark.slow

TWO = "rounds=[seed, voice]"
TEXT = ("ingest", "rewrite", "filter", "spoken")
VOICE_UNITS = ("corpus", "clips", "speakers", "blend", "audition", "voices")
PER_SHARD_VOICES = ("corpus", "clips", "audition", "voices")  # `verify` compares their rows one by one
SPEECH_UNITS = ("watermark", "measure", "gate")
DIALOGUES = 4 * ROWS


@pytest.fixture
def ground(tmp_path, quickstart, monkeypatch) -> Ground:
    return Ground(tmp_path, quickstart, monkeypatch)


def _turns(ground, pipeline, stage: str) -> dict[str, dict[str, dict]]:
    """id → role → turn, of a stage's rows of whatever status."""
    found = {}
    for state in BuildState(pipeline, ground.store).states(stage).values():
        record = read_record(ground.store, stage, state.order.key)
        for row in read_table(ground.store, stage, record, ["turns"], kept_only=False).to_pylist():
            found[row["id"]] = {turn["role"]: turn for turn in row["turns"]}
    return found


def _numbers(ground, pipeline, stage: str) -> tuple[int, int]:
    (found,) = [s for s in status(pipeline, ground.store)["stages"] if s["name"] == stage]
    assert found["done"] == found["shards"] > 0
    return found["rows_in"], found["kept"]


def test_what_is_misheard_is_spoken_with_another_seed_then_by_another_voice_then_dropped(ground):
    # of four dialogues one is understood at once, one the second time, one the third time, one never
    ground.engines.mumbles = lambda u, before: before < (3 - _number(u.text)) % 4
    pipeline = ground.pipeline(TWO)
    assert ground.build(TWO).ok and problems(ground, pipeline) == []
    rows = {int(row["id"][1:]): row["round"] for row in FinishedRows(pipeline, ground.store)}
    assert rows == {n: (3 - n) % 4 for n in range(DIALOGUES) if n % 4}
    assert status(pipeline, ground.store)["rounds"]["languages"]["zh"] == {
        "rows_in": [8, 6, 4],
        "kept": [2, 2, 2],
        "hours": pytest.approx([0.0013] * 3, abs=0.0001),
        "dropped": {"error_rate": 2},
    }
    first, again, other = (_turns(ground, pipeline, f"watermark{r}") for r in ("", ".r1", ".r2"))
    for id_, turns in again.items():
        for role, turn in turns.items():
            assert (turn["voice"], turn["text"]) == (first[id_][role]["voice"], first[id_][role]["text"])
            assert turn["seed"] != first[id_][role]["seed"]
    for id_, turns in other.items():
        had = first[id_]["user"]["voice"]
        assert turns["user"]["voice"] != had and turns["user"]["voice"].split("-")[:2] == had.split("-")[:2]
        assert turns["agent"]["voice"] == first[id_]["agent"]["voice"]  # the only one of its gender
        assert turns["agent"]["seed"] not in (first[id_]["agent"]["seed"], again[id_]["agent"]["seed"])
    assert ground.build(TWO).built == 0


def test_where_no_other_voice_is_left_an_engine_without_seeds_says_nothing_twice(ground):
    # two user voices a gender: the first round has another one, the second none
    ground.engines.seeded = False
    ways = "rounds=[voice, voice]"
    pipeline = ground.pipeline(ways)
    spoken: list[str] = []
    ground.engines.mumbles = lambda u, before: spoken.append(u.text) is None
    assert not ground.build(ways).failed and problems(ground, pipeline) == []
    assert Counter(Counter(spoken).values()) == {2: 2 * DIALOGUES}  # every text in two rounds of three
    (last,) = [s for s in status(pipeline, ground.store)["stages"] if s["name"] == "synthesize.r2"]
    assert (last["rows_in"], last["kept"], last["rejected"]) == (DIALOGUES, 0, {"no_other_voice": DIALOGUES})
    for turns in _turns(ground, pipeline, "watermark.r2").values():
        assert all(turn["audio"] is None and turn["tries"] == 0 for turn in turns.values())


def _number(text: str) -> int:
    return int("".join(c for c in text if c.isdigit()))


def _mumbled_by_the_first_voice(ground) -> None:
    """One user voice is never understood: another one is."""
    ground.engines.mumbles = lambda u, before: "question" in u.text and u.embedding[0] == 0.0


def test_statistics_report_and_export_take_every_round(ground, tmp_path):
    _mumbled_by_the_first_voice(ground)
    pipeline = ground.pipeline("rounds=[voice]")
    ground.build("rounds=[voice]")
    into, back = _numbers(ground, pipeline, "synthesize.r1")[0], _numbers(ground, pipeline, "gate.r1")[1]
    assert into == back > 0  # all of them are English users of the one voice
    found = status(pipeline, ground.store)
    assert found["rounds"]["languages"]["en"]["kept"] == [8 - back, back]
    assert found["rounds"]["languages"]["zh"]["kept"] == [8, 0]
    assert found["rounds"]["languages"]["en"]["dropped"] == {}
    assert "1: another voice" in render(found) and "dropped after the last: nothing" in render(found)
    told = export(pipeline, ground.store, str(tmp_path / "out"), Wanted())
    assert f"({DIALOGUES} dialogues, " in told
    statistics = json.loads((tmp_path / "out" / "statistics.json").read_text())
    assert {k: r["dialogues"] for k, r in statistics["en"]["rounds"].items()} == {"0": 8 - back, "1": back}
    hours = found["rounds"]["languages"]["en"]["hours"]
    assert [r["hours"] for r in statistics["en"]["rounds"].values()] == pytest.approx(hours, abs=2e-6)
    quality = json.loads((tmp_path / "out" / "quality.json").read_text())
    assert quality["rounds"] == found["rounds"]
    assert "| 1: another voice |" in statistics_markdown(statistics, quality)
    assert "error_rate" not in (tmp_path / "out" / "README.md").read_text()  # nothing was left out for it
    assert len(list((tmp_path / "out" / "audio").rglob("*.wav"))) == 2 * DIALOGUES


def test_the_audio_of_a_row_is_that_of_its_round(ground):
    _mumbled_by_the_first_voice(ground)
    ground.build("rounds=[voice]")
    rows = FinishedRows(ground.pipeline("rounds=[voice]"), ground.store)
    assert {row["round"] for row in rows} == {0, 1}
    for row in rows:
        for turn in row["turns"]:
            audio = decode(rows.audio(row)[turn["role"]])
            assert len(audio.samples) == round(turn["seconds"] * audio.sample_rate)


def test_a_round_of_which_nothing_is_left_takes_no_engine(ground):
    pipeline = ground.pipeline(TWO)
    ground.build()  # round 0 alone

    def load(settings):
        raise AssertionError("an engine is loaded for a shard without rows")

    ground.monkeypatch.setattr("kespeechchat.stages.base.load", load)
    ground.monkeypatch.setattr("kespeechchat.stages.base._loaded", {})
    assert ground.build(TWO).built == 6 * 4  # six units of four shards
    for stage in ("watermark.r1", "gate.r2"):
        for state in BuildState(pipeline, ground.store).states(stage).values():
            record = read_record(ground.store, stage, state.order.key)
            assert (record.status, record.engines, record.counts[stage].rows_in) == ("committed", {}, 0)


def test_a_round_more_or_another_way_makes_nothing_before_it_stale(ground):
    ground.engines.mumbles = lambda u, before: "1" in u.text
    ground.build(TWO)

    def stale(setting: str) -> set[int]:
        pipeline = ground.pipeline(setting)
        build_state = BuildState(pipeline, ground.store)
        waiting = (s for s in pipeline.flow if any(x.state is not State.DONE for x in build_state.states(s).values()))
        return {split_round(stage)[1] for stage in waiting}

    assert stale(TWO) == stale("rounds=[seed]") == stale("rounds=[]") == set()
    assert stale("rounds=[seed, voice, voice]") == {3}
    assert stale("rounds=[seed, seed]") == {2}
    assert stale("rounds=[voice, voice]") == {1, 2}
    assert list(removable(ground.pipeline(TWO), ground.store)) == []
    lines = why(ground.pipeline("rounds=[seed, seed]"), ground.store, "synthesize.r2", 0)
    assert any("synthesize.r2.rounds" in line for line in lines)


def test_a_changed_threshold_speaks_again_what_is_refused_now(ground):
    ground.engines.mumbles = lambda u, before: "1" in u.text and "question" in u.text
    ground.build(TWO)
    before = _numbers(ground, ground.pipeline(TWO), "synthesize.r1")[0]
    looser = (TWO, "stages.gate.max_error.en=1")
    assert ground.build(*looser).ok
    assert _numbers(ground, ground.pipeline(*looser), "synthesize.r1")[0] == 0 < before
    assert problems(ground, ground.pipeline(*looser)) == []


def test_a_guard_watches_a_round_only_where_it_names_it(ground):
    ground.engines.mumbles = lambda u, before: u.text.startswith("What")
    guard = "{after_shards: 2, min_kept: 0.4}"
    assert ground.build(TWO, f"guards={{gate: {guard}}}").ok  # half of the dialogues are English; no round saves one
    with pytest.raises(GuardStop, match=r"gate\.r1: 0 of"):
        ground.build(TWO, f"guards={{gate.r1: {guard}}}", "stages.gate.max_error.en=0.2")


def test_the_stages_of_a_round_are_named_on_the_command_line(ground):
    ground.build(TWO)
    root = ["--root", ground.pipeline().root]
    told = CliRunner().invoke(app, ["status", *root, "--why", "gate.r1/0"])
    assert told.output == "gate.r1 shard 00000 is done\n"
    wrong = CliRunner().invoke(app, ["status", *root, "--why", "gate.r3/0"])
    assert wrong.exit_code == 2 and "gate.r3: no such stage" in wrong.output and "gate.r2" in wrong.output
    lines = CliRunner().invoke(app, ["verify", *root]).output.splitlines()
    assert {line.split()[0] for line in lines[:-1]} == {*TEXT, *PER_SHARD_VOICES}  # recorded: not of the rows they got
    shards = 4 * (len(TEXT) + 3 * len(SPEECH_UNITS)) + len(VOICE_UNITS)
    assert lines[-1] == f"{shards} shards checked, {4 * len(TEXT) + len(PER_SHARD_VOICES)} problems"


def test_a_dialogue_that_two_rounds_keep_is_told(ground):
    ground.build()
    pipeline = ground.pipeline("rounds=[voice]")
    for stage in ("watermark.r1", "measure.r1", "gate.r1"):
        order = BuildState(pipeline, ground.store).states(stage)[0].order
        record_shard(ground.store, order, [{"id": "d00", "split": "train", "turns": []}])
    assert "watermark.r1 shard 00000: synthesize.r1 lost 0 rows and has 1 extra" in problems(ground, pipeline)


FATES = ("kept", "pace", "failed", "unmeasured", "misheard")  # of one dialogue in one round


@settings(max_examples=5, deadline=None, phases=[Phase.generate])  # an example is a build
@given(fates=st.lists(st.tuples(*[st.sampled_from(FATES)] * 3), min_size=DIALOGUES, max_size=DIALOGUES))
def test_every_dialogue_ends_once_whatever_becomes_of_it_in_any_round(profile, folders, fates):
    """Conservation over rounds: into round k goes what round k − 1 got and did not keep, and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        ground = Ground(folders.mktemp("fates"), profile, patch)
        _act_out(patch, fates)
        pipeline = ground.pipeline(TWO)
        assert not ground.build(TWO).failed and ground.build(TWO).built == 0
        assert problems(ground, pipeline) == []
        ends = {f"d{n:02d}": fate.index("kept") for n, fate in enumerate(fates) if "kept" in fate}
        rows = [(row["id"], row["round"]) for row in FinishedRows(pipeline, ground.store)]
        assert len(rows) == len(ends) and dict(rows) == ends
        found = status(pipeline, ground.store)["rounds"]["languages"].values()
        kept = [sum(part["kept"][k] for part in found) for k in range(3)]
        into = [sum(part["rows_in"][k] for part in found) for k in range(3)]
        assert kept == [Counter(ends.values())[k] for k in range(3)]
        assert into == [DIALOGUES, DIALOGUES - kept[0], DIALOGUES - kept[0] - kept[1]]
        assert sum(sum(part["dropped"].values()) for part in found) == DIALOGUES - len(ends)


@pytest.fixture(scope="module")
def profile() -> Path:
    return Path(__file__).parents[2] / "pipelines" / "quickstart.yaml"


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> pytest.TempPathFactory:
    return tmp_path_factory


def _act_out(patch: pytest.MonkeyPatch, fates: list[tuple[str, ...]]) -> None:
    """Stages without engines that do with a dialogue what its fate in their round says."""
    ends = {
        "synthesize": ("pace", lambda row: rejected(row, "pace")),
        "watermark": ("failed", lambda row: failed(row, "no mark")),
        "measure": ("unmeasured", lambda row: failed(row, "not heard")),
        "gate": ("misheard", lambda row: rejected(row, "error_rate")),
    }
    for name, (fate, end) in ends.items():

        def process(self, task, fate=fate, end=end):
            for row in task.rows:
                here = fates[int(row["id"][1:])][self.round]
                out = {"id": row["id"], "split": "train", "turns": []}
                out |= {"seconds": 3.0} if self.schema.get_field_index("seconds") >= 0 else {}
                yield end(out) if here == fate else Outcome(out)

        body = {"process": process, "setup": lambda self: None}
        patch.setitem(STAGE_CLASSES, name, type(f"Fated{name}", (STAGE_CLASSES[name],), body))
