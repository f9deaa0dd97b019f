"""The GPU benchmark runs end to end at toy sizes, and says so where it cannot measure."""

from __future__ import annotations

import sys

import pytest

from benchmarks import gpu

pytestmark = pytest.mark.model


def test_without_a_gpu_it_says_that_it_was_not_run(monkeypatch, capsys):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    gpu.main()
    assert capsys.readouterr().out == "not run: no GPU here\n"


def test_every_network_runs_at_toy_size(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "REPEAT_S", 0.0)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--tiny", "--batches", "1,2", "--seconds", "0.5"])
    gpu.main()
    lines = capsys.readouterr().out.splitlines()
    assert "no figures" in lines[0]
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")][1:]
    assert len(table) == 10 and all(float(cells[3]) > 0 for cells in table)


def test_a_batch_that_does_not_fit_is_a_line_of_the_table():
    def full(batch):
        raise RuntimeError("CUDA out of memory")

    assert "out of memory" in gpu.row("net", 64, 6.0, "cpu", full)


def test_a_benchmark_of_errors_is_refused():
    def broken(batch):
        raise RuntimeError("sizes differ")

    with pytest.raises(RuntimeError, match="sizes differ"):
        gpu.row("net", 1, 6.0, "cpu", broken)
