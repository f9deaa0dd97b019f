"""`kesc review`: what is drawn, what comes back, how far annotators agree, and what an export makes of it."""

from __future__ import annotations

import base64
import io
import json
import re
from collections import Counter
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import soundfile
from typer.testing import CliRunner

from kespeechchat.cli import app
from kespeechchat.commands.export import NothingToExport, Wanted, export
from kespeechchat.commands.release import release
from kespeechchat.commands.review.agreement import agreements
from kespeechchat.commands.review.sampling import draw
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.finished_rows import FinishedRows
from kespeechchat.state.reviews import Judged, audio_digest, current_reviews, decide
from tests.commands.view.builds import HOSTILE, QUICKSTART, ROUNDS, TEXT, spoken_build, state_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patches:
        return spoken_build(tmp_path_factory.mktemp("build"), QUICKSTART, patches)


@pytest.fixture
def ground(built, tmp_path, monkeypatch):
    return built.copied(tmp_path, monkeypatch)


def kesc(*arguments: object) -> tuple[int, str]:
    ran = CliRunner().invoke(app, ["review", *map(str, arguments)])
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran.exit_code, ran.output


def pages(ground, to: Path, count: int = 12, *more: object) -> list[Path]:
    code, told = kesc("--sample", count, "--to", to, "--root", ground.store.url, *more)
    assert code == 0, told
    return sorted(to.glob("*.html"))


def saved(page: Path, verdicts: dict[str, str], copy: str = "0123456789abcdef", **changes: Any) -> Path:
    """What the page saves when its reader gave these verdicts (by id; "": to all others)."""
    text = page.read_text("utf-8")
    facts = dict(re.findall(r'data-(sample|annotator)="([^"]+)"', text))
    found = re.findall(r'data-id="([^"]+)" data-audio="([^"]+)"', text)
    items = [
        {"id": id_, "audio": audio, "verdict": verdict, "reasons": [], "comment": ""}
        for id_, audio in found
        if (verdict := verdicts.get(id_, verdicts.get("")))
    ]
    file = {"kind": "kesc-review", "version": 1, **facts, "copy": copy, "saved": "2026-01-02T03:04:05Z", "items": items}
    to = page.with_name(f"{page.stem}-{copy[:4]}.json")
    to.write_text(json.dumps(file | changes), encoding="utf-8")
    return to


def take(ground, *files: Path) -> str:
    code, told = kesc("--import", *files, "--root", ground.store.url)
    assert code == 0, told
    return told


def facts(ground, to: Path, **wanted: Any) -> tuple[dict[str, str | None], str]:
    """id → review of what is exported, and what the export told."""
    told = export(ground.pipeline(ROUNDS), ground.store, str(to), Wanted(audio=False, **wanted))
    lines = (to / "facts.jsonl").read_text("utf-8").splitlines()
    return {row["id"]: row["review"] for row in map(json.loads, lines)}, told


def test_the_pages_hold_the_speech_and_nothing_of_the_other_annotator(ground, tmp_path):
    first, second = pages(ground, tmp_path / "to")
    state = state_of(ground)
    rows = {row["id"]: row for row in FinishedRows(state.pipeline, ground.store, state)}
    reader = FinishedRows(state.pipeline, ground.store, state)
    one, other = (page.read_text("utf-8") for page in (first, second))
    orders = [re.findall(r'data-id="([^"]+)" data-audio', text) for text in (one, other)]
    assert orders[0] != orders[1] and set(orders[0]) == set(orders[1]) == set(rows)
    assert "annotator-2" not in one and "annotator-1" not in other
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", one) and "transcript" not in re.sub(
        r"<style>.*?</style>", "", one, flags=re.S
    )
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', one)
    assert policy and "default-src &#39;none&#39;" in policy[1] and "media-src data:" in policy[1]
    sounds = [base64.b64decode(s) for s in re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', one)]
    lengths = [turn["seconds"] for id_ in orders[0] for turn in rows[id_]["turns"]]
    assert len(sounds) == 24
    for sound, seconds in zip(sounds, lengths, strict=True):
        info = soundfile.info(io.BytesIO(sound))
        assert info.format == "MP3" and abs(info.duration - seconds) < 0.3
    for id_, audio in re.findall(r'data-id="([^"]+)" data-audio="([^"]+)"', one):
        assert audio == audio_digest(reader.audio(rows[id_]))
    card = one[one.index(f'data-id="{HOSTILE}"') :]
    assert TEXT in unescape(card[: card.index("</article>")]) and "<img" not in card
    before = first.read_bytes()
    assert pages(ground, tmp_path / "to") == [first, second] and first.read_bytes() == before


def test_every_kind_is_drawn_and_voices_take_turns():
    def row(n: int, language: str, split: str, rate: float, voice: str) -> dict:
        turns = [{"role": "user", "voice": voice}, {"role": "agent", "voice": "agent"}]
        return {"id": f"{n}", "language": language, "split": split, "error_rate": rate, "turns": turns} | {
            "shard": n // 350,
            "round": 0,
        }

    common = [row(n, "en", "train", 0.0, "common" if n % 10 else f"rare-{n}") for n in range(5000)]
    rare = [row(5000 + n, "zh", "test", 0.04, f"zh-{n}") for n in range(3)] + [row(6000, "en", "dev", 0.02, "dev")]
    limits = {"zh": 0.05, "en": 0.1}
    drawn = draw(common + rare, 20, 1, limits)
    kinds = Counter(d.kind for d in drawn)
    assert kinds == {("en", "train", "understood"): 16, ("zh", "test", "edge"): 3, ("en", "dev", "some errors"): 1}
    assert sum("common" in d.voices for d in drawn) < 13
    assert draw(rare + common[::-1], 20, 1, limits) == drawn
    assert {d.id for d in draw(common, 20, 2, limits)} != {d.id for d in draw(common, 20, 1, limits)}
    assert len(draw(rare, 20, 1, limits)) == 4


def test_verdicts_come_back_and_an_export_heeds_them(ground, tmp_path):
    first, second = pages(ground, tmp_path / "to")
    assert "annotator-1 0, annotator-2 0" in kesc("--root", ground.store.url)[1]
    told = take(
        ground,
        saved(first, {"d00": "reject", "d01": "accept", "d02": "accept", "d04": "reject", "d05": "unsure"}, "aaaaaaaa"),
        saved(second, {"d00": "reject", "d01": "accept", "d02": "reject", "d05": "unsure"}, "bbbbbbbb"),
    )
    assert "5 verdicts of annotator-1" in told and "accepted 1, rejected 2, disputed 1, unsure 1" in told
    assert "agreement of annotator-1 and annotator-2 on 4 dialogues" in told and "75%" in told
    whole, said = facts(ground, tmp_path / "x")
    assert len(whole) == 12 - 2 and not {"d00", "d04"} & set(whole)
    assert {k: v for k, v in whole.items() if v} == {"d01": "accepted", "d02": "disputed", "d05": "unsure"}
    assert "left out 2 dialogues that annotators rejected" in said
    figures = json.loads((tmp_path / "x" / "statistics.json").read_text())
    assert figures["all"]["dialogues"] == 10
    reviews = Counter()
    for language in ("zh", "en"):
        reviews.update(figures[language].get("reviews", {}))
    assert reviews == {"accepted": 1, "disputed": 1, "unsure": 1}
    assert "| accepted |" in (tmp_path / "x" / "statistics.md").read_text()
    only, _ = facts(ground, tmp_path / "y", only_reviewed=True)
    assert only == {"d01": "accepted"}
    with pytest.raises(
        NothingToExport, match=r"no dialogue of language .. .*; 1 accepted dialogue is elsewhere: leave --"
    ):
        facts(
            ground,
            tmp_path / "z",
            only_reviewed=True,
            language=next(lang for lang in ("zh", "en") if lang not in _languages(tmp_path / "y")),
        )
    assert "XL: 10 dialogues" in release(ground.pipeline(ROUNDS), ground.store, "v1")
    new = pages(ground, tmp_path / "more")[0].read_text("utf-8")  # what has a review already is not drawn again
    assert len(re.findall("<article", new)) == 7 and 'data-id="d01"' not in new


def _languages(folder: Path) -> set[str]:
    return {k for k in json.loads((folder / "statistics.json").read_text()) if k in ("zh", "en")}


def test_where_nothing_is_accepted_it_says_which_why_and_what_to_do(ground, tmp_path):
    with pytest.raises(NothingToExport, match=r"no dialogue was accepted by annotators \(no dialogue .* has a review"):
        facts(ground, tmp_path / "x", only_reviewed=True)
    first, _ = pages(ground, tmp_path / "to")
    take(ground, saved(first, {"": "reject"}))
    with pytest.raises(NothingToExport, match=r"language zh .*\(their verdicts come to: rejected 12\)\. Draw a sample"):
        facts(ground, tmp_path / "x", only_reviewed=True, language="zh")
    code, said = kesc("--sample", 5, "--to", tmp_path / "more", "--root", ground.store.url)
    assert code == 2 and "--sample: every dialogue has a review already; `kesc review` shows" in said
    code, said = kesc("--sample", 5, "--split", "dev", "--to", tmp_path / "more", "--root", ground.store.url)
    assert code == 2 and "the dataset has no dialogue with --split dev" in said


def test_an_export_is_made_anew_when_the_reviews_change(ground, tmp_path):
    first, _ = pages(ground, tmp_path / "to")
    export(ground.pipeline(ROUNDS), ground.store, str(tmp_path / "x"), Wanted())
    take(ground, saved(first, {"d00": "reject"}))
    told = export(ground.pipeline(ROUNDS), ground.store, str(tmp_path / "x"), Wanted())
    assert "11 dialogues" in told
    assert not [file for file in (tmp_path / "x").rglob("*") if file.name.startswith("d00")]


def test_a_later_file_of_the_same_page_counts_and_the_same_file_is_there_once(ground, tmp_path):
    first, _ = pages(ground, tmp_path / "to")
    early = saved(first, {"": "accept"})
    take(ground, early)
    assert "was imported before" in take(ground, early)
    late = saved(first, {"d00": "reject"}, saved="2026-01-03T00:00:00+01:00")
    told = take(ground, late)
    assert "1 of them changed since the last import" in told and "accepted 11, rejected 1" in told
    assert len(list(ground.store.list("reviews/verdicts"))) == 2
    take(ground, early)
    assert "accepted 11, rejected 1" in kesc("--root", ground.store.url)[1]


def test_a_dialogue_whose_audio_changed_is_unreviewed_again(ground, tmp_path):
    first, _ = pages(ground, tmp_path / "to")
    take(ground, saved(first, {"": "reject"}))
    state = state_of(ground)
    assert current_reviews(state).counts == {"rejected": 12} and not current_reviews(state).changed
    # A shard of the gate that is lost is made again, which changes no audio.
    (key, _), *_ = ground.store.list("gate/commits")
    ground.store.delete(key)
    assert ground.build(ROUNDS).ok
    assert current_reviews(state_of(ground)).counts == {"rejected": 12}
    again = "stages.synthesize.tries=2"  # all is spoken again, and the engine says it in other samples
    pipeline = ground.pipeline(ROUNDS, again)
    assert ground.build(ROUNDS, again).ok
    now = current_reviews(BuildState(pipeline, ground.store))
    assert not now.counts and len(now.changed) + len(now.gone) == 12 and now.changed
    told = kesc("--root", ground.store.url)[1]
    assert f"{len(now.changed)} dialogues sound different since their review: d" in told
    told = export(pipeline, ground.store, str(tmp_path / "x"), Wanted(audio=False))
    assert f"{len(now.changed)} reviews void: the dialogue sounds different since" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: "{", "is not what a review page saves: not JSON: EOF while parsing"),
        (lambda f: "[]", "is not what a review page saves: is a list, not an object; press"),
        (lambda f: {k: v for k, v in f.items() if k != "copy"}, "copy: is missing; press"),
        (lambda f: f | {"items": 5}, "items: is 5, not a tuple|items: is 5, not a list"),
        (lambda f: f | {"saved": "2026-01-02T03:04:05"}, "saved: is .*, without a time zone"),
        (lambda f: "<!doctype html><title>x", "is a review page, not what it saves; open it in a browser"),
        (lambda f: f | {"kind": "other"}, 'kind: is "other", not kesc-review'),
        (lambda f: f | {"version": 2}, "version: is 2, not 1"),
        (lambda f: f | {"sample": "0" * 12}, "was not drawn from this build"),
        (lambda f: f | {"sample": "../../etc/passwd"}, r"sample: is \"\.\./\.\./etc/passwd\", not of the form"),
        (lambda f: f | {"annotator": "../x"}, r"annotator: is \"\.\./x\", not of the form"),
        (lambda f: f | {"annotator": "annotator-9"}, "has pages for annotator-1, annotator-2"),
        (lambda f: f | {"saved": "yesterday"}, 'saved: is "yesterday", not a date and time'),
        (lambda f: _item(f, id="d99"), "items.0.id 'd99': is not in sample"),
        (lambda f: _item(f, audio="0" * 64), "items.0.audio of d.*: is not what the page played"),
        (lambda f: _item(f, verdict="perfect"), 'items.0.verdict: is "perfect", not accept, reject, unsure'),
        (lambda f: _item(f, reasons=["ugly"]), 'items.0.reasons.0: is "ugly", not words, unclear, voice'),
        (lambda f: _item(f, comment="x" * 4001), "items.0.comment: is longer than 4,000 characters"),
        (lambda f: f | {"items": f["items"] * 2}, "is judged twice"),
    ],
)
def test_a_file_that_no_page_saved_is_refused_and_nothing_is_stored(ground, tmp_path, change, told):
    first, second = pages(ground, tmp_path / "to")
    good, bad = saved(first, {"": "accept"}), saved(second, {"": "accept"})
    changed = change(json.loads(bad.read_text("utf-8")))
    bad.write_text(changed if isinstance(changed, str) else json.dumps(changed), encoding="utf-8")
    code, said = kesc("--import", good, bad, "--root", ground.store.url)
    assert code == 2 and str(bad) in said and re.search(told, said), said
    assert "Input should" not in said and "the whole" not in said
    assert not list(ground.store.list("reviews/verdicts"))


def test_the_page_in_place_of_what_it_saves_is_told(ground, tmp_path):
    page, _ = pages(ground, tmp_path / "to")
    code, said = kesc("--import", page, "--root", ground.store.url)
    assert code == 2 and f"{page}: is a review page, not what it saves" in said and "import the .json file" in said


def _item(file: dict, **changes: Any) -> dict:
    return file | {"items": [file["items"][0] | changes, *file["items"][1:]]}


def test_two_people_must_not_share_a_page(ground, tmp_path):
    first, second = pages(ground, tmp_path / "to")
    one, other = saved(first, {"": "accept"}, "aaaaaaaa"), saved(first, {"d00": "reject"}, "bbbbbbbb")
    for files in ((one, other), (other, one)):
        code, said = kesc("--import", *files, "--root", ground.store.url)
        assert (
            code == 2 and "two people must not share a page" in said and not list(ground.store.list("reviews/verdicts"))
        )
    take(ground, one)
    assert kesc("--import", other, "--root", ground.store.url)[0] == 2
    take(ground, saved(second, {"": "accept"}, "bbbbbbbb"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--sample", "3", "--import", "x.json"), "name one of them"),
        (("--import",), "name the files"),
        (("x.json",), "files of annotators come after --import"),
        (("--import", "missing.json"), "missing.json: cannot be read"),
    ],
)
def test_wrong_usage_is_told(ground, arguments, told):
    code, said = kesc(*arguments, "--root", ground.store.url)
    assert code == 2 and told in said


def test_agreement_on_a_known_case():
    """Cohen's own example of two by two: 20 and 15 alike of 50 gives 0.4."""
    first = ["accept"] * 20 + ["accept"] * 5 + ["reject"] * 10 + ["reject"] * 15
    second = ["accept"] * 20 + ["reject"] * 5 + ["accept"] * 10 + ["reject"] * 15

    def said(verdicts: list) -> dict[str, Judged]:
        return {str(n): Judged(str(n), "0" * 64, verdict) for n, verdict in enumerate(verdicts)}

    everyone = {
        ("s", "a"): said(first),
        ("s", "b"): said(second),
        ("t", "c"): said(first),
        ("s", "d"): said(["accept"]),
    }
    ab, ad, bd = agreements(everyone)
    assert (ab.first, ab.second, ab.both, ab.same) == ("a", "b", 50, 0.7) and ab.kappa == pytest.approx(0.4)
    assert ad.both == bd.both == 1 and ad.kappa is None and ad.same == 1


def test_what_verdicts_come_to():
    assert decide(["reject", "unsure"]) == "rejected" and decide(["accept", "reject", "reject"]) == "rejected"
    assert decide(["accept", "reject"]) == "disputed" and decide(["unsure", "unsure"]) == "unsure"
