"""The settings of a layout that the user gives: read by the fields' types, and heard in what is written."""

from __future__ import annotations

import json
from importlib import import_module

import numpy as np
import pytest
import soundfile

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.export.dialogues import Dialogues
from kespeechchat.export.errors import ExportError
from kespeechchat.export.layouts import make_layout
from tests.export.gated_rows import GENDERS, ROWS, pcm, read_audio, selected


def export(to, layout, options):
    made = make_layout(layout, options=options)
    made.export(Dialogues(selected(ROWS[:8]), read_audio, GENDERS), to, BuildFacts())


def sides(row) -> list[np.ndarray]:
    """The agent left, the user right."""
    user, agent = pcm(row, "user"), pcm(row, "agent")
    return [np.r_[0 * user, agent], np.r_[user, 0 * agent]]


def test_stereo_with_the_agent_left(tmp_path):
    export(tmp_path, "stereo", {"left": "agent", "container": "wav"})
    line = json.loads((tmp_path / "dialogues.jsonl").read_text("utf-8").splitlines()[0])
    samples, _ = soundfile.read(tmp_path / line["audio"], dtype="int16")
    assert line["audio"].endswith(".wav") and line["left"] == "agent"
    np.testing.assert_array_equal(samples.T, sides(ROWS[0]))


def test_lhotse_with_the_agent_first_and_roles_as_speakers(tmp_path):
    export(tmp_path, "lhotse", {"left": "agent", "speakers": "role", "per_shard": "3"})
    cuts = list(import_module("lhotse").CutSet.from_shar(in_dir=tmp_path / "train"))
    assert len(list((tmp_path / "train").glob("*.tar"))) == 3
    for cut, row in zip(cuts, ROWS, strict=False):
        np.testing.assert_array_equal(np.rint(cut.load_audio() * 32768).astype(np.int16), sides(row))
        assert [(s.speaker, s.channel) for s in cut.supervisions] == [("user", [1]), ("agent", [0])]


@pytest.mark.parametrize(
    ("layout", "option", "says"),
    [
        ("stereo", {"right": "user"}, "layout stereo has no option 'right'; it has left, container, fan_out_beyond"),
        ("stereo", {"left": "guest"}, "option left: 'guest' is not one of user, agent"),
        ("lhotse", {"per_shard": "0"}, "option per_shard: '0' is not a whole number above 0"),
        ("ke-omni", {"units": "x"}, "layout ke-omni has no option 'units'"),
        ("cosyvoice", {"recipe": "v2"}, "option recipe: 'v2' is not one of cosyvoice, cosyvoice2, cosyvoice3"),
        ("preference", {"refused": "x"}, "layout preference has no option 'refused'; it has voices, per_shard"),
    ],
)
def test_what_does_not_fit_is_refused(layout, option, says):
    with pytest.raises(ExportError, match=says):
        make_layout(layout, options=option)
