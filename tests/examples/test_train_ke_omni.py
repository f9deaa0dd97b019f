"""The tiny trainer reads both stages of a `ke-omni` export, and what it learns from has something to teach."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from kespeechchat.config.dataset import PartitionSettings, PartitionSize
from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.layouts.ke_omni import KeOmni
from kespeechchat.export.selection import InMemory, select

RATE = 8000
ANSWERS = ("It is high.", "It is low.")


class Pitches:
    """Two units: what the agent says is a tone, high or low."""

    rate, size, settings = 50, 2, {}

    def units(self, audios):
        return [self._units(audio) for audio in audios]

    def _units(self, audio):
        crossings = np.abs(np.diff(np.sign(audio.samples))).sum() / 2 / audio.seconds
        return np.full(int(audio.seconds * self.rate), int(crossings > 1000), dtype=np.int32)


def rows() -> list[dict]:
    made = []
    for i in range(24):
        texts = ("Is it high or low?", ANSWERS[i % 2])
        turns = [
            {
                "role": r,
                "voice": v,
                "text": t,
                "sample_rate": RATE,
                "seconds": 0.5 + 0.01 * i,
                "words": [{"text": t, "start": 0.0, "end": 0.5 + 0.01 * i}],
            }
            for r, v, t in zip(("user", "agent"), ("SPK1f", "agentMale"), texts, strict=True)
        ]
        row = {"id": f"t-{i:02d}", "language": "en", "split": "train", "metric": "WER", "error_rate": 0.0, "round": 0}
        made.append({**row, "seconds": sum(t["seconds"] for t in turns), "turns": turns})
    return made


def read_audio(row) -> dict[str, bytes]:
    pitch = (900, 300)[int(row["id"][-2:]) % 2]
    out = {}
    for turn in row["turns"]:
        time = np.arange(round(turn["seconds"] * RATE)) / RATE
        data = io.BytesIO()
        soundfile.write(data, 0.3 * np.sin(2 * np.pi * pitch * time), RATE, format="FLAC", subtype="PCM_16")
        out[turn["role"]] = data.getvalue()
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    to = tmp_path_factory.mktemp("omni") / "export"
    selection = select(InMemory(rows()), seed=1, partitions=PartitionSettings(sizes={"XL": PartitionSize(fraction=1)}))
    genders = {"SPK1f": "female", "agentMale": "male"}
    KeOmni(units=Pitches()).export(Dialogues(selection, read_audio, genders), to, BuildFacts())
    return to


@pytest.fixture
def one_thread():
    """Threads that wait for each other cost more than they save on networks so small."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.model
def test_both_losses_fall(folder, one_thread):
    from examples.train_ke_omni import END, fell, train_stage1, train_stage2, transformers_encoder

    model, vocabulary, losses = train_stage1(folder, transformers_encoder(None), steps=40, limit=100)
    assert fell(losses)
    assert np.mean(losses[-5:]) < 0.75 * np.log(2) / 11  # without the sound: one bit in the 11 characters is a guess
    assert len(vocabulary) == len(set("".join(ANSWERS))) + END + 1
    (units,) = train_stage2(folder, model, vocabulary, steps=15, limit=30)
    assert fell(units)


@pytest.mark.model
def test_five_frames_become_one():
    import torch

    from examples.train_ke_omni import join

    frames = torch.arange(24.0).reshape(12, 2)
    joined = join(frames)
    assert joined.shape == (3, 10)
    assert joined.flatten()[:24].tolist() == frames.flatten().tolist() and joined.flatten()[24:].abs().sum() == 0
