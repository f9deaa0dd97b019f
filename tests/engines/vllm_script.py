"""What tests/engines/test_vllm.py runs in vLLM's own environment: `python vllm_script.py FOLDER REPORT`.

`FOLDER` is a base model (no chat template), here Gemma 3 270M. REPORT gets, as JSON, what
`complete` gave; the test judges it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "maxLength": 60}},
    "required": ["answer"],
    "additionalProperties": False,
}
QUESTIONS = ("Why do leaves fall?", "What is snow?", "How do fish breathe?", "Why do we sleep?", "What is a seed?")
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>"


def requests() -> list[Any]:
    from kespeechchat.engines.llm import Message, Request

    shots = (
        Message("system", "Answer in one short sentence."),
        Message("user", "Why is the sky blue?"),
        Message("assistant", '{"answer": "The air scatters blue light the most."}'),
        Message("user", "What is a rainbow?"),
        Message("assistant", '{"answer": "Sunlight split by drops of rain."}'),
    )
    asked = [(*shots, Message("user", q)) for q in QUESTIONS]
    good = [Request(m, seed=n, schema=SCHEMA, max_tokens=8 * (5 - n) + 24) for n, m in enumerate(asked)]
    too_long = Request((*shots, Message("user", "why " * 2000)), seed=1)
    bad_schema = Request(asked[0], seed=1, schema={"type": "no such type"})
    free = Request(
        (
            Message("system", "Names of animals."),
            *(Message(r, c) for r, c in (("user", "a big one"), ("assistant", "elephant"))),
            Message("user", "a small one"),
        ),
        seed=3,
        max_tokens=16,
    )
    cut = Request(asked[1], seed=1, schema=SCHEMA, max_tokens=3)
    return [*good, too_long, bad_schema, free, cut]


def seeded() -> list[Any]:
    from kespeechchat.engines.llm import Message, Request

    return [Request((Message("user", "a name"),), seed=n, temperature=1.5, max_tokens=8) for n in range(4)]


def listed() -> list[Any]:
    """Request n can only be answered with one text."""
    from kespeechchat.engines.llm import Message, Request

    def schema(n: int) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {"answer": {"enum": [f"the answer {n}"]}},
            "required": ["answer"],
            "additionalProperties": False,
        }

    return [Request((Message("user", "Answer."),), seed=n, schema=schema(n), max_tokens=64) for n in range(4)]


def main(folder: str) -> dict[str, Any]:
    from kespeechchat.config.engines import VLLMSettings
    from kespeechchat.engines import EngineDead, EngineError
    from kespeechchat.engines.llm.vllm import VLLM
    from kespeechchat.stages.flow import stage_versions

    report: dict[str, Any] = {"stages": len(stage_versions())}
    began = time.monotonic()
    settings = VLLMSettings(use="vllm", model=folder, max_model_len=512, max_num_seqs=16, enforce_eager=True)
    engine = VLLM(settings)
    report["load_seconds"] = round(time.monotonic() - began, 1)
    report["identity"], report["deterministic"] = engine.identity(), engine.deterministic
    asked = requests()
    report["first"] = [asdict(c) for c in engine.complete(asked)]
    report["seeds"], report["seeds_again"] = ([asdict(engine.complete([r])[0]) for r in seeded()] for _ in range(2))
    report["listed"] = [asdict(c) for c in engine.complete(listed())]
    report["threads"] = _in_threads(engine, listed())
    report["few_shot_prompt"] = engine._tokenizer.decode(engine._tokens(asked[7]), skip_special_tokens=True)
    try:
        VLLM(settings.model_copy(update={"chat": True, "model": str(Path(folder) / "missing")}))
    except EngineError as error:
        report["missing"] = str(error)
    report["dead"] = _killed(engine, asked, EngineDead)
    chat = VLLM(settings.model_copy(update={"model": str(_with_template(Path(folder)))}))
    report["chat_prompt"] = chat._tokenizer.decode(chat._tokens(asked[7]))
    report["chat"] = asdict(chat.complete(asked[:1])[0])
    chat._settings = chat._settings.model_copy(update={"seconds_per_request_limit": 0.001})
    report["hung"] = _told(chat, asked, EngineDead)
    report["left"] = [p.name() for p in _cores() if p.name().startswith("VLLM::")]
    return report


def _with_template(folder: Path) -> Path:
    """The same model with a chat template."""
    chat = Path(tempfile.mkdtemp())
    for file in folder.iterdir():
        (chat / file.name).symlink_to(file.resolve())
    (chat / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    return chat


def _in_threads(engine: Any, asked: list[Any]) -> list[dict[str, Any]]:
    """Each request from a thread of its own, all at once."""
    found: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: engine.complete([asked[i]])[0]}))
        for i in range(len(asked))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [asdict(found[i]) for i in range(len(asked))]


def _killed(engine: Any, asked: list[Any], dead: type[Exception]) -> list[str]:
    """The engine's core dies under it: the answers of this call and of the next."""
    for process in _cores():
        process.kill()
    return [_told(engine, asked, dead) for _ in range(2)]


def _told(engine: Any, asked: list[Any], dead: type[Exception]) -> str:
    try:
        engine.complete(asked[:2])
        return "completed"
    except dead as error:
        return str(error)


def _cores() -> list[Any]:
    import psutil

    return [p for p in psutil.Process().children() if "resource_tracker" not in " ".join(p.cmdline())]


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(main(sys.argv[1]), ensure_ascii=False), encoding="utf-8")
    os._exit(0)  # the engine's core was killed: nothing is left to end in order
