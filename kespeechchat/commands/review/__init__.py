"""`kesc review`: dialogues for annotators, what they said, and how far they agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kespeechchat.commands.review.agreement import agreements
from kespeechchat.display import columns, counted, percent
from kespeechchat.state.build_state import BuildState
from kespeechchat.state.reviews import current_reviews, latest, read_samples, read_saved

_NAMED = 5  # dialogues that are named


def review_state(build_state: BuildState) -> dict[str, Any]:
    """Samples, how far each annotator is, what the verdicts come to, and how far annotators agree."""
    samples, judged = read_samples(build_state.store), latest(read_saved(build_state.store))
    current = current_reviews(build_state)
    return {
        "samples": [
            {
                "sample": name,
                "dialogues": len(sample.items),
                "judged": {a: len(judged.get((name, a), {})) for a in sample.annotators},
            }
            for name, sample in sorted(samples.items())
        ],
        "reviews": {name: current.counts.get(name, 0) for name in ("accepted", "rejected", "disputed", "unsure")},
        "changed": list(current.changed),
        "gone": list(current.gone),
        "agreement": [vars(found) for found in agreements(judged)],
    }


def render(found: dict[str, Any]) -> str:
    """As text for a terminal."""
    return "\n".join(_lines(found))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    if not found["samples"]:
        yield "nothing is under review; kesc review --sample N draws dialogues for annotators"
        return
    table = [("sample", "dialogues", "judged")]
    for sample in found["samples"]:
        judged = ", ".join(f"{name} {n:,}" for name, n in sample["judged"].items())
        table.append((sample["sample"], f"{sample['dialogues']:,}", judged))
    yield from columns(table, "<><")
    yield ""
    yield ", ".join(f"{name} {n:,}" for name, n in found["reviews"].items())
    for pair in found["agreement"]:
        kappa = "not defined, both gave one verdict to all" if pair["kappa"] is None else f"{pair['kappa']:.2f}"
        yield (
            f"agreement of {pair['first']} and {pair['second']} on {counted(pair['both'], 'dialogue')} of "
            f"{pair['sample']}: "
            f"{percent(pair['same'], 0)}, Cohen's kappa {kappa}"
        )
    for name, one, many in (
        ("changed", "dialogue sounds different since its review", "dialogues sound different since their review"),
        ("gone", "reviewed dialogue is not in the dataset now", "reviewed dialogues are not in the dataset now"),
    ):
        if ids := found[name]:
            more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
            yield f"{counted(len(ids), one, many)}: {', '.join(ids[:_NAMED])}{more}"
