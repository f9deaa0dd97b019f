"""`--llm`: another language model in the place of a profile's own, by one flag.

It is for chat models. A profile that names no `prompts_dir` was written for a small base model: few-shot examples,
short limits, and rules that spare it work. All of that would hold a better model back, so the prompts and limits of the
paper's profile take its place. `--set` comes after it and has the last word.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kespeechchat.config.engines import LlamaCppSettings

_MAGIC = b"GGUF"
_ENGINES = ("llamacpp", "openai", "vllm")
_CONTEXT = 4096  # tokens: the paper's prompts and the longest answer
_SAMPLING = {"candidates": 2, "temperatures": [0.7, 0.9]}
# Stage → settings: those of pipelines/ke-speechchat.yaml, which tests/config/test_language_model.py holds them to.
CHAT: dict[str, dict[str, Any]] = {
    "ingest": {"require_reference": False},
    "rewrite": {
        "prompt": "paper/rewrite",
        "directive_prompt": "paper/rewrite-directive",
        "later_prompt": "paper/rewrite-later",
        "by_rule": False,
        "max_tokens": 160,
        "max_length": {"zh": 100, "en": 60},
        **_SAMPLING,
    },
    "spoken": {
        "prompt": "paper/spoken",
        "grounded_prompt": "paper/spoken-grounded",
        "later_prompt": "paper/spoken-later",
        "grounded": False,
        "by_rule": False,
        "require_reference": False,
        "max_tokens": 512,
        "max_length": {"zh": 250, "en": 150},
        **_SAMPLING,
    },
}


def with_language_model(data: dict[str, Any], llm: str, model: str | None) -> None:
    """Changes a profile's `data`: every language model of it, a judge's included, becomes `llm`.

    `llm`: a GGUF file, or the address of a server with OpenAI's interface, which then has `model`. Raises ValueError
    that says what is wrong with them.
    """
    engine = _server(llm, model) if "://" in llm else _file(llm, model)
    replaced = set()
    for place, name in _language_models(data):
        old = place[name]
        replaced.add(old.get("model") or LlamaCppSettings.model_fields["model"].default)
        kept = {k: old[k] for k in ("threads", "slots") if k in old and engine["use"] == old["use"] == "llamacpp"}
        place[name] = copy.deepcopy(engine) | kept
    if not data.get("prompts_dir"):
        for stage, settings in CHAT.items():
            data.setdefault("stages", {}).setdefault(stage, {}).update(copy.deepcopy(settings))
    _told(data, engine, replaced)


def gguf_fault(path: Path) -> str | None:
    """Why the file at `path` is no GGUF model, with what to do; None where it begins as one."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except OSError as error:
        return (
            f"{path} cannot be read ({error.strerror}); name the GGUF file itself, e.g. qwen2.5-7b-instruct-q4_k_m.gguf"
        )
    if head == _MAGIC:
        return None
    return (
        f"{path} is no GGUF file: it begins with {head!r}, not {_MAGIC!r}; download a .gguf of the model, or convert "
        "the checkpoint with llama.cpp's convert_hf_to_gguf.py"
    )


def _server(url: str, model: str | None) -> dict[str, Any]:
    if not model:
        raise ValueError(
            f"--llm {url}: which model? Add --model NAME, the server's own name of it; {url.rstrip('/')}/models lists "
            "them"
        )
    return {"use": "openai", "url": url, "model": model}


def _file(llm: str, model: str | None) -> dict[str, Any]:
    if model:
        raise ValueError(f"--model {model}: belongs to a server's address (--llm http://HOST:PORT/v1); {llm} is a file")
    path = Path(os.path.abspath(Path(llm).expanduser()))
    if not path.exists():
        raise ValueError(
            f"--llm {llm}: no such file; name a GGUF file, or a server's address, e.g. http://127.0.0.1:8000/v1"
        )
    if fault := gguf_fault(path):
        raise ValueError(f"--llm {llm}: {fault}")
    return {"use": "llamacpp", "model": str(path), "chat": True, "context": _CONTEXT}


def _language_models(data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """(mapping, key) of each engine that is a language model: by its name, or inside a judge."""
    engines: Any = data.get("engines")
    for capability in ("llm", "judge") if isinstance(engines, dict) else ():
        named = engines.get(capability)
        if not isinstance(named, dict):
            continue
        for name, settings in named.items():
            if not isinstance(settings, dict):
                continue
            if capability == "llm" and settings.get("use") in _ENGINES:
                yield named, name
            elif isinstance(settings.get("llm"), dict):
                yield settings, "llm"


def _told(data: dict[str, Any], engine: dict[str, Any], replaced: set[str]) -> None:
    """The card speaks of the model that is used, and of no other."""
    name = Path(engine["model"]).name if engine["use"] == "llamacpp" else engine["model"]
    entry = {"name": name, "use": "language model (--llm)", "origin": "not stated", "licence": "not stated"}
    if engine["use"] == "llamacpp":
        entry["model"] = engine["model"]
    data["licences"] = [x for x in data.get("licences") or () if x.get("model") not in replaced] + [entry]
    about = "engines.llm."
    others = [d for d in data.get("departures") or () if not any(k.startswith(about) for k in d.get("where") or ())]
    departure = {
        "setting": "language models",
        "paper": "Qwen2.5-14B-Instruct and 72B-Instruct",
        "here": name,
        "reason": "chosen on the command line (--llm)",
    }
    data["departures"] = [departure, *others]
