"""Target hours: a language stops where its splits have enough, the others go on, and what is spoken is finished."""

from __future__ import annotations

import pytest

from benchmarks.recorded import fill, questions, recipe
from kespeechchat.commands.status import render, status
from kespeechchat.commands.summary import summary
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.execution.driver import build
from kespeechchat.execution.progress import Progress
from kespeechchat.records import Outcome, rejected
from kespeechchat.state.build_state import BuildState, State
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.store.opening import open_store

pytestmark = pytest.mark.slow

SHARDS = 4  # of each language, in turn: zh has the even numbers; one dialogue of half an hour in each


class Ground:
    """A build whose text and voices stand and whose audio stages do nothing but count."""

    def __init__(self, tmp_path, profile, behaves) -> None:
        self._files, self._profile = tmp_path, profile
        questions(tmp_path / "questions.jsonl", 2 * SHARDS)
        recipe(tmp_path / "speech.yaml", 10)
        self.spoken: list[int] = []  # shards of the last build
        self.splits: dict[int, str] = {}  # of shards' dialogues, where not train
        pipeline = self.pipeline()
        self.store = open_store(pipeline.root)
        fill(pipeline, self.store, [u.name for u in pipeline.units if u.name not in ("watermark", "measure", "gate")])
        behaves("synthesize", self._speak)
        behaves("watermark", lambda task: [Outcome(row) for row in task.rows])
        behaves("measure", lambda task: [Outcome({"id": row["id"]}) for row in task.rows])
        behaves("gate", self._gate)
        self.behaves = behaves

    def pipeline(self, *settings: str):
        speech = f"speech.inputs=[{{path: {self._files / 'speech.yaml'}}}]"
        any_voice = "stages.blend.blending.same_language=false"
        settings = (speech, any_voice, "instructions.shard_size=1", "guards={}", "rounds=[]", *settings)
        return load_pipeline(
            self._profile, settings, inputs=[self._files / "questions.jsonl"], root=str(self._files / "root")
        )

    def build(self, *settings: str, stages: tuple[str, ...] = ()):
        self.spoken.clear()
        return build(self.pipeline(*settings), Progress(quiet=True), stages, inline=True)

    def gated(self, *settings: str) -> list[int]:
        states = BuildState(self.pipeline(*settings), self.store).states("gate")
        return sorted(n for n, s in states.items() if s.state is State.DONE)

    def _speak(self, task):
        self.spoken.append(task.shard)
        return [Outcome({"id": row["id"]}) for row in task.rows]

    def _gate(self, task):
        row = {"language": task.language, "split": self.splits.get(task.shard, "train"), "seconds": 1800.0}
        row |= {"turns": [], "metric": "CER", "error_rate": 0.0, "edits": 0, "units": 9}
        return [Outcome({"id": given["id"], **row}) for given in task.rows]


@pytest.fixture
def ground(tmp_path, quickstart, behaves) -> Ground:
    return Ground(tmp_path, quickstart, behaves)


def test_a_language_stops_at_its_target_and_the_other_goes_on(ground):
    result = ground.build("target_hours.zh.train=0.9")
    assert (result.ok, result.held) == (True, {"zh": 2})
    assert sorted(ground.spoken) == [0, 1, 2, 3, 5, 7]
    told = (
        f"{summary(ground.pipeline('target_hours.zh.train=0.9'), ground.store, result.build_state)}\n\n{result.lines()}"
    )
    assert "target hours of zh: train 1.0 of 0.9000 h" in told
    assert "2 shards of it not begun: raise target_hours.zh" in told


def test_a_build_counts_what_stands_and_a_raised_target_goes_on(ground):
    ground.build("target_hours.zh.train=0.9")
    again = ground.build("target_hours.zh.train=0.9")
    assert (again.built, again.held, ground.spoken) == (0, {"zh": 2}, [])
    assert ground.build("target_hours.zh.train=1.4").held == {"zh": 1}
    assert ground.spoken == [4]
    assert ground.build().held == {}
    assert ground.spoken == [6]


def test_a_language_goes_on_until_every_split_with_a_target_has_reached_it(ground):
    ground.splits = {4: "test"}
    assert ground.build("target_hours.zh={train: 0.5, test: 0.5}").held == {"zh": 1}
    assert sorted(set(ground.spoken) & {0, 2, 4, 6}) == [0, 2, 4]


def test_refused_dialogues_count_for_nothing(ground):
    long = {"split": "train", "seconds": 1e6}
    ground.behaves("gate", lambda task: [rejected({"id": row["id"], **long}, "error_rate") for row in task.rows])
    assert ground.build("target_hours.zh.train=0.1").held == {}
    assert len(ground.spoken) == 2 * SHARDS


def test_what_is_spoken_is_gated_though_the_target_is_reached(ground):
    ground.build(stages=("synthesize",))
    result = ground.build("target_hours.zh.train=0.5")
    assert (ground.spoken, result.held) == ([], {})
    assert ground.gated() == list(range(2 * SHARDS))


def test_stale_shards_count_for_nothing_and_a_changed_gate_judges_all_that_is_spoken(ground):
    ground.build("target_hours.zh.train=0.9")
    looser = ("stages.gate.max_error.zh=0.3", "target_hours.zh.train=0.9")
    assert status(ground.pipeline(*looser), ground.store)["target_hours"]["zh"]["train"]["hours"] == 0
    result = ground.build(*looser)
    assert (result.built, result.held, ground.spoken) == (2, {"zh": 2}, [])


def test_no_text_is_written_for_a_language_that_has_enough(ground, behaves):
    ground.build("target_hours.zh.train=0.9")
    questions(ground._files / "questions.jsonl", 2 * SHARDS + 2)
    written = []
    for stage in ("ingest", "rewrite", "filter", "spoken"):
        behaves(stage, lambda task: [written.append(task.language), *(Outcome({"id": r["id"]}) for r in task.rows)][1:])
    assert ground.build("target_hours.zh.train=0.9", stages=("ingest", "rewrite", "filter", "spoken")).held == {"zh": 3}
    assert written == ["en"] * 4


def test_shards_that_a_target_holds_back_are_not_missing(ground):
    ground.build("target_hours.zh.train=0.9")
    assert FinishedRows(ground.pipeline("target_hours.zh.train=0.9"), ground.store).missing == 0
    assert FinishedRows(ground.pipeline(), ground.store).missing == 2


def test_status_shows_how_far_the_targets_are(ground):
    settings = ("target_hours={zh: {train: 8}, en: {train: 2}}",)
    ground.build(*settings)
    found = status(ground.pipeline(*settings), ground.store)
    assert found["target_hours"]["zh"] == {"train": {"hours": 2.0, "target": 8.0}}
    assert "target hours of en: train 2.0 of 2.0 h" in render(found)


def test_targets_change_no_fingerprint(ground):
    ground.build()
    assert ground.gated("target_hours.zh.train=7") == ground.gated() == list(range(2 * SHARDS))


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("target_hours.zh.train=0", "target_hours.zh.train: 0 does not fit"),
        ("target_hours.fr.train=1", "target_hours.fr"),
        ("target_hours.zh.dev=1", "stages.spoken.splits draws no dev dialogues"),
    ],
)
def test_a_target_that_means_nothing_is_refused(ground, setting, says):
    with pytest.raises(ConfigError, match=says):
        ground.pipeline(setting)
