"""An int8 Kokoro in floating point: the weights of the file as they are, the activations no longer rounded.

`quantize_dynamic` of onnxruntime, which made the file, writes for a convolution or matrix product of activations `x`
and constant weights:

    DynamicQuantizeLinear(x)          → steps, scale, zero point: x in 256 steps over the range of the whole utterance
    ConvInteger or MatMulInteger      → steps by steps, a whole number
    Add (of older releases, optional) → the bias in those steps, rounded down
    Cast, Mul                         → times both scales

Here each becomes `Conv` or `MatMul` of `x`, the weights behind a `DequantizeLinear`, and the bias as it was. All of a
`DequantizeLinear` of constants is known, so onnxruntime computes it once, when it opens the model (see `FOLDED`). What
stays as the file has it: the LSTMs, which onnxruntime has in an operator of their own, and tables of which rows are
looked up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, load_model
from onnx.external_data_helper import load_external_data_for_model

from kespeechchat.engines import EngineError

FOLDED = ("session.disable_quant_qdq", "1")  # the session's option under which onnxruntime folds `DequantizeLinear`

_FLOAT = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}
_OTHER = {  # the same in other forms, which no Kokoro that we know has
    "DynamicQuantizeMatMul",
    "MatMulIntegerToFloat",
    "QAttention",
    "QGemm",
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
}
_ANYWAY = "`arithmetic: int8` runs the file as it is"


def opened_in_float(path: Path) -> str | bytes:
    """What onnxruntime opens under the option `FOLDED`: the model of `path` in floating point, or `path` itself where
    it has no integer operators. Raises EngineError where it is no model or cannot be put into floating point."""
    try:
        model = load_model(path, load_external_data=False)
        if not integer_operators(model):
            return str(path)
        load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # onnx and protobuf raise their own kinds
        raise EngineError(f"Kokoro's model {path} cannot be loaded: {error}") from error
    try:
        data: bytes = in_floating_point(model).SerializeToString()
    except EngineError as error:
        raise EngineError(f"Kokoro's model {path} cannot run in floating point: {error}; {_ANYWAY}") from error
    return data


def integer_operators(model: ModelProto) -> list[NodeProto]:
    """Convolutions and matrix products in integers, and what rounds for them, wherever they stand in the model."""
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    return [node for node in _with_inner(nodes) if node.op_type in _FLOAT or node.op_type in _OTHER]


def in_floating_point(model: ModelProto) -> ModelProto:
    """A copy of `model` in floating point; without integer operators, `model` itself.

    Raises EngineError at an integer operator that has something else around it than `quantize_dynamic` writes: what it
    computes is then unknown here, and half a model in floating point is nobody's choice.
    """
    found = integer_operators(model)
    if not found:
        return model
    graph = _Values(model.graph)
    top = {id(node) for node in model.graph.node}
    for node in found:
        if node.op_type in _OTHER or id(node) not in top:
            raise EngineError(f"{_told(node)} has no known counterpart in floating point")
    products = [_product(node, graph) for node in found]
    weights = {product.weights: "" for product in products}
    for number, one in enumerate(weights):
        weights[one] = f"{one.steps}/in_float_{number}"
    put = {id(product.last): _node(product, weights[product.weights]) for product in products}
    nodes = [_dequantized(one, name) for one, name in weights.items()]
    nodes += [put.get(id(node), node) for node in model.graph.node]
    return _pruned(model, nodes)


@dataclass(frozen=True)
class _Weights:
    """Names of constants; `axis`: the one that has a scale for each index, or None for one scale."""

    steps: str
    scale: str
    zero: str
    axis: int | None


@dataclass(frozen=True)
class _Product:
    """`node` of the activations `source`; `last` makes what it is in floating point."""

    node: NodeProto
    source: str
    weights: _Weights
    bias: str | None
    last: NodeProto


class _Values:
    """Of each value of a graph: the node that makes it, those that read it, and the constants."""

    def __init__(self, graph: GraphProto) -> None:
        given = {value.name for value in graph.input}
        self.makers: dict[str, NodeProto] = {name: node for node in graph.node for name in node.output if name}
        self.constants: dict[str, TensorProto] = {c.name: c for c in graph.initializer if c.name not in given}
        self.reads = Counter([name for node in graph.node for name in _reads(node)] + [o.name for o in graph.output])
        self._readers: dict[str, NodeProto] = {name: node for node in graph.node for name in node.input}

    def made_by(self, name: str, kind: str) -> NodeProto:
        """The `kind` of node that makes `name`."""
        node = self.makers.get(name)
        if node is None or node.op_type != kind:
            raise _Unknown(f"{name!r} comes from no {kind}")
        return node

    def reader(self, name: str) -> NodeProto:
        """The one node that reads `name`."""
        if self.reads[name] != 1 or name not in self._readers:
            raise _Unknown(f"{name!r} has {self.reads[name]} readers and not one")
        return self._readers[name]

    def constant(self, name: str) -> TensorProto:
        if name not in self.constants:
            raise _Unknown(f"{name!r} is no constant")
        return self.constants[name]


class _Unknown(Exception):
    """Something else stands around an integer operator than is known."""


def _product(node: NodeProto, graph: _Values) -> _Product:
    try:
        return _read_product(node, graph)
    except _Unknown as error:
        raise EngineError(f"around {_told(node)} stands something unknown: {error}") from error


def _read_product(node: NodeProto, graph: _Values) -> _Product:
    steps, weights, zero, weights_zero = [*node.input, "", ""][:4]
    rounding = graph.made_by(steps, "DynamicQuantizeLinear")
    if (steps, zero) != (rounding.output[0], rounding.output[2]):
        raise _Unknown(f"{steps!r} and {zero!r} are not of one DynamicQuantizeLinear")
    following = graph.reader(node.output[0])
    in_steps = following if following.op_type == "Add" and node.op_type == "ConvInteger" else None
    cast = graph.reader(in_steps.output[0]) if in_steps else following
    if cast.op_type != "Cast" or [a.i for a in cast.attribute if a.name == "to"] != [TensorProto.FLOAT]:
        raise _Unknown(f"it goes to {_told(cast)} and not to a Cast to float32")
    last = graph.reader(cast.output[0])
    if last.op_type != "Mul":
        raise _Unknown(f"its Cast goes to {_told(last)} and not to a Mul")
    both = _other_input(last, cast.output[0])
    scale = _other_input(graph.made_by(both, "Mul"), rounding.output[1])
    return _Product(
        node,
        rounding.input[0],
        _weights(node, _Weights(weights, scale, weights_zero, None), graph),
        _bias(_other_input(in_steps, node.output[0]), both, graph) if in_steps else None,
        last,
    )


def _weights(node: NodeProto, named: _Weights, graph: _Values) -> _Weights:
    """`named`, with its axis."""
    steps, scale = graph.constant(named.steps), graph.constant(named.scale)
    zero = graph.constant(named.zero) if named.zero else scale
    if scale.data_type != TensorProto.FLOAT or list(zero.dims) != list(scale.dims):
        raise _Unknown(f"scale {named.scale!r} and zero point {named.zero!r} are not float32 and of one shape")
    if not scale.dims:
        return named
    if node.op_type == "MatMulInteger" and len(steps.dims) == 2 and list(scale.dims) == [steps.dims[1]]:
        return _Weights(named.steps, named.scale, named.zero, 1)
    raise _Unknown(f"scale {named.scale!r} of shape {list(scale.dims)} is neither one nor one a column")


def _bias(name: str, scale: str, graph: _Values) -> str:
    """What was divided by `scale`, rounded down and laid along the channels."""
    shape = graph.made_by(name, "Reshape")
    rounded = graph.made_by(graph.made_by(shape.input[0], "Cast").input[0], "Floor")
    divided = graph.made_by(rounded.input[0], "Div")
    if divided.input[1] != scale or len(graph.constant(divided.input[0]).dims) != 1:
        raise _Unknown(f"{name!r} is no bias in the steps of its convolution")
    graph.constant(shape.input[1])
    return str(divided.input[0])


def _other_input(node: NodeProto, name: str) -> str:
    """The input of a node of two that is not `name`."""
    if len(node.input) != 2 or list(node.input).count(name) != 1:
        raise _Unknown(f"{_told(node)} does not join {name!r} and another")
    return str(node.input[1] if node.input[0] == name else node.input[0])


def _node(product: _Product, weights: str) -> NodeProto:
    """The product in floating point."""
    inputs = [product.source, weights, *([product.bias] if product.bias else [])]
    node = helper.make_node(_FLOAT[product.node.op_type], inputs, product.last.output, product.node.name)
    node.attribute.extend(product.node.attribute)
    return node


def _dequantized(weights: _Weights, name: str) -> NodeProto:
    inputs = [weights.steps, weights.scale, *([weights.zero] if weights.zero else [])]
    node = helper.make_node("DequantizeLinear", inputs, [name], name)
    if weights.axis is not None:
        node.attribute.append(helper.make_attribute("axis", weights.axis))
    return node


def _pruned(model: ModelProto, nodes: list[NodeProto]) -> ModelProto:
    """A copy of `model` with those of `nodes`, which stand in order, and of its constants that reach an output."""
    graph, kept = model.graph, []
    wanted = {value.name for value in (*graph.output, *graph.input)}
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.output):
            kept.append(node)
            wanted.update(_reads(node))
    new = helper.make_graph(
        kept[::-1],
        graph.name,
        graph.input,
        graph.output,
        [constant for constant in graph.initializer if constant.name in wanted],
        graph.doc_string,
        [value for value in graph.value_info if value.name in wanted],
        [constant for constant in graph.sparse_initializer if constant.values.name in wanted],
    )
    return helper.make_model(
        new, ir_version=model.ir_version, opset_imports=model.opset_import, functions=model.functions
    )


def _reads(node: NodeProto) -> Iterator[str]:
    """Names of all values that it reads, also those that graphs inside it read."""
    for inner in _with_inner([node]):
        yield from inner.input


def _with_inner(nodes: list[NodeProto]) -> Iterator[NodeProto]:
    """The nodes, and those of graphs inside them (the branches of an `If`, the body of a `Loop`)."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _with_inner(list(graph.node))


def _told(node: NodeProto) -> str:
    return f"{node.op_type} {node.name or node.output[0]!r}"
