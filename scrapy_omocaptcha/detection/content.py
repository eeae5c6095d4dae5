"""Read what a visitor finds on a page: text to read and fields to fill in.

Reading stops when a page is known to be a full one, so that long pages cost no more than short ones.
"""

import re
from collections.abc import Iterator
from itertools import islice

from lxml.html import HtmlElement

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.forms.page import INERT_TAGS, iter_texts, live_elements

MAX_TEXT = 20_000
"""Length in characters of text after which reading stops."""
MAX_PIECES = 40_000
"""Number of pieces of text, empty ones included, after which reading stops. An element has two."""

UNREAD_TAGS = frozenset((*INERT_TAGS, "head", "iframe", "select", "svg", "object"))
_IDEOGRAPHS = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_UNDESCRIBED_TYPES = frozenset(("hidden", "submit", "button", "image", "reset"))
HIDDEN_STYLE = re.compile(r"display\s?:\s?none|visibility\s?:\s?hidden|(?:left|top)\s?:\s?-\d{3,}", re.IGNORECASE)
"""Styles with which nobody sees an element."""
_DESCRIPTIONS = {
    "email": "an e-mail address",
    "password": "a password",
    "tel": "a telephone number",
    "file": "a file",
    "search": "a search",
}


def title_of(root: HtmlElement) -> str:
    """Return the title of a page in one line; empty if it has none."""
    element = next(root.iter("title"), None)
    return "" if element is None else " ".join((element.text or "")[:1000].split())[:300]


def text_of(root: HtmlElement) -> str:
    """Return the beginning of a page's text, without scripts, options and the like."""
    pieces: list[str] = []
    length = 0
    for piece in islice(iter_texts(root, UNREAD_TAGS), MAX_PIECES):
        pieces.append(piece[:MAX_TEXT])
        length += len(piece)
        if length >= MAX_TEXT:
            break
    return " ".join(" ".join(pieces).split())


def count_words(text: str) -> int:
    """Return the number of words in a text; without spaces, as in Chinese, two characters count as one."""
    return len(text.split()) + len(_IDEOGRAPHS.findall(text)) // 2


def shortened(text: str) -> str:
    """Return the beginning of a page's text for a line."""
    return text if len(text) <= 60 else f"{text[:59]}…"


def describe_fields(scope: HtmlElement) -> Iterator[str]:
    """Describe the visible fields in ``scope``, without the captcha's own, in phrases such as "a password"."""
    is_live = live_elements()
    for field in scope.iter("input", "textarea", "select"):
        words = describe_field(field)
        if words and is_live(field):
            yield words


def describe_field(field: HtmlElement) -> str | None:
    """Describe a field that a visitor would fill in, in words such as "a password"; None if it is none."""
    kind = (field.get("type") or "text").strip().lower() if field.tag == "input" else field.tag
    if kind in _UNDESCRIBED_TYPES or field.get("name") == TOKEN_FIELD or field.get("hidden") is not None:
        return None
    if HIDDEN_STYLE.search(field.get("style") or ""):
        return None
    name = (field.get("name") or field.get("id") or "").strip()
    if kind == "text" and "mail" in name.lower():
        kind = "email"
    return _DESCRIPTIONS.get(kind) or (f"'{name[:40]}'" if name else "something")
