import pytest

from kespeechchat.engines import EngineDead, EngineError
from kespeechchat.engines.checkpoints import absent_weights, model_folder, working

pytestmark = pytest.mark.model  # importing torch takes seconds


def test_threads_and_gradients_are_given_back():
    import torch

    before = torch.get_num_threads()
    with working(before + 1):
        assert torch.get_num_threads() == before + 1 and torch.is_inference_mode_enabled()
    assert torch.get_num_threads() == before and not torch.is_inference_mode_enabled()


def test_a_gpus_errors_say_what_to_do():
    import torch

    with pytest.raises(EngineDead, match="context is broken"), working(1):
        raise RuntimeError("CUDA error: device-side assert triggered")
    with pytest.raises(EngineError, match="lower the engine's batch"), working(1):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    with pytest.raises(RuntimeError, match="sizes differ"), working(1):
        raise RuntimeError("sizes differ")


def test_weights_in_two_parts_count_as_set():
    import torch

    layer = torch.nn.Sequential(torch.nn.Conv1d(2, 2, 1), torch.nn.Linear(2, 2))
    assert absent_weights(layer, ["0.weight_g", "0.weight_v", "0.bias", "1.weight"]) == ["1.bias"]


def test_a_hub_model_is_fetched_into_a_folder_of_the_users_choice(tmp_path, monkeypatch):
    monkeypatch.setattr("kespeechchat.engines.checkpoints.resolve", lambda model: tmp_path)
    with pytest.raises(EngineError, match=r"lacks weights\.bin; fetch it with: hf download a/b .*--local-dir FOLDER"):
        model_folder("mos", "hub:a/b@" + "0" * 40, ["weights.bin"], "a/b")
