"""rewrite: what a person would say aloud (arXiv 2412.01078, section 3.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from kespeechchat.config.base import pick
from kespeechchat.engines.llm import Completion, Message, Request
from kespeechchat.records import Outcome, RowError, failed, rejected
from kespeechchat.seeds import seed_for
from kespeechchat.stages.base import Reads, Stage, Task
from kespeechchat.stages.candidates import best
from kespeechchat.text.compose import judge_question, parse_question, rewrite_prompt_fields
from kespeechchat.text.prompts import parse_prompt


class Rewrite(Stage):
    name: ClassVar[str] = "rewrite"
    version: ClassVar[int] = 1
    source: ClassVar[Reads] = Reads("ingest")
