"""A row's way through the stages, as text for a terminal: see `commands.show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kespeechchat.commands.show import Shown, Step
from kespeechchat.config.flow import AUDIO
from kespeechchat.config.rounds import split_round
from kespeechchat.display import counted, percent
from kespeechchat.records import COMMON, KEPT
from kespeechchat.rows import manner_text

_LONG = 6  # numbers of a list that is shown whole


def render(shown: Shown, root: str) -> str:
    """All of it, stage by stage."""
    return "\n".join([*_head(shown), *(line for step in shown.steps for line in ("", *_step(step, shown, root)))])


def _head(shown: Shown) -> Iterator[str]:
    yield shown.id
    if (row := shown.planned) is not None:
        language = f", {row['language']}" if row["language"] else ""
        yield f"  line {row['line']} of {row['file']} (source {row['source']}){language}, shard {row['shard']}"
        yield f"  as read: {row['raw']}"
        if row["problem"]:
            yield f"  problem: {row['problem']}"
    if shown.duplicates:
        yield f"  the same row again: {', '.join(shown.duplicates)}"
    if not shown.steps:
        yield "  no stage has worked on it yet: `kesc status` names what is pending"


def _step(step: Step, shown: Shown, root: str) -> Iterator[str]:
    row = step.row
    variant = f"  {row['id']}" if row["id"] != shown.id else ""
    fate = "kept" if row["status"] == KEPT else f"{row['status']}: {row['reason']}"
    yield f"{step.unit if row['status'] == KEPT else step.stage}{variant}  {fate}"
    if row["detail"]:
        yield f"  why: {row['detail']}"
    for name, value in row.items():
        if name == "turns":
            for turn in value or ():
                yield from _turn(turn)
        elif name == "pieces":
            yield from (f"  {_piece(piece)}" for piece in value or ())
        elif name == "verdicts":
            yield from (f"  verdict {v['criterion']}: {_verdict(v)}" for v in value or ())
        elif value is not None and name not in COMMON.names:
            yield f"  {name}: {_plain(name, value)}"
    for name, identity in sorted(step.engines.items()):
        yield f"  engine of {name}: {', '.join(f'{k} {v}' for k, v in identity.items()) or 'no identity recorded'}"
    yield f"  in {root}/{step.file}, row {step.place}{_where_audio(step)}"


def _where_audio(step: Step) -> str:
    if split_round(step.unit.name)[0] == AUDIO and step.row.get("turns"):
        return "; its audio is in column turns[].audio (--audio FOLDER writes it as WAV)"
    return ""


def _turn(turn: dict[str, Any]) -> Iterator[str]:
    length = f", {turn['seconds']:.2f} s at {turn['sample_rate']:,} Hz" if turn["seconds"] is not None else ""
    tries = f", {turn['tries']} tries" if (turn["tries"] or 1) > 1 else ""
    yield f"  {turn['role']}, voice {turn['voice']}, seed {turn['seed']}{tries}{length}"
    yield f"    text:  {turn['text']}"
    if manner := manner_text(turn.get("manner")):
        yield f"    manner: {manner}"
    if turn.get("transcript") is not None:
        yield f"    heard: {turn['transcript']}"
    figures = [f"error rate {percent(turn['error_rate'])}"] if turn.get("error_rate") is not None else []
    if turn.get("watermark_score") is not None:
        figures.append(f"watermark {turn['watermark_score']:.2f}")
    figures += [f"{score['head']} {score['value']:.2f}" for score in turn.get("scores") or ()]
    if figures:
        yield f"    {', '.join(figures)}"


def _piece(piece: dict[str, Any]) -> str:
    if piece.get("tokens") is None:
        return f"text:   {piece['text']!r}"
    length = f", {piece['seconds']:.2f} s" if piece["seconds"] is not None else ""
    said = f"said {piece['said']!r} by voice {piece['voice']}, seed {piece['seed']}{length}"
    return f"speech: {piece['text']!r}, {said}, {counted(len(piece['tokens']), 'token')}"


def _verdict(verdict: dict[str, Any]) -> str:
    score = f" ({verdict['score']:.3f})" if verdict["score"] is not None else ""
    return f"{'passed' if verdict['passed'] else 'rejected'}{score}"


def _plain(name: str, value: object) -> str:
    if name == "scores" and isinstance(value, list):
        return ", ".join(f"{score['head']} {score['value']:.2f}" for score in value) or "none"
    if isinstance(value, list) and len(value) > _LONG:
        return f"{len(value)} values"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
