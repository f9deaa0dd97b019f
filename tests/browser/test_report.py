"""The report in a browser, opened from its file: audio plays, keys work, everybody can read it."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from kespeechchat.cli import app

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(built, tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("report") / "report.html"
    ran = CliRunner().invoke(app, ["report", "--root", built.store.url, "--to", str(file)])
    assert ran.exit_code == 0, ran.output
    return file.as_uri()


def test_dialogues_play_one_turn_after_the_other(browser, page):
    browser.open(page)
    browser.listen()
    browser.press("n")
    first, second = browser.wait("two turns", lambda: browser.heard()[1:] and browser.heard()[:2])
    assert "user" in first and second == first.replace("user", "agent")
    browser.press("SPACE")
    browser.wait("a pause", lambda: browser.playing() is None)
    browser.listen()
    browser.press("n")
    browser.wait("the next dialogue", lambda: browser.heard() and browser.heard()[0] not in (first, second))


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_everybody_can_read_it(browser, page, width, dark):
    browser.resize(width, 844, dark)
    browser.open(page)
    assert not browser.inaccessible()
    assert browser.script("return document.documentElement.scrollWidth <= innerWidth"), "wider than the window"
