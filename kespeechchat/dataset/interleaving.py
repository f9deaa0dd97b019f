"""Text in which some words are speech tokens: how tokens are written, and a turn in pieces of text and tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from kespeechchat.config.interleave import Marks
from kespeechchat.dataset.durations import character_frames
from kespeechchat.records import Word
from kespeechchat.text.interleaving.spans import draw
from kespeechchat.text.interleaving.words import paragraphs


class Piece(TypedDict, total=False):
    """A part of a turn's text; with `tokens`, frame by frame, where it is speech, and the seconds where they begin and
    end in the turn's audio."""

    text: str
    tokens: list[int]
    start: float
    end: float


def marked(tokens: Iterable[int], marks: Marks, codebooks: int) -> str:
    """The tokens between their marks.

    >>> marked([3, 7], Marks(), 1)
    '<|begin_of_speech|><|speech_3|><|speech_7|><|end_of_speech|>'
    """
    numbers = (f"{n % codebooks}_{token}" if codebooks > 1 else f"{token}" for n, token in enumerate(tokens))
    return "".join([marks.begin, *(marks.token.replace("{}", number) for number in numbers), marks.end])


def marked_text(pieces: Iterable[Mapping[str, Any]], marks: Marks, codebooks: int) -> str:
    """The pieces' text in order, with the tokens of those that are speech in the place of theirs.

    >>> marked_text([{"text": "Oh, "}, {"text": "no", "tokens": [3]}, {"text": "!", "tokens": None}], Marks(), 1)
    'Oh, <|begin_of_speech|><|speech_3|><|end_of_speech|>!'
    """
    return "".join(
        piece["text"] if (tokens := piece.get("tokens")) is None else marked(tokens, marks, codebooks)
        for piece in pieces
    )


def turn_pieces(
    text: str,
    words: Sequence[Word],
    tokens: npt.NDArray[np.int32],
    rate: float,
    ratio: float,
    mean_words: float,
    *seed: object,
) -> list[Piece]:
    """The text of a turn in pieces, in order: spans drawn as `kesc interleave` draws them are `tokens` [codebooks, n],
    at `rate` frames a second, of the turn's own audio, by the times of the recognized `words`. A span to which no frame
    falls stays text. Raises NothingHeard for an empty text, and where no word was heard."""
    frames = [0, *accumulate(character_frames(text, words, tokens.shape[1], rate))]
    pieces: list[Piece] = []
    at = 0
    for span in draw(text, paragraphs(text), ratio, mean_words, *seed).spans:
        first, last = frames[span.start], frames[span.end]
        if first == last:
            continue
        pieces += [{"text": text[at : span.start]}] if at < span.start else []
        ids: list[int] = tokens[:, first:last].T.ravel().tolist()
        times = {"start": round(first / rate, 3), "end": round(last / rate, 3)}
        pieces.append(
            {"text": text[span.start : span.end], "tokens": ids, "start": times["start"], "end": times["end"]}
        )
        at = span.end
    return pieces + ([{"text": text[at:]}] if at < len(text) else [])
