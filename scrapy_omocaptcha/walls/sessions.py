"""Tell which session a request belongs to, which sessions have met a wall, and what is under way in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from http.cookiejar import Cookie
from itertools import count
from typing import TYPE_CHECKING
from weakref import ref

from scrapy import Request
from scrapy.http import Response
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.engine.components import cookies_of_host
from scrapy_omocaptcha.tokens.judging import is_stored
from scrapy_omocaptcha.tokens.medium import Key, Mediums
from scrapy_omocaptcha.urls import host_of

if TYPE_CHECKING:
    from scrapy_omocaptcha.walls.session import Session

_NEVER = 0
LONG_AGO = 1
"""The stamp of what was sent before all that this run knows."""
_MAX_SESSIONS = 10_000
"""Sessions that are remembered. The least recently used is forgotten first, and solves its wall anew."""


class Sessions:
    """The sessions of a crawl that have met a wall, and the requests under way in any session."""

    def __init__(self, mediums: Mediums) -> None:
        self._mediums = mediums
        self._sessions: LocalCache[Key, Session] = LocalCache(_MAX_SESSIONS)
        """The sessions by key, the least recently used first."""
        self.next_stamp = count(time.time_ns()).__next__
        """Returns a stamp for what is sent now: higher than those of earlier runs, which are in their queues."""
        # A WeakKeyDictionary takes several times as long, and each request of a crawl is written down here.
        self._stamps: dict[ref[Request], int] = {}
        """The stamps of the requests whose answers have not been counted yet, as long as there are these requests."""

    def is_any(self) -> bool:
        """Tell whether any session has met a wall."""
        return bool(self._sessions)

    def known(self, request: Request) -> Session | None:
        """Return the session of ``request`` if it has met a wall before."""
        if not self._sessions:
            return None
        key = self._mediums.of(request).session_key(request)
        session = self._sessions.get(key)
        if session is not None:
            self._sessions.move_to_end(key)
        return session

    def session(self, request: Request) -> Session:
        """Return the session of ``request``, which from now on counts as one that has met a wall."""
        key = self._mediums.of(request).session_key(request)
        if key not in self._sessions:
            # Imported late: most crawls never need it, and start sooner without it.
            from scrapy_omocaptcha.walls.session import Session

            self._sessions[key] = Session(key[0], self.next_stamp)
        self._sessions.move_to_end(key)
        return self._sessions[key]

    def stamp_of(self, request: Request) -> int:
        """Return when a request was sent; never, if its answer has been counted."""
        return self._stamps.get(ref(request), _NEVER)

    def own(self, stamp: int) -> int:
        """Return a stamp that was read from a queue; long ago, if another worker has given it."""
        return stamp if stamp < self.next_stamp() else LONG_AGO

    def sent(self, request: Request) -> int:
        """Record that ``request`` goes to the site, and return its stamp."""
        stamp = self._stamps[ref(request, self._stamps.pop)] = self.next_stamp()
        return stamp

    def answered(self, request: Request) -> int:
        """Record that ``request`` is answered, and return when it was sent."""
        return self._stamps.pop(ref(request), _NEVER)

    def cookies(self, request: Request) -> list[Cookie]:
        """Return the cookies that Scrapy would send to the host of ``request``, whatever the path."""
        jar = self._mediums.of(request).jar(request)
        return [] if jar is None else cookies_of_host(jar, host_of(request.url))

    def keep_cookies(self, session: Session, request: Request, response: Response, stamp: int) -> None:
        """Restore the cookies of a session that an answer must not replace, and keep those that it may have changed."""
        jar = self._mediums.of(request).jar(request) if "Set-Cookie" in response.headers else None
        if jar is not None:
            # An answer that HttpCache has stored is older than all cookies that the session has got.
            since, sent = (LONG_AGO, []) if is_stored(request, response) else (stamp, _sent_cookies(request))
            newer = session.clearance.cookies if session.clearance.has_changed_since(since) else []
            for cookie in newer:
                if f"{cookie.name}={cookie.value}".encode() not in sent:
                    jar.set_cookie(cookie)
            session.clearance.cookies = self.cookies(request)

    def is_current(self, request: Request, response: Response, values: Collection[tuple[str, str]]) -> bool:
        """Tell whether a response belongs to the cookies that its session has now, which are ``values``."""
        if self._mediums.of(request).jar(request) is None:
            # Without a jar, the spider sends its own cookies, which are the same each time.
            return True
        new = dict(map(_name_and_value, response.headers.getlist("Set-Cookie")))
        for name, value in new.items():
            kept = {other.strip('"') for known, other in values if known == name}
            if kept and value.strip('"') not in kept:
                # A newer cookie was kept, so the page belongs to another session.
                return False
        return all(sent[0] in new or sent in values for sent in map(_name_and_value, _sent_cookies(request)))

    def under_way(self, request: Request) -> list[Request]:
        """Return the requests of the session whose answers have not been counted, as those of redirects never are."""
        others = (other for sent in list(self._stamps) if (other := sent()) is not None and other is not request)
        return list(filter(self.same_session(request), others))

    def same_session(self, request: Request) -> Callable[[Request], bool]:
        """Return a function that tells whether another request is of the same session."""
        key = self._mediums.of(request).session_key(request)
        return lambda other: self._mediums.of(other).session_key(other) == key


def _sent_cookies(request: Request) -> list[bytes]:
    """Return the cookies in the header of a request, each as name=value."""
    header = request.headers.get("Cookie")
    return header.split(b"; ") if header else []


def _name_and_value(cookie: bytes) -> tuple[str, str]:
    # A spider may have sent any bytes.
    name, _, value = cookie.partition(b";")[0].decode("utf-8", "replace").partition("=")
    return name.strip(), value.strip()
