"""The dataset card: README.md with the front matter that the Hugging Face hub wants, made of what the build knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kespeechchat.dataset.build_facts import BuildFacts
from kespeechchat.dataset.hub import DataFiles, front_matter, licence_table, unfinished
from kespeechchat.dataset.manner_shares import manner_section
from kespeechchat.dataset.scene_shares import scene_section
from kespeechchat.dataset.statistics import PAPER
from kespeechchat.dataset.tables import backchannel_sentences, ended_line, made_line, timeline_sentence, timeline_table
from kespeechchat.display import counted, hours, markdown_table, percent
from kespeechchat.records import Split

_SUBSETS = "\n- `subsets/asr.json`, `subsets/tts.json`: utterance ids to train and test recognizers and synthesizers on"
_PARENTS = {
    "recordings": "Every voice is a blend of two real people of the speech corpus and is nobody's own.",
    "recipe": "Every voice is a blend of two speakers of a corpus that was synthesized: nobody real is in it.",
    "both": "Every voice is a blend of two speakers; some are real people, some were synthesized.",
}
_LANGUAGES = {"zh": "Chinese", "en": "English"}


@dataclass(frozen=True)
class CardFacts:
    """What the card says beside the build's own facts. `overlaps`: what the splits share, as found in the rows of this
    export; `checked`: what was compared. `data_files` and `loading`: what `datasets` is to read, and with which options
    of its reader."""

    build: BuildFacts
    statistics: Mapping[str, Any]
    partitions: Mapping[str, Mapping[str, Any]]
    splits: Mapping[Split, int] = field(default_factory=dict)
    overlaps: Sequence[str] = ()
    checked: Sequence[str] = ("user voice", "text of any turn")
    with_audio: bool = True
    data_files: DataFiles = field(default_factory=list)
    loading: Mapping[str, object] = field(default_factory=dict)


def card(facts: CardFacts) -> str:
    """README.md as text; the same facts give the same bytes."""
    sections = [_loading, _counts, _manners, _partitions, _quality, _voices, _watermark, _scene, _yields]
    body = [_opening(facts), unfinished(facts.build), *(section(facts) for section in sections)]
    body += [licence_table(facts.build.licences), _departures(facts), _layout(facts)]
    dialogues = facts.statistics["all"]["dialogues"]
    head = front_matter(facts.build, _languages(facts), dialogues, facts.data_files, facts.loading)
    return head + "\n" + "\n\n".join(filter(None, body)) + "\n"


def _languages(facts: CardFacts) -> list[str]:
    return [lang for lang in _LANGUAGES if lang in facts.statistics]


def _opening(facts: CardFacts) -> str:
    whole = facts.statistics["all"]
    return (
        f"# {facts.build.name}\n\nSpoken dialogues, each of one question and one answer, in virtual voices. "
        f"**All speech here is synthetic and watermarked.** {counted(whole['dialogues'], 'dialogue')}, "
        f"{hours(whole['hours'])} hours, {counted(whole['speakers'], 'voice')}, made by `kesc build` "
        "after the construction of Ke-SpeechChat (arXiv 2412.01078)."
    )


def _loading(facts: CardFacts) -> str:
    if not facts.data_files:
        return ""
    audio = (
        "The columns `user` and `agent` are audio. `pip install 'datasets[audio]'` brings what loads them (tried: "
        "datasets 5.2.0, torchcodec 0.17.0, torch 2.11); FFmpeg's shared libraries (4 to 9) decode them. "
        "Without FFmpeg, `cast_column(NAME, datasets.Audio(decode=False))` of both columns gives the files' paths.\n\n"
    )
    return (
        f"{audio if facts.with_audio else ''}    import datasets\n"
        '    dataset = datasets.load_dataset("FOLDER", split="train")'
    )


_TIME = (
    "`start` and `end` in metadata.json are exact to the sample. A turn that the user cut short has the text that is "
    "heard; facts.jsonl has the whole. Hours are hours of speech: a pause between turns does not count."
)


def _counts(facts: CardFacts) -> str:
    languages = _languages(facts)
    parts = [facts.statistics[lang] for lang in languages]
    rows = [
        ["dialogues", *(p["dialogues"] for p in parts), PAPER["dialogues"]],
        ["turns", *(p["turns"] for p in parts), None],
        ["hours", *(hours(p["hours"]) for p in parts), PAPER["hours"]],
        ["user voices", *(p["speakers"].get("user", 0) for p in parts), f"{PAPER['speakers']} with the agents"],
    ]
    for what in ("instruction", "response"):
        rows.append([f"{what}, mean length", *(_mean_length(p.get(what, {})) for p in parts), None])
        rows.append([f"{what}, mean seconds", *(_get(p, what, "seconds", "mean") for p in parts), None])
    names = [_LANGUAGES[lang] for lang in languages]
    found = facts.statistics.get("timeline")
    time = ["## Turns and time", _TIME, timeline_sentence(found), timeline_table(found)] if found else []
    time += backchannel_sentences(found) if found else []
    return "\n\n".join(["## Contents", markdown_table(["", *names, "paper, in all"], rows), *time])


def _manners(facts: CardFacts) -> str:
    return "\n\n".join(manner_section(facts.statistics, facts.build.manners))


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
                hours(part["hours"].get(lang, 0)),
                _signed(part["excess"].get(lang)),
            )
        ]
        rows.append([name, *cells, part["speakers"]])
    held = ", ".join(f"chat-{k}: {v:,}" for k, v in sorted(facts.splits.items()) if k != "train") or "none"
    return (
        f"## Partitions\n\n{markdown_table(head, rows)}\n\n"
        "Partitions are nested and hold training dialogues only. Each has every voice that speaks in one: a voice's "
        "first dialogue is always in, even where the hours are used up by then. 'Beyond target' are the hours more (or "
        f"fewer) than asked for. Held-out dialogues: {held}. They are in no partition: **train on a partition's ids, "
        f"not on all of metadata.json.**\n\n{_leaks(facts)}"
    )


def _leaks(facts: CardFacts) -> str:
    if facts.overlaps:
        return "**The splits overlap:** " + "; ".join(facts.overlaps) + "."
    return f"Checked over these rows: no {' and no '.join(facts.checked)} is in more than one split."


def _quality(facts: CardFacts) -> str:
    rows: list[list[object]] = []
    for lang in _languages(facts):
        quality, name = facts.statistics[lang]["quality"], _LANGUAGES[lang]
        error, mark = quality["error_rate"], quality["watermark"]
        rows.append([name, f"{error['metric']}, pooled", percent(error["pooled"])])
        rows += [[name, f"{error['metric']}, quantile {q}", percent(v)] for q, v in error["quantiles"].items()]
        rows += [[name, head, f"{m['mean']:.2f} ± {m['std']:.2f}"] for head, m in quality["scores"].items()]
        rows.append([name, "watermark detected", percent(mark["rate"])])
    return "## Quality\n\n" + markdown_table(["language", "measure", "value"], rows)


def _voices(facts: CardFacts) -> str:
    if not facts.build.privacy:
        return ""
    extra = [f"- {k}: {v}" for k, v in facts.build.privacy.items() if k not in {"note", "circular", "encoder", "also"}]
    return "\n".join(
        [
            "## Voices\n",
            f"{_PARENTS[facts.build.corpus]} Each voice's own speech was compared with the clips of all speakers of "
            "the corpus; a voice too close to a speaker was rejected.\n",
            *(f"- {sentence}" for sentence in facts.build.spoken),
            f"- {facts.build.privacy['note']}",
            *extra,
        ]
    )


def _watermark(facts: CardFacts) -> str:
    by = f" ({facts.build.watermark})" if facts.build.watermark else ""
    return (
        f"## Watermark\n\nEvery utterance carries an inaudible watermark{by}. To find it in a file:\n\n"
        "    kesc detect FILE...\n\nPlease leave it in: it lets others tell synthetic speech from real."
    )


def _scene(facts: CardFacts) -> str:
    return scene_section(facts.statistics["scenes"]) if "scenes" in facts.statistics else ""


def _yields(facts: CardFacts) -> str:
    rejected = facts.build.rejected.items()
    rows = [[stage, reason, n] for stage, reasons in rejected for reason, n in sorted(reasons.items())]
    left_out = "## What was left out\n\n" + markdown_table(["stage", "reason", "rows"], rows) if rows else ""
    made = [f"- {made_line(stage)}" for stage in facts.build.yields if stage.get("made")]
    made += [f"- {ended_line(stage)}" for stage in facts.build.yields if stage.get("ended")]
    return "\n\n".join(filter(None, [left_out, "\n".join(["How its texts were made:", "", *made]) if made else ""]))


def _departures(facts: CardFacts) -> str:
    if not facts.build.departures:
        return ""
    rows = [[d.setting, d.paper, d.here, d.reason] for d in facts.build.departures]
    return "## Where this build departs from the paper\n\n" + markdown_table(
        ["setting", "paper", "here", "reason"], rows
    )


def _layout(facts: CardFacts) -> str:
    audio = "- `audio/`: one 16-bit WAV per turn, at the `audio_path` of metadata.json; 0 is the user, 1 the agent\n"
    return (
        "## Files\n\n- `metadata.json`: one array, an object a dialogue, with the keys of the paper\n"
        "- `facts.jsonl`: a line a dialogue, by id: transcripts, error rates, scores, seeds, where it came from\n"
        "- `train.jsonl`, `dev.jsonl`, `test.jsonl`: what `datasets.load_dataset` reads\n"
        f"{audio if facts.with_audio else ''}"
        "- `partitions/NAME.json`: `name`, `ids`, `dialogues` and `hours` by language, `speakers`\n"
        "- `splits/chat-dev.json`, `splits/chat-test.json`: the held-out dialogues\n"
        "- `statistics.json`, `statistics.md`: counts, lengths, partitions and subsets, beside the paper's\n"
        "- `quality.json`, `quality_voices.json`: scores and error rates by language, gender and voice; yields"
        + (_SUBSETS if "subsets" in facts.statistics else "")
    )


def _signed(value: float | None) -> str | None:
    return None if value is None else f"{value:+.4f}" if abs(value) < 1 else f"{value:+,.1f}"


def _get(data: Mapping[str, Any], *keys: str) -> Any:
    for key in keys:
        data = data.get(key) or {}
    return data or None


def _mean_length(part: Mapping[str, Any]) -> str | None:
    for unit in ("words", "characters"):
        if unit in part and part[unit]["mean"] is not None:
            return f"{part[unit]['mean']:.1f} {unit}"
    return None
