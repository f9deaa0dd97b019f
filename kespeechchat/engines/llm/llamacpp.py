"""llama.cpp in process, through xllamacpp: any GGUF model, on any CPU.

A base model gets the messages as one few-shot text, a chat model through its own chat template.

**Repeatable with one slot.** A result of llama.cpp depends on how its prompt was cut into batches, so plain prompt
caching makes an answer depend on the request before it. Here the state before each request is made a function of that
request alone: the text that all requests of one prompt file share (system and examples) is evaluated from an empty
cache when it changes, and before every request the slot is rolled back to exactly that text. So the long shared text
is paid for once, and neither order nor history reaches an answer. More slots decode together, faster and not
repeatable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any, Literal

from kespeechchat.config.engines import LlamaCppSettings
from kespeechchat.config.language_model import gguf_fault
from kespeechchat.engines import EngineError
from kespeechchat.engines.llm import LLM, Completion, Request
from kespeechchat.engines.llm.few_shot import STOPS, chat_messages, few_shot_text, shared_text
from kespeechchat.engines.models import resolve
from kespeechchat.records import RowError

_TOP_K = 40
_LOOKED_AT_EVERY = 4  # tokens
_RANDOM_SEED = 2**32 - 1  # llama.cpp takes this one value as "choose a seed yourself"


class LlamaCpp(LLM):
    """Building it loads the model; raises EngineError where it does not load."""

    def __init__(self, settings: LlamaCppSettings) -> None:
        self.deterministic = settings.slots == 1
        self._settings = settings
        path = resolve(settings.model)
        if fault := gguf_fault(path):
            raise EngineError(f"llm.use: llamacpp: model {settings.model!r}: {fault}")
        self._server = _serve(str(path), settings)
        self._primed: str | None = None

    def identity(self) -> dict[str, str]:
        return {"llm": f"llamacpp {self._settings.model}", "xllamacpp": version("xllamacpp")}

    def complete(self, requests: Sequence[Request]) -> list[Completion | RowError]:
        """Completions in the order of `requests`. `finish` is `length` where `max_tokens` cut the text (its JSON is
        then broken); an item that llama.cpp refuses, such as a prompt over the context, is a RowError."""
        if self._settings.slots > 1:
            with ThreadPoolExecutor(self._settings.slots) as pool:
                return list(pool.map(self._complete, requests))
        results: dict[int, Completion | RowError] = {}
        for i in sorted(range(len(requests)), key=lambda i: shared_text(requests[i])):
            if not self._settings.chat:
                self._prime(shared_text(requests[i]))
            results[i] = self._complete(requests[i])
        return [results[i] for i in range(len(requests))]

    def _prime(self, shared: str) -> None:
        """Brings the slot to the state "evaluated `shared` and nothing else"."""
        if shared != self._primed:
            self._roll(shared, cached=False)
            self._primed = shared
        # llama.cpp always evaluates the last token again, alone: done before the first request too, so that
        # the first request finds the same state as all later ones.
        self._roll(shared, cached=True)

    def _roll(self, text: str, cached: bool) -> None:
        self._server.handle_completions({"prompt": text, "n_predict": 0, "cache_prompt": cached})

    def _complete(self, request: Request) -> Completion | RowError:
        chat = self._settings.chat
        handle = self._server.handle_chat_completions if chat else self._server.handle_completions
        body = _sampling(request) | (
            {"messages": chat_messages(request)} if chat else {"prompt": few_shot_text(request)}
        )
        if request.schema is not None:
            body |= _schema(request.schema, chat)
        elif not chat:
            body["stop"] = list(STOPS)
        body["cache_prompt"] = not chat or not self.deterministic
        try:
            if request.hopeless is not None:
                return _streamed(handle, body, request.hopeless)
            return _completion(handle(body))
        except (RuntimeError, ValueError, KeyError) as e:
            self._primed = None
            return RowError(f"llama.cpp: {e}")


def _serve(path: str, settings: LlamaCppSettings) -> Any:
    import xllamacpp

    p = xllamacpp.CommonParams()
    p.model.path = path
    p.n_ctx = settings.context * settings.slots
    p.n_parallel = settings.slots
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = settings.threads
    p.n_threads_http = settings.slots
    p.warmup = False
    p.verbosity = 1
    # Flash attention splits its sums by thread: with it, the thread count would change what comes out.
    p.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    p.swa_full = True  # without it a rolled back slot of a sliding-window model is evaluated again from the start
    p.cache_ram_mib = 0  # no store of old prompts beside the slots
    p.cache_idle_slots = False
    p.slot_prompt_similarity = 0.0
    try:
        return xllamacpp.Server(p)
    except Exception as e:
        raise EngineError(f"llamacpp: model {settings.model!r} does not load from {path}: {e}; is it whole?") from e


def _sampling(request: Request) -> dict[str, Any]:
    return {
        "n_predict": request.max_tokens,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": _TOP_K,
        "min_p": 0.0,
        "seed": request.seed % _RANDOM_SEED,
    }


def _schema(schema: dict[str, Any], chat: bool) -> dict[str, Any]:
    if chat:
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}
    return {"json_schema": schema}


def _streamed(handle: Any, body: dict[str, Any], hopeless: Callable[[str], bool]) -> Completion | RowError:
    """Token by token, so that a text which cannot be used any more costs no further one."""
    parts: list[str] = []
    last: dict[str, Any] = {}

    def stop(chunk: dict[str, Any]) -> bool:
        if "error" in chunk or not chunk.get("choices"):
            last.update(chunk)
            return "error" in chunk
        choice = chunk["choices"][0]
        parts.append((choice["delta"].get("content") if "delta" in choice else choice["text"]) or "")
        last["finish"] = choice["finish_reason"] or last.get("finish")
        last["hopeless"] = len(parts) % _LOOKED_AT_EVERY == 0 and hopeless("".join(parts))
        return bool(last["hopeless"])

    handle({**body, "stream": True}, stop)
    if "error" in last:
        return RowError(f"llama.cpp: {last['error']}")
    finish: Literal["stop", "length", "hopeless"] = "length" if last.get("finish") == "length" else "stop"
    tokens = (last.get("usage") or {}).get("completion_tokens") or len(parts)
    return Completion("".join(parts).strip(), "hopeless" if last.get("hopeless") else finish, tokens)


def _completion(answer: Any) -> Completion | RowError:
    if "error" in answer or not answer.get("choices"):
        return RowError(f"llama.cpp: {answer.get('error', answer)}")
    choice = answer["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    return Completion(
        text=(text or "").strip(),
        finish="length" if choice["finish_reason"] == "length" else "stop",
        tokens=answer["usage"]["completion_tokens"],
    )
