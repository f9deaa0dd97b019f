"""CosyVoice's zero-shot on its real code, tiny, with random weights: a voice's own recording goes in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kespeechchat.engines.registry import load
from kespeechchat.engines.tts import Prompt, Utterance
from kespeechchat.records import Audio, RowError
from tests.engines import tiny_cosyvoice
from tests.engines.tiny_cosyvoice import settings
from tests.engines.tones import voice

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]  # the library's own
ANNA, BERT = (Prompt(voice(1.2, 24_000, pitch, seed=int(pitch)), "I said this before.") for pitch in (220.0, 110.0))


def say(prompt: Prompt | None = ANNA, text: str = "Good morning to all of you.", seed: int = 1) -> Utterance:
    return Utterance(text, "en", np.zeros(0, np.float32), seed, prompt=prompt)


def tokenizer(path: Path) -> Path:
    """`[1, 128, frames]` → one token for every fourth frame: the loudness of its lowest band, from 0 to 29."""
    from onnx import TensorProto, helper, numpy_helper

    constants = {"zero": 0, "stride": 4, "one": 1, "frames": 2, "end": 2**31 - 1}
    values = [numpy_helper.from_array(np.array([v], np.int64), k) for k, v in constants.items()]
    values += [numpy_helper.from_array(np.array(v, t), k) for k, v, t in (("gain", 50, "f4"), ("most", 30, "i4"))]
    nodes = [
        helper.make_node("Slice", ["feats", "zero", "one", "one"], ["lowest"]),
        helper.make_node("Slice", ["lowest", "zero", "end", "frames", "stride"], ["fourth"]),
        helper.make_node("Abs", ["fourth"], ["loud"]),
        helper.make_node("Mul", ["loud", "gain"], ["scaled"]),
        helper.make_node("Cast", ["scaled"], ["whole"], to=TensorProto.INT32),
        helper.make_node("Mod", ["whole", "most"], ["indices"]),
    ]
    graph = helper.make_graph(
        nodes,
        "speech_tokenizer",
        [
            helper.make_tensor_value_info("feats", TensorProto.FLOAT, [1, 128, "T"]),
            helper.make_tensor_value_info("feats_length", TensorProto.INT32, [1]),
        ],
        [helper.make_tensor_value_info("indices", TensorProto.INT32, [1, 1, "N"])],
        values,
    )
    tiny_cosyvoice._save(graph, path)
    return path


@pytest.fixture(scope="module", params=[1, 2])
def cosyvoice(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    build = tiny_cosyvoice.build if request.param == 1 else tiny_cosyvoice.build2
    folder = build(tmp_path_factory.mktemp("models") / f"tiny{request.param}")
    tokenizer(folder / f"speech_tokenizer_v{request.param}.onnx")
    with tiny_cosyvoice.llm_loaded():
        return load(settings(folder, version=request.param, mode="zero_shot"))


@pytest.fixture(scope="module")
def batched(cosyvoice: Any) -> Any:
    with tiny_cosyvoice.llm_loaded():
        return load(cosyvoice._settings.model_copy(update={"batch": 3, "flow_frames": 2000}))


def test_a_prompt_is_spoken_from_and_leaves(cosyvoice: Any):
    one, other, again = cosyvoice.speak([say(), say(BERT), say()])
    assert all(isinstance(audio, Audio) for audio in (one, other, again)), (one, other, again)
    assert one.sample_rate == cosyvoice.sample_rate and 0.1 < one.seconds < 30
    np.testing.assert_array_equal(one.samples, again.samples)
    assert len(one.samples) != len(other.samples) or np.abs(one.samples - other.samples).max() > 1e-3
    assert cosyvoice._frontend.spk2info == {}


def test_what_goes_in_is_what_the_library_makes_of_the_recording(cosyvoice: Any):
    """Version 1's at 22,050 Hz."""
    made = tiny_cosyvoice.held_to_the_library(cosyvoice, ANNA)
    if cosyvoice.sample_rate == 24_000:
        assert made["prompt_speech_feat"].shape[1] == 2 * made["flow_prompt_speech_token"].shape[1]
    assert made["prompt_text"].shape[1] == int(made["prompt_text_len"]) > 0


def test_a_recording_of_no_use_is_the_rows_own(cosyvoice: Any):
    silent = Prompt(Audio(np.zeros(0, np.float32), 24_000), "x")
    long, short = (Prompt(voice(seconds), "x") for seconds in (31.0, 0.3))
    *failed, fine = cosyvoice.speak([say(p) for p in (None, silent, long, short, Prompt(ANNA.audio, " "), ANNA)])
    assert all(isinstance(one, RowError) for one in failed) and isinstance(fine, Audio)
    told = " ".join(one.message for one in failed)
    for cause in ("stages.audition.prompts", "empty", "31.0 s", "too short", "without text"):
        assert cause in told


def test_a_batch_speaks_each_row_from_its_own_recording(batched: Any):
    """Alike alone and beside another; and the recording counts."""
    one, other, none = batched.speak([say(), say(BERT), say(None)])
    assert isinstance(none, RowError) and batched._frontend.spk2info == {}
    for together, asked in ((one, say()), (other, say(BERT))):
        (alone,) = batched.speak([asked])
        np.testing.assert_allclose(together.samples, alone.samples, atol=1e-4)
    assert len(one.samples) != len(other.samples) or np.abs(one.samples - other.samples).max() > 1e-3
