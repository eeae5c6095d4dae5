"""Find out whether a site binds a clearance to more than cookies: to the User-Agent, or to other headers.

Nothing is sent or scheduled here.
"""

from scrapy import Request

_HEADERS = ("User-Agent", "Accept-Language", "Sec-CH-UA", "Sec-CH-UA-Platform")
_PAGES_PER_CHALLENGE = 2
"""So many pages for each challenge show that a site does not mind another visitor: its clearance has ended."""

Visitor = tuple[str, ...]


class Visitors:
    """The visitors that one session looks like, by the headers of its requests, and what they have got."""

    def __init__(self) -> None:
        self._openers: dict[Visitor, None] = {}
        """Visitors that have opened the wall, the last one last."""
        self._is_kept = False
        """Whether the site lets in who has opened the wall, rather than wanting a token for each page."""
        self._pages = self._challenges = 0
        self._difference = ""

    @property
    def difference(self) -> str:
        """Return how two requests differ of which the site seems to let in one alone; empty if there are none."""
        is_bound = self._is_kept and self._pages < _PAGES_PER_CHALLENGE * self._challenges
        return self._difference if is_bound else ""

    def record_opened(self, request: Request, *, has_new_cookies: bool) -> None:
        """Record that a request has opened the wall with a token, for which the site may have set cookies."""
        visitor = _visitor(request)
        self._openers.pop(visitor, None)
        self._openers[visitor] = None
        self._is_kept = self._is_kept or has_new_cookies

    def record_page(self, request: Request) -> None:
        """Record that a request which was sent after that got a page without a token."""
        self._is_kept = self._is_kept or _visitor(request) in self._openers
        self._pages += bool(self._changes(request))

    def record_challenge(self, request: Request) -> None:
        """Record that a request which was sent after that has met a challenge."""
        changes = self._changes(request)
        self._challenges += bool(changes)
        self._difference = self._difference or " and ".join(changes)

    def _changes(self, request: Request) -> list[str]:
        """Return in what a request differs from the one that has opened the wall last."""
        last = next(reversed(self._openers), _visitor(request))
        named = zip(_HEADERS, last, _visitor(request), strict=True)
        return [f"{name} {new!r} rather than {old!r}" for name, old, new in named if old != new]


def _visitor(request: Request) -> Visitor:
    return tuple((request.headers.get(name) or b"").decode("latin-1") for name in _HEADERS)
