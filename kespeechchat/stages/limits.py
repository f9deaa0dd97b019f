"""Limits that more than one stage holds a turn to."""

from __future__ import annotations

from kespeechchat.config.speech import SilenceLimits


def too_silent(leading: float, inside: float, trailing: float, limits: SilenceLimits) -> str | None:
    """Which silences (seconds) of a turn are longer than `limits` allow, for a reader; None where none is."""
    found = (
        ("before", leading, limits.leading),
        ("inside", inside, limits.inside),
        ("after", trailing, limits.trailing),
    )
    long = [
        f"{s:.2f} s of silence {place}, at most {most}" for place, s, most in found if most is not None and s > most
    ]
    return ", ".join(long) or None
