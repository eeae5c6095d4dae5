"""How a parsed page looks to a person: what there is to read, to follow and to fill in.

Counts no further than is needed to tell a bare page from a full one, so that a long page costs no more than a
short one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from lxml.etree import XPath
from lxml.html import HtmlElement

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.detection.elements import DEAD, dead

ENOUGH = 20_000
"""Length in characters of text after which a page is long enough to stop reading."""

MANY_ELEMENTS = 20_000
"""Number of elements after which a page is large enough to stop reading."""

_LINKS = XPath("count(descendant::a/@href)")
_UNREAD = frozenset((*DEAD, "head", "iframe", "select", "svg", "object"))
_IDEOGRAPHS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_NOT_ASKED = frozenset(("hidden", "submit", "button", "image", "reset"))
_HIDDEN_STYLE = re.compile(r"display\s?:\s?none", re.IGNORECASE)
_NAMED_FIELDS = {
    "email": "an e-mail address",
    "password": "a password",
    "tel": "a telephone number",
    "file": "a file",
    "search": "a search",
}


class Reading:
    """What a person finds on the page below ``root``; each thing is looked at when it is asked for."""

    def __init__(self, root: HtmlElement) -> None:
        self._root = root

    @cached_property
    def title(self) -> str:
        """The page's title, as one line."""
        element = next(self._root.iter("title"), None)
        return "" if element is None else " ".join((element.text or "")[:1000].split())[:300]

    @cached_property
    def links(self) -> int:
        """How many links there are."""
        return int(_LINKS(self._root))

    @cached_property
    def text(self) -> str:
        """What there is to read, from its beginning, without scripts, options and the like."""
        return " ".join(" ".join(_texts(self._root)).split())

    @cached_property
    def words(self) -> int:
        """How many words :attr:`text` has; two characters of a script without spaces count as one."""
        return len(self.text.split()) + len(_IDEOGRAPHS.findall(self.text)) // 2


def asked(scope: HtmlElement) -> list[str]:
    """What the visible fields in ``scope`` ask a person for, captcha aside, in words that end a sentence."""
    found = []
    is_dead = dead()
    for field in scope.iter("input", "textarea", "select"):
        kind = (field.get("type") or "text").strip().lower() if field.tag == "input" else field.tag
        if kind in _NOT_ASKED or field.get("name") == TOKEN_FIELD or field.get("hidden") is not None:
            continue
        if _HIDDEN_STYLE.search(field.get("style") or "") or is_dead(field):
            continue
        name = (field.get("name") or field.get("id") or "").strip()
        if kind == "text" and "mail" in name.lower():
            kind = "email"
        found.append(_NAMED_FIELDS.get(kind) or (f"'{name[:40]}'" if name else "something"))
        if len(found) == 20:
            break
    return found


def _texts(root: HtmlElement) -> Iterator[str]:
    length = elements = 0
    element: HtmlElement | None = root
    # A walk in document order that steps over whole elements; lxml's iterators cannot.
    while element is not None and length < ENOUGH and elements < MANY_ELEMENTS:
        elements += 1
        inner = None
        if isinstance(element.tag, str) and element.tag not in _UNREAD:
            if element.text:
                length += len(element.text)
                yield element.text[:ENOUGH]
            inner = next(iter(element), None)
        while inner is None and element is not None and element is not root:
            if element.tail:
                length += len(element.tail)
                yield element.tail[:ENOUGH]
            inner = element.getnext()
            element = element.getparent() if inner is None else element
        element = inner
