"""Judge: does a text meet a criterion?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kespeechchat.engines import Engine
from kespeechchat.records import Language, RowError
from kespeechchat.text.prompts import Prompt


@dataclass(frozen=True)
class Verdict:
    """`score`: 0..1, the judge's probability that the text meets the criterion."""

    score: float


class Judge(Engine, Protocol):
    """Scores texts by a criterion."""

    def judge(
        self, texts: Sequence[str], criterion: Prompt, language: Language, seeds: Sequence[int]
    ) -> list[Verdict | RowError]:
        """Verdicts in the order of `texts`.

        `criterion`: its examples are labelled texts. `seeds`: one per text, for judges that sample.
        """
        ...
