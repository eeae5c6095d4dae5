"""Tell what a page's bytes, status and address show before it is parsed. All of it is asked of every page.

Every page of a crawl is searched for the word, so most of the package's cost is here.
"""

import re
from typing import TypeGuard

from scrapy.http import HtmlResponse, Response

WALL_STATUSES = frozenset((403, 405, 429, 503))
"""HTTP statuses by which a site says that it has refused a request, as walls do."""
VENDOR_STATUSES = WALL_STATUSES | {202}
"""The statuses of other vendors' walls."""

_ADDRESS = re.compile(
    r"/(?:sorry|challenge|blocked|denied|too[_-]?many[_-]?requests|rate[_-]?limit(?:ed)?|unusual[_-]?traffic"
    r"|(?:show|get|check|verify|solve|visit|distil)?[_-]?captcha(?:[_-]?(?:check|page|verify|challenge|required))?"
    r"|are[_-]?you[_-]?(?:a[_-]?)?(?:human|robot)"
    r"|verify[_-]?(?:human|visitor|browser|you)"
    r"|(?:human|robot|bot|browser)[_-]?(?:check|verification|detected)|(?:anti|not)[_-]?(?:a[_-]?)?(?:(?:ro)?bot|spider)"
    r"|access[_-]?denied|security[_-]?check)"
    r"(?:\.\w{2,5})?(?=[/?]|$)",
    re.IGNORECASE,
)


def has_recaptcha_word(response: Response) -> TypeGuard[HtmlResponse]:
    """Tell whether a response is a page that contains the word "recaptcha", without which it has no widget."""
    # ``in`` first tries to read the word as a number, which takes longer than to search a short page.
    return isinstance(response, HtmlResponse) and response.body.find(b"recaptcha") >= 0


def wall_word(url: str) -> str | None:
    """Return the part of an address's path that says that it is a wall, such as ``/captcha``; None if none does."""
    # The address of a page may be invalid.
    found = _ADDRESS.search(url.partition("#")[0].partition("?")[0].partition("://")[2])
    return None if found is None else found[0]
