"""gate: keeps a dialogue whose speech says what its text says, and whose mark is found (arXiv 2412.01078, sec. 3.3).

It can also reject by silence, by quality and by what recognizers invent. All of it is judged from stored figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from kespeechchat.config import stages as settings
from kespeechchat.config.base import pick
from kespeechchat.records import Language, Outcome, failed, rejected, turn_names
from kespeechchat.stages.base import Row, Stage, Task
from kespeechchat.stages.limits import too_silent
from kespeechchat.text.error_rate import edits_in, pooled
from kespeechchat.text.hallucinations import is_hallucination
from kespeechchat.voices.privacy import OWN_VOICE

_CARRIED = (
    "role",
    "voice",
    "text",
    "seed",
    "tries",
    "sample_rate",
    "seconds",
    "transcript",
    "watermark_score",
    "scores",
    "words",
    "silences",
    "leading_silence",
    "trailing_silence",
    "longest_silence",
)

_LATER = ("loudness", "gain", "manner")  # in shards of `measure` that were made before, these are missing

_METRICS = {"character": "CER", "word": "WER", "syllable": "SER"}


class Gate(Stage[settings.Gate]):
    """Rejects a dialogue that is not marked, not understood, or does not sound as it should."""

    name: ClassVar[str] = "gate"
    version: ClassVar[int] = 2

    def process(self, task: Task) -> Iterable[Outcome]:
        for row in task.rows:
            yield self._judge(row)

    def _judge(self, row: Row) -> Outcome:
        language = row["language"]
        unit, limit = pick(self.settings.unit, language), pick(self.settings.max_error, language)
        edits = [edits_in(unit, t["text"], t["transcript"], language) for t in row["turns"]]
        error_rate = pooled(edits)
        turns = [_carried(t) | {"error_rate": e.rate} for t, e in zip(row["turns"], edits, strict=True)]
        out = {k: row[k] for k in ("id", "source", "language", "split")} | {
            "metric": _METRICS[unit],
            "error_rate": error_rate,
            "edits": sum(e.edits for e in edits),
            "units": sum(e.units for e in edits),
            "seconds": sum(t["seconds"] for t in turns),
            "turns": turns,
        }
        return self._verdict(out, limit)

    def _verdict(self, out: Row, limit: float | None) -> Outcome:
        turns = out["turns"]
        if self.settings.min_mos and (unknown := self._unscored(turns)):
            return failed(out, unknown)
        named = list(zip(turn_names(t["role"] for t in turns), turns, strict=True))
        unmarked = [name for name, t in named if not t["watermark_score"] >= self.pipeline.watermark_threshold]
        if unmarked:
            return rejected(out, "watermark_not_found", f"in the turn of {', '.join(unmarked)}")
        for reason, found in (("silence", self._silent), ("hallucination", self._invented)):
            if faults := [f"{name}: {fault}" for name, t in named if (fault := found(t, out["language"]))]:
                return rejected(out, reason, "; ".join(faults))
        if limit is not None and not out["error_rate"] <= limit:
            worst = max(turns, key=lambda t: t["error_rate"])
            detail = f"{out['error_rate']:.3f}, at most {limit}; heard {worst['transcript']!r} for {worst['text']!r}"
            return rejected(out, "error_rate", detail)
        if faults := [f"{name}: {fault}" for name, t in named if (fault := self._poor(t))]:
            return rejected(out, "low_mos", "; ".join(faults))
        if faults := [f"{name}: {fault}" for name, t in named if (fault := self._another_voice(t))]:
            return rejected(out, "other_voice", "; ".join(faults))
        return Outcome(out)

    def _silent(self, turn: Row, language: Language) -> str | None:
        seconds = (turn["leading_silence"], turn["longest_silence"], turn["trailing_silence"])
        return too_silent(*seconds, self.settings.max_silence)

    def _invented(self, turn: Row, language: Language) -> str | None:
        if self.settings.hallucinations and is_hallucination(turn["transcript"], turn["text"], language):
            return f"heard {turn['transcript']!r} for {turn['text']!r}"
        return None

    def _poor(self, turn: Row) -> str | None:
        scores = {score["head"]: score["value"] for score in turn["scores"]}
        low = [f"{h} {scores[h]:.2f}, at least {v}" for h, v in self.settings.min_mos.items() if not scores[h] >= v]
        return ", ".join(low) or None

    def _another_voice(self, turn: Row) -> str | None:
        """What to say where a turn sounds unlike its own voice. A turn too short to be heard so is let through."""
        least = self.settings.min_own_voice
        cosine = next((score["value"] for score in turn["scores"] if score["head"] == OWN_VOICE), None)
        if least is None or cosine is None or cosine >= least:
            return None
        return f"{cosine:.3f} to its own voice {turn['voice']}, at least {least}"

    def _unscored(self, turns: Sequence[Row]) -> str | None:
        """What to say where a head of `min_mos` was not measured."""
        measured = set.intersection(*({score["head"] for score in turn["scores"]} for turn in turns))
        missing = sorted(self.settings.min_mos.keys() - measured)
        if not missing:
            return None
        return f"stages.gate.min_mos: {', '.join(missing)} was not measured; there is {', '.join(sorted(measured))}"


def _carried(turn: Row) -> Row:
    return {k: turn[k] for k in _CARRIED} | {k: turn[k] for k in _LATER if k in turn}
