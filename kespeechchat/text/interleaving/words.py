"""The words of a document, paragraph by paragraph, each with what a voice says for it.

A word is the smallest piece that a span may hold, so whatever must be read whole is one word: a number with its unit
or currency, a date, an abbreviation (`text.readings` says what belongs together), a name of several capitalized words,
a transliterated name (列夫·托尔斯泰). English words end at white space. Chinese words are jieba's and not single
characters, for two reasons: the reading of a character depends on its word (银行, 行走), so a span that cuts a word
would be misread; and ten words of either language take about equally long to say, so one mean serves both. Punctuation
belongs to the word before it.

Code, tags, addresses and other markup are words that no voice can say. Nothing of a document is ever changed or left
out: its words and the white space between them are the document.
"""

from __future__ import annotations

import logging
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kespeechchat.text.readings import Reading, read
from kespeechchat.text.speakability import speakable

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_CLOSING = "，。！？；：、…—”’」』》〉·"
_PARAGRAPH = re.compile(r"[^\r\n\v\f\u0085\u2028\u2029]+")
_TOKEN = re.compile(rf"[{_HAN}]+|[{_CLOSING}]+|[“‘「『《〈]+|[^\s{_HAN}{_CLOSING}“‘「『《〈]+")
_HAS_HAN = re.compile(rf"[{_HAN}]")
_UNSPOKEN = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|\$\$.*?\$\$|</?[A-Za-z!][^<>\n]{0,300}>", re.S)
_MARK_ONLY = re.compile(r"[^\w\s]+")
_OPENING = re.compile(r"[“‘「『《〈(\[{]+")
_PLAIN = re.compile(
    rf"[\"'“‘]?[A-Z]?[a-zà-öø-ÿ]+(?:['’-][a-zà-öø-ÿ]+)*[\"'”’]?[.,;:!?…]?[\"'”’]?|[“‘《]?[{_HAN}]+[{_CLOSING}]*"
)
_CAPITALIZED = re.compile(r"[\"“‘'(]?[A-Z][\w'’-]*|[A-Z][a-z]{0,2}\.")
_LONGEST = 4000  # characters that are read at once; a longer paragraph is cut where a sentence ends
_LONGEST_NAME = 5  # words
_COUNTED = re.compile(rf"[0-9%][{_HAN}]")
_UNBROKEN = re.compile(rf"[^\s{_HAN}]{{100,}}")  # no word: an address, data; nobody says it
_INSIDE = re.compile(r"[\w.,:/%-]")  # a cut between two of these may cut a number
_ENDS = re.compile(r"[。！？!?；;]|(?<=[a-z0-9])\.(?=\s)")


@dataclass(frozen=True, slots=True)
class Word:
    """Characters [start, end) of a document. `said`: what a voice says for them; None where none can say it."""

    start: int
    end: int
    said: str | None
    han: bool  # whether it has Chinese characters


def paragraphs(text: str) -> list[list[Word]]:
    """The words of each paragraph (line) of a document; takes any text.

    >>> [[text[w.start : w.end] for w in p] for text in ("It costs $3.50 in New York.",) for p in paragraphs(text)]
    [['It', 'costs', '$3.50', 'in', 'New York.']]
    """
    unspoken = [m.span() for m in _UNSPOKEN.finditer(text)]
    found = []
    for line in _PARAGRAPH.finditer(text):
        words = [word for start, end in _chunks(text, *line.span()) for word in _words(text, start, end)]
        found.append(_silenced(words, unspoken) if unspoken else words)
    return [words for words in found if words]


def word_places(text: str) -> list[tuple[int, int]]:
    """[start, end) of each plain word: an English one ends at white space, a Chinese one is jieba's.

    >>> [text[a:b] for text in ("Well, 很远，朋友。 Python?",) for a, b in word_places(text)]
    ['Well,', '很', '远，', '朋友。', 'Python?']
    """
    return _with_marks(text, _tokens(text))


def _chunks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The paragraph in parts: what is unbroken by itself, the rest between."""
    for unbroken in _UNBROKEN.finditer(text, start, end):
        yield from _cut(text, start, unbroken.start())
        yield unbroken.span()
        start = unbroken.end()
    yield from _cut(text, start, end)


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Parts of at most `_LONGEST` characters, cut where a sentence ends, else at white space."""
    while end - start > _LONGEST:
        cut = next((at for at in _cuts(text, start, start + _LONGEST) if at > start), start + _LONGEST)
        yield start, cut
        start = cut
    yield start, end


def _cuts(text: str, start: int, end: int) -> Iterator[int]:
    """Places to cut at, best first."""
    half = start + (end - start) // 2
    yield max((m.end() for m in _ENDS.finditer(text, half, end)), default=start)
    yield text.rfind(" ", half, end) + 1
    between = range(end, half, -1)
    yield next((at for at in between if not (_INSIDE.match(text[at - 1]) and _INSIDE.match(text[at]))), start)
    yield next((at for at in between if not (text[at - 1] + text[at]).isascii()), start)


def _words(text: str, start: int, end: int) -> list[Word]:
    part = text[start:end]
    if _UNBROKEN.fullmatch(part):
        return [Word(start, end, None, False)]
    reading = read(part, "zh" if _HAS_HAN.search(part) else "en")
    if len(reading.written) != len(part):  # converted to another length: its places are not the document's
        reading = Reading(part, part, ())
    places = _names(part, _with_forms(_with_marks(part, _tokens(part)), reading))
    return [_word(part, a, b, reading, start) for a, b in places]


def _tokens(part: str) -> list[tuple[int, int]]:
    places: list[tuple[int, int]] = []
    for match in _TOKEN.finditer(part):
        if not _HAS_HAN.match(match[0]):
            places.append(match.span())
            continue
        at = match.start()
        for word in _segmenter().cut(match[0]):
            places.append((at, at + len(word)))
            at += len(word)
    return places


def _with_marks(part: str, places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Marks alone go to the word before them, opening ones to the word behind; a middle dot joins both."""
    joined: list[tuple[int, int]] = []
    opened: int | None = None
    dotted = False
    for a, b in places:
        token = part[a:b]
        if _OPENING.fullmatch(token):
            opened = a if opened is None else opened
            continue
        if joined and opened is None and (dotted or _MARK_ONLY.fullmatch(token)):
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a if opened is None else opened, b))
        opened, dotted = None, token == "·"
    return joined if opened is None else [*joined, (opened, len(part.rstrip()))]


def _with_forms(places: list[tuple[int, int]], reading: Reading) -> list[tuple[int, int]]:
    """Words that one written form reaches into are one word; so are a number and the Chinese word that it counts."""
    joined: list[tuple[int, int]] = []
    forms = iter(reading.forms)
    form = next(forms, None)
    for a, b in places:
        while form is not None and form.end <= a:
            form = next(forms, None)
        in_form = form is not None and joined and form.start < a and joined[-1][1] > form.start
        counts = joined and joined[-1][1] == a and _COUNTED.match(reading.written, a - 1)
        if in_form or counts:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return joined


def _names(part: str, places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Capitalized words in a row are one name: New York, Dr. Smith."""
    joined: list[tuple[int, int]] = []
    length = 0
    for a, b in places:
        before = part[joined[-1][0] : joined[-1][1]] if joined else ""
        last = before.rsplit(" ", 1)[-1]
        named = 0 < length < _LONGEST_NAME and part[a].isupper() and part[joined[-1][1] : a] == " "
        if named and _CAPITALIZED.fullmatch(last):
            joined[-1], length = (joined[-1][0], b), length + 1
        else:
            joined.append((a, b))
            length = int(bool(_CAPITALIZED.fullmatch(part[a:b])) and part[a:b] != "I")
    return joined


def _word(part: str, a: int, b: int, reading: Reading, offset: int) -> Word:
    written = part[a:b]
    han = bool(_HAS_HAN.search(written))
    if _PLAIN.fullmatch(written) and not _has_form(reading, a, b):
        return Word(offset + a, offset + b, reading.written[a:b], han)
    said = _said(reading, a, b)
    if said is not None and not _can_be_said(said, han):
        said = None
    return Word(offset + a, offset + b, said, han)


def _has_form(reading: Reading, a: int, b: int) -> bool:
    return any(form.start < b and form.end > a for form in reading.forms)


def _said(reading: Reading, a: int, b: int) -> str | None:
    """The text [a, b) with the words of its forms; None where the reading of one is in doubt."""
    parts, at = [], a
    for form in reading.forms:
        if form.end <= a or form.start >= b:
            continue
        if form.words is None or form.start < a or form.end > b:
            return None
        parts += [reading.written[at : form.start], form.words]
        at = form.end
    return "".join([*parts, reading.written[at:b]])


def _can_be_said(said: str, han: bool) -> bool:
    return bool(said.strip()) and speakable(said, "zh" if han else "en") is None


def _silenced(words: list[Word], unspoken: Sequence[tuple[int, int]]) -> list[Word]:
    """The words, those inside code and tags without what is said."""
    found = []
    ends = [end for _, end in unspoken]
    for word in words:
        next_ = bisect_right(ends, word.start)
        hit = next_ < len(unspoken) and unspoken[next_][0] < word.end
        found.append(Word(word.start, word.end, None, word.han) if hit else word)
    return found


@lru_cache(maxsize=1)
def _segmenter() -> Any:
    import jieba

    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    return jieba
