"""CosyVoice's benchmark runs at toy sizes, judges its bounds and gives both sides the same lengths."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks import cosyvoice
from benchmarks.cosyvoice_models import TINY, version_1

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]  # the library's own


def test_every_side_is_measured_and_judged(monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["cosyvoice", "--tiny", "--rounds", "1", "--rows", "9", "--shortest", "8", "--longest", "20"]
    )
    left = cosyvoice.main()
    out = capsys.readouterr().out
    assert "of 3 bounds hold" in out
    assert left == (1 if "DOES NOT HOLD" in out else 0)
    for part in ("version 1: ours, one row", "version 2: ours, one row", "llm ", "flow ", "vocoder "):
        assert part in out


def test_spans_are_measured_as_tokens_and_as_speech(monkeypatch, capsys):
    given = ["--spans", "--tiny", "--rounds", "1", "--rows", "3", "--batch", "2"]
    monkeypatch.setattr(sys, "argv", ["cosyvoice", *given])
    assert cosyvoice.main() == 0
    out = capsys.readouterr().out
    for version in (1, 2):
        assert f"version {version}, spans in a batch of 2: text to tokens" in out


def test_both_sides_speak_as_many_tokens_as_were_drawn():
    model = version_1(TINY)
    row = cosyvoice._row(np.random.default_rng(0), TINY, 41, 43, cosyvoice.Place())
    assert len(cosyvoice.library_tokens(model.llm, row, cosyvoice.Place())) == row.length in (41, 42, 43)
    assert cosyvoice._said(cosyvoice.speaker(model, 8), [row, row]) == 2 * row.length


@pytest.mark.parametrize("given, said", [(["--fp16"], "--device cuda"), (["--device", "cuda"], "no GPU here")])
def test_what_needs_a_gpu_is_refused_without_one(monkeypatch, capsys, given, said):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["cosyvoice", "--tiny", *given])
    with pytest.raises(SystemExit, match="2"):
        cosyvoice.main()
    assert said in capsys.readouterr().err


def test_half_precision_is_where_the_library_has_it(monkeypatch):
    model = cosyvoice.Place(half=True).of(version_1(TINY), ("llm", "flow"))
    kinds = {part: {str(p.dtype) for p in getattr(model, part).parameters()} for part in cosyvoice.PARTS_OF_MODEL}
    assert kinds == {"llm": {"torch.float16"}, "flow": {"torch.float16"}, "hift": {"torch.float32"}} and model.fp16
