"""Say what controls of a page are to a visitor: the words on a button, and the kind of a field."""

import re

from lxml.etree import XPath
from lxml.html import HtmlElement

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.forms.controls import input_type

_TEXTS = XPath("descendant::text()[not(parent::script or parent::style)] | descendant-or-self::img/@alt")
_LETTER = re.compile(r"[^\W\d_]")
_UNDESCRIBED_TYPES = frozenset(("hidden", "submit", "button", "image", "reset"))
_HIDDEN_STYLE = re.compile(
    r"display\s?:\s?none|(?<![-\w])visibility\s?:\s?hidden|(?<![-\w])(?:left|top)\s?:\s?-\d{3,}", re.IGNORECASE
)
"""Styles with which nobody sees an element."""
_DESCRIPTIONS = {
    "email": "an e-mail address",
    "password": "a password",
    "tel": "a telephone number",
    "file": "a file",
    "search": "a search",
}
_LABELS = {"image": ("alt", ""), "submit": ("value", "Submit")}
"""The attribute with the label of an ``input``, and what is shown without it, by type; of others it is the value."""


def label_of(button: HtmlElement) -> str:
    """Return what a button says; nothing for a picture without words."""
    is_input = button.tag == "input"
    text = button.get(*_LABELS.get(input_type(button), ("value", ""))) if is_input else visible_text(button)
    label = " ".join((text or button.get("aria-label") or button.get("title", "")).split())[:200]
    return label if _LETTER.search(label) else ""


def visible_text(element: HtmlElement) -> str:
    """Return the text of a heading or a button, with the words that stand for its pictures."""
    return " ".join(" ".join(_TEXTS(element)).split())[:300]


def is_hidden(element: HtmlElement) -> bool:
    """Tell whether an element has a style or an attribute with which nobody sees it."""
    return element.get("hidden") is not None or _HIDDEN_STYLE.search(element.get("style", "")) is not None


def describe_field(field: HtmlElement) -> str | None:
    """Describe a field that a visitor would fill in, in words such as "a password"; None if it is none."""
    kind = (field.get("type") or "text").strip().lower() if field.tag == "input" else field.tag
    if kind in _UNDESCRIBED_TYPES or field.get("name") == TOKEN_FIELD or is_hidden(field):
        return None
    name = (field.get("name") or field.get("id", "")).strip()
    if kind == "text" and "mail" in name.lower():
        kind = "email"
    return _DESCRIPTIONS.get(kind) or (f"'{name[:40]}'" if name else "something")
