"""English spellings of one spoken form: contractions spelled out, British as American, a few joined words.

Rules rather than a dictionary: each names a closed list of stems, so that no other word is touched (`our` is not `or`).
"""

from __future__ import annotations

import re

_NEGATED = {"won't": "will not", "can't": "can not", "shan't": "shall not", "ain't": "is not"}
# What 's after it means "is" (or "has"); after any other word it is the possessive.
_IS = re.compile(r"it|s?he|th(?:at|is|ere)|here|wh(?:at|o|ere|en|y)|how|every(?:thing|one)|something")
_ENDINGS = {"n't": " not", "'re": " are", "'ll": " will", "'ve": " have", "'m": " am"}
# 'd is had or would: left as it is, joined, on both sides.

_WORDS = {
    "cannot": "can not",
    "gonna": "going to",
    "wanna": "want to",
    "gotta": "got to",
    "okay": "ok",
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "grey": "gray",
    "greys": "grays",
    "cosy": "cozy",
    "cheque": "check",
    "cheques": "checks",
    "tyre": "tire",
    "tyres": "tires",
    "programme": "program",
    "programmes": "programs",
    "storey": "story",
    "pyjamas": "pajamas",
    "jewellery": "jewelry",
    "mould": "mold",
    "plough": "plow",
    "sceptical": "skeptical",
    "defence": "defense",
    "offence": "offense",
    "licence": "license",
    "practise": "practice",
    "practised": "practiced",
    "practising": "practicing",
    "fulfil": "fulfill",
    "enrol": "enroll",
    "skilful": "skillful",
    "towards": "toward",
    "afterwards": "afterward",
    "learnt": "learned",
    "dreamt": "dreamed",
    "burnt": "burned",
    "spelt": "spelled",
    "aeroplane": "airplane",
    "ageing": "aging",
}

_OUR = re.compile(
    r"^((?:un|dis|mis)?(?:col|fav|hon|hum|lab|neighb|behavi|flav|rum|vap|harb|od|sav|vig|arm|endeav|glam|ard|parl|clam|"
    r"ranc|val|spl?end|tum|cand))our"
)
_ISE = re.compile(
    r"^((?:re|un|dis)?(?:organ|real|recogn|apolog|summar|emphas|visual|memor|minim|maxim|optim|special|general|"
    r"personal|priorit|categor|character|civil|critic|crystall|custom|digit|econom|energ|familiar|final|"
    r"global|harmon|hypnot|ideal|immun|industrial|legal|local|material|mechan|mobil|modern|moral|motor|"
    r"national|neutral|normal|popular|public|random|rational|scrutin|social|stabil|standard|steril|symbol|sympath|"
    r"synchron|theor|util|vapor|victim|author|central|capital|colon|revolution|hospital))is(e|ed|es|er|ers|ing|ation|"
    r"ations|able)$"
)
_YSE = re.compile(r"^(anal|paral|catal|hydrol)ys(ed|e|ing|er)$")
_RE = re.compile(
    r"^(cent|theat|fib|calib|lit|sab|spect|lust|meag|somb|(?:kilo|centi|milli|nano)?met|(?:milli|centi)lit)re(s?)$"
)
_DOUBLED = re.compile(
    r"^(travel|cancel|label|model|level|signal|fuel|counsel|quarrel|marvel|tunnel|total|dial|channel|equal|pedal|"
    r"rival|jewel|shovel|trial|panel|grovel|initial)l(ed|ing|er|ers|ous|or|ors)$"
)
_OGUE = re.compile(r"^(catal|dial|anal|monol|prol)ogue(s?)$")


def to_american(text: str) -> str:
    """`text` of lower-case words, apostrophes and single spaces → the same without apostrophes, in the one spelling."""
    words = [word for token in text.split() for word in _uncontracted(token).split()]
    return " ".join(_word(word) for word in words)


def _uncontracted(token: str) -> str:
    token = token.strip("'")
    if token in _NEGATED:
        return _NEGATED[token]
    if token == "let's":
        return "let us"
    head, apostrophe, tail = token.rpartition("'")
    if apostrophe and tail == "s" and _IS.fullmatch(head):
        return f"{head} is"
    for ending, words in _ENDINGS.items():
        if token.endswith(ending) and len(token) > len(ending):
            return (token.removesuffix(ending) + words).replace("'", "")
    return token.replace("'", "")


def _word(word: str) -> str:
    if word in _WORDS:
        return _WORDS[word]
    word = _OUR.sub(r"\1or", word)
    word = _ISE.sub(r"\1iz\2", word)
    word = _YSE.sub(r"\1yz\2", word)
    word = _RE.sub(r"\1er\2", word)
    word = _DOUBLED.sub(r"\1\2", word)
    return _OGUE.sub(r"\1og\2", word)
