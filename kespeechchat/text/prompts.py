"""A prompt is one YAML file in `prompts/`: per language a system text, a template, few-shot examples, a JSON schema.

    name: rewrite
    zh:
      system: …
      template: "资料：{input}"        # str.format fields, filled from the row
      examples:
        - fields: {input: …}           # for the template
          output: {question: …}        # what the model should answer (an object of `schema`)
      schema: {type: object, …}
    en: …

A judge's criterion is a prompt too; each of its examples is a labelled text: `{text: …, label: true|false}`.
A chat model gets the examples as user/assistant turns, a base model as a few-shot completion: same file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kespeechchat.records import Language


@dataclass(frozen=True)
class Prompt:
    """One language's part of a prompt file."""

    name: str
    language: Language
    system: str
    template: str
    examples: tuple[dict[str, Any], ...]
    schema: dict[str, Any] | None

    def turns(self, **fields: str) -> list[tuple[str, str]]:
        """(role, content) pairs: system, the examples as user/assistant pairs, then the filled template."""
        pairs = [("system", self.system)]
        for example in self.examples:
            if "fields" in example:
                shown, answer = self.template.format(**example["fields"]), example["output"]
            else:
                shown, answer = self.template.format(text=example["text"]), {"verdict": bool(example["label"])}
            pairs += [("user", shown), ("assistant", json.dumps(answer, ensure_ascii=False))]
        return [*pairs, ("user", self.template.format(**fields))]


def load_prompt(path: str, language: Language) -> Prompt:
    """Reads one language's part of a prompt file. Raises ValueError naming the file and what is missing."""
    return parse_prompt(yaml.safe_load(Path(path).read_text(encoding="utf-8")), path, language)


def parse_prompt(data: dict[str, Any], name: str, language: Language) -> Prompt:
    """One language's part of a prompt file's content (a resolved pipeline carries it). Raises ValueError."""
    part = data.get(language)
    if not isinstance(part, dict):
        raise ValueError(f"{name}: no part for language {language!r}; add a top-level key {language!r}")
    missing = [k for k in ("system", "template") if not part.get(k)]
    if missing:
        raise ValueError(f"{name}: {language}: missing {', '.join(missing)}")
    return Prompt(
        name=data.get("name") or Path(name).stem,
        language=language,
        system=part["system"].strip(),
        template=part["template"].strip(),
        examples=tuple(part.get("examples") or ()),
        schema=part.get("schema"),
    )
