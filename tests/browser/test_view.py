"""The viewer in a browser: filters filter, audio plays, keys work, and everybody can use it."""

from __future__ import annotations

import pytest

from tests.commands.view.builds import HOSTILE, TEXT

pytestmark = pytest.mark.browser


def test_filters_filter_and_the_address_says_which(browser, viewer):
    browser.open(viewer)
    assert browser.text("h1").startswith("12 of 24") and len(browser.all(".take")) == 12
    browser.one('select[name="status"]').send_keys("rejected")
    browser.one('select[name="language"]').send_keys("zh")
    browser.follow(".actions button")
    assert browser.text("h1").startswith("6 of 24")
    address = browser.driver.current_url
    assert "status=rejected" in address and "language=zh" in address and "reason" not in address
    assert all("rejected: error rate" in card.text for card in browser.all(".take"))
    assert browser.all(".take del") and browser.all(".take ins")
    browser.one("summary").click()
    browser.one('input[name="least_error_rate"]').send_keys("2")
    browser.follow(".actions button")
    assert "Nothing matches" in browser.text("main")
    assert browser.script("return document.querySelector('details').open")  # filters that are set are in sight
    browser.open(f"{viewer}?text=script")
    assert TEXT in browser.text(".take .text").replace("\n", "") and not browser.script("return window.alerted || null")


def test_keys_play_mark_and_move(browser, viewer):
    browser.open(f"{viewer}?language=en")
    first, second = (card.get_attribute("data-id") for card in browser.all(".take")[:2])
    both = [f"{first}, user’s turn", f"{first}, agent’s turn"]
    browser.listen()
    browser.press("n")
    browser.wait("the first dialogue, one turn after the other", lambda: browser.heard() == both)
    browser.press("n")
    browser.wait("the next dialogue", lambda: browser.heard()[2:3] == [f"{second}, user’s turn"])
    browser.press("p", "SPACE")
    browser.wait("a pause", lambda: browser.playing() is None)
    late = "document.querySelectorAll('.take')[1].querySelector('audio').dispatchEvent(new Event('play'))"
    browser.script(late)  # as where the keys were quicker than the event of what they stopped
    browser.listen()
    browser.press("SPACE")
    browser.wait("the one before, which goes on", lambda: browser.heard() == both)
    browser.press("a", "m")
    browser.wait("the mark", lambda: browser.all('.take.chosen .mark[aria-pressed="true"]'))
    browser.open(f"{viewer}?marked=1")
    assert [card.get_attribute("data-id") for card in browser.all(".take")] == [first]
    browser.press("n", "m")
    browser.wait("no mark", lambda: browser.all('.take.chosen .mark[aria-pressed="false"]'))
    browser.press("o")
    browser.wait("its own page", lambda: "/dialogue?" in browser.driver.current_url)
    browser.wait("it to be there", lambda: browser.script("return document.readyState") == "complete")
    assert browser.text("h1") == first
    assert browser.one("details.lineage summary").text == "Where it comes from"
    browser.press("?")
    assert browser.script("return document.getElementById('keys').open")


def test_a_click_plays_and_another_stops_it(browser, viewer):
    browser.open(viewer)
    players = browser.all("audio")
    for player in players[:2]:
        browser.click_play(player)
        browser.wait("it to play", lambda player=player: browser.playing() == player.get_attribute("aria-label"))
    assert browser.script("return [...document.querySelectorAll('audio')].filter((a) => !a.paused).length") == 1
    length = browser.script("return arguments[0].duration", players[0])
    browser.script("arguments[0].currentTime = arguments[0].duration / 2", players[0])
    browser.wait(
        "a jump by a range", lambda: browser.script("return arguments[0].currentTime", players[0]) > length / 3
    )


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
@pytest.mark.parametrize("page", ["", "?status=any&least_error_rate=0", f"dialogue?id={HOSTILE}", "?marked=1", "none"])
def test_everybody_can_use_it(browser, viewer, page, width, dark):
    browser.resize(width, 844, dark)
    browser.open(viewer + page)
    assert not browser.inaccessible()
    assert browser.script("return document.documentElement.scrollWidth <= innerWidth"), "wider than the window"
    if page == "none":
        assert all("404" in line for line in browser.console())
