"""Between the stages `rewrite` and `spoken` and a language model: what is asked, how an answer is read, what is wrong.

A stage makes requests from `rewrite_fields` or `spoken_fields`, reads a completion with `parse_question` or
`parse_dialogue`, and asks `judge_question` or `judge_dialogue` for the reason it cannot be used. Everything is pure.

**What is an echo.** A question that repeats its source word for word is what a person would say only if the source was
already a question that can be spoken; then it stays. Of a directive, or of an instruction that no voice could say, or
of a given text, a copy is refused with `echo`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from kespeechchat.records import Language
from kespeechchat.text import checks
from kespeechchat.text.answers import from_source
from kespeechchat.text.directive import information, is_directive
from kespeechchat.text.given_text import aloud
from kespeechchat.text.prompts import Prompt
from kespeechchat.text.questions import as_is, framed, points_at_text
from kespeechchat.text.readings import read, spoken_text
from kespeechchat.text.similarity import overlap, restates, similarity
from kespeechchat.text.source_filters import language_of
from kespeechchat.text.speakability import speakable
from kespeechchat.text.suitability import unsuitable

QuestionFrom = Literal["as_is", "framed", "with_given", "model"]
QUESTION_LENGTH = {"zh": (4, 100), "en": (3, 60)}  # characters (zh), words (en); the longest are the paper profile's
RESPONSE_LENGTH = {"zh": (4, 250), "en": (3, 150)}
ECHO = 0.9  # Dice, over which a question says its source again
# Least share of the content (pairs of characters, stems of words) that two wordings of one question have in common.
SAME_SUBJECT = {"zh": 0.2, "en": 0.3}
_REPEATED = 0.75  # share of a given text that a question may say again …
_GIVEN_TEXT = {"zh": 12, "en": 8}  # … where that text is at least so long (characters, words)
_GIVEN_AWAY = 0.3  # share of the reference's content that the user may say beyond what the question says
_VALUE = re.compile(r'"\s*:\s*"')  # before each text of a JSON object
_INFORMATION = 400  # characters of given text that a prompt shows


_BREATH = {"zh": 45, "en": 25}  # characters, words: what the prompt shows of a source's answer
_SENTENCE = re.compile(r"(?<=[。！？；])|(?<=[.!?])(?<!\d\.)\s+|\n+")
_LEAD_IN = re.compile(r"[^。！？!?\n]*[:：]\s*(?=(?:[-*•]|\(?\d{1,2}[.)、．）]))")
_ITEM = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.)、．）])\s*")


@dataclass(frozen=True)
class Dialogue:
    """One exchange: what the user says, and what the agent answers."""

    instruction: str
    response: str


@dataclass(frozen=True)
class Rewrite:
    """What to ask for: `prompt` is `plain` or `directive`, `fields` fill that prompt's template."""

    prompt: str
    fields: dict[str, str]


def rewrite_fields(instruction: str, input: str, task: str | None) -> Rewrite:
    """A directive gives its pieces of information alone. "Answer the following question: …" is just that question."""
    if is_directive(task, instruction, input):
        pieces = _in_words(information(instruction, input))
        if not re.fullmatch(r"[^?？。！]+[?？]", pieces):
            return Rewrite("directive", {"information": pieces})
        return Rewrite("plain", {"text": pieces})
    return Rewrite("plain", {"text": _in_words(f"{instruction} {input}")})


def plain_request(instruction: str, input: str, task: str | None) -> str | None:
    """What a row asks, as it came: the instruction with its input, or the question that a directive only wraps
    ("Answer the following question: …"). None for a directive, whose reference answers the directive.

    >>> plain_request("回答下面的问题。\\n为什么太阳会发光？", "", None)
    '为什么太阳会发光？'
    >>> plain_request("Classify the following sentence.", "Cats sleep.", None) is None
    True
    """
    if not is_directive(task, instruction, input):
        return f"{instruction}\n{input}".strip()
    if rewrite_fields(instruction, input, task).prompt == "directive":
        return None
    return information(instruction, input)


def question_by_rule(
    instruction: str, input: str, task: str | None, language: Language, longest: int, turn: int
) -> tuple[str, QuestionFrom] | None:
    """The question that an instruction is or asks for, where a rule can say it, and how it was found; else None.

    It asks all that the instruction does, so the source's answer answers it. `turn` chooses the frame of a request;
    `longest` is in characters (zh) or words (en).
    """
    asked = plain_request(instruction, input, task)
    stands_alone = asked is not None and not (input.strip() and asked.endswith(input.strip()))
    short, _ = QUESTION_LENGTH[language]
    ways: tuple[tuple[QuestionFrom, str | None], ...] = (
        ("as_is", as_is(asked, language) if asked and stands_alone else None),
        ("framed", framed(asked, language, turn) if asked and stands_alone else None),
        ("with_given", aloud(instruction, input, language, turn)),
    )
    for way, found in ways:
        question = tidy(found, language) if found else ""
        if found and not ill_formed(question, language, short, longest) and not unsuitable(question, language):
            return question, way
    return None


def dialogue_by_rule(question: str, reference: str, language: Language, longest: int) -> Dialogue | None:
    """The question as it stands with the source's own answer, where rules can say it in `longest` characters (zh) or
    words (en); else None."""
    response = from_source(reference, language, longest, question)
    if response is None or ill_formed(question, language, *QUESTION_LENGTH[language]):
        return None
    unfit = response.endswith(("?", "？")) or similarity(question, response, language) >= ECHO
    return None if unfit or checks.other_language(response, language) else Dialogue(question, response)


def spoken_fields(question: str, reference: str | None, language: Language) -> dict[str, str]:
    """Fields of the prompts `spoken` (question) and `spoken-grounded` (question, reference)."""
    fields = {"question": flat(question)}
    if reference:
        fields["reference"] = gist(reference, language)
    return fields


def gist(reference: str, language: Language) -> str:
    """The first sentences of a source's answer, as many as one breath holds, numbers in words.

    Real answers run to paragraphs and lists; a spoken response gives their point, which stands first. A lead-in that
    ends in a colon ("here is how:") is passed over where a list follows it.

    >>> gist("Here is why: 1. It is cold. 2. It is dark.", "en")
    'It is cold. It is dark.'
    """
    parts = [_ITEM.sub("", s).strip() for s in _SENTENCE.split(_LEAD_IN.sub("", _flat_lines(reference)))]
    points = [part for part in parts if part] or [reference]
    kept, space = points[:1], " " if language == "en" else ""
    for sentence in points[1:]:
        if _length(space.join([*kept, sentence]), language) > _BREATH[language]:
            break
        kept.append(sentence)
    return read(flat(space.join(kept)), language).text


def parse_question(completion: str, language: Language) -> str | None:
    """The question in a completion, numbers in words; None where it is no JSON object with a text `question`."""
    answer = json_object(completion)
    text = answer.get("question") if answer else None
    return tidy(text, language) if isinstance(text, str) else None


def parse_dialogue(completion: str, language: Language) -> Dialogue | None:
    """The dialogue in a completion, numbers read out and markup gone; None where no JSON object holds both texts."""
    answer = json_object(completion) or {}
    said, reply = answer.get("instruction"), answer.get("response")
    if not (isinstance(said, str) and isinstance(reply, str)):
        return None
    return Dialogue(tidy(said, language), tidy(reply, language))


def judge_question(
    question: str | None,
    instruction: str,
    input: str,
    task: str | None,
    prompt: Prompt,
    longest: int | None = None,
) -> str | None:
    """Why a rewritten question cannot be used, or None. `prompt` is the one that asked for it: its examples must not
    come back."""
    if question is None:
        return "malformed"
    language = prompt.language
    short, long = QUESTION_LENGTH[language]
    return (
        ill_formed(question, language, short, longest or long)
        or (None if question.endswith(("?", "？")) else "no_question")
        or checks.copied(question, example_outputs(prompt, "question"), language, f"{instruction} {input}")
        or ("points_at_text" if points_at_text(question, language) else None)
        or _echo(question, instruction, input, task, language)
        or _off_subject(question, rewrite_fields(instruction, input, task), input, language)
    )


def judge_dialogue(
    dialogue: Dialogue | None,
    question: str,
    reference: str | None,
    prompt: Prompt,
    longest: int | None = None,
) -> str | None:
    """Why a dialogue cannot be used, or None. With a `reference` (as the prompt showed it) the response must agree
    with it; `longest` is the response's limit in characters (zh) or words (en)."""
    if dialogue is None:
        return "malformed"
    language = prompt.language
    reference = gist(reference, language) if reference else None
    said, reply = dialogue.instruction, dialogue.response
    short, long = RESPONSE_LENGTH[language]
    return (
        ill_formed(said, language, *QUESTION_LENGTH[language])
        or ill_formed(reply, language, short, longest or long)
        or (None if said.endswith(("?", "？")) else "no_question")
        or checks.copied(said, example_outputs(prompt, "instruction"), language, question)
        or checks.copied(reply, example_outputs(prompt, "response"), language, f"{question} {reference or ''}")
        or ("echo" if similarity(said, reply, language) >= ECHO else None)
        or ("question_back" if reply.endswith(("?", "？")) else None)
        or ("off_topic" if overlap(question, said, language, content=True)[0] < SAME_SUBJECT[language] else None)
        or checks.changed_kind(said, question, language)
        or (_gives_away(said, question, reference, language) if reference else None)
        or (checks.disagrees(reply, reference, language, question) if reference else None)
        or ("echo" if restates(reply, said, language) else None)
    )


def hopeless(completion: str, language: Language, longest: int) -> bool:
    """Whether the last text in a JSON object that is still being written cannot pass any more, however it goes on: it
    is too long already, or runs in a loop."""
    text = _VALUE.split(completion)[-1]
    written = text if language == "zh" else re.sub(r"\S+$", "", text)  # without a word that may go on
    return bool(checks.length(written, language) > longest or checks.looping(written, language))


def ill_formed(text: str, language: Language, shortest: int, longest: int) -> str | None:
    """Why no voice could say the text, or None; lengths in characters (zh) or words (en)."""
    return (
        ("empty" if not text else None)
        or checks.other_language(text, language)
        or checks.wrong_length(text, language, shortest, longest)
        or speakable(text, language)
        or checks.meta_talk(text)
        or checks.repetition(text, language)
        or checks.unfinished(text)
    )


def _echo(question: str, instruction: str, input: str, task: str | None, language: Language) -> str | None:
    if similarity(question, instruction, language) >= ECHO:
        natural = instruction.strip().endswith(("?", "？")) and not is_directive(task, instruction, input)
        return None if natural else "echo"
    if not input.strip() and not is_directive(task, instruction, input):
        return None
    pieces = information(instruction, input)
    if pieces.rstrip().endswith(("?", "？")):
        return None
    repeated = overlap(pieces, question, language)[0] if checks.length(pieces, language) >= _GIVEN_TEXT[language] else 0
    return "echo" if repeated >= _REPEATED or similarity(question, pieces, language) >= ECHO else None


def _off_subject(question: str, rewrite: Rewrite, input: str, language: Language) -> str | None:
    """Of a directive the question need only be about its information; else it must also ask for the same, and say
    something of the text that is given with it."""
    source = next(iter(rewrite.fields.values()))
    common = overlap(question, source, language, content=True)[0]
    if common == 0 or (rewrite.prompt == "plain" and common < SAME_SUBJECT[language]):
        return "off_topic"
    if rewrite.prompt == "plain" and input.strip() and overlap(question, input, language, content=True)[0] == 0:
        return "off_topic"
    if rewrite.prompt == "directive":
        return None
    return checks.changed_numbers(question, source, language) or checks.changed_kind(question, source, language)


def _gives_away(said: str, question: str, reference: str, language: Language) -> str | None:
    """`gives_answer` where the user already says what the answer should."""
    in_said = overlap(reference, said, language, content=True)[0]
    in_question = overlap(reference, question, language, content=True)[0]
    return "gives_answer" if in_said > in_question + _GIVEN_AWAY else None


def example_outputs(prompt: Prompt, key: str) -> list[str]:
    """What the prompt's examples answer under `key`: it must not come back."""
    return [str(e["output"][key]) for e in prompt.examples if "output" in e]


def json_object(completion: str) -> dict[str, Any] | None:
    """The JSON object in a completion, also one inside a code fence."""
    start, end = completion.find("{"), completion.rfind("}")
    try:
        value = json.loads(completion[start : end + 1])
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def tidy(text: str, language: Language) -> str:
    """A text that a model wrote, numbers read out, quotes and markup gone."""
    whole = flat(text).strip()
    bare = whole.strip(' "“”')
    torn = whole.count("“") == whole.count("”") and bare.count("“") != bare.count("”")
    text = spoken_text(whole if torn else bare, language)
    text = re.sub(r"([?？!！。.,，])\1+$", r"\1", text)
    if language == "zh":
        return re.sub(r"(?<=[\u4e00-\u9fff])([,?!;:])", lambda m: "，？！；："[",?!;:".index(m[1])], text)
    return text


def _in_words(text: str) -> str:
    line = flat(text)[:_INFORMATION]
    return read(line, language_of(line) or "en").text


def _length(text: str, language: Language) -> int:
    return len(text.split()) if language == "en" else len(text)


def _flat_lines(text: str) -> str:
    """White space made even inside lines; line breaks stay, for they end a sentence too."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())


def flat(text: str) -> str:
    """The text on one line, white space made even."""
    return " ".join(text.split())
