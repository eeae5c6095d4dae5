"""Tell what shows before a page is parsed: a word in it, its status, its address. All of it is asked of every page."""

import re
from typing import TypeGuard
from urllib.parse import urlsplit

from scrapy.http import HtmlResponse, Response, TextResponse, XmlResponse

from scrapy_omocaptcha.detection.byte_search import contains

WALL_STATUSES = frozenset((403, 429, 503))
"""HTTP statuses that walls often have."""

_WORD = b"recaptcha"
_EDGE = 1024
"""Bytes at the beginning and at the end of a page in which there is markup."""
_ADDRESS = re.compile(
    r"/(?:sorry|challenge|blocked|unblock"
    r"|(?:show|get|check|verify|solve|visit|distil)?[_-]?captcha(?:[_-]?(?:check|page|verify|challenge|required))?"
    r"|are[_-]?you[_-]?(?:a[_-]?)?(?:human|robot)"
    r"|verify[_-]?(?:human|visitor|browser|you)"
    r"|(?:human|robot|bot)[_-]?(?:check|verification)"
    r"|access[_-]?denied|security[_-]?check)"
    r"(?:\.\w{2,5})?(?=[/?]|$)",
    re.IGNORECASE,
)


def has_recaptcha_word(response: Response) -> TypeGuard[TextResponse]:
    """Tell whether a response is a page that contains the word "recaptcha", without which it has no widget."""
    if not isinstance(response, (HtmlResponse, XmlResponse)):
        return False
    body = response.body
    # In UTF-16 and UTF-32 there are zeros between the letters of markup.
    is_wide = 0 in body[:_EDGE] or 0 in body[-_EDGE:]
    return contains(body, _WORD) or (is_wide and contains(body.replace(b"\0", b""), _WORD))


def wall_word(url: str) -> str | None:
    """Return the part of an address's path that says that it is a wall, such as ``/captcha``; None if none does."""
    found = _ADDRESS.search(urlsplit(url).path)
    return None if found is None else found[0]


def is_wall_address(url: str) -> bool:
    """Tell whether the path of an address says that it is a wall, as ``/captcha`` does."""
    return wall_word(url) is not None
