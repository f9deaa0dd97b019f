"""Pages of HTML that hold all they need: one style sheet, one script, and a policy that lets nothing else in.

Every value is escaped by Jinja, so texts of a dataset and names of files are never HTML. The Content-Security-Policy
names the hash of the style and of the script; no style attribute, no inline handler and no other address can work.
SVG drawings are styled by classes of the style sheet, so they follow the reader's light or dark too.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kespeechchat.display import counted, hours, number, percent, size

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

ASSETS = Path(__file__).parent / "assets"
MAIN_SCORES = ("dnsmos_ovrl", "distillmos", "utmos")  # those that a card shows at once; the others are in its lineage
_NAMES = {"dnsmos_ovrl": "DNSMOS", "distillmos": "DistillMOS", "utmos": "UTMOS", "dnsmos_p808": "DNSMOS P.808"}


@lru_cache(maxsize=8)
def templates(*folders: Path) -> Environment:
    """The templates of `folders`, before those of this room (`base.html`, `dialogue.html`); everything is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader([*folders, ASSETS]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"percent": percent, "hours": hours, "size": size, "count": _count, "counted": counted}
    found.filters |= {"score_name": score_name, "duration": duration, "number": number}
    found.globals["main_scores"] = MAIN_SCORES
    return found


def render(
    template: str,
    *folders: Path,
    title: str,
    styles: tuple[str, ...] = (),
    scripts: tuple[str, ...] = (),
    **values: Any,
) -> str:
    """A page of its own, that may play audio of `data:` addresses alone.

    `template` extends base.html and lies in one of `folders`; `styles` and `scripts` are names of files there, put
    behind `page.css` and `page.js`. `values` are the template's.
    """
    style, script = asset("page.css", *folders, then=styles), asset("page.js", *folders, then=scripts)
    page = templates(*folders).get_template(template)
    return page.render(
        title=title, style=style, script=script, policy=policy(style, script, "media-src data:"), **values
    )


def asset(name: str, *folders: Path, then: tuple[str, ...] = ()) -> Markup:
    """The text of an asset of this room and of those in `folders` that follow it, as it stands in the page: our own
    words, so not escaped. Raises FileNotFoundError."""
    from markupsafe import Markup

    files = [ASSETS / name, *(next(f / more for f in folders if (f / more).exists()) for more in then)]
    return Markup("".join(file.read_text(encoding="utf-8") for file in files))


def policy(style: str, script: str, *more: str) -> str:
    """A Content-Security-Policy under which this style and this script work and nothing else does, but `more`
    (`media-src data:`, `connect-src 'self'`)."""
    rules = ["default-src 'none'", f"style-src {_hash(style)}", f"script-src {_hash(script)}", "img-src data:"]
    return "; ".join([*rules, *more, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def score_name(head: str) -> str:
    """A score's head for a reader.

    >>> score_name("dnsmos_ovrl"), score_name("own_voice")
    ('DNSMOS', 'own voice')
    """
    return _NAMES.get(head, head.replace("_", " "))


def duration(seconds: float) -> str:
    """For a reader, in the unit that fits.

    >>> duration(0.4), duration(90), duration(5400), duration(400_000)
    ('0.4 s', '1.5 min', '1.5 h', '4.6 days')
    """
    for unit, size_, below in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 172_800)):
        if seconds < below:
            return f"{seconds / size_:.2g} {unit}" if seconds / size_ < 10 else f"{seconds / size_:,.0f} {unit}"
    return f"{seconds / 86_400:,.1f} days"


def _count(value: int) -> str:
    return f"{value:,}"
