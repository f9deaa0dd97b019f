"""`nemo-duplex`: read with lhotse, through the calls of NeMo's DuplexS2SDataset (NeMo itself is not installed)."""

from __future__ import annotations

from importlib import import_module

import numpy as np

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts.nemo_duplex import NemoDuplex
from tests.export.gated_rows import GENDERS, RATE, ROWS, pcm, read_audio, selected, split_ids

BY_ID = {r["id"]: r for r in ROWS}


def cuts(to, split, read=read_audio):
    NemoDuplex(per_shard=7).export(Dialogues(selected(), read, GENDERS), to, BuildFacts())
    return import_module("lhotse").CutSet.from_shar(in_dir=to / split)


def int16(samples) -> np.ndarray:
    return np.rint(np.asarray(samples) * 32768).astype(np.int16)


def test_recording_is_the_user_and_target_audio_the_agent(tmp_path):
    found = list(cuts(tmp_path, "train"))
    assert [c.id for c in found] == split_ids("train")
    for cut in found:
        user, agent = pcm(BY_ID[cut.id], "user"), pcm(BY_ID[cut.id], "agent")
        np.testing.assert_array_equal(int16(cut.load_audio()[0]), np.r_[user, 0 * agent])
        np.testing.assert_array_equal(int16(cut.load_target_audio()[0]), np.r_[0 * user, agent])
        assert cut.target_audio.num_samples == cut.num_samples and cut.custom["split"] == "train"


def test_roles_are_speakers_at_the_time_of_their_speech(tmp_path):
    for cut in cuts(tmp_path, "test"):
        turns = BY_ID[cut.id]["turns"]
        assert [s.speaker for s in cut.supervisions] == ["user", "agent"]
        assert [s.text for s in cut.supervisions] == [t["text"] for t in turns]
        assert [s.custom["voice"] for s in cut.supervisions] == [t["voice"] for t in turns]
        assert cut.supervisions[1].start == len(pcm(BY_ID[cut.id], "user")) / RATE
        assert cut.supervisions[1].end == cut.duration


def test_the_batch_that_nemo_makes(tmp_path):
    collate_audio = import_module("lhotse.dataset.collation").collate_audio
    batch = cuts(tmp_path, "dev").to_eager()
    source, source_lens = collate_audio(batch)
    target, target_lens = collate_audio(batch, recording_field="target_audio")
    assert source.shape == target.shape and source_lens.tolist() == target_lens.tolist()
    for cut, samples in zip(batch, target, strict=True):
        agent = pcm(BY_ID[cut.id], "agent")
        end = cut.num_samples
        np.testing.assert_array_equal(int16(samples[end - len(agent) : end]), agent)


def test_cuts_alone_without_audio(tmp_path):
    assert [c.id for c in cuts(tmp_path, "test", read=None)] == split_ids("test")
