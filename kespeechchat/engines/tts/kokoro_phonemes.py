"""Text to Kokoro's phonemes: espeak-ng for English, misaki for Chinese, each for the other's words inside a sentence.

Kokoro's model reads at most 510 symbols at once, so :func:`pieces` cuts longer phoneme strings where a speaker pauses.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from typing import Any

from kespeechchat.engines import EngineError
from kespeechchat.records import Language
from kespeechchat.text.han import simplified

LIMIT = 510  # symbols the model reads at once, its two boundary tokens not counted

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_LATIN_RUN = re.compile(r"([A-Za-z][A-Za-z'’]*(?:[ -]+[A-Za-z][A-Za-z'’]*)*)")
_HAN_RUN = re.compile(rf"([{_HAN}]+(?:[，、。！？；：]*[{_HAN}]+)*[，、。！？；：]*)")
_PUNCTUATION = str.maketrans("，。！？；：、（）", ",.!?;:,()")
# Where to cut, best first: after a sentence, after a clause, between words.
_CUTS = (re.compile(r"(?<=[.!?…])\s*"), re.compile(r"(?<=[,;:—])\s*"), re.compile(r"\s+"))
_ESPEAK = threading.Lock()  # espeak-ng keeps its state in the process


class Phonemizer:
    """Phonemes and token ids of a text. Each language's front end is loaded when first needed."""

    def __init__(self) -> None:
        from kokoro_onnx.config import DEFAULT_VOCAB

        self.vocabulary: dict[str, int] = dict(DEFAULT_VOCAB)
        self._espeak: Any = None  # of libraries without types
        self._chinese: Any = None

    def phonemes(self, text: str, language: Language) -> str:
        """Symbols of the model's vocabulary; empty where the text has nothing to speak."""
        text = " ".join(text.split())
        if language == "en":
            spoken = self._mixed(text, _HAN_RUN, inner=self._zh, outer=self._en)
        else:
            spoken = self._mixed(text, _LATIN_RUN, inner=self._en, outer=self._zh)
        known = "".join(c for c in spoken if c in self.vocabulary)
        known = re.sub(r"\s+", " ", known).strip()
        return known if any(c.isalpha() for c in known) else ""

    def ids(self, phonemes: str) -> list[int]:
        """The model's token of each symbol."""
        return [self.vocabulary[c] for c in phonemes]

    def _mixed(
        self, text: str, foreign: re.Pattern[str], inner: Callable[[str], str], outer: Callable[[str], str]
    ) -> str:
        """Odd parts of the split are the foreign runs."""
        parts = foreign.split(text)
        return " ".join((inner if i % 2 else outer)(part) for i, part in enumerate(parts) if part.strip())

    def _en(self, text: str) -> str:
        with _ESPEAK:
            if self._espeak is None:
                self._espeak = _load_espeak()
            return " ".join(self._espeak.phonemize([text.translate(_PUNCTUATION)], strip=True))

    def _zh(self, text: str) -> str:
        if self._chinese is None:
            self._chinese = _load_chinese()
        return str(self._chinese(simplified(text))[0])


def _load_espeak() -> Any:
    from kokoro_onnx.tokenizer import Tokenizer
    from phonemizer.backend import EspeakBackend

    try:
        Tokenizer()  # points phonemizer at the bundled espeak-ng
        quiet = logging.getLogger("kespeechchat.espeak")  # it warns of every contraction
        quiet.setLevel(logging.ERROR)
        return EspeakBackend(
            "en-us",
            preserve_punctuation=True,
            with_stress=True,
            language_switch="remove-flags",  # "(fr)" before a foreign word would be spoken
            logger=quiet,
        )
    except RuntimeError as error:
        raise EngineError(f"espeak-ng cannot be loaded: {error}; reinstall espeakng-loader") from error


def _load_chinese() -> Any:
    import jieba
    from misaki.zh import ZHG2P

    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    return ZHG2P()


def pieces(phonemes: str, limit: int = LIMIT) -> list[str]:
    """`phonemes` in order, in parts of at most `limit` symbols, cut where a pause is most natural."""
    return _cut(phonemes.strip(), limit, 0)


def _cut(phonemes: str, limit: int, level: int) -> list[str]:
    if len(phonemes) <= limit:
        return [phonemes] if phonemes else []
    if level == len(_CUTS):
        return [phonemes[i : i + limit] for i in range(0, len(phonemes), limit)]
    packed: list[str] = []
    for part in filter(None, _CUTS[level].split(phonemes)):
        for unit in _cut(part, limit, level + 1):
            if packed and len(packed[-1]) + 1 + len(unit) <= limit:
                packed[-1] = f"{packed[-1]} {unit}"
            else:
                packed.append(unit)
    return packed
