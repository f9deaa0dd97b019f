"""`datasets.load_dataset(FOLDER)` reads every layout that says so: splits, texts, and the very samples.

Files and bytes are read with soundfile here; `test_readers.py` decodes with torchcodec.
"""

from __future__ import annotations

import io
from importlib import import_module

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import yaml

from kespeechchat.config.provenance import Licence
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts import LAYOUTS, layout_class, make_layout
from tests.export.gated_rows import GENDERS, RATE, ROWS, dialogue, pcm, read_audio, selected, split_ids

BY_ID = {row["id"]: row for row in ROWS}
LOADABLE = [name for name in LAYOUTS if layout_class(name).loadable and name != "preference"]  # it has own tests


@pytest.fixture
def datasets():
    """The library, which takes a second to import."""
    return import_module("datasets")


def export(layout, to, rows=ROWS, read=read_audio, build=None):
    made = layout if hasattr(layout, "export") else make_layout(layout)
    made.export(Dialogues(selected(rows), read, GENDERS), to, build or BuildFacts())
    return to


def undecoded(datasets, split):
    for name, feature in split.features.items():
        if isinstance(feature, datasets.Audio):
            split = split.cast_column(name, datasets.Audio(decode=False))
    return split


def test_the_default_layout_and_parquet_are_loadable():
    assert {"ke-speechchat", "huggingface"} <= set(LOADABLE)


@pytest.mark.parametrize("layout", LOADABLE)
def test_load_dataset_finds_splits_texts_and_samples(layout, datasets, tmp_path):
    loaded = datasets.load_dataset(str(export(layout, tmp_path / "export")), cache_dir=str(tmp_path / "cache"))
    assert {split: loaded[split]["id"][:] for split in loaded} == {s: split_ids(s) for s in ("train", "dev", "test")}
    for split in loaded:
        for found in undecoded(datasets, loaded[split]):
            row = BY_ID[found["id"]]
            for role, turn in zip(("user", "agent"), row["turns"], strict=True):
                audio = found[f"{role}_audio"] if layout == "huggingface" else found[role]
                source = io.BytesIO(audio["bytes"]) if audio["bytes"] else audio["path"]
                samples, rate = soundfile.read(source, dtype="int16")
                assert rate == RATE and found[f"{role}_text"] == turn["text"]
                np.testing.assert_array_equal(samples, pcm(row, role))


@pytest.mark.parametrize("layout", LOADABLE)
def test_load_dataset_reads_an_export_without_audio(layout, datasets, tmp_path):
    loaded = datasets.load_dataset(
        str(export(layout, tmp_path / "export", read=None)), cache_dir=str(tmp_path / "cache")
    )
    assert {split: loaded[split]["id"][:] for split in loaded} == {s: split_ids(s) for s in ("train", "dev", "test")}
    assert loaded["train"][0]["user_text"] == ROWS[0]["turns"][0]["text"]


@pytest.mark.parametrize("layout", LOADABLE)
def test_an_export_of_training_dialogues_alone_has_one_split(layout, datasets, tmp_path):
    rows = [dialogue(i, split="train") for i in range(3)]
    loaded = datasets.load_dataset(str(export(layout, tmp_path / "export", rows)), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train"] and loaded["train"]["id"][:] == [row["id"] for row in rows]


def test_many_folders_load_too(datasets, tmp_path):
    layout = layout_class("ke-speechchat")(fan_out_beyond=10)
    loaded = datasets.load_dataset(str(export(layout, tmp_path / "export")), cache_dir=str(tmp_path / "cache"))
    found = undecoded(datasets, loaded["dev"])[0]
    np.testing.assert_array_equal(
        soundfile.read(found["user"]["path"], dtype="int16")[0], pcm(BY_ID[found["id"]], "user")
    )


def test_a_file_has_as_many_streams_as_row_groups(datasets, tmp_path):
    export("huggingface", tmp_path / "export")
    path = tmp_path / "export" / "data" / "train-00000.parquet"
    assert pq.ParquetFile(path).num_row_groups == -(-len(split_ids("train")) // 16) == 2
    stream = datasets.load_dataset(str(tmp_path / "export"), split="train", streaming=True)
    assert stream.num_shards == 1 and stream.reshard().num_shards == 2


LICENCES = {
    "one": [("MIT", "a"), ("MIT", "b")],
    "several": [("MIT", "a"), ("CC BY-NC 4.0", "b")],
    "named": [("Gemma Terms of Use", "a")],
    "none": [],
}


@pytest.mark.parametrize("layout", LOADABLE)
@pytest.mark.parametrize("which", LICENCES)
def test_the_hub_takes_the_card(layout, which, tmp_path):
    licences = [Licence(name=name, use="speech", origin="somebody", licence=it) for it, name in LICENCES[which]]
    export(layout, tmp_path, build=BuildFacts(licences=licences))
    text = (tmp_path / "README.md").read_text("utf-8")
    front = yaml.safe_load(text.split("---\n")[1])
    if which == "one":
        assert front["license"] == "mit" and "license_link" not in front
    else:
        assert front["license"] == "other" and front["license_link"] == "LICENSE.md"
        assert front["license_name"] == front["license_name"].lower().replace(" ", "-")
    licence_file = (tmp_path / "LICENSE.md").read_text("utf-8")
    assert all(licence.licence in licence_file and licence.licence in text for licence in licences)
    assert front["size_categories"] == ["n<1K"]
    assert [entry["split"] for entry in front["configs"][0]["data_files"]] == ["train", "dev", "test"]


def test_the_card_passes_the_hub_s_own_reader(tmp_path):
    hub = import_module("huggingface_hub")
    licence = Licence(name="a", use="speech", origin="somebody", licence="Apache-2.0")
    export("ke-speechchat", tmp_path, build=BuildFacts(licences=[licence]))
    data = hub.DatasetCard.load(tmp_path / "README.md").data
    assert data.license == "apache-2.0" and data.language == ["zh", "en"] and data.size_categories == ["n<1K"]
