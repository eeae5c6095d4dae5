"""Google's iframes, which a page holds once a browser has rendered its widgets.

``anchor`` is the checkbox or the badge, ``bframe`` the pictures, ``fallback`` the form for browsers without scripts.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs

from lxml.html import HtmlElement

from scrapy_omocaptcha.challenge import TOKEN_FIELD

_SOURCE = re.compile(r"/recaptcha/(api2?|enterprise)/(anchor|bframe|fallback)\?([^#]{0,4000})", re.IGNORECASE)
_KEY = re.compile(r"6L[\w-]{30,60}")


class Frame(NamedTuple):
    """One of Google's iframes."""

    element: HtmlElement
    kind: str
    """``anchor``, ``bframe`` or ``fallback``."""
    key: str
    invisible: bool
    enterprise: bool
    data_s: str | None


def read_frame(element: HtmlElement) -> Frame | None:
    """What the iframe ``element`` says, or None when it is none of reCAPTCHA v2 or v3."""
    source = _SOURCE.search(element.get("src") or element.get("data-src") or "")
    if source is None:
        return None
    query = parse_qs(source[3])
    key = query.get("k", [""])[0].strip()
    if not _KEY.fullmatch(key):
        return None
    return Frame(
        element=element,
        kind=source[2].lower(),
        key=key,
        invisible=query.get("size") == ["invisible"],
        enterprise=source[1].lower() == "enterprise",
        data_s=query.get("s", [None])[0],
    )


def container(frame: Frame) -> HtmlElement:
    """The element in which Google's script put ``frame``: the one around its textarea, else its parent."""
    around = frame.element
    for around in list(frame.element.iterancestors())[:3]:
        if around.find(f".//textarea[@name='{TOKEN_FIELD}']") is not None:
            parent = around.getparent()
            # Between the container and its textarea stands an element of Google's, with nothing but a style.
            own = parent is not None and around.get("style") and not (around.get("id") or around.get("class"))
            return parent if own else around
    return frame.element.getparent() if frame.element.getparent() is not None else around
