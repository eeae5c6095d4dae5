"""Find out whether a site binds its clearance to more than cookies: to the User-Agent, other headers or the proxy.

Nothing is sent or scheduled here. A stamp is as in :mod:`scrapy_omocaptcha.walls.clearance`.
"""

from dataclasses import dataclass

from scrapy import Request
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.components import proxy_of
from scrapy_omocaptcha.tokens.judging import Marks, wall_marks
from scrapy_omocaptcha.tokens.medium import Mediums

_HEADERS = ("User-Agent", "Accept-Language", "Sec-CH-UA", "Sec-CH-UA-Platform")
_MAX_KNOWN = 1000
_PAGES_PER_CHALLENGE = 2
"""So many pages for each challenge show that a site does not mind another visitor: its clearance has ended."""


@dataclass
class _Opened:
    """A wall, how it was opened last, and what other visitors with the same cookies have got there."""

    visitor: tuple[object, ...] = ()
    marks: Marks = ()
    stamp: int = 0
    pages: int = 0
    challenges: int = 0


class Visitors:
    """What a crawl looks like to sites beside its cookies, which all requests for a host with one cookiejar share."""

    def __init__(self, mediums: Mediums) -> None:
        self._mediums = mediums
        self._opened: LocalCache[tuple[object, ...], _Opened] = LocalCache(_MAX_KNOWN)

    def record_won(self, request: Request, challenge: Challenge, stamp: int) -> None:
        """Record that a request has opened the wall of a challenge, for which the site has set cookies."""
        opened = self._opened.setdefault(self._key(request), _Opened())
        opened.visitor, opened.marks, opened.stamp = _visitor(request), wall_marks(challenge), stamp

    def record_page(self, request: Request, stamp: int) -> None:
        """Record that a request which was sent at ``stamp`` got a page without a token."""
        if self._opened and (opened := self._opened_by_another(request, stamp)):
            opened.pages += 1

    def record_challenge(self, request: Request, challenge: Challenge, stamp: int) -> str:
        """Record that a request which was sent at ``stamp`` met a challenge without a token.

        :returns: how it differs from the request that has opened the wall, if the site seems to mind; otherwise "".
        """
        opened = self._opened_by_another(request, stamp)
        if opened is None or opened.marks != wall_marks(challenge):
            return ""
        opened.challenges += 1
        if opened.pages >= _PAGES_PER_CHALLENGE * opened.challenges:
            return ""
        named = zip((*_HEADERS, "the proxy"), opened.visitor, _visitor(request), strict=False)
        told = [f"{name} {new!r} rather than {old!r}" for name, old, new in named if old != new]
        return " and ".join(told) or "another user of the same proxy"

    def _opened_by_another(self, request: Request, stamp: int) -> _Opened | None:
        opened = self._opened.get(self._key(request))
        return opened if opened and opened.stamp < stamp and opened.visitor != _visitor(request) else None

    def _key(self, request: Request) -> tuple[object, ...]:
        # The last part of the key is the proxy.
        return self._mediums.of(request).session_key(request)[:2]


def _visitor(request: Request) -> tuple[object, ...]:
    """Return what may tell a visitor apart: headers, the address of the proxy, and a hash of its user and password."""
    proxy = proxy_of(request)
    told = proxy if isinstance(proxy, tuple) else ("", 0)
    headers = ((request.headers.get(name) or b"").decode("latin-1") for name in _HEADERS)
    return (*headers, *told)
