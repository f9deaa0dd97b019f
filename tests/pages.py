"""What holds of every page that the project writes: it loads nothing, its policy fits what is in it, it parses."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "img", "input", "hr", "wbr", "source"}
_ADDRESSES = {"src", "href", "action", "formaction", "poster", "data", "srcset", "xlink:href", "ping", "background"}


class Page(HTMLParser):
    """Elements (tag, attributes) in order, the text of styles and scripts, and all other text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"style": [], "script": []}
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in self.inside:
            self.inside[tag].append("")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self._open and self._open[-1] == tag, f"</{tag}> where <{self._open[-1:]}> is open"
        self._open.pop()

    def handle_data(self, data) -> None:
        if self._open and self._open[-1] in self.inside:
            self.inside[self._open[-1]][-1] += data
        else:
            self.text.append(data)

    @property
    def policy(self) -> dict[str, str]:
        (found,) = [a["content"] for t, a in self.elements if a.get("http-equiv") == "Content-Security-Policy"]
        return dict(rule.strip().partition(" ")[::2] for rule in found.split(";"))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def check_page(html: str) -> Page:
    """Nothing from outside, nothing inline but the one style and the one script that the policy names."""
    page = Page(html)
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on") and name != "style", f"<{tag} {name}>: the policy forbids it"
            if name in _ADDRESSES:
                assert (value or "").startswith(("data:audio/", "data:,", "#")), f"<{tag} {name}={value[:60]!r}>"
    assert not {t for t, _ in page.elements} & {"iframe", "object", "embed", "base", "form", "img"}
    assert not re.search(r"url\(|@import|expression\(", "".join(page.inside["style"]))
    assert not re.search(r"\beval\(|new Function|innerHTML|fetch\(|XMLHttp|import\(", "".join(page.inside["script"]))
    policy = page.policy
    assert policy["default-src"] == "'none'" and policy["media-src"] == "data:"
    for tag in ("style", "script"):
        (text,) = page.inside[tag]
        assert policy[f"{tag}-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids)), "an id is there twice"
    inside = {a["href"][1:] for a in page.all("a")}
    assert inside <= set(ids), f"links to nothing: {inside - set(ids)}"
    named = {part for _, a in page.elements for part in (a.get("aria-labelledby") or "").split()}
    assert named <= set(ids)
    assert all(a.get("aria-label") for a in page.all("audio"))
    return page
