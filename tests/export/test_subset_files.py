"""What the paper's layout writes beside metadata.json: subsets, quality, tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kespeechchat.config.dataset import ASRSubset, SubsetSettings, TTSSubset
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts.ke_speechchat import KeSpeechChat
from kespeechchat.export.selection import Subset
from kespeechchat.seeds import stable_hash
from tests.export.gated_rows import GENDERS, ROWS, selected, snapshot


@pytest.fixture
def rows() -> list[dict]:
    """Held-out dialogues with voices of their own."""
    out = []
    for i, one in enumerate(ROWS):
        user = {**one["turns"][0], "text": f"Question number {i}?"}
        if one["split"] != "train":
            user["voice"] = f"held-{one['split']}"
        out.append({**one, "turns": [user, one["turns"][1]]})
    return out


def written(to: Path, rows, subset=None, without=(), **more):
    genders = GENDERS | {"held-dev": "male", "held-test": "male"}
    keys = np.sort(np.array([stable_hash(id_) for id_ in without], np.uint64))
    selection = replace(selected(rows, subset), without=keys)
    return KeSpeechChat().write(Dialogues(selection, None, genders), to, BuildFacts(**more))


def parts(to: Path) -> dict[str, dict]:
    """Each list of utterances in `subsets/`."""
    asr, tts = (json.loads((to / "subsets" / f"{name}.json").read_text("utf-8")) for name in ("asr", "tts"))
    lists = (asr["train"], asr["test"], tts["train"], tts["prompts"], tts["test"])
    return dict(zip(("asr train", "asr test", "tts train", "tts prompts", "tts test"), lists, strict=True))


def test_subsets_name_utterances_of_the_metadata(rows, tmp_path):
    written(tmp_path, rows)
    metadata = json.loads((tmp_path / "metadata.json").read_text("utf-8"))
    turns = {Path(t["audio_path"]).stem.removesuffix("_mark"): t for d in metadata for t in d["dialog"]}
    asr = json.loads((tmp_path / "subsets" / "asr.json").read_text("utf-8"))
    in_s = json.loads((tmp_path / "partitions" / "S.json").read_text("utf-8"))["ids"]
    assert asr["partition"] == "S" and asr["train"]["ids"] == [f"{i}_0" for i in in_s]
    listed = parts(tmp_path)
    for part in listed.values():
        assert part["ids"] and set(part["ids"]) <= set(turns)
        assert {turns[i]["speaker"] for i in part["ids"]} == {s for own in part["speakers"].values() for s in own}
        assert sum(part["utterances"].values()) == len(part["ids"])
        seconds = sum(turns[i]["end"] - turns[i]["start"] for i in part["ids"])
        assert sum(part["hours"].values()) == pytest.approx(seconds / 3600, abs=1e-4)
    trained = {turns[i]["speaker"] for i in (*listed["asr train"]["ids"], *listed["tts train"]["ids"])}
    assert not trained & {turns[i]["speaker"] for i in (*listed["asr test"]["ids"], *listed["tts test"]["ids"])}
    assert not list(tmp_path.rglob("*.part"))


def test_the_same_rows_give_the_same_bytes(rows, tmp_path):
    written(tmp_path / "a", rows)
    written(tmp_path / "b", rows)
    assert snapshot(tmp_path / "a") == snapshot(tmp_path / "b")


def test_a_partition_that_is_not_there_means_all_and_says_so(rows, tmp_path):
    report = written(tmp_path, rows, subsets=SubsetSettings(asr=ASRSubset(partition="none")))
    assert report.statistics["subsets"]["asr"]["partition"] is None
    train = json.loads((tmp_path / "subsets" / "asr.json").read_text("utf-8"))["train"]["ids"]
    assert len(train) == sum(r["split"] == "train" for r in rows)
    assert "user utterances of all training dialogues" in (tmp_path / "statistics.md").read_text("utf-8")


def test_nothing_takes_the_place_of_a_dialogue_that_is_left_out(rows, tmp_path):
    few = SubsetSettings(
        asr=ASRSubset(partition="XL", speakers=1),
        tts=TTSSubset(speakers=1, utterances={"zh": 2, "en": 2}, test_utterances={"zh": 1, "en": 1}),
    )
    written(tmp_path / "all", rows, subsets=few)
    whole = parts(tmp_path / "all")
    lost = {part["ids"][0].rpartition("_")[0] for part in whole.values()}
    speaker = whole["asr train"]["speakers"]["en"][0]  # with all that it says, but its language has no other one
    lost |= {row["id"] for row in rows if row["split"] == "train" and row["turns"][0]["voice"] == speaker}
    written(tmp_path / "kept", rows, without=lost, subsets=few)
    kept = parts(tmp_path / "kept")
    for name, part in whole.items():
        wanted = [id_ for id_ in part["ids"] if id_.rpartition("_")[0] not in lost]
        assert kept[name]["ids"] == wanted != part["ids"]
        assert sum(kept[name]["utterances"].values()) == len(wanted)
    assert "en" not in kept["asr train"]["speakers"]
    metadata = (tmp_path / "kept" / "metadata.json").read_text("utf-8")
    assert not any(f'"{id_}"' in metadata for id_ in lost)


def test_one_partition_alone_has_no_subsets(rows, tmp_path):
    written(tmp_path, rows)
    written(tmp_path, rows, Subset("S"))
    assert not list((tmp_path / "subsets").glob("*.json"))
    assert "subsets/" not in (tmp_path / "README.md").read_text("utf-8")


def test_quality_is_the_smallest_partition_s(rows, tmp_path):
    stage = {"name": "gate", "rows_in": 50, "kept": 40, "rejected": {"error_rate": 10}, "failed_rows": 0}
    written(tmp_path, rows, yields=[stage])
    quality = json.loads((tmp_path / "quality.json").read_text("utf-8"))
    inside = json.loads((tmp_path / "partitions" / "XS.json").read_text("utf-8"))
    assert quality["partition"] == "XS" and quality["yields"] == [stage]
    assert {k: quality[k]["dialogues"] for k in ("zh", "en")} == inside["dialogues"]
    voices = json.loads((tmp_path / "quality_voices.json").read_text("utf-8"))
    assert {v["voice"] for v in voices} <= set(GENDERS)
    assert "| gate | 50 | 40 | 80.00% | 0 | error_rate 10 |" in (tmp_path / "statistics.md").read_text("utf-8")
