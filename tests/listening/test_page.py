"""Pages hold their style and script, and a policy that names both; values are text; a dialogue's card is whole."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from kespeechchat.listening.dialogues import Heard, Made, Origin, Turn
from kespeechchat.listening.page import ASSETS, asset, duration, policy, render, score_name, templates
from tests.pages import check_page

HOSTILE = "<script>alert(1)</script>\"'&amp;"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "own.html").write_text(
        '{% extends "base.html" %}{% import "dialogue.html" as cards with context %}{% block body %}<main id="main">'
        "<p>{{ text }}</p>{% for h in all %}{{ cards.dialogue(h, sources, text) }}{% endfor %}</main>{% endblock %}"
    )
    (tmp_path / "own.css").write_text(".own { color: red; }")
    return tmp_path


def _heard(**changes) -> Heard:
    turn = Turn(
        "user",
        HOSTILE,
        HOSTILE,
        "en",
        7,
        2,
        1.5,
        "alert",
        0.5,
        0.9,
        {"dnsmos_ovrl": 3.1, HOSTILE: 1.0},
        parents=(HOSTILE,),
    )
    made = Made(HOSTILE, {HOSTILE: HOSTILE}, {HOSTILE: "abc"})
    origin = Origin(HOSTILE, HOSTILE, 3, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    fields = {"id": f'x"{HOSTILE}', "language": "en", "split": "train", "shard": 0, "round": 1, "fate": "rejected"}
    fields |= {"stage": "gate.r1", "reason": HOSTILE, "detail": HOSTILE, "metric": "WER", "error_rate": 0.5}
    return Heard(**(fields | {"seconds": 1.5, "turns": (turn,), "origin": origin, "made": (made,)} | changes))


def _page(folder, *all_, sources=None, text="") -> str:
    return render("own.html", folder, title=HOSTILE, styles=("own.css",), all=all_, sources=sources or {}, text=text)


def test_the_policy_names_what_is_inside(folder) -> None:
    page = check_page(_page(folder, _heard(), sources={"user": "data:audio/mpeg;base64,AA=="}))
    assert page.inside["style"][0].endswith(".own { color: red; }")
    assert page.all("audio")[0]["src"] == "data:audio/mpeg;base64,AA=="


def test_whatever_a_dialogue_says_is_text(folder) -> None:
    html = _page(folder, _heard(), text=HOSTILE)
    page = check_page(html)
    assert HOSTILE not in html and len(page.all("script")) == 1
    assert " ".join(page.text).count(HOSTILE) >= 12


def test_a_difference_is_marked_and_told(folder) -> None:
    turn = Turn("agent", "v", "Bees eat pollen.", "en", transcript="Bees eat Poland.", error_rate=0.3)
    page = check_page(_page(folder, _heard(turns=(turn,))))
    assert len(page.all("del")) == len(page.all("ins")) == 1
    alike = Turn("agent", "v", "Bees eat.", "en", transcript="bees eat", error_rate=0.0)
    page = check_page(_page(folder, _heard(turns=(alike,))))
    assert not page.all("del") and "as written" in " ".join(page.text)


def test_a_dialogue_without_speech_says_so(folder) -> None:
    told = " ".join(check_page(_page(folder, _heard())).text)
    assert "its speech is not in this page" in told
    told = " ".join(check_page(_page(folder, _heard(stage="synthesize", metric=None, error_rate=None))).text)
    assert "no speech was kept of it" in told


def test_a_template_that_lacks_a_value_fails(folder) -> None:
    with pytest.raises(UndefinedError):
        render("own.html", folder, title="x", all=())


def test_assets_and_policies(folder) -> None:
    assert asset("page.css", folder, then=("own.css",)).startswith((ASSETS / "page.css").read_text(encoding="utf-8"))
    assert "connect-src 'self'" in policy("a", "b", "connect-src 'self'")
    assert policy("a", "b") != policy("a", "c") and "unsafe" not in policy("a", "b")
    assert templates().autoescape is True


def test_figures_for_a_reader() -> None:
    assert score_name("dnsmos_ovrl") == "DNSMOS" and score_name("own_voice") == "own voice"
    assert [duration(s) for s in (0.03, 59, 61, 7200, 864_000)] == ["0.03 s", "59 s", "1 min", "2 h", "10.0 days"]
