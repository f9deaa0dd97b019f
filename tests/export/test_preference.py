"""`preference`: what a round refused beside what a later round kept, read with `datasets`."""

from __future__ import annotations

import io
from importlib import import_module

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layout import NothingRefused
from kespeechchat.export.layouts.preference import Preference
from tests.export.gated_rows import GENDERS, RATE, pcm, read_audio, selected, snapshot
from tests.export.refused_takes import REASONS, Refused, refused_pcm, rows

ROWS = rows()
BY_ID = {row["id"]: row for row in ROWS}


def export(to, refused=None, read=read_audio, made=ROWS, content="", **settings):
    dialogues = Dialogues(selected(made), read, GENDERS, content)
    return Preference(refused or Refused(), **settings).export(dialogues, to, BuildFacts())


def pairs(to, split="train") -> list[dict]:
    files = sorted((to / "data").glob(f"{split}-*.parquet"))
    return [pair for file in files for pair in pq.read_table(file).to_pylist()]


def test_a_pair_is_one_text_spoken_twice(tmp_path):
    export(tmp_path)
    pair = pairs(tmp_path)[0]
    sounds = {side: pair.pop(side) for side in ("chosen", "rejected")}
    assert pair == {
        "id": "seed-001_0_0",
        "dialogue": "seed-001",
        "language": "en",
        "split": "train",
        "partition": selected(ROWS).partition(ROWS[1]),
        "role": "user",
        "prompt": "How far is the moon?",
        "reason": "error_rate",
        "detail": "user: error_rate",
        "chosen_voice": "SPK1f",
        "rejected_voice": "SPK1f",
        "chosen_round": 1,
        "rejected_round": 0,
        "chosen_seed": 1,
        "rejected_seed": 1000,
        "chosen_seconds": ROWS[1]["turns"][0]["seconds"],
        "rejected_seconds": ROWS[1]["turns"][0]["seconds"],
        "chosen_error_rate": 0.025,
        "rejected_error_rate": 0.5,
        "chosen_transcript": "how far is the moon?",
        "rejected_transcript": "something else",
        "chosen_scores": [{"head": "dnsmos_ovrl", "value": 3.4}],
        "rejected_scores": [{"head": "dnsmos_ovrl", "value": 1.5}],
    }
    assert sounds["rejected"]["path"] == "seed-001_0_0.rejected.flac"


@pytest.mark.slow
def test_datasets_reads_both_takes(tmp_path):
    datasets = import_module("datasets")
    done = export(tmp_path / "x", per_shard=5, row_group=4)
    loaded = datasets.load_dataset(str(tmp_path / "x"), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "dev", "test"}
    seen = set()
    for split in loaded:
        assert loaded[split].features["chosen"] == datasets.Audio(sampling_rate=RATE)
        for side in ("chosen", "rejected"):
            loaded[split] = loaded[split].cast_column(side, datasets.Audio(decode=False))
        for pair in loaded[split]:
            row, role = BY_ID[pair["dialogue"]], pair["role"]
            assert (pair["prompt"], row["split"]) == (row["turns"][0]["text"], split)
            sound = [
                soundfile.read(io.BytesIO(pair[side]["bytes"]), dtype="int16")[0] for side in ("chosen", "rejected")
            ]
            np.testing.assert_array_equal(sound[0], pcm(row, role))
            np.testing.assert_array_equal(sound[1], refused_pcm(row, role, pair["rejected_round"]))
            assert pair["rejected_error_rate"] > pair["chosen_error_rate"]
            seen.add((pair["dialogue"], pair["rejected_round"]))
    # every refused take of every dialogue, and of each the turn at fault alone
    assert seen == {(row["id"], k) for row in ROWS for k in range(row["round"])}
    assert sum(loaded[split].num_rows for split in loaded) == len(seen)
    assert done.dialogues == len({name for name, _ in seen}) and f"{len(seen)} pairs of turns" in done.notes


@pytest.mark.parametrize("reason", REASONS)
def test_the_turn_at_fault_makes_the_pair(reason, tmp_path):
    refused = Refused({row["id"]: reason for row in ROWS})
    done = export(tmp_path, refused)
    takes = sum(row["round"] for row in ROWS)
    if reason == "watermark_not_found":
        assert not list((tmp_path).rglob("*.parquet")) and done.dialogues == 0
        assert f"rejected turns that are in no pair: {2 * takes} rejected as watermark_not_found" in done.notes
    else:
        found = [pair for split in ("train", "dev", "test") for pair in pairs(tmp_path, split)]
        assert len(found) == takes and {pair["role"] for pair in found} == {"user"}
        assert f"rejected turns that are in no pair: {takes} not worse than what was kept" in done.notes


def test_pairs_of_two_voices_can_be_left_out(tmp_path):
    class Other(Refused):
        def takes(self, row):
            found = super().takes(row)
            for take in found:
                take.turns[0]["voice"] = "SPK9f" if take.round else row["turns"][0]["voice"]
            return found

    export(tmp_path / "any", Other())
    done = export(tmp_path / "same", Other(), voices="same")
    assert {pair["rejected_round"] for pair in pairs(tmp_path / "any")} == {0, 1}
    assert {pair["rejected_round"] for pair in pairs(tmp_path / "same")} == {0}
    assert any("of another voice" in note for note in done.notes)


def test_a_build_without_rounds_has_no_pairs_and_says_so(tmp_path):
    made = [{**row, "round": 0} for row in ROWS]
    done = export(tmp_path, made=made)
    assert done.dialogues == 0 and "no pairs" in done.notes[0]
    assert export(tmp_path, NothingRefused()).dialogues == 0


def test_what_is_there_is_not_read_again(tmp_path):
    export(tmp_path, content="build-1", per_shard=5)
    before, refused = snapshot(tmp_path), Refused()
    done = export(tmp_path, refused, content="build-1", per_shard=5)
    assert snapshot(tmp_path) == before and not refused.asked and done.written == 0 < done.kept


def test_figures_alone_without_audio(tmp_path):
    refused = Refused()
    export(tmp_path, refused, read=None)
    assert "chosen" not in pairs(tmp_path)[0] and pairs(tmp_path)[0]["rejected_error_rate"] == 0.5
    assert not refused.asked
