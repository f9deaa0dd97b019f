"""British spellings of English words → American ones, and a few words that have two spellings.

Rules rather than a dictionary: each names a closed list of stems, so that no other word is changed (`our` is not `or`).
"""

from __future__ import annotations

import re
from functools import lru_cache

_WORDS = {
    "cannot": "can not",
    "gonna": "going to",
    "wanna": "want to",
    "gotta": "got to",
    "okay": "ok",
    "mrs": "missus",
    "missis": "missus",
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


@lru_cache(maxsize=65536)
def american(word: str) -> str:
    """A lower-case word in its American spelling; words of several parts where they are written as one (cannot).

    >>> american("colour"), american("cannot")
    ('color', 'can not')
    """
    if word in _WORDS:
        return _WORDS[word]
    word = _OUR.sub(r"\1or", word)
    word = _ISE.sub(r"\1iz\2", word)
    word = _YSE.sub(r"\1yz\2", word)
    word = _RE.sub(r"\1er\2", word)
    word = _DOUBLED.sub(r"\1\2", word)
    return _OGUE.sub(r"\1og\2", word)
