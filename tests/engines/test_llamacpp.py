from __future__ import annotations

import json

import pytest

from kespeechchat.config.engines import LlamaCppSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.llm import Completion, Message, Request
from kespeechchat.engines.llm.few_shot import few_shot_text
from kespeechchat.engines.llm.llamacpp import LlamaCpp
from kespeechchat.records import RowError

SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string", "maxLength": 60}},
    "required": ["answer"],
    "additionalProperties": False,
}
SHOTS = (
    Message("system", "Answer in one short sentence."),
    Message("user", "Why is the sky blue?"),
    Message("assistant", '{"answer": "The air scatters blue light the most."}'),
    Message("user", "What is a rainbow?"),
    Message("assistant", '{"answer": "Sunlight split by drops of rain."}'),
)
QUESTIONS = ("Why do leaves fall?", "What is snow?", "How do fish breathe?", "Why do we sleep?")


def ask(text: str, seed: int = 7, **more) -> Request:
    return Request((*SHOTS, Message("user", text)), seed=seed, **({"schema": SCHEMA, "max_tokens": 48} | more))


def test_a_base_model_gets_the_messages_as_one_few_shot_text():
    text = few_shot_text(Request((*SHOTS[:3], Message("user", "What is snow?")), seed=1))
    assert text == (
        "Answer in one short sentence.\n\n"
        'Input: Why is the sky blue?\nOutput: {"answer": "The air scatters blue light the most."}\n\n'
        "Input: What is snow?\nOutput:"
    )


@pytest.fixture(scope="module")
def engine():
    return LlamaCpp(LlamaCppSettings(use="llamacpp", threads=1))


@pytest.mark.model
def test_completions_satisfy_the_schema_and_repeat_in_any_order(engine):
    requests = [ask(q, seed=n) for n, q in enumerate(QUESTIONS)]
    first = engine.complete(requests)
    assert all(isinstance(c, Completion) and c.tokens > 0 for c in first)
    assert all(json.loads(c.text)["answer"] for c in first if c.finish == "stop")
    assert engine.complete(requests[::-1])[::-1] == first
    engine.complete([Request((Message("system", "Say hello."), Message("user", "Hi")), seed=1, max_tokens=4)])
    assert [engine.complete([r])[0] for r in requests] == first
    assert engine.deterministic


@pytest.mark.model
def test_a_text_that_cannot_be_used_is_stopped_and_changes_no_other(engine):
    """Streaming gives the same text as one answer, and what is stopped leaves the slot as it was."""
    requests = [ask(q, seed=n) for n, q in enumerate(QUESTIONS[:2])]
    whole = engine.complete(requests)
    streamed = engine.complete([ask(q, seed=n, hopeless=lambda text: False) for n, q in enumerate(QUESTIONS[:2])])
    assert [(c.text, c.finish) for c in streamed] == [(c.text, c.finish) for c in whole]
    (stopped,) = engine.complete([ask(QUESTIONS[0], seed=0, hopeless=lambda text: len(text) > 12)])
    assert stopped.finish == "hopeless" and whole[0].text.startswith(stopped.text)
    assert 0 < stopped.tokens < whole[0].tokens
    assert engine.complete(requests) == whole


@pytest.mark.model
def test_neither_threads_nor_a_new_process_of_the_engine_change_a_completion(engine):
    two = LlamaCpp(LlamaCppSettings(use="llamacpp", threads=2))
    requests = [ask(q, seed=n) for n, q in enumerate(QUESTIONS[:2])]
    assert two.complete(requests) == engine.complete(requests)


@pytest.mark.model
def test_seeds_differ_and_the_largest_seed_is_still_a_seed(engine):
    texts = {engine.complete([ask("Tell me of bees.", seed=s, temperature=1.2)])[0].text for s in range(4)}
    assert len(texts) > 1
    largest = ask("Tell me of bees.", seed=2**32 - 1, temperature=1.2)
    assert engine.complete([largest]) == engine.complete([largest])


@pytest.mark.model
def test_a_cut_completion_says_so_and_a_prompt_over_the_context_fails_alone(engine):
    cut, refused, fine = engine.complete([ask("What is snow?", max_tokens=3), ask("why " * 4000), ask("What is snow?")])
    assert cut.finish == "length"
    assert isinstance(refused, RowError)
    assert fine.finish == "stop"
    assert engine.complete([ask("What is snow?")]) == [fine]


@pytest.mark.model
def test_a_file_that_is_no_model_is_a_clear_error(tmp_path):
    path = tmp_path / "no.gguf"
    path.write_bytes(b"not a model")
    with pytest.raises(EngineError, match=r"no\.gguf"):
        LlamaCpp(LlamaCppSettings(use="llamacpp", model=str(path)))
