"""The review's page in a browser: opened from a file, judged by keys, closed, opened again, saved, imported."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from kespeechchat.cli import app

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(built, tmp_path_factory):
    to = tmp_path_factory.mktemp("review")
    ran = CliRunner().invoke(app, ["review", "--sample", "6", "--to", str(to), "--root", built.store.url])
    assert ran.exit_code == 0, ran.output
    return sorted(to.glob("*.html"))


def test_a_reader_judges_closes_comes_back_and_saves(browser, built, pages):
    browser.open(pages[0].as_uri())
    assert browser.text("#count") == "0 of 6" and not browser.one("#kept").is_displayed()
    browser.listen()
    browser.press("j", "SPACE")
    both = ["dialogue 1, user", "dialogue 1, agent"]
    browser.wait("the agent's turn after the user's, by itself", lambda: browser.heard() == both)
    browser.press("a")  # and on to the next one
    browser.press("a", "k", "r", "1", "4", "c", "too noisy, <b>really</b>", "ESCAPE")
    browser.press("j", "u")
    assert browser.text("#count") == "3 of 6"
    chosen = browser.all(".card:nth-of-type(2) [data-verdict]:checked")
    assert [radio.get_attribute("value") for radio in chosen] == ["reject"]  # one verdict, not two
    ids = [card.get_attribute("data-id") for card in browser.all(".card")]
    browser.open("about:blank")
    browser.open(pages[0].as_uri())
    assert browser.text("#count") == "3 of 6"
    assert browser.one(".card:nth-of-type(2) textarea").get_attribute("value") == "too noisy, <b>really</b>"
    browser.press("s")
    (file,) = browser.wait("the saved file", lambda: list(browser.downloads.glob("annotator-1-*.json")))
    saved = json.loads(file.read_text("utf-8"))
    assert [(i["id"], i["verdict"], i["reasons"]) for i in saved["items"]] == [
        (ids[0], "accept", []),
        (ids[1], "reject", ["words", "noise"]),
        (ids[2], "unsure", []),
    ]
    ran = CliRunner().invoke(app, ["review", "--import", str(file), "--root", built.store.url])
    assert ran.exit_code == 0 and "3 verdicts of annotator-1" in ran.output
    assert "accepted 1, rejected 1, disputed 0, unsure 1" in ran.output
    file.unlink()


def test_a_saved_file_is_continued_and_another_page_refuses_it(browser, pages):
    file = browser.downloads / "mine.json"
    browser.open(pages[1].as_uri())
    browser.press("j", "r", "s")
    (saved,) = browser.wait("the saved file", lambda: list(browser.downloads.glob("annotator-2-*.json")))
    saved.rename(file)
    browser.script("localStorage.clear()")
    browser.open(pages[1].as_uri())
    assert browser.text("#count") == "0 of 6"
    browser.one("#load").send_keys(str(file))
    browser.wait("it to be read", lambda: browser.text("#count") == "1 of 6")
    browser.open(pages[0].as_uri())
    browser.one("#load").send_keys(str(file))
    browser.wait("it to be refused", lambda: "another page" in browser.text("#told"))


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_everybody_can_use_it(browser, pages, width, dark):
    browser.resize(width, 844, dark)
    browser.open(pages[0].as_uri())
    browser.press("j", "r")
    assert not browser.inaccessible()
    assert browser.script("return document.documentElement.scrollWidth <= innerWidth"), "wider than the window"
