"""statistics.md: the paper's Tables 1 to 5 and 9 of this dataset, each beside the figures that the paper states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kespeechchat.dataset.manner_shares import manner_section
from kespeechchat.dataset.quality import PAPER as PAPER_QUALITY
from kespeechchat.dataset.scene_shares import scene_section
from kespeechchat.dataset.statistics import PAPER, ROLES
from kespeechchat.display import counted, hours, markdown_table, percent
from kespeechchat.records import LANGUAGES

_HOURS = {"XS": (1000, 500), "S": (4000, 2000), "M": (10_000, 5000), "L": (20_000, 10_000)}  # Table 2: zh, en
_SPLITS = {"dev": "100 voices, 2,754 dialogues", "test": "200 voices, 2,481 dialogues"}  # Table 9
_SUBSETS = {  # Table 3
    "asr train": "1,000 zh + 1,000 en speakers, 3,291 h",
    "asr test": "100 zh + 100 en unseen speakers, 11.3 + 16.2 h",
    "tts train": "2,002 speakers, 10 zh + 10 en utterances each",
    "tts prompts": "one per test speaker and language",
    "tts test": "100 unseen speakers, 6 zh + 5 en utterances each",
}

Figures = Mapping[str, Any]


def statistics_markdown(figures: Figures, quality: Figures) -> str:
    """`figures` is statistics.json, `quality` quality.json."""
    sections = [
        "# Statistics",
        "Hours are of audio; lengths are characters (zh) or words (en); ± is the standard deviation. 'Paper' is "
        "arXiv 2412.01078; – where it states no figure that this project knows of.",
        *_contents(figures),
        *_timeline(figures.get("timeline")),
        *manner_section(figures),
        *_partitions(figures),
        *_subsets(figures),
        *_splits(figures),
        *_reviews(figures),
        *([scene_section(figures["scenes"])] if "scenes" in figures else []),
        *_quality(quality),
        *_rounds(quality.get("rounds")),
        *_yields(quality.get("yields", ())),
    ]
    return "\n\n".join(sections) + "\n"


def _contents(figures: Figures) -> Iterator[str]:
    parts = [figures[lang] for lang in LANGUAGES if lang in figures]
    whole = figures["all"]
    rows: list[list[Any]] = [
        ["dialogues", *(p["dialogues"] for p in parts), whole["dialogues"], PAPER["dialogues"]],
        ["turns", *(p["turns"] for p in parts), whole["turns"], None],
        ["hours", *(hours(p["hours"]) for p in parts), hours(whole["hours"]), PAPER["hours"]],
        ["speakers", *(sum(p["speakers"].values()) for p in parts), whole["speakers"], PAPER["speakers"]],
    ]
    for name in ROLES.values():
        lengths = [p.get(name, {}) for p in parts]
        both = [p.get("characters") or p.get("words") for p in lengths]
        rows.append([f"{name}: length", *map(_spread, both), None, None])
        rows.append([f"{name}: seconds", *(_spread(p.get("seconds")) for p in lengths), None, None])
    yield "## Contents (Table 1)"
    yield markdown_table(["", *_languages(figures), "in all", "paper"], rows)


_OFFSETS = {
    "agent_after_user": "agent after user",
    "user_after_agent": "user after agent",
    "barge_in": "user, barging in",
}


def timeline_table(found: Figures) -> str:
    """Floor-transfer offsets by who follows whom."""
    rows = [
        [_OFFSETS[kind], own["count"], _spread(own), f"{own['min']:.2f} to {own['max']:.2f}"]
        for kind, own in found["offsets"].items()
    ]
    return markdown_table(["floor-transfer offset (s)", "transfers", "mean", "range"], rows)


def timeline_sentence(found: Figures) -> str:
    """How many turns dialogues have, and how often turns overlap or are cut short."""
    by_turns = ", ".join(f"{count:,} of {turns} turns" for turns, count in found["dialogues_by_turns"].items())
    transfers = sum(own["count"] for own in found["offsets"].values())
    overlaps, cut = found["overlaps"]["count"], found["cut"]["count"]
    share = percent(overlaps / transfers if transfers else None)
    return (
        f"Dialogues: {by_turns}. {share} of {counted(transfers, 'transfer')} overlap; "
        f"{counted(cut, 'turn is', 'turns are')} cut by a barge-in."
    )


def backchannel_sentences(found: Figures) -> list[str]:
    """What listeners say inside the other's turns, and of which words; nothing where they say nothing."""
    said = found.get("backchannels")
    if not said:
        return []
    words = ", ".join(f"{word} {count:,}" for word, count in said["words"].items())
    spoken = dict(found.get("voice_words", {}))
    kept, rejected = spoken.pop("kept", 0), sum(spoken.values())
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(spoken.items()))
    return [
        f"{counted(sum(said['words'].values()), 'backchannel')}{f': {words}' if words else ''}. At "
        f"{counted(said['too_long'], 'more pause')} no word of the listener was short enough. The voices say "
        f"{counted(kept, 'word')} of which they are made, each spoken once; {rejected:,} were rejected"
        f"{f' ({reasons})' if reasons else ''}."
    ]


def _timeline(found: Figures | None) -> Iterator[str]:
    """Nothing where every dialogue has the paper's shape."""
    if found:
        yield "## Turns and time"
        yield timeline_sentence(found)
        yield timeline_table(found)
        yield from backchannel_sentences(found)


def _partitions(figures: Figures) -> Iterator[str]:
    languages = _languages(figures)
    rows = []
    for name, part in figures.get("partitions", {}).items():
        paper = " / ".join(f"{h:,}" for h in _HOURS[name]) if name in _HOURS else "all" if name == "XL" else None
        of = [cell for lang in languages for cell in (part["dialogues"].get(lang, 0), hours(part["hours"].get(lang)))]
        rows.append([name, *of, part["speakers"], paper])
    if rows:
        yield "## Partitions (Table 2)"
        head = [f"{lang} {what}" for lang in languages for what in ("dialogues", "hours")]
        yield markdown_table(["", *head, "speakers", "paper, hours zh / en"], rows)


def _subsets(figures: Figures) -> Iterator[str]:
    subsets = figures.get("subsets", {})
    languages = _languages(figures)
    rows = []
    for name, paper in _SUBSETS.items():
        subset, _, what = name.partition(" ")
        if part := subsets.get(subset, {}).get(what):
            cells = [
                cell
                for lang in languages
                for cell in (
                    part["speakers"].get(lang, 0),
                    part["utterances"].get(lang, 0),
                    hours(part["hours"].get(lang)),
                )
            ]
            rows.append([name, *cells, paper])
    if rows:
        yield "## ASR and TTS subsets (Table 3)"
        head = [f"{lang} {what}" for lang in languages for what in ("speakers", "utterances", "hours")]
        yield markdown_table(["", *head, "paper"], rows)
        source = subsets["asr"]["partition"]
        yield f"The ASR subset trains on the user utterances of {source or 'all training dialogues'}."


def _splits(figures: Figures) -> Iterator[str]:
    if splits := figures.get("splits"):
        names = {k: k if k == "train" else f"chat-{k}" for k in sorted(splits)}
        rows = [[name, splits[k]["dialogues"], splits[k]["user_voices"], _SPLITS.get(k)] for k, name in names.items()]
        yield "## Splits (Table 9)"
        yield markdown_table(["", "dialogues", "user voices", "paper"], rows)


def _reviews(figures: Figures) -> Iterator[str]:
    """Nothing where nobody has listened, and in statistics that an older version wrote."""
    languages = _languages(figures)
    found = {lang: figures[lang].get("reviews", {}) for lang in languages}
    if any(found.values()):
        rows = [
            [name, *(found[lang].get(name, 0) for lang in languages)] for name in ("accepted", "disputed", "unsure")
        ]
        yield "## Review by annotators"
        yield "Dialogues that annotators rejected are left out; most dialogues of a large dataset have no annotator."
        yield markdown_table(["", *languages], rows)


def _quality(quality: Figures) -> Iterator[str]:
    languages = [lang for lang in LANGUAGES if lang in quality]
    scores: list[list[Any]] = []
    errors: list[list[Any]] = []
    for lang in languages:
        part = quality[lang]
        for head, moments in part["scores"].items():
            by_gender = [_spread(part["genders"].get(g, {}).get(head)) for g in ("female", "male")]
            over = part["voices"].get(head)
            scores.append([lang, head, _spread(moments), *by_gender, _spread(over), PAPER_QUALITY.get(head)])
        rate, mark = part["error_rate"], part["watermark"]
        spread = [percent(rate["quantiles"][q]) for q in ("0.5", "0.9", "0.99")]
        errors.append([lang, rate["metric"], percent(rate["pooled"]), *spread, percent(mark["rate"]), mark["turns"]])
    if scores:
        yield f"## Speech quality on {quality['partition']} (Tables 4 and 5)"
        yield markdown_table(
            ["", "score", "all turns", "female", "male", "means of the voices", "paper, all turns"], scores
        )
    if errors:
        yield f"## Recognition and watermark on {quality['partition']}"
        yield markdown_table(
            ["", "metric", "pooled", "median", "90 %", "99 %", "watermark found", "turns checked"], errors
        )


def _rounds(found: Figures | None) -> Iterator[str]:
    """`found`: what `commands.rounds.rounds_of` gives, of the whole build."""
    if not found:
        return
    parts = found["languages"].values()
    rows = [
        [name, *(cell for part in parts for cell in _round(*(part[x][k] for x in ("rows_in", "kept", "hours"))))]
        for k, name in enumerate(found["names"])
    ]
    whole = [cell for part in parts for cell in _round(part["rows_in"][0], sum(part["kept"]), sum(part["hours"]))]
    yield "## Rounds of speech"
    yield "What the gate did not keep was spoken again. All of the build's dialogues, whatever part of it is here."
    head = [f"{lang} {what}" for lang in found["languages"] for what in ("in", "kept", "yield", "hours")]
    yield markdown_table(["round", *head], [*rows, ["all", *whole]])
    dropped = [
        [lang, why, n] for lang, part in found["languages"].items() for why, n in sorted(part["dropped"].items())
    ]
    if dropped:
        yield "Dropped after the last round:"
        yield markdown_table(["language", "reason", "dialogues"], dropped)


def _round(given: int, kept: int, spoken: float) -> list[Any]:
    """`spoken`: hours of audio."""
    return [given, kept, percent(kept / given if given else None), hours(spoken)]


def _yields(stages: Sequence[Figures]) -> Iterator[str]:
    rows = []
    for stage in stages:
        why = ", ".join(f"{reason} {n:,}" for reason, n in sorted(stage["rejected"].items(), key=lambda kv: -kv[1]))
        given = stage["rows_in"]
        share = percent(stage["kept"] / given if given else None)
        rows.append([stage["name"], given, stage["kept"], share, stage["failed_rows"], why or None])
    if rows:
        yield "## Yields, stage by stage"
        yield markdown_table(["stage", "rows in", "kept", "yield", "failed", "rejected"], rows)
    yield from (made_line(stage) for stage in stages if stage.get("made"))
    yield from (ended_line(stage) for stage in stages if stage.get("ended"))


def made_line(stage: Figures) -> str:
    """How a stage made the rows that it kept: "rewrite kept 40 as_is, 12 framed, 5 model"."""
    ways = sorted(stage["made"].items(), key=lambda kv: -kv[1])
    return f"{stage['name']} kept {', '.join(f'{n:,} {way}' for way, n in ways)}"


def ended_line(stage: Figures) -> str:
    """The dialogues that a stage ended early: "rewrite ended 3 dialogues early: too_short 3"."""
    why = sorted(stage["ended"].items(), key=lambda kv: -kv[1])
    told = ", ".join(f"{reason} {n:,}" for reason, n in why)
    return f"{stage['name']} ended {counted(sum(stage['ended'].values()), 'dialogue')} early: {told}"


def _languages(figures: Figures) -> list[str]:
    return [lang for lang in LANGUAGES if lang in figures]


def _spread(moments: Figures | None) -> str | None:
    if not moments or moments["mean"] is None:
        return None
    return f"{moments['mean']:.2f} ± {moments['std']:.2f}"
