"""What stands in for a cluster's models, inputs and GPUs where `pipelines/ke-speechchat.yaml` runs on this machine.

Everything else is the profile's own. `overrides` names each departure and why it is one.
"""

from __future__ import annotations

import json
from pathlib import Path

import soundfile

from tests.engines import tiny_cosyvoice, tiny_models
from tests.engines.tones import voice

ROOT = Path(__file__).parents[1]
PROFILE = ROOT / "pipelines" / "ke-speechchat.yaml"
VLLM = ROOT / ".venv-vllm"
CLIPS, RATE = 10, 16_000  # clips a speaker (the profile's least), Hz
# What a chat model of the paper's size is told by its own template, told to a base model as a few-shot text.
_TEMPLATE = """{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}

{% elif m.role == 'user' %}Input: {{ m.content }}
{% else %}Output: {{ m.content }}

{% endif %}{% endfor %}Output:"""
_CHINESE = (
    ("为什么秋天树叶会变黄？", "open qa"),
    ("晚上睡不着应该怎么办？", "brainstorming"),
    ("一年有几个季节？", "open qa"),
    ("怎么样才能学好游泳？", "open qa"),
    ("把下面的句子翻译成英文：今天天气很好。", "translation"),
)
_ENGLISH = (
    "Why do people yawn when they are tired?",
    "How many days are there in a week?",
    "How can I keep my coffee beans fresh?",
    "What should I eat before a long run?",
    "Write a Python function that adds two numbers.",
)


INPUTS = {
    "instructions.inputs.0.path": "belle.jsonl",
    "instructions.inputs.1.path": "alpaca.jsonl",
    "speech.inputs.0.path": "corpus/premium.tsv",
}
MODELS = {
    "engines.llm.rewriter.model": "llm",
    "engines.llm.speaker.model": "llm",
    "engines.judge.qwen14.llm.model": "llm",
    "engines.judge.qwen72.llm.model": "llm",
    "engines.tts.cosyvoice.model": "cosyvoice",
    "engines.tokens.cosyvoice.model": "cosyvoice",
    "engines.embedder.campplus.model": "cosyvoice",
    "engines.speaker.wavlm.model": "wavlm",
    "engines.speaker.ecapa.model": "ecapa",
    "engines.gender.classifier.model": "gender",
    "engines.watermark.audioseal.model": "audioseal",
    "engines.asr.whisper.model.zh": "whisper",
    "engines.asr.whisper.model.en": "whisper",
    "engines.mos.all.engines.1.model": "mos",
}


def write_inputs(folder: Path) -> None:
    """Instructions in BELLE's and Alpaca's own layouts, and a corpus with the columns that `speech` reads."""
    belle = [{"question": text, "std_answer": "", "class": task} for text, task in _CHINESE]
    alpaca = [{"instruction": text, "input": "", "output": ""} for text in _ENGLISH]
    for name, rows in (("belle", belle), ("alpaca", alpaca)):
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    _write_corpus(folder / "corpus")


def _write_corpus(folder: Path) -> None:
    """Three women and three men; a fourth woman with too few clips, one of them without a transcript. One of the three
    women has no gender in the manifest."""
    folder.mkdir()
    lines = ["path\trecording\ttranscript\tgender\tdnsmos"]
    for number, pitch in enumerate((205, 225, 245, 100, 115, 130, 215)):
        gender = "female" if pitch > 160 else "male"
        for clip in range(CLIPS if number < 6 else 3):
            file = f"r{number}-{clip}.flac"
            soundfile.write(folder / file, voice(1.0, RATE, pitch, seed=100 * number + clip).samples, RATE)
            text = "" if (number, clip) == (6, 0) else "今天天气很好"
            lines.append(f"{file}\tr{number}\t{text}\t{'' if number == 0 else gender}\t4.2")
    lines.append("r0-0.flac\tr0\t今天天气\tfemale\t3.9")  # under the corpus score
    (folder / "premium.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_models(folder: Path) -> None:
    """The models of `MODELS`: real classes, tiny random weights; the language model is Gemma 3 270M with its real
    weights, for random ones write no JSON that says anything."""
    for name in ("audioseal", "mos"):
        (folder / name).mkdir()
    _write_gemma(folder / "llm")
    tiny_cosyvoice.build(folder / "cosyvoice")
    tiny_models.wavlm(folder / "wavlm")
    tiny_models.ecapa(folder / "ecapa")
    tiny_models.gender(folder / "gender", (3.0, -3.0), ("female", "male"))
    tiny_models.audioseal(folder / "audioseal")
    tiny_models.whisper(folder / "whisper")
    tiny_models.utmos(folder / "mos" / "utmos_state_dict.pt")


def _write_gemma(folder: Path) -> None:
    folder.mkdir()
    for file in (VLLM / "gemma3-270m").iterdir():
        (folder / file.name).symlink_to(file.resolve())
    (folder / "chat_template.jinja").write_text(_TEMPLATE, encoding="utf-8")


# A machine without GPUs: no tensor parallelism, no half precision, and minutes of compilation for nothing.
NO_GPU = {
    "engines.llm.rewriter.enforce_eager": "true",
    "engines.llm.speaker.enforce_eager": "true",
    "engines.llm.speaker.tensor_parallel_size": "1",
    "engines.judge.qwen14.llm.enforce_eager": "true",
    "engines.judge.qwen14.llm.tensor_parallel_size": "1",
    "engines.judge.qwen72.llm.enforce_eager": "true",
    "engines.judge.qwen72.llm.tensor_parallel_size": "1",
    "engines.tts.cosyvoice.device": "auto",
    "engines.tts.cosyvoice.fp16": "false",
    "engines.tokens.cosyvoice.device": "auto",
    "engines.tokens.cosyvoice.fp16": "false",
    "engines.speaker.wavlm.device": "auto",
    "engines.speaker.ecapa.device": "auto",
    "engines.gender.classifier.device": "auto",
    "engines.watermark.audioseal.device": "auto",
    "engines.asr.whisper.device": "auto",
    "engines.asr.whisper.compute_type": "float32",
    "engines.mos.all.engines.1.device": "auto",
    "engines.mos.all.engines.2.device": "auto",
    "engines.mos.all.engines.2.windows": "1",
}
# Two shards a stage: a pool that grew would load the model once more, and 5 GB of it.
ONE_ACTOR = {f"resources.{s}.max_actors": "1" for s in ("rewrite", "filter", "spoken", "synthesize", "measure")}
# Sixty seconds of speech blend no 42,000 voices.
FEW_SPEAKERS = {
    "stages.blend.blending.users": "{train: 4, dev: 0, test: 0}",
    "stages.blend.blending.agent_candidates": "1",
}
# Random weights speak noise, hear nonsense in it and find no mark; a model of 270M judges no better than chance.
UNTRAINED = {
    "stages.filter.criteria.0.threshold": "0",
    "stages.filter.criteria.1.threshold": "0",
    "stages.filter.criteria.2.threshold": "0",
    "stages.rewrite.candidates": "6",
    "stages.spoken.candidates": "5",
    "stages.spoken.max_tokens": "160",  # it rambles
    "stages.voices.privacy.speaker_threshold": "0.9999999",
    "stages.voices.privacy.voice_threshold": "1",
    "stages.voices.privacy.max_error_rate": "{zh: 1000, en: 1000}",
    "stages.voices.privacy.seconds_per_character": "{zh: {min: 0, max: 100}, en: {min: 0, max: 100}}",
    "stages.synthesize.seconds_per_character": "{zh: [0, 100], en: [0, 100]}",
    "stages.gate.max_error": "{zh: null, en: 0}",  # English goes through every round, and is dropped
    "engines.watermark.audioseal.threshold": "0",
}


def overrides(folder: Path) -> tuple[str, ...]:
    """`--set` options that let the shipped profile run here, on what was written to `folder`."""
    python = {f"resources.{s}.runtime_env.py_executable": f"{VLLM}/bin/python" for s in ("rewrite", "filter", "spoken")}
    for stage in ("audition", "synthesize", "spans"):
        environment = f"resources.{stage}.runtime_env"
        python[f"{environment}.py_executable"] = f"{ROOT}/.venv/bin/python"
        python[f"{environment}.env_vars.PYTHONPATH"] = f"{ROOT / 'tests' / 'engines' / 'cosyvoice_clone'}:{ROOT}"
    places = {key: str(folder / name) for key, name in (INPUTS | MODELS).items()}
    changes = places | python | NO_GPU | ONE_ACTOR | FEW_SPEAKERS | UNTRAINED
    return tuple(f"{key}={value}" for key, value in changes.items())
