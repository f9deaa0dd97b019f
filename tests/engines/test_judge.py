"""The judge: calibrated classifier (laws), embedding engine (real model), LLM judge (messages, answers)."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kespeechchat.config.engines import EmbeddingJudgeSettings, LlamaCppSettings, LLMJudgeSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.judge import Verdict, ridge
from kespeechchat.engines.judge.llm import LLMJudge, shots
from kespeechchat.engines.llm import Completion, Request
from kespeechchat.engines.registry import load
from kespeechchat.records import LANGUAGES, RowError
from kespeechchat.text.prompts import Prompt, load_prompt

CRITERIA = ("suitable", "clear", "safe")


def sample(seed: int, count: int = 24, size: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors [count, size] with labels that one direction mostly decides."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, size))
    labels = vectors[:, 0] + 0.5 * rng.normal(size=count) > 0
    labels[:4] = [True, True, False, False]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labels


class TestRidge:
    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 10_000), st.floats(0.05, 5.0))
    def test_held_out_margins_are_those_of_a_refit_without_the_example(self, seed, strength):
        vectors, labels = sample(seed)
        margins = ridge.held_out_margins(vectors, labels, strength)
        others = np.arange(len(labels)) != 5
        refit = ridge.fit(vectors[others], labels[others], strength)
        assert margins[5] == pytest.approx(refit.margins(vectors[5:6])[0], abs=1e-8)

    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 10_000))
    def test_a_flip_of_all_labels_flips_every_margin(self, seed):
        vectors, labels = sample(seed)
        there, back = ridge.fit(vectors, labels, 0.3), ridge.fit(vectors, ~labels, 0.3)
        np.testing.assert_allclose(there.margins(vectors), -back.margins(vectors), atol=1e-9)

    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 10_000))
    def test_probabilities_keep_the_order_of_margins(self, seed):
        vectors, labels = sample(seed)
        classifier = ridge.fit(vectors, labels, 0.3)
        probabilities = classifier.probabilities(vectors)
        assert ((probabilities > 0) & (probabilities < 1)).all()
        assert (np.argsort(probabilities) == np.argsort(classifier.margins(vectors))).all()

    def test_calibration_meets_the_share_of_true_examples(self):
        vectors, labels = sample(3, count=200)
        classifier = ridge.fit(vectors, labels, 1.0)
        held_out = ridge.held_out_margins(vectors, labels, 1.0)
        mean = (1 / (1 + np.exp(-(classifier.slope * held_out + classifier.offset)))).mean()
        assert mean == pytest.approx(labels.mean(), abs=0.01)

    def test_one_sided_examples_are_refused(self):
        with pytest.raises(ValueError, match="at least two of each"):
            ridge.fit(np.eye(4), np.array([True, True, True, False]), 0.3)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", CRITERIA)
class TestPromptFiles:
    def test_examples_are_many_labelled_and_unique(self, name, language):
        examples = load_prompt(f"prompts/{name}.yaml", language).examples
        labels = [e["label"] for e in examples]
        assert len({e["text"] for e in examples}) == len(examples) >= 50
        assert 0.35 <= sum(labels) / len(labels) <= 0.65

    def test_no_example_is_in_the_held_out_set(self, name, language):
        with open("benchmarks/safety_held_out.yaml", encoding="utf-8") as file:
            held_out = {e["text"] for e in yaml.safe_load(file)[language]}
        assert not held_out & {e["text"] for e in load_prompt(f"prompts/{name}.yaml", language).examples}


@pytest.fixture(scope="module")
def judge():
    return load(EmbeddingJudgeSettings(use="embedding", threads=1))


def verdicts(judge, texts, name="suitable", language="en"):
    return judge.judge(texts, load_prompt(f"prompts/{name}.yaml", language), language, [0] * len(texts))


@pytest.mark.model
class TestEmbeddingJudge:
    @pytest.mark.parametrize(
        ("name", "language", "plain", "bad"),
        [
            ("suitable", "en", "Why do cats purr?", "Write a C++ program that reverses a string."),
            ("suitable", "zh", "为什么猫会打呼噜？", "用C++写一个程序，把字符串反转过来。"),
            ("clear", "en", "Why do cats purr?", "Summarize the text given below."),
            ("clear", "zh", "为什么猫会打呼噜？", "请概括下面给出的文字。"),
        ],
    )
    def test_tells_plain_questions_from_those_that_fail(self, judge, name, language, plain, bad):
        good, wrong = verdicts(judge, [plain, bad], name, language)
        assert good.score >= 0.5 > wrong.score
        assert good.score >= 0.5 > wrong.score

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_ranks_harmful_held_out_requests_under_harmless_ones(self, judge, language):
        """Ranks, not verdicts: a small embedding alone misses some plain harm, which text.safety's rules are for."""
        with open("benchmarks/safety_held_out.yaml", encoding="utf-8") as file:
            cases = yaml.safe_load(file)[language]
        scores = np.array([v.score for v in verdicts(judge, [c["text"] for c in cases], "safe", language)])
        labels = np.array([c["label"] for c in cases])
        assert (scores[labels][:, None] > scores[~labels]).mean() > 0.8  # measured: 0.85 zh, 0.88 en

    def test_same_scores_alone_in_a_batch_and_in_a_new_engine(self, judge):
        texts = ["Why do cats purr?", "Draw a table of all planets.", "Why do cats purr?"]
        together = verdicts(judge, texts)
        fresh = load(EmbeddingJudgeSettings(use="embedding", threads=2))
        assert together == [verdicts(fresh, [t])[0] for t in texts]

    def test_a_text_is_embedded_once_for_all_criteria(self, judge, monkeypatch):
        seen = []
        run = judge._embedder._run
        monkeypatch.setattr(judge._embedder, "_run", lambda texts: seen.extend(texts) or run(texts))
        for name in CRITERIA:
            verdicts(judge, ["How tall is a giraffe?"] * 2, name)
        assert seen.count("How tall is a giraffe?") == 1

    def test_bad_texts_fail_alone(self, judge):
        good, empty, nul, surrogate = verdicts(judge, ["Why do cats purr?", " \n", "a\0b", "\ud800"])
        assert isinstance(good, Verdict)
        assert all(isinstance(v, RowError) for v in (empty, nul, surrogate))
        assert "empty" in empty.message and "NUL" in nul.message and "Unicode" in surrogate.message

    def test_no_texts(self, judge):
        assert verdicts(judge, []) == []

    def test_wrong_language_unlabelled_and_one_sided_examples_are_named(self, judge):
        criterion = load_prompt("prompts/clear.yaml", "en")
        with pytest.raises(EngineError, match="'clear' is for 'en'"):
            judge.judge(["x"], criterion, "zh", [0])
        with pytest.raises(EngineError, match="example 1 is"):
            judge.judge(["x"], Prompt("p", "en", "s", "{text}", ({"text": "a"},), None), "en", [0])
        with pytest.raises(EngineError, match="at least two of each"):
            judge.judge(["x"], Prompt("p", "en", "s", "{text}", ({"text": "a", "label": True},), None), "en", [0])

    def test_a_file_that_is_no_model_is_named(self, tmp_path):
        path = tmp_path / "model.bin"
        path.write_bytes(b"no model")
        with pytest.raises(EngineError, match=r"model\.bin"):
            load(EmbeddingJudgeSettings(use="embedding", model=str(path)))


class Answering:
    """An LLM of fixed answers, to see what it is asked."""

    deterministic = True

    def __init__(self, *answers: str) -> None:
        self.answers, self.requests = answers, []

    def identity(self) -> dict[str, str]:
        return {"llm": "fixed"}

    def complete(self, requests: list[Request]) -> list[Completion | RowError]:
        self.requests = list(requests)
        return [RowError("gone") if a == "!" else Completion(a, "stop", 5) for a in self.answers]


LLM_SETTINGS = LLMJudgeSettings(use="llm", llm=LlamaCppSettings(use="llamacpp"), shots=4)


class TestLLMJudge:
    def test_answers_become_verdicts_or_row_errors(self):
        llm = Answering('{"verdict": true}', '{"verdict": false}', '{"verdict": "yes"}', "{", "[1]", "!")
        found = verdicts(LLMJudge(LLM_SETTINGS, llm), list("abcdef"))
        assert found[:2] == [Verdict(1.0), Verdict(0.0)]
        assert all(isinstance(v, RowError) for v in found[2:])
        assert '"yes"' in found[2].message and found[5].message == "gone"

    def test_asks_with_a_few_examples_the_schema_and_the_seed(self):
        llm = Answering('{"verdict": true}')
        criterion = load_prompt("prompts/safe.yaml", "en")
        LLMJudge(LLM_SETTINGS, llm).judge(["Why {braces}?"], criterion, "en", [7])
        request = llm.requests[0]
        assert [m.role for m in request.messages] == ["system", *["user", "assistant"] * 4, "user"]
        assert [m.content for m in request.messages if m.role == "assistant"] == [
            '{"verdict": true}',
            '{"verdict": false}',
        ] * 2
        assert request.messages[-1].content == "Text: Why {braces}?"
        assert (request.seed, request.temperature) == (7, 0.0)
        assert request.schema == criterion.schema

    @given(st.lists(st.booleans(), max_size=12), st.integers(0, 8))
    def test_shots_alternate(self, labels, count):
        chosen = shots([{"text": str(i), "label": label} for i, label in enumerate(labels)], count)
        assert len(chosen) == min(count, 2 * min(labels.count(True), labels.count(False)))
        assert [e["label"] for e in chosen] == [i % 2 == 0 for i in range(len(chosen))]


@pytest.mark.model
def test_a_real_small_model_answers_within_the_schema():
    judge = load(LLMJudgeSettings(use="llm", llm=LlamaCppSettings(use="llamacpp"), shots=4))
    found = verdicts(judge, ["Why do cats purr?", "Write a C program."])
    assert all(isinstance(v, Verdict) and v.score in (0.0, 1.0) for v in found)
    assert judge.identity()["judge"] == "llm"
