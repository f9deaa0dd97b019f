"""A forecast as text: what was measured, the arithmetic for each size, and the sums side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kespeechchat.commands.plan.arithmetic import Figures, Range
from kespeechchat.commands.plan.estimator import Size
from kespeechchat.commands.plan.forecast import Forecast
from kespeechchat.display import columns, counted, number, percent, size


def render(found: Forecast) -> str:
    """The whole forecast for a reader."""
    parts = [_origin(found), _measured(list(found.figures.values()), found.names)]
    parts += [_size(size, found.names) for size in found.sizes]
    parts.append(_summary(found))
    return "\n\n".join(parts)


def _origin(found: Forecast) -> str:
    lines = [f"figures from {len(found.measured.samples)} commit records of {found.measured.root}"]
    if found.measured.superseded:
        lines.append(
            f"no shard of the profile as it is now: {', '.join(found.measured.superseded)}; "
            "figures of superseded shards are used instead"
        )
    for unit, (measured, wanted) in found.measured.others.items():
        lines.append(
            f"{found.names[unit]} was measured with {measured}, the profile has {wanted or 'none'}: times will differ"
        )
    return "\n".join([*lines, *found.notes])


def _measured(figures: Sequence[Figures], names: Mapping[str, str]) -> str:
    head = ("measured", "", "shards", "rows in", "out", "yield (95 %)", "s/row (10–90 %)", "bytes/row", "audio s/row")
    rows = [
        (
            names[f.unit],
            f.language or "",
            str(f.shards),
            str(f.rows),
            str(f.kept),
            ranged(f.share, _whole_percent) if f.share.high > f.share.low else number(f.share.mid),
            ranged(f.seconds, number),
            ranged(f.size, size),
            number(f.audio) if f.audio else "",
        )
        for f in figures
    ]
    note = "s/row: of one actor; its first shard of a language, which loads models, is left out where there are others"
    return f"{_table([head, *rows])}\n{note}"


def _size(found: Size, names: Mapping[str, str]) -> str:
    head = (found.title, "", "rows in", "actor-hours = rows × s/row ÷ 3600", "× GPUs = GPU-hours", "rows × bytes/row")
    rows = [
        (
            names[line.unit],
            line.language or "",
            ranged(line.rows, number),
            ranged(line.actor_hours, number),
            f"× {line.gpus:g} = {ranged(line.gpu_hours, number)}" if line.gpus else "no GPU",
            ranged(line.storage, size),
        )
        for line in found.lines
    ]
    text = _table([head, *rows])
    if found.actors:
        text += "\nactors for the wall time: " + ", ".join(f"{names[unit]} {n}" for unit, n in found.actors.items())
    return "\n".join([text, *(f"not measured, so in no sum: {what}" for what in found.unknown)])


def _summary(found: Forecast) -> str:
    sizes = found.sizes
    lines = [("sum", *(s.title for s in sizes))]
    languages = sorted({language for s in sizes for language in s.rows}, reverse=True)
    for label, of in (("rows in", "rows"), ("dialogues through the gate", "dialogues"), ("audio hours", "audio_hours")):
        lines += [(f"{label}, {x}", *(_maybe(getattr(s, of).get(x), number) for s in sizes)) for x in languages]
    lines.append(("actor-hours", *(ranged(s.total("actor_hours"), number) for s in sizes)))
    lines.append(("GPU-hours", *(ranged(s.total("gpu_hours"), number) for s in sizes)))
    lines.append(("storage", *(ranged(s.total("storage"), size) for s in sizes)))
    cluster = counted(found.gpus, "GPU") if found.gpus is not None else "all actors the profile allows"
    lines.append((f"wall time, {cluster}", *(_wall(s) for s in sizes)))
    notes = (
        "wall time: Σ over segments of the slowest stage's actor-hours ÷ actors; loading, waiting and failures come on "
        "top.\nThe estimate assumes enough CPUs, reduce stages (speakers, voices) whose time is linear in their rows, "
        "and rows like\nthose measured. A pilot sees the first rows of each input, and fewer duplicates than the whole "
        "has."
    )
    return f"{_table(lines)}\n{notes}"


def _wall(found: Size) -> str:
    if found.wall is None:
        return found.too_small or "–"
    return ranged(found.wall, _duration) + (" and what was not measured" if found.unknown else "")


def _maybe(found: Range | None, form: Callable[[float], str]) -> str:
    return "–" if found is None else ranged(found, form)


def ranged(found: Range, form: Callable[[float], str]) -> str:
    """`mid (low–high)`; `mid` alone where the ends read the same."""
    low, mid, high = (form(end) for end in (found.low, found.mid, found.high))
    return mid if low == mid == high else f"{mid} ({low}–{high})"


def _duration(hours: float) -> str:
    if hours >= 48:
        return f"{number(hours / 24)} days"
    return f"{number(hours)} h" if hours >= 1 else f"{number(hours * 60)} min"


def _whole_percent(share: float) -> str:
    return percent(share, 0)


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(columns(lines, "<"))
