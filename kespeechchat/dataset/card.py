"""The dataset card: README.md with YAML front matter, made of what the build knows about itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from kespeechchat.dataset.statistics import PAPER

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_SUBSETS = "\n- `subsets/asr.json`, `subsets/tts.json`: utterance ids to train and test recognizers and synthesizers on"
_NAMES = {"zh": "Chinese", "en": "English"}


@dataclass(frozen=True)
class CardFacts:
    """What the card says. `licences` (name, use, origin, licence) and `departures` (setting, paper, here, reason) are
    plain mappings; `privacy` is `voices.privacy.circularity`'s answer and what the stage adds to it."""

    name: str
    statistics: Mapping[str, Any]
    partitions: Mapping[str, Mapping[str, Any]]
    splits: Mapping[str, int] = field(default_factory=dict)
    overlaps: Sequence[str] = ()  # what the splits share, as found in the rows of this export
    checked: Sequence[str] = ("user voice", "user text")  # what was compared
    licences: Sequence[Mapping[str, str]] = ()
    departures: Sequence[Mapping[str, str]] = ()
    watermark: str = ""
    privacy: Mapping[str, Any] = field(default_factory=dict)
    rejected: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    with_audio: bool = True


def card(facts: CardFacts) -> str:
    """README.md as text; the same facts give the same bytes."""
    sections = [_opening, _counts, _partitions, _quality, _voices, _watermark, _yields, _licences, _departures, _layout]
    body = "\n\n".join(filter(None, (section(facts) for section in sections)))
    return f"---\n{yaml.safe_dump(_front(facts), allow_unicode=True, sort_keys=False)}---\n\n{body}\n"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; bars and line breaks in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    text = "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _languages(facts: CardFacts) -> list[str]:
    return [lang for lang in _NAMES if lang in facts.statistics]


def _front(facts: CardFacts) -> dict[str, Any]:
    count = facts.statistics["all"]["dialogues"]
    licences = sorted({entry["licence"] for entry in facts.licences})
    return {
        "pretty_name": facts.name,
        "language": _languages(facts),
        "license": "other",
        "license_name": " / ".join(licences) or "unknown",
        "task_categories": ["automatic-speech-recognition", "text-to-speech", "question-answering"],
        "tags": ["speech-dialogue", "synthetic", "watermarked"],
        "size_categories": [next((name for limit, name in _SIZES if count < limit), "n>10M")],
    }


def _opening(facts: CardFacts) -> str:
    whole = facts.statistics["all"]
    return (
        f"# {facts.name}\n\nSpoken dialogues, each of one question and one answer, in virtual voices. "
        f"**All speech here is synthetic and watermarked.** {whole['dialogues']:,} dialogues, {_hours(whole['hours'])} "
        f"hours, {whole['speakers']:,} voices, made by `kesc build` after the construction of Ke-SpeechChat "
        "(arXiv 2412.01078)."
    )


def _counts(facts: CardFacts) -> str:
    languages = _languages(facts)
    parts = [facts.statistics[lang] for lang in languages]
    rows = [
        ["dialogues", *(p["dialogues"] for p in parts), PAPER["dialogues"]],
        ["turns", *(p["turns"] for p in parts), None],
        ["hours", *(_hours(p["hours"]) for p in parts), PAPER["hours"]],
        ["user voices", *(p["speakers"].get("user", 0) for p in parts), f"{PAPER['speakers']} with the agents"],
    ]
    for what in ("instruction", "response"):
        rows.append([f"{what}, mean length", *(_mean_length(p.get(what, {})) for p in parts), None])
        rows.append([f"{what}, mean seconds", *(_get(p, what, "seconds", "mean") for p in parts), None])
    names = [_NAMES[lang] for lang in languages]
    return "## Contents\n\n" + table(["", *names, "paper, in all"], rows)


def _partitions(facts: CardFacts) -> str:
    languages = _languages(facts)
    head = [
        "name",
        *(f"{lang} {what}" for lang in languages for what in ("dialogues", "hours", "beyond target")),
        "voices",
    ]
    rows = []
    for name, part in facts.partitions.items():
        cells = [
            cell
            for lang in languages
            for cell in (
                part["dialogues"].get(lang, 0),
                _hours(part["hours"].get(lang, 0)),
                _signed(part["excess"].get(lang)),
            )
        ]
        rows.append([name, *cells, part["speakers"]])
    held = ", ".join(f"chat-{k}: {v:,}" for k, v in sorted(facts.splits.items()) if k != "train") or "none"
    return (
        f"## Partitions\n\n{table(head, rows)}\n\n"
        "Nested, of training dialogues only, each with every voice that has one. A voice's first is always in, "
        "even where the hours are used up by then; 'beyond target' are the hours more (or fewer) than asked "
        f"for. Held-out dialogues: {held}. They are in no partition: **train on a partition's ids, not on all of "
        f"metadata.json.**\n\n{_leaks(facts)}"
    )


def _leaks(facts: CardFacts) -> str:
    if facts.overlaps:
        return "**The splits overlap:** " + "; ".join(facts.overlaps) + "."
    return f"Checked over these rows: no {' and no '.join(facts.checked)} is in more than one split."


def _quality(facts: CardFacts) -> str:
    rows = []
    for lang in _languages(facts):
        quality = facts.statistics[lang]["quality"]
        error, mark = quality["error_rate"], quality["watermark"]
        rows.append([_NAMES[lang], f"{error['metric']}, pooled", _percent(error["pooled"])])
        rows += [[_NAMES[lang], f"{error['metric']}, quantile {q}", _percent(v)] for q, v in error["quantiles"].items()]
        rows += [[_NAMES[lang], head, f"{m['mean']:.2f} ± {m['std']:.2f}"] for head, m in quality["scores"].items()]
        rows.append([_NAMES[lang], "watermark detected", _percent(mark["rate"])])
    return "## Quality\n\n" + table(["language", "measure", "value"], rows)


def _voices(facts: CardFacts) -> str:
    if not facts.privacy:
        return ""
    extra = [f"- {k}: {v}" for k, v in facts.privacy.items() if k not in {"note", "circular", "encoder", "also"}]
    return "\n".join(
        [
            "## Voices\n",
            "Every voice is a blend of two real speakers and belongs to nobody. Each one's own speech was held against "
            "the clips of all real speakers; one too close to a person was refused.\n",
            f"- {facts.privacy['note']}",
            *extra,
        ]
    )


def _watermark(facts: CardFacts) -> str:
    by = f" ({facts.watermark})" if facts.watermark else ""
    return (
        f"## Watermark\n\nEvery utterance carries an inaudible watermark{by}. To find it in a file:\n\n"
        "    kesc detect FILE...\n\nPlease leave it in: it lets others tell synthetic speech from real."
    )


def _yields(facts: CardFacts) -> str:
    rows = [[stage, reason, n] for stage, reasons in facts.rejected.items() for reason, n in sorted(reasons.items())]
    return "## What was left out\n\n" + table(["stage", "reason", "rows"], rows) if rows else ""


def _licences(facts: CardFacts) -> str:
    rows = [[e["name"], e["use"], e["origin"], e["licence"]] for e in facts.licences]
    return "## Models and sources\n\n" + table(["name", "use", "origin", "licence"], rows) if rows else ""


def _departures(facts: CardFacts) -> str:
    if not facts.departures:
        return ""
    rows = [[d["setting"], d["paper"], d["here"], d["reason"]] for d in facts.departures]
    return "## Where this build departs from the paper\n\n" + table(["setting", "paper", "here", "reason"], rows)


def _layout(facts: CardFacts) -> str:
    audio = "- `audio/`: one 16-bit WAV per turn, at the `audio_path` of metadata.json; 0 is the user, 1 the agent\n"
    return (
        "## Files\n\n- `metadata.json`: one array, an object a dialogue\n"
        f"{audio if facts.with_audio else ''}"
        "- `partitions/NAME.json`: `name`, `ids`, `dialogues` and `hours` by language, `speakers`\n"
        "- `splits/chat-dev.json`, `splits/chat-test.json`: the held-out dialogues\n"
        "- `statistics.json`, `statistics.md`: counts, lengths, partitions and subsets, beside the paper's\n"
        "- `quality.json`, `quality_voices.json`: scores and error rates by language, gender and voice; yields"
        + (_SUBSETS if "subsets" in facts.statistics else "")
    )


def _hours(value: float) -> str:
    return f"{value:,.4f}" if value < 1 else f"{value:,.1f}"


def _signed(value: float | None) -> str | None:
    return None if value is None else f"{value:+.4f}" if abs(value) < 1 else f"{value:+,.1f}"


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{100 * value:.2f} %"


def _get(data: Mapping[str, Any], *keys: str) -> Any:
    for key in keys:
        data = data.get(key) or {}
    return data or None


def _mean_length(part: Mapping[str, Any]) -> str | None:
    for unit in ("words", "characters"):
        if unit in part and part[unit]["mean"] is not None:
            return f"{part[unit]['mean']:.1f} {unit}"
    return None
