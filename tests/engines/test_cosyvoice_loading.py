"""What is wrong with a CosyVoice model folder, its settings or the library is said before GPU time is spent."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from kespeechchat.engines import EngineError
from kespeechchat.engines.registry import load
from kespeechchat.engines.tts.cosyvoice_library import check_folder
from tests.engines import tiny_cosyvoice
from tests.engines.tiny_cosyvoice import FILES, settings

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # the library's own


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_cosyvoice.build(tmp_path_factory.mktemp("models") / "tiny")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"mode": "instruct"}, "both or neither"),
        ({"instruct_text": "warm"}, "both or neither"),
        ({"mode": "instruct", "instruct_text": "warm", "version": 2}, "needs version: 1"),
        ({"version": 3}, "mode: zero_shot and batch: 1 alone"),
        ({"version": 3, "mode": "zero_shot", "batch": 2}, "mode: zero_shot and batch: 1 alone"),
        ({"version": 4}, "1, 2 or 3"),
    ],
)
def test_settings_that_contradict_each_other(change, says):
    with pytest.raises(ValidationError, match=says):
        settings("x", **change)


def test_limits_the_batch_and_the_device_make_no_shard_stale():
    kept = settings("x").relevant()
    assert not {"seconds_per_utterance_limit", "batch", "cache_gigabytes", "flow_frames"} & set(kept)
    assert "device" not in kept and {"mode", "fp16", "model"} <= set(kept)


def test_a_folder_that_is_not_whole_or_of_another_version(tmp_path):
    with pytest.raises(EngineError, match="not a folder"):
        check_folder(tmp_path / "nowhere", 1)
    for name in FILES[:-2]:
        (tmp_path / name).touch()
    with pytest.raises(EngineError, match=r"lacks campplus\.onnx, speech_tokenizer_v1\.onnx"):
        check_folder(tmp_path, 1)
    with pytest.raises(EngineError, match="CosyVoice 1 model, and the profile says 2: set version: 1"):
        check_folder(tmp_path, 2)
    (tmp_path / "cosyvoice.yaml").rename(tmp_path / "cosyvoice3.yaml")
    with pytest.raises(EngineError, match="CosyVoice 3 model, and the profile says 1: set version: 3"):
        check_folder(tmp_path, 1)


@pytest.mark.model
def test_a_build_of_the_library_that_leaves_its_llm_unloaded_is_refused(folder):
    with pytest.raises(EngineError, match="does not load its LLM"):
        load(settings(folder))


@pytest.mark.model
def test_settings_that_the_machine_cannot_follow(folder):
    import torch

    if torch.cuda.is_available():
        with pytest.raises(EngineError, match="CUDA_VISIBLE_DEVICES"):
            load(settings(folder, device="cpu"))
        return
    with pytest.raises(EngineError, match="sees no GPU"):
        load(settings(folder, device="cuda"))
    with pytest.raises(EngineError, match="fp16: true needs a GPU"):
        load(settings(folder, fp16=True))


@pytest.mark.model
def test_a_text_frontend_that_is_not_installed(folder):
    with tiny_cosyvoice.llm_loaded(), pytest.raises(EngineError, match="neither ttsfrd nor wetext"):
        load(settings(folder, text_frontend=True))


@pytest.mark.model
def test_weights_of_another_shape(folder, tmp_path):
    for name in FILES:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "flow.pt").write_bytes((folder / "hift.pt").read_bytes())
    with tiny_cosyvoice.llm_loaded(), pytest.raises(EngineError, match=r"cannot load .* state_dict"):
        load(settings(tmp_path))
