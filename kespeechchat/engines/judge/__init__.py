"""Judge: does a text meet a criterion?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kespeechchat.records import Language, RowError


@dataclass(frozen=True)
class Verdict:
    passed: bool
    score: float  # 0..1, the judge's probability that the text meets the criterion


class Judge(Protocol):
    deterministic: bool

    def identity(self) -> dict[str, str]: ...

    def judge(
        self, texts: Sequence[str], criterion: Any, language: Language, seeds: Sequence[int]
    ) -> list[Verdict | RowError]:
        """Verdicts in the order of `texts`. `criterion` is a `kespeechchat.text.prompts.Prompt` whose examples are
        labelled texts; `seeds` one per text, for judges that sample."""
        ...


def load(settings: Any) -> Judge:
    match settings.use:
        case "embedding":
            from kespeechchat.engines.judge.embedding import EmbeddingJudge

            return EmbeddingJudge(settings)
        case "llm":
            from kespeechchat.engines.judge.llm import LLMJudge

            return LLMJudge(settings)
    raise ValueError(f"unknown judge engine {settings.use!r}")
