"""Lists in an answer: found, and said as a sentence that names their items, or a sentence for each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from kespeechchat.records import Language
from kespeechchat.text.answers.sentences import ENDS, STOP, ended, length, sentences

_ITEM = re.compile(r"^\s*(?:[-*•·–—●]|\(?\d{1,2}[.)、．）:：](?!\d)|[（(]\d{1,2}[)）]|[①-⑳]|[a-zA-Z][.)、．](?=\s))\s*")
_FOLLOWS: Final = {
    "zh": re.compile(
        r"^(?:(?:好的?|当然)[，,!！])?(?:以下|下面|下列|如下)(?:是|为|列出|就是)?.*$|^.{0,8}(?:步骤|思路|过程|说明|详解)(?:如下)?$"
    ),
    "en": re.compile(r"^(?:sure[,!.]? )?(?:here(?:'s| is| are)|the following|below|these are|this is)\b.*$", re.I),
}
_DOWN: Final = {
    "zh": re.compile(r"(?:但不限于)?(?:以下|下列|下面|如下)(?:所示|所述)?"),
    "en": re.compile(r"\b(?:the following|as follows|listed below)\b", re.I),
}
_HOW_MANY = re.compile(r"[几一二两三四五六七八九十\d]")
_HANGING: Final = {
    "zh": re.compile(r"[，,]?(?:主要)?(?:包括|包含|例如|比如|有|如)[，,]?$"),
    "en": re.compile(r",?\s*\b(?:including|such as|like|are|is|include|includes|for example)$", re.I),
}
_SHORT_ITEM: Final = {"zh": 14, "en": 8}  # characters, words: an item that is named; a longer one is told
_TITLE: Final = 30  # characters, its mark included
_FEWEST: Final = 2  # items that make a list


@dataclass(frozen=True)
class Items:
    """A list. `lead`: the line before it, without its colon; `items`: without their marks."""

    lead: str
    items: tuple[str, ...]


def without_mark(line: str) -> str:
    """A line without the mark that makes it an item of a list."""
    return _ITEM.sub("", line).strip()


def only_leads(sentence: str, language: Language) -> bool:
    """Whether a sentence says nothing but that something follows ("Here are five of them:")."""
    return bool(_FOLLOWS[language].match(sentence.rstrip("。.:：,， ")))


def blocks(lines: list[str], language: Language) -> list[str | Items]:
    """Lines of sentences, and lists with the line that leads to them; a heading, which is no sentence, is left out."""
    found: list[str | Items] = []
    items: list[str] = []
    headings = len(lines) > 1
    for line in [*_with_titles(lines), ""]:
        if _ITEM.match(line):
            items.append(_ITEM.sub("", line).strip())
            continue
        if len(items) >= _FEWEST:
            lead = found.pop() if found and isinstance(found[-1], str) and found[-1].endswith((":", "：")) else ""
            found.append(Items(str(lead), tuple(items)))
        elif items:
            found.append(items[0])
        items = []
        heading = headings and line[-1:] not in ENDS + ":：" and length([line], language) <= _SHORT_ITEM[language] // 2
        if line and not heading:
            found.append(line)
    return found


def _with_titles(lines: list[str]) -> list[str]:
    """An item that is only a title takes in the line that explains it, or gives way to a list of its own; what more is
    said of an item, before the next one, goes."""
    kinds = [*map(_kind, lines), None]
    out: list[str] = []
    i, in_list = 0, False
    while i < len(lines):
        line, kind, after = lines[i], kinds[i], kinds[i + 1]
        i += 1
        if kind and len(line) <= _TITLE and line.rstrip(":：")[-1:] not in ENDS:
            if after and after != kind:
                continue
            if not after and i < len(lines):
                line, i = f"{line.rstrip(':：')}：{lines[i]}", i + 1
        elif not kind and in_list and any(kinds[i:]):
            continue
        out.append(line)
        in_list = bool(kind)
    return out


def _kind(line: str) -> str | None:
    """How an item is marked: by a figure, a letter or a bullet; None for a line that is no item."""
    found = _ITEM.match(line)
    return (
        None
        if not found
        else "figure"
        if re.search(r"\d", found[0])
        else "letter"
        if re.search("[A-Za-z]", found[0])
        else "bullet"
    )


def list_said(listed: Items, language: Language, room: int) -> list[str]:
    """The lead-in and as many items as fit, as sentences; nothing where fewer than two fit."""
    *before, last = [*sentences(listed.lead, language)] or [""]
    lead = _lead(last.rstrip("。.:：,， "), language)
    kept = [s for s in before if length([s], language) <= 2 * room // 3 and not only_leads(s, language)][:1]
    room -= length(kept, language)
    titles = [_title(item) for item in listed.items]
    short = [length([t], language) <= _SHORT_ITEM[language] for t in titles]
    told = [] if all(short) else _in_turn(lead, listed.items, language, room)
    return [
        *kept,
        *(
            told
            or _named(
                lead, [t for t, s in zip(titles, short, strict=True) if s], language, room, not kept and all(short)
            )
        ),
    ]


def _lead(lead: str, language: Language) -> str:
    """A lead-in that can stand without the list below it; empty where it says nothing else."""
    if only_leads(lead, language):
        return ""

    def mended(found: re.Match[str]) -> str:
        after = lead[found.end() : found.end() + 1]
        if language == "en":
            return "some" if after else ""
        return (
            ""
            if _HOW_MANY.match(after) or (found.start() and lead[found.start() - 1] in ",，")
            else "这些"
            if after
            else "有不少"
        )

    return _HANGING[language].sub("", _DOWN[language].sub(mended, lead).strip(" ，,")).strip(" ，,")


def _title(item: str) -> str:
    """What an item is called, where it explains itself after a colon or a dash."""
    head = re.split(r"[:：]|\s[-–—]\s|(?<=[\u4e00-\u9fff）)])[-–—]\s|——", item, maxsplit=1)[0]
    return head.strip().rstrip("。.;；，,")


def _named(lead: str, names: list[str], language: Language, room: int, whole: bool) -> list[str]:
    """One sentence that names them, as many as fit; `whole`: they alone answer, and none is missing."""
    for n in range(len(names), _FEWEST - 1, -1):
        sentence = _enumerated(lead, names[:n], language, whole and n == len(names))
        if length([sentence], language) <= room:
            return [sentence]
    return []


def _enumerated(lead: str, names: list[str], language: Language, whole: bool) -> str:
    if language == "zh":
        joined = "、".join(names[:-1]) + "和" + names[-1]
        if any("、" in name or "和" in name for name in names):
            joined = "，".join(names[:-1]) + "，还有" + names[-1]
        return f"{lead}，比如{joined}。" if lead else f"{'' if whole else '比如'}{joined}。"
    names = [name if _proper(name) else name[:1].lower() + name[1:] for name in names]
    joined = ", ".join(names[:-1]) + f"{',' if len(names) > 2 else ''} and {names[-1]}"
    if lead:
        return f"{lead}, such as {joined}."
    return f"{joined[:1].upper()}{joined[1:]}." if whole else f"For example, {joined}."


def _proper(name: str) -> bool:
    """Whether it looks like a name or begins with one: "I", an acronym, several capitalized words."""
    first, *more = name.split() or [""]
    long = [first, *(word for word in more if len(word) > 3)]
    return bool(re.match(r"I\b|[A-Z]\w*[A-Z]", name)) or (len(long) > 1 and all(word[:1].isupper() for word in long))


_ORDINALS: Final = {
    "zh": ("第一，", "第二，", "第三，", "第四，", "第五，"),
    "en": ("First, ", "Second, ", "Third, ", "Fourth, ", "Fifth, "),
}


def _in_turn(lead: str, items: tuple[str, ...], language: Language, room: int) -> list[str]:
    """A sentence for each item, as many as fit; of one that is too long its title."""
    said = [lead + STOP[language]] if lead else []
    told = 0
    for ordinal, item in zip(_ORDINALS[language], items, strict=False):
        sentence = ordinal + _item_sentence(item, language, room - length([*said, ordinal], language))
        if sentence == ordinal or length([*said, sentence], language) > room:
            break
        said.append(sentence)
        told += 1
    return said if told >= _FEWEST else []


def _item_sentence(item: str, language: Language, room: int) -> str:
    title, text = _title(item), re.sub(r"\s*[:：]\s*|\s[-–—]\s", "，" if language == "zh" else ", ", item, count=1)
    first = (sentences(text, language) or [""])[0]
    if length([first], language) > min(room, 3 * _SHORT_ITEM[language]):
        first = ended(title, language) if title != item and length([title], language) <= room else ""
    if language == "en" and not _proper(first):
        first = first[:1].lower() + first[1:]
    return first
