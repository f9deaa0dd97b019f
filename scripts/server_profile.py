"""Writes pipelines/server.yaml: the quick start, with all text by a chat model behind an OpenAI-compatible server.

    python scripts/server_profile.py            writes it
    python scripts/server_profile.py --check    ends in 1 where it is stale

The two profiles have their speech in common, so a change of the quick start's is one of this profile's too. A test runs
the check.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY))

from kespeechchat.config.language_model import CHAT  # noqa: E402

FROM = REPOSITORY / "pipelines" / "quickstart.yaml"
TO = REPOSITORY / "pipelines" / "server.yaml"

HEAD = """\
# The quick start, with all text by a chat model of your own behind any server with OpenAI's HTTP interface (vLLM,
# llama.cpp, a hosted one). The model gets the paper's prompts and lengths; speech is made as in the quick start.
#
#   vllm serve Qwen/Qwen2.5-7B-Instruct --served-model-name Qwen2.5-7B-Instruct
#   kesc build pipelines/server.yaml --llm http://127.0.0.1:8000/v1 --model Qwen2.5-7B-Instruct --input mine.jsonl
#
# Without --llm it asks the server named below. A key goes into the environment variable that `key_variable` names.
# Written by scripts/server_profile.py from quickstart.yaml; do not edit.
name: quickstart-server
root: ../build/server
"""

LLM = """\
  llm:
    server:
      use: openai
      url: http://127.0.0.1:8000/v1
      model: Qwen2.5-7B-Instruct  # as the server names it
      key_variable: null  # e.g. OPENAI_API_KEY: where a server wants a key
      concurrency: 16
"""

DEPARTURES = """\
  - setting: language models
    where: {engines.llm.server.use: openai}
    paper: Qwen2.5-14B-Instruct and 72B-Instruct
    here: the chat model that the server has
    reason: yours to choose; the prompts are the paper's steps
  - setting: stages.spoken.max_length
    where: {stages.spoken.max_length: {zh: 250, en: 150}}
    paper: at most 100 words asked for; dialogues reach 665 words (en) and 300 characters (zh)
    here: as asked; rejected over 150 words and 250 characters
    reason: a spoken answer of several minutes is no answer
"""

# Departures of the quick start that its small model makes necessary: settings of which a departure speaks.
_SMALL_MODEL = ("engines.llm.", "stages.ingest.require_reference", "stages.rewrite.", "stages.spoken.grounded")
_SMALL_MODEL += ("stages.spoken.by_rule", "stages.spoken.require_reference", "stages.spoken.max_length")


def profile(quickstart: str) -> str:
    """server.yaml, of the text of quickstart.yaml. Raises ValueError where that has no such part any more."""
    text = HEAD + _after(quickstart, "root: ")
    text = _replaced(text, "  llm:", LLM)
    for stage, settings in CHAT.items():
        text = _replaced(text, f"  {stage}:", _stage(text, stage, settings))
    gemma = [line for line in text.splitlines(keepends=True) if line.startswith("  - {name: Gemma")]
    if len(gemma) != 1:
        raise ValueError(f"{FROM.name}: {len(gemma)} licences of Gemma, one is wanted")
    text = text.replace(gemma[0], "")
    head, departures = text.split("departures:\n")
    return f"{head}departures:\n{DEPARTURES}" + "".join(filter(_stays, re.split(r"(?m)^(?=  - setting: )", departures)))


def _stage(text: str, stage: str, chat: dict[str, object]) -> str:
    """The stage's block: what the quick start says of it, with what a chat model gets in its place."""
    block = _block(text, f"  {stage}:")
    settings = {**yaml.safe_load(block)[stage], **chat}
    settings |= {"llm": "server"} if "llm" in settings else {}
    lines = [f"    {key}: {_inline(value)}\n" for key, value in settings.items()]
    return f"  {stage}:\n" + "".join(lines)


def _inline(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False).removesuffix("...\n").strip()


def _after(text: str, start: str) -> str:
    """What follows the first line that begins with `start`."""
    return text[text.index("\n", text.index(f"\n{start}") + 1) + 1 :]


def _block(text: str, key: str) -> str:
    """The line that begins with `key`, and the deeper ones after it."""
    depth = len(key) - len(key.lstrip())
    found = re.search(rf"(?m)^{re.escape(key)}.*\n(?:(?: {{{depth + 1},}}.*)?\n)*?(?=^ {{0,{depth}}}\S|\Z)", text)
    if found is None:
        raise ValueError(f"{FROM.name}: no block {key.strip()!r}")
    return found[0]


def _replaced(text: str, key: str, block: str) -> str:
    return text.replace(_block(text, key), block, 1)


def _stays(departure: str) -> bool:
    """Whether a departure of the quick start speaks of this profile too."""
    if not departure.strip():
        return False
    ((entry),) = yaml.safe_load(departure)
    return not any(place.startswith(_SMALL_MODEL) for place in entry.get("where", {}))


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; end in 1 where the file is stale")
    made = profile(FROM.read_text(encoding="utf-8"))
    if not parser.parse_args(words).check:
        TO.write_text(made, encoding="utf-8")
        return 0
    if TO.is_file() and TO.read_text(encoding="utf-8") == made:
        return 0
    print(f"pipelines/{TO.name} is stale; run: python scripts/server_profile.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
