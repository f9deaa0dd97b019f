"""The registry holds every engine: each has settings, a row and a class that keeps its capability's protocol."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from typing import Any, Protocol, get_args

import pytest

from kespeechchat.config import engines as settings_of
from kespeechchat.config.engine_base import EngineSettings, concurrent, every_engine, name_of
from kespeechchat.config.pipeline import Engines
from kespeechchat.engines import Engine, EngineError
from kespeechchat.engines.asr import ASR
from kespeechchat.engines.gender import GenderClassifier
from kespeechchat.engines.judge import Judge
from kespeechchat.engines.llm import LLM
from kespeechchat.engines.mos import MOS
from kespeechchat.engines.registry import ENGINES, libraries_of, load, names_of
from kespeechchat.engines.speaker import SpeakerEncoder, TTSEmbedder
from kespeechchat.engines.tokens import Tokens
from kespeechchat.engines.tts import TTS, SpeaksFromTokens
from kespeechchat.engines.units import Units
from kespeechchat.engines.watermark import Watermark

PROTOCOLS: dict[str, type] = {
    "asr": ASR,
    "embedder": TTSEmbedder,
    "gender": GenderClassifier,
    "judge": Judge,
    "llm": LLM,
    "mos": MOS,
    "speaker": SpeakerEncoder,
    "tokens": Tokens,
    "tts": TTS,
    "units": Units,
    "watermark": Watermark,
}


def _class(key: tuple[str, str]) -> type:
    module, name = ENGINES[key].place.split(":")
    return getattr(import_module(f"kespeechchat.engines.{module}"), name)


def _choices(capability: str) -> set[type]:
    """The settings classes that a profile may name under `engines.CAPABILITY`."""
    (_, value) = get_args(Engines.model_fields[capability].annotation)
    if isinstance(value, type):
        return {value}
    return {cls for cls in get_args(get_args(value)[0]) if isinstance(cls, type)}


def test_every_settings_class_has_a_row_and_every_row_a_settings_class():
    assert {(cls.capability, name_of(cls)) for cls in every_engine()} == set(ENGINES)
    assert len(list(every_engine())) == len(ENGINES)


@pytest.mark.parametrize("capability", list(Engines.model_fields))
def test_a_profile_can_name_every_engine_of_a_capability(capability):
    choices = _choices(capability)
    assert choices == {cls for cls in every_engine() if cls.capability == capability}
    assert {name_of(cls) for cls in choices} == set(names_of(capability))


@pytest.mark.parametrize("key", list(ENGINES), ids=":".join)
def test_every_engine_keeps_its_protocol(key):
    engine, protocol = _class(key), PROTOCOLS[key[0]]
    assert protocol in engine.__mro__, f"{engine.__name__} must inherit from {protocol.__name__}"
    for base in (Engine, protocol):
        for name, method in inspect.getmembers(base, inspect.isfunction):
            if name.startswith("_"):
                continue
            own = getattr(engine, name)
            assert own is not method, f"{engine.__name__}.{name} is missing"
            assert list(inspect.signature(own).parameters) == list(inspect.signature(method).parameters), name
        lacking = set(inspect.get_annotations(base)) - set(dir(engine)) - _set_in_init(engine)
        assert not lacking, f"{engine.__name__} never sets {', '.join(lacking)}"


def _set_in_init(engine: type) -> set[str]:
    """Names that the class's own file assigns as `self.NAME`."""
    tree = ast.parse(inspect.getsource(engine))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }


@pytest.mark.parametrize("key", list(ENGINES), ids=":".join)
def test_an_engine_is_built_from_its_settings_alone(key):
    (cls,) = (cls for cls in every_engine() if (cls.capability, name_of(cls)) == key)
    parameters = list(inspect.signature(_class(key)).parameters.values())
    assert parameters[0].annotation in {c.__name__ for c in cls.__mro__}  # its settings, or those that several share
    assert all(p.default is not inspect.Parameter.empty for p in parameters[1:])


def test_importing_the_registry_imports_no_engine_and_no_library():
    script = "import sys, kespeechchat.engines.registry; print(sorted(sys.modules))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    loaded = set(ast.literal_eval(out))
    own = {name for name in loaded if name.startswith("kespeechchat")}
    assert own == {"kespeechchat", "kespeechchat.engines", "kespeechchat.engines.registry"}
    libraries = {module.split(".")[0] for row in ENGINES.values() for module in row.libraries}
    assert not loaded & (libraries | {"numpy", "pydantic"})


def test_libraries_include_those_of_the_engines_inside():
    judge = settings_of.LLMJudgeSettings(use="llm", llm={"use": "openai", "url": "http://h/v1", "model": "m"})
    assert list(libraries_of(judge)) == ["httpx2"]
    both = settings_of.AllMOSSettings(use="all", engines=[{"use": "dnsmos"}, {"use": "utmos"}])
    assert list(libraries_of(both)) == [*ENGINES["mos", "dnsmos"].libraries, *ENGINES["mos", "utmos"].libraries]


def test_settings_say_which_tts_speaks_from_tokens():
    spoken = {name_of(cls): cls.from_tokens for cls in every_engine() if cls.capability == "tts"}
    assert spoken == {name: SpeaksFromTokens in _class(("tts", name)).__mro__ for name in names_of("tts")}
    assert spoken["cosyvoice"] and not spoken["kokoro"]


def test_a_judge_takes_parallel_calls_where_its_llm_does():
    def judge(llm: dict[str, Any]) -> EngineSettings:
        return settings_of.LLMJudgeSettings(use="llm", llm=llm)

    assert concurrent(judge({"use": "vllm", "model": "m"}))
    assert not concurrent(judge({"use": "llamacpp"}))
    assert not concurrent(settings_of.KokoroSettings(use="kokoro"))


def test_an_engine_that_cannot_be_imported_names_its_libraries(monkeypatch):
    row = ENGINES["gender", "f0"]
    monkeypatch.setitem(ENGINES, ("gender", "f0"), replace(row, place="gender.no_such_file:F0Gender"))
    with pytest.raises(EngineError, match=r"gender.use: f0 cannot be imported .*it needs soxr"):
        load(settings_of.F0GenderSettings(use="f0"))


def test_protocols_are_those_of_the_package():
    assert set(PROTOCOLS) == set(Engines.model_fields) == {cls.capability for cls in every_engine()}
    assert all(issubclass(p, Protocol) for p in PROTOCOLS.values())
