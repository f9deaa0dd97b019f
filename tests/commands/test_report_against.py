"""`kesc report --against`: two builds side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from kespeechchat.cli import app
from kespeechchat.commands.report.comparison import _change, compare
from kespeechchat.commands.report.contents import read_build
from kespeechchat.commands.why import settings_that_differ
from kespeechchat.config.inputs import InstructionInput
from kespeechchat.display import percent
from tests.pages import check_page
from tests.spoken_again import ROWS, Ground

pytestmark = pytest.mark.slow
LAX = "stages.gate={max_error: {zh: 1, en: 1}}"


@pytest.fixture
def two(tmp_path, quickstart, monkeypatch) -> tuple[Ground, Ground]:
    """Two builds of the same rows; in the second one, two dialogues are mumbled and the gate is lax."""
    grounds = []
    for name, mumbles, settings in (
        ("one", lambda u, before: "number 4" in u.text, ()),
        ("two", lambda u, before: "number 4" in u.text or "第1个" in u.text, (LAX,)),
    ):
        (tmp_path / name).mkdir()
        ground = Ground(tmp_path / name, quickstart, monkeypatch)
        ground.engines.mumbles = mumbles
        ground.build(*settings)
        grounds.append(ground)
    return grounds[0], grounds[1]


def test_what_the_change_did_is_told_dialogue_by_dialogue(two) -> None:
    one, other = two
    here, there = read_build(one.pipeline(), one.store), read_build(other.pipeline(LAX), other.store)
    found = compare(here, there)
    assert found.shared == 4 * ROWS and found.only == (0, 0)
    assert dict(((a, b), n) for a, b, n in found.verdicts) == {
        ("kept", "kept"): 4 * ROWS - 1,
        ("rejected", "kept"): 1,
    }
    assert [line for line in found.settings if line.startswith("stages.gate.max_error.zh")] == [
        "stages.gate.max_error.zh: was 1.0, is 0.05"
    ]
    assert not [line for line in found.settings if ".path: " in line]  # they lie apart, and say the same
    pairs = {title.partition(" (")[0]: own for title, own in found.pairs}
    (changed,) = pairs["The verdict changed"]
    assert (changed.here.fate, changed.there.fate) == ("rejected", "kept") and changed.here.id == changed.there.id
    assert set(changed.here_sources) == set(changed.there_sources) == {"user", "agent"}
    (worse,) = pairs["The error rate changed most"]
    assert worse.here.error_rate == 0 < worse.there.error_rate and worse.here.language == "zh"
    assert "lower in 1, higher in 0" in found.error_change and found.error_change.endswith(" lower")
    assert found.score_change == ""
    assert [both.name for both in found.stages] == ["gate"]


def test_the_page_has_both_players(two) -> None:
    one, other = two
    to = one._folder / "both.html"
    options = ["--root", one.store.url, "--against", other.store.url, "--to", str(to)]
    ran = CliRunner().invoke(app, ["report", *options])
    assert ran.exit_code == 0, ran.output
    page = check_page(to.read_text(encoding="utf-8"))
    ids = {a["id"] for a in page.all("article")}
    assert {i[5:] for i in ids if i.startswith("here-")} == {i[6:] for i in ids if i.startswith("there-")} != set()
    text = " ".join(" ".join(page.text).split())
    assert "Side by side" in text and other.store.url in text and "rejected here, kept there" in text


def test_builds_alike_differ_in_nothing(two) -> None:
    one, _ = two
    build = read_build(one.pipeline(), one.store)
    found = compare(build, read_build(one.pipeline(), one.store))
    assert not found.settings and not found.stages and not found.pairs
    assert all(both.here == both.there for both in found.totals)
    assert list(settings_that_differ(build.pipeline, build.pipeline)) == []
    assert found.error_change == f"the same in all {4 * ROWS}"


def test_an_input_of_another_content_is_told_by_name_and_digest(two) -> None:
    one, _ = two
    pipeline = one.pipeline()
    (path,) = [item.path for item in pipeline.instructions.inputs]
    other = f"/elsewhere/{Path(path).name}"
    moved = pipeline.instructions.model_copy(update={"inputs": (InstructionInput(path=other),)})
    moved = pipeline.model_copy(update={"instructions": moved})
    digests = {path: "1" * 64}
    assert list(settings_that_differ(pipeline, moved, (digests, {other: "1" * 64}))) == []
    assert list(settings_that_differ(pipeline, moved, (digests, {other: "2" * 64}))) == [
        'instructions.inputs.0.path: was "questions.jsonl (111111111111)", is "questions.jsonl (222222222222)"'
    ]
    assert f'is "{other}"' in next(settings_that_differ(pipeline, moved, (digests, {})))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([0.0, 0.0], "the same in all 2"),
        ([0.25, -0.25], "lower in 1, higher in 1, the same in 0; on average the same"),
        ([0.5, 0.0], "lower in 0, higher in 1, the same in 1; on average 25.00% higher"),
        ([], ""),
    ],
)
def test_equal_figures_are_not_called_higher(changes, told) -> None:
    assert _change([(str(n), change) for n, change in enumerate(changes)], percent) == told


def test_a_root_without_a_build_is_named(two, tmp_path) -> None:
    one, _ = two
    ran = CliRunner().invoke(app, ["report", "--root", one.store.url, "--against", str(tmp_path / "none")])
    assert ran.exit_code == 2 and f"--against {tmp_path}/none: no build here; name the ROOT" in ran.output
    assert "kesc build" not in ran.output
