"""spans: chooses the parts of each document that are to be speech, and says how they are read (arXiv 2411.17607)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from kespeechchat.config import interleave as settings
from kespeechchat.records import Language, Outcome, rejected
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.text.interleaving.spans import Drawn, draw
from kespeechchat.text.interleaving.words import Word, paragraphs


class Spans(Stage[settings.Spans]):
    """A document as pieces in order; joined, their texts are the document."""

    name: ClassVar[str] = "spans"
    version: ClassVar[int] = 1

    def process(self, task: Task) -> Iterable[Outcome]:
        """Rejected: `malformed`, `empty`, `duplicate`, `too_long`, `control_token`, `too_short` (one word), and
        `nothing_to_speak` where no voice can say any of it."""
        for row in task.rows:
            text, out = row["raw"], {name: row[name] for name in ("id", "source", "file", "line")}
            if refusal := self._refused(row, text):
                yield rejected(out, *refusal)
            else:
                yield self._drawn(out, text)

    def _refused(self, row: Row, text: str) -> tuple[str, str | None] | None:
        if row["problem"] is not None:
            return "malformed", row["problem"]
        if not text.strip():
            return "empty", None
        if row["occurrence"] > 1:
            return "duplicate", None
        if len(text) > self.settings.max_characters:
            longest = f"{len(text):,} characters, at most {self.settings.max_characters:,}"
            return "too_long", f"{longest}: cut the document, or raise interleave.stages.spans.max_characters"
        if mark := settings.MARK.search(text):
            return "control_token", f"{mark[0][:60]!r} looks like a control token"
        return None

    def _drawn(self, out: Row, text: str) -> Outcome:
        found = paragraphs(text)
        words = [word for paragraph in found for word in paragraph]
        if len(words) < 2:
            return rejected(out, "too_short", f"{len(words)} word")
        drawn = draw(
            text, found, self.settings.ratio, self.settings.mean_words, self.pipeline.seed, self.name, out["id"]
        )
        out |= {"words": len(words), "unspeakable": drawn.unspeakable, "language": _language(words)}
        if not drawn.spans:
            return rejected(out, "nothing_to_speak", f"no voice can say any of the {drawn.unspeakable} spans drawn")
        spoken = sum(span.words for span in drawn.spans)
        return Outcome(out | {"spoken_words": spoken, "pieces": _pieces(text, drawn)})


def _language(words: Sequence[Word]) -> Language:
    return "zh" if 2 * sum(word.han for word in words) > len(words) else "en"


def _pieces(text: str, drawn: Drawn) -> list[Row]:
    """The whole text in order, in pieces that stay text and pieces that are to be speech."""
    pieces: list[Row] = []
    at = 0
    for span in drawn.spans:
        pieces += [_plain(text[at : span.start])] if at < span.start else []
        said = {"language": span.language, "said": span.said, "words": span.words}
        pieces.append({"text": text[span.start : span.end], **said})
        at = span.end
    return pieces + ([_plain(text[at:])] if at < len(text) else [])


def _plain(text: str) -> Row:
    return {"text": text, "language": None, "said": None, "words": None}
