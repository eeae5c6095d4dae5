"""Read Google's iframes, which a page contains once a browser has rendered its widgets.

``anchor`` is the checkbox or the badge, ``bframe`` the pictures, ``fallback`` the form for browsers without scripts.
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qs

from lxml.html import HtmlElement

_SOURCE = re.compile(
    r"\s*(?:https?:)?/{2,3}(?:www\.)?(?:google\.com|recaptcha\.net)"
    r"/recaptcha/(api2?|enterprise)/(anchor|bframe|fallback)\?([^#]{0,4000})",
    re.IGNORECASE,
)
SITEKEY = re.compile(r"6L[\w-]{30,60}")
"""Matches the value of an attribute or parameter that holds a site key."""


class Frame(NamedTuple):
    """One of Google's iframes."""

    element: HtmlElement
    kind: str
    """``anchor``, ``bframe`` or ``fallback``."""
    key: str
    invisible: bool
    has_options: bool
    """Whether it was made with the options of a v2 widget, which v3 does not set."""
    enterprise: bool
    data_s: str | None


def read_frame(element: HtmlElement) -> Frame | None:
    """Read the iframe ``element``; return None if it does not belong to reCAPTCHA v2 or v3."""
    source = _SOURCE.match(element.get("src") or element.get("data-src") or "")
    if source is None:
        return None
    query = parse_qs(source[3])
    key = query.get("k", [""])[0].strip()
    if not SITEKEY.fullmatch(key):
        return None
    return Frame(
        element=element,
        kind=source[2].lower(),
        key=key,
        invisible=query.get("size") == ["invisible"],
        has_options="type" in query or "theme" in query,
        enterprise=source[1].lower() == "enterprise",
        data_s=query.get("s", [None])[0],
    )
