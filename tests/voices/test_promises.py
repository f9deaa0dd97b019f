from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.voices import BlendingSettings, PrivacySettings, SpeakerSplitSettings
from kespeechchat.records import SCHEMAS
from kespeechchat.voices.blending import Speaker, blend, targets
from kespeechchat.voices.privacy import RealClips, number_voices, select
from kespeechchat.voices.promises import COLUMNS, Library, measure_again, report
from kespeechchat.voices.speaker_splits import draw_speaker_splits

PRIVACY = PrivacySettings(speaker_threshold=0.8, voice_threshold=0.9, block=16)
BLENDING = BlendingSettings(users={"train": 12, "test": 4}, rate_bin=0.5, agent_candidates=1)


def units(n: int, seed: int, size: int = 24) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


REAL = RealClips(units(40, 1), [f"person-{i // 2:02d}" for i in range(40)])


def voices(seed: int = 0, users: int = 12) -> list[dict]:
    """A library made as stages blend and voices make it, of invented speakers and speech."""
    mined = [(f"person-{i:02d}", ("female", "male")[i % 2], ("zh", "en")[i // 2 % 2]) for i in range(20)]
    splits = draw_speaker_splits(mined, SpeakerSplitSettings(shares={"train": 0.6, "dev": 0.0, "test": 0.4}), seed)
    speakers = [Speaker(r, lang, g, splits[r], 0.2, np.ones(4, dtype=np.float32)) for r, g, lang in mined]
    blending = BLENDING.model_copy(update={"users": {"train": users, "test": 4}})
    heard = {"error_rate": 0.0, "spoken_seconds_per_character": 0.12}
    made = enumerate(blend(speakers, blending, seed))
    rows = [{**c.row(), **heard, "xvectors": units(2, 1000 + i).tolist()} for i, c in made]
    outcomes = number_voices(select(rows, REAL, targets(blending, ["zh", "en"]), PRIVACY, seed))
    return [o.row for o in outcomes if o.status == "kept"]


def library(rows: list[dict]) -> Library:
    schema = pa.schema([SCHEMAS["voices"].field(n) for n in ("id", *COLUMNS)])
    return Library.of(pa.Table.from_pylist(rows, schema=schema))


def broken(rows: list[dict], again: bool = False, **changes) -> list[str]:
    of = library(rows)
    found = report(of, BLENDING, PRIVACY.model_copy(update=changes), measure_again(of, REAL, 16) if again else None)
    json.dumps(found, allow_nan=False)
    return [p["name"] for p in found["promises"] if not p["holds"]]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 50), st.integers(2, 12))
def test_what_blending_and_selection_make_keeps_every_promise(seed, users):
    assert broken(voices(seed, users), again=True) == []


def change(rows: list[dict], role: str = "user", **changes) -> list[dict]:
    at = next(i for i, r in enumerate(rows) if r["role"] == role and r["split"] == "train")
    return [*rows[:at], {**rows[at], **changes}, *rows[at + 1 :]]


@pytest.mark.parametrize(
    ("changes", "promise"),
    [
        ({"parents": ["x", "x"]}, "each voice blended of two people, neither of them mostly"),
        ({"weights": [0.95, 0.05]}, "each voice blended of two people, neither of them mostly"),
        (
            {"nearest_speaker_cosine": 0.8},
            "each voice is further from every real speaker than one person's clips are",
        ),
    ],
)
def test_one_bad_voice_breaks_its_promise(changes, promise):
    assert broken(change(voices(), **changes)) == [promise]


def test_pairs_and_splits():
    rows = voices()
    one, other = (r for r in rows if r["role"] == "agent")
    assert broken(change(rows, "agent", parents=other["parents"][::-1])) == ["no pair of parents used twice"]
    held = next(r for r in rows if r["split"] == "test")
    mixed = [one["parents"][0], held["parents"][0]]
    assert broken(change(rows, "agent", parents=mixed)) == ["no real speaker stands behind two splits"]


def test_two_voices_that_sound_alike_though_recorded_otherwise():
    rows = voices()
    assert broken([*rows[:-1], {**rows[-1], "xvectors": rows[0]["xvectors"]}]) == ["no two voices sound like one"]


def test_a_real_person_s_speech_is_found_when_measured_again():
    rows = voices()
    real = [REAL.xvectors[3].tolist()] * 2
    stolen = [*rows[:-1], {**rows[-1], "xvectors": real}]
    assert broken(stolen) == []
    assert broken(stolen, again=True) == ["the recorded similarities to real speakers are what the clips give"]


def test_a_library_of_one_gender_is_not_balanced():
    rows = [r for r in voices() if r["gender"] == "female" or r["role"] == "agent"]
    assert broken(rows) == ["as many female as male voices"]


def test_the_threshold_is_the_profile_s():
    assert broken(voices(), speaker_threshold=0.1) == [
        "each voice is further from every real speaker than one person's clips are"
    ]


def test_figures():
    rows = voices()
    of = library(rows)
    found = report(of, BLENDING, PRIVACY)
    assert found["voices"] == {"user": 16, "agent": 2} and found["missing"] == {}
    cosines = [r["nearest_speaker_cosine"] for r in rows]
    assert found["privacy"]["margin"]["0"] == pytest.approx(0.8 - max(cosines), abs=1e-4)
    assert found["privacy"]["margin"]["0.5"] == pytest.approx(0.8 - np.median(cosines), abs=1e-4)
    assert found["privacy"]["closest"]["nearest_speaker_cosine"] == pytest.approx(max(cosines))
    alike = (of.means @ of.means.T)[np.triu_indices(18, 1)]
    spread = found["diversity"]["all"]
    assert spread["pairs"] == sum(spread["histogram"].values()) == len(alike)
    assert spread["mean"] == pytest.approx(alike.mean(), abs=1e-4)
    assert spread["highest"] == pytest.approx(alike.max(), abs=1e-4)
    assert 0 <= spread["quantiles"]["0.5"] - np.median(alike) < 0.03
    assert found["diversity"]["female"]["pairs"] == 9 * 8 // 2
    assert report(library(rows[:5]), BLENDING, PRIVACY)["missing"]


def test_an_empty_library_is_told():
    with pytest.raises(ValueError, match="empty"):
        library([])


def test_voices_of_a_language_are_held_to_their_spread():
    rows = [{**row, "language": "en"} for row in voices()]
    wide = {"en": {"median": 0.9, "p95": 0.95}}
    of = library(rows)
    held = report(of, BLENDING, PrivacySettings(**PRIVACY.model_dump() | {"spread": wide}))
    name = "voices of en are unlike each other, in the median and at 95 %"
    (promise,) = [p for p in held["promises"] if p["name"] == name]
    female = [i for i, row in enumerate(rows) if row["gender"] == "female"]
    cosines = (of.means[female] @ of.means[female].T)[np.triu_indices(len(female), 1)]
    assert promise["holds"] and f"female en: {np.median(cosines):.3f} and" in promise["told"]
    assert held["diversity"]["female en"]["p95"] == pytest.approx(np.quantile(cosines, 0.95), abs=1e-3)
    tight = {"en": {"median": 0.9, "p95": float(np.quantile(cosines, 0.95)) - 0.01}}
    again = report(of, BLENDING, PrivacySettings(**PRIVACY.model_dump() | {"spread": tight}))
    assert [p["name"] for p in again["promises"] if not p["holds"]] == [name]


def test_several_voices_of_a_pair_are_promised_as_such():
    several = BLENDING.model_copy(update={"voices_per_pair": 2, "spread": "mixes"})
    rows = voices()
    of = library([{**row, "parents": rows[0]["parents"]} if i < 2 else row for i, row in enumerate(rows)])
    found = {p["name"]: p["holds"] for p in report(of, several, PRIVACY)["promises"]}
    assert found["no pair of parents used more than 2 times"]
    assert found["each voice chosen for two people, neither of them mostly"]
    assert not {p["name"]: p["holds"] for p in report(of, BLENDING, PRIVACY)["promises"]}[
        "no pair of parents used twice"
    ]
