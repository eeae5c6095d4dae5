"""Find out whether a site binds its clearance to more than cookies: to the User-Agent, other headers or the proxy.

Nothing is sent or scheduled here. A stamp is as in :mod:`scrapy_omocaptcha.walls.clearance`.
"""

from dataclasses import dataclass

from scrapy import Request
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.engine.components import proxy_of
from scrapy_omocaptcha.tokens.judging import Marks
from scrapy_omocaptcha.tokens.medium import Mediums

_HEADERS = ("User-Agent", "Accept-Language", "Sec-CH-UA", "Sec-CH-UA-Platform")
_MAX_KNOWN = 1000
"""Hosts and cookiejars whose walls are remembered."""
_PAGES_PER_CHALLENGE = 2
"""So many pages for each challenge show that a site minds no other visitor: its clearance has ended."""


@dataclass
class _Opened:
    """A wall that was opened last by a visitor, and what others with the same cookies have met since the first time."""

    visitor: tuple[object, ...]
    marks: Marks
    stamp: int
    pages: int = 0
    challenges: int = 0


class Visitors:
    """The visitors that have opened the walls of a crawl. Those of one host and cookiejar share the cookies."""

    def __init__(self, mediums: Mediums) -> None:
        self._mediums = mediums
        self._opened: LocalCache[tuple[object, ...], _Opened] = LocalCache(_MAX_KNOWN)

    def record_won(self, request: Request, marks: Marks, stamp: int) -> None:
        """Record that a request has opened a wall with these marks, for which the site has set cookies."""
        key = self._key(request)
        last = self._opened.get(key, _Opened((), marks, stamp))
        self._opened[key] = _Opened(_visitor(request), marks, stamp, last.pages, last.challenges)

    def record_page(self, request: Request, stamp: int) -> None:
        """Record that a request which was sent at ``stamp`` got a page without a token."""
        opened = self._opened_by_another(request, stamp)
        if opened is not None:
            opened.pages += 1

    def record_challenge(self, request: Request, marks: Marks, stamp: int) -> str:
        """Record that a request which was sent at ``stamp`` met a challenge with these marks.

        :returns: how it differs from the request that has opened the wall, if the site seems to mind; otherwise "".
        """
        opened = self._opened_by_another(request, stamp)
        if opened is None or opened.marks != marks:
            return ""
        opened.challenges += 1
        minds = opened.pages < _PAGES_PER_CHALLENGE * opened.challenges
        return _difference(opened.visitor, _visitor(request)) if minds else ""

    def _opened_by_another(self, request: Request, stamp: int) -> _Opened | None:
        opened = self._opened.get(self._key(request)) if self._opened else None
        return opened if opened and opened.stamp < stamp and opened.visitor != _visitor(request) else None

    def _key(self, request: Request) -> tuple[object, ...]:
        # The last part of the key is the proxy.
        return self._mediums.of(request).session_key(request)[:2]


def _visitor(request: Request) -> tuple[object, ...]:
    """Return what may tell a visitor apart: the headers, the address of the proxy, and a hash of its user."""
    headers = ((request.headers.get(name) or b"").decode("latin-1") for name in _HEADERS)
    proxy = proxy_of(request)
    return (*headers, *(proxy if isinstance(proxy, tuple) else ("", 0)))


def _difference(old: tuple[object, ...], new: tuple[object, ...]) -> str:
    named = zip((*_HEADERS, "the proxy"), old, new, strict=False)
    told = [f"{name} {after!r} rather than {before!r}" for name, before, after in named if before != after]
    return " and ".join(told) or "another user of the same proxy"
