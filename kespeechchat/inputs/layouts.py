"""Instruction files come in layouts of their own; this reads them all into one.

`LAYOUTS` has the known ones, `_KNOWN_BY` the keys by which a row is known. Any other file names its columns in the
profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

from kespeechchat.display import value_kind
from kespeechchat.inputs.conversations import Exchange, from_marked, from_messages, marked, with_history


class SourceRow(NamedTuple):  # millions of them: five times as quick to make as a frozen dataclass
    """A row of an instruction file. Of a conversation, the first exchange; `turns` has all, where there are several."""

    instruction: str
    input: str
    reference: str | None
    task: str | None
    turns: tuple[Exchange, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Which of a row's keys hold what; `title` is for people."""

    title: str
    instruction: str
    input: str | None = None
    reference: str | None = None
    task: str | None = None
    others: tuple[str, ...] = ()  # keys that are read too

    @property
    def used(self) -> set[str]:
        """The keys that are read."""
        return {key for key in (self.instruction, self.input, self.reference, self.task) if key} | set(self.others)


_HISTORY = ("history",)
LAYOUTS = {
    "alpaca-seed": Layout(
        "the layout of Alpaca's seed tasks", "instruction", others=("instances", "is_classification")
    ),
    "alpaca": Layout("Alpaca's layout", "instruction", "input", "output", "task", _HISTORY),
    "dolly": Layout("Dolly's layout", "instruction", "context", "response", "category"),
    "instruction-response": Layout(
        "an instruction/response layout", "instruction", "input", "response", "task", _HISTORY
    ),
    "messages": Layout("OpenAI's layout of messages", "messages"),
    "sharegpt": Layout("ShareGPT's layout", "conversations"),
    "belle": Layout("BELLE's layout", "question", None, "std_answer", "class"),
    "openorca": Layout("OpenOrca's layout", "question", None, "response"),
    "question-answer": Layout("the layout question/answer", "question", "context", "answer"),
    "prompt-completion": Layout("the layout prompt/completion", "prompt", None, "completion"),
    "prompt-response": Layout("the layout prompt/response", "prompt", None, "response"),
    "query-response": Layout("the layout query/response", "query", "input", "response", None, _HISTORY),
    "text": Layout("a text with role marks", "text"),
}
# the most specific first; a row is of the first layout whose keys it has
_KNOWN_BY = (
    ("alpaca-seed", {"instruction", "instances"}),
    ("alpaca", {"instruction", "output"}),
    ("dolly", {"instruction", "context", "response"}),
    ("instruction-response", {"instruction", "response"}),
    ("alpaca", {"instruction"}),
    ("messages", {"messages"}),
    ("sharegpt", {"conversations"}),
    ("belle", {"question", "std_answer"}),
    ("openorca", {"question", "response"}),
    ("question-answer", {"question", "answer"}),
    ("belle", {"question", "class"}),
    ("question-answer", {"question"}),
    ("prompt-completion", {"prompt", "completion"}),
    ("prompt-response", {"prompt", "response"}),
    ("query-response", {"query", "response"}),
    ("text", {"text"}),
)
Column = Literal["instruction", "input", "reference", "task"]
FIELDS: tuple[Column, ...] = get_args(Column)
_MESSAGES = ("messages", "sharegpt")
# words for nothing: of an input, and of an answer
_NOTHING = {
    *("<noinput>", "<no input>", "noinput", "no input", "no input needed", "no input required", "no input provided"),
    *("<nooutput>", "<no output>", "nooutput", "no output", "n/a", "<n/a>", "none", "<none>", "null", "nan"),
    *("无输入", "没有输入", "无需输入", "不需要输入", "无输出", "没有输出"),
}
_LONGEST_NOTHING = 2 + max(map(len, _NOTHING))
FIRST_OF_NOTHING = {letter for word in _NOTHING for letter in (word[0], word[0].upper())}


class Reading(NamedTuple):
    """How rows with the same keys are read."""

    name: str
    keys: tuple[str | None, ...]  # of the first four fields of a SourceRow; None: the row has none
    history: bool  # whether the row may have earlier exchanges
    plain: bool  # whether the keys hold the fields as they are


def detect(row: Mapping[str, Any]) -> str | None:
    """The layout's name, by the keys of one row; None where it is none of the known ones."""
    name = _by_keys(tuple(row))
    if name == "alpaca-seed" and not isinstance(row["instances"], list):
        return "alpaca"
    return name


@lru_cache(1024)
def _by_keys(keys: tuple[str, ...]) -> str | None:
    return next((name for name, required in _KNOWN_BY if required.issubset(keys)), None)


@lru_cache(1024)
def reading(layout: str, keys: tuple[str, ...]) -> Reading:
    """How rows with these keys are read. Raises ValueError, with what to set, where the layout is none of the known."""
    name = _by_keys(keys) if layout == "auto" else layout
    if name is None:
        raise ValueError(
            f"layout not recognized from its keys ({', '.join(sorted(map(str, keys))[:8])}); set columns: "
            "{instruction: KEY, input: KEY, reference: KEY} for this input, with those of its keys that hold the "
            "question, its text and the answer"
        )
    known = LAYOUTS[name]
    ours = (known.instruction, known.input, known.reference, known.task)
    found = tuple(key if key in keys else None for key in ours)
    plain = name not in ("alpaca-seed", "text", *_MESSAGES)
    return Reading(name, found, "history" in keys and "history" in known.others, plain)


def read_row(row: Any, layout: str = "auto", columns: Mapping[Column, str] | None = None) -> SourceRow:
    """One row of an instruction file. Raises ValueError that says what is missing and what to set."""
    if type(row) is not dict and not isinstance(row, Mapping):
        raise ValueError(f"a row is a JSON object, this is {value_kind(row)}")
    if columns:
        if columns.get("instruction") not in row:
            raise ValueError(f"no column {columns.get('instruction')!r} (the profile maps instruction to it)")
        theirs = [columns.get(field) for field in FIELDS]
        return _row([row.get(key) if key else None for key in theirs], keys=theirs)
    name, keys, history, plain = reading(layout, tuple(row))
    if plain:
        return _row([row[key] if key else None for key in keys], row["history"] if history else None, keys)
    if name == "alpaca-seed" and (layout != "auto" or isinstance(row["instances"], list)):
        instances = row.get("instances") or []
        if isinstance(instances, int | float):
            raise ValueError(f"instances is {value_kind(instances)}, not a list of examples")
        first = next((i for i in instances if isinstance(i, Mapping)), {})
        task = "classification" if row.get("is_classification") else None
        return _row([row.get("instruction"), first.get("input"), first.get("output"), task])
    if name == "alpaca-seed":
        return read_row(row, "alpaca")
    if name in _MESSAGES:
        key = LAYOUTS[name].instruction
        return _of_conversation(from_messages(row.get(key), key), None)
    read = _row([row[key] if key else None for key in keys], keys=keys)
    if name == "text" and not read.reference:
        raise ValueError('text has no role marks ("Human: … Assistant: …"); set columns: {instruction: text} to ask it')
    return read


def _row(values: list[Any], history: Any = None, keys: Sequence[str | None] = FIELDS) -> SourceRow:
    """The row of these values for the first four fields. Raises ValueError for one that is no text, by its key of
    `keys`."""
    for place, value in enumerate(values):
        if type(value) is str:
            values[place] = value.strip()
        elif value is not None:
            raise ValueError(f"{keys[place]} is {value_kind(value)}, not text: write it as text in quotes")
    instruction, input_, reference, task = values
    input_, reference = something(input_), something(reference)
    if history:
        asked = f"{instruction or ''}\n{input_ or ''}"
        return _of_conversation(with_history(history, asked, reference or ""), task)
    if instruction and (":" in instruction or "：" in instruction) and marked(instruction):
        return _of_conversation(from_marked(instruction, reference or ""), task, input_ or "")
    return _new(SourceRow, (instruction or "", input_ or "", reference or None, task or None, ()))


_new = tuple.__new__  # half the time of the class's own


def something(text: str | None) -> str | None:
    """`text`, which has no white space around it; None where it holds a word for "nothing"."""
    if text and len(text) < _LONGEST_NOTHING and text[0] in FIRST_OF_NOTHING and says_nothing(text):
        return None
    return text


def says_nothing(text: str) -> bool:
    """Whether a field holds a word for "nothing".

    >>> says_nothing("<noinput>"), says_nothing("No input."), says_nothing("None of them")
    (True, True, False)
    """
    return text.strip().rstrip(".。").lower() in _NOTHING


def _of_conversation(exchanges: list[Exchange], task: str | None, input_: str = "") -> SourceRow:
    user, assistant = exchanges[0]
    return SourceRow(user, input_, assistant or None, task or None, tuple(exchanges) if len(exchanges) > 1 else ())
