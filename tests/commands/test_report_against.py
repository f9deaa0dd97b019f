"""`kesc report --against`: two builds side by side."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from kespeechchat.cli import app
from kespeechchat.commands.report.comparison import compare
from kespeechchat.commands.report.contents import read_build
from kespeechchat.commands.why import settings_that_differ
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
    assert any(line.startswith("instructions.inputs.0.path: was ") for line in found.settings)  # they lie apart
    pairs = {title.partition(" (")[0]: own for title, own in found.pairs}
    (changed,) = pairs["The verdict changed"]
    assert (changed.here.fate, changed.there.fate) == ("rejected", "kept") and changed.here.id == changed.there.id
    assert set(changed.here_sources) == set(changed.there_sources) == {"user", "agent"}
    (worse,) = pairs["The error rate changed most"]
    assert worse.here.error_rate == 0 < worse.there.error_rate and worse.here.language == "zh"
    assert "lower in 1, higher in 0" in found.error_change
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


def test_a_root_without_a_build_is_named(two, tmp_path) -> None:
    one, _ = two
    ran = CliRunner().invoke(app, ["report", "--root", one.store.url, "--against", str(tmp_path / "none")])
    assert ran.exit_code == 2 and f"{tmp_path}/none: no build here" in ran.output
