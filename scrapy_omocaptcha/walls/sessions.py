"""Tell which session a request belongs to, which sessions have met a wall, and what is under way in them."""

import weakref
from collections import OrderedDict
from collections.abc import Callable
from http.cookiejar import Cookie

from scrapy import Request
from scrapy.http.cookies import CookieJar

from scrapy_omocaptcha.engine.components import Components, cookies_of_host, proxy_of
from scrapy_omocaptcha.urls import host_of
from scrapy_omocaptcha.walls.session import Session, Stamp

Key = tuple[str, object, object]
_IN_BROWSER = object()
_LONG_AGO = Stamp(0, 0)
_MAX_SESSIONS = 1000
"""Sessions that are remembered. Those in which nothing happens are forgotten, the least recently used first."""


class Sessions:
    """The sessions of a crawl that have met a wall, and the requests under way in any session.

    :param context: returns the name of the browser's context that a request is rendered in, if it is.
    """

    def __init__(self, components: Components, context: Callable[[Request], str | None]) -> None:
        self._components = components
        self._context = context
        self._sessions: OrderedDict[Key, Session] = OrderedDict()
        """The sessions by key, the least recently used first."""
        self._stamps: weakref.WeakKeyDictionary[Request, Stamp] = weakref.WeakKeyDictionary()
        """When requests were sent whose answers have not been counted yet."""
        self._sent = 0

    def known(self, request: Request) -> Session | None:
        """Return the session of ``request`` if it has met a wall before."""
        if not self._sessions:
            return None
        key = self._key(request)
        session = self._sessions.get(key)
        if session is not None:
            self._sessions.move_to_end(key)
        return session

    def session(self, request: Request) -> Session:
        """Return the session of ``request``, which from now on counts as one that has met a wall."""
        key = self._key(request)
        if key not in self._sessions:
            self._forget_oldest()
            self._sessions[key] = Session(key[0])
        self._sessions.move_to_end(key)
        return self._sessions[key]

    def _forget_oldest(self) -> None:
        """Make room for one more session. A forgotten one that meets its wall again solves it anew."""
        if len(self._sessions) >= _MAX_SESSIONS:
            idle = next((key for key, session in self._sessions.items() if session.is_idle), None)
            if idle is not None:
                del self._sessions[idle]

    def stamp(self, request: Request, *, re_ask: bool = False) -> Stamp:
        """Return a stamp for a request that is sent now."""
        self._sent += 1
        session = self.known(request)
        return Stamp(self._sent, session.generation if session else 0, re_ask)

    def stamp_of(self, request: Request) -> Stamp:
        """Return when a request was sent; long ago if its answer has been counted."""
        return self._stamps.get(request, _LONG_AGO)

    def awaits(self, request: Request) -> bool:
        """Tell whether the answer to a request that was sent has not been counted yet."""
        return request in self._stamps

    def sent(self, request: Request, *, fresh: bool = False) -> None:
        """Record that ``request`` goes to the site.

        :param fresh: it was held until a clearance was won.
        """
        self._stamps[request] = self.stamp(request, re_ask=fresh)

    def answered(self, request: Request) -> Stamp:
        """Count the answer to ``request`` for its session, and return when the request was sent."""
        session = self.known(request)
        if session is not None:
            session.answers += 1
        return self._stamps.pop(request, _LONG_AGO)

    def cookies(self, request: Request) -> list[Cookie]:
        """Return the cookies that Scrapy would send to the host of ``request``, whatever the path."""
        jar = self._jar(request)
        return [] if jar is None else cookies_of_host(jar, host_of(request.url))

    def restore_cookies(self, request: Request, stamp: Stamp) -> None:
        """Restore what the answer to a request sent before the last token or clearance may have replaced."""
        session = self.known(request)
        cookies = [] if session is None else session.cookies_against(stamp)
        jar = self._jar(request) if cookies else None
        if jar is not None:
            for cookie in cookies:
                jar.set_cookie(cookie)

    def under_way(self, request: Request) -> list[Request]:
        """Return the requests of the same session that were sent and whose answers have not been counted yet.

        Some of them may be answered all the same, as redirects are.
        """
        key = self._key(request)
        return [other for other in self._stamps if other is not request and self._key(other) == key]

    def _jar(self, request: Request) -> CookieJar | None:
        # A browser keeps its cookies to itself.
        return self._components.jar(request) if self._context(request) is None else None

    def _key(self, request: Request) -> Key:
        # Cookies ignore ports, so a session does too.
        host, context = host_of(request.url), self._context(request)
        if context is not None:
            return host, (_IN_BROWSER, context), None
        return host, request.meta.get("cookiejar"), proxy_of(request)
