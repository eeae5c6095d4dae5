"""Decide which of several requests at one wall solves it, which wait, and what a session has won.

Of the requests of one session, the leader solves; the followers are held and then ask again with the cookies that the
leader won. This module decides and remembers. It sends nothing, and no token is known here.
"""

import weakref
from base64 import b64encode
from collections import OrderedDict, deque
from collections.abc import Callable
from enum import Enum
from http.cookiejar import Cookie
from typing import NamedTuple
from urllib.parse import unquote

from scrapy import Request
from scrapy.http.cookies import CookieJar, potential_domain_matches
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.urls import host_of

Key = tuple[str, object, object]
_IN_BROWSER = object()
_MAX_SESSIONS = 1000
"""Sessions that are remembered. Those in which nothing happens are forgotten, the least recently used first."""


def _one_at_once() -> int:
    return 1


class Role(Enum):
    """What a challenged request does next."""

    LEAD = "solve it for the session"
    FOLLOW = "wait until the leader is through"
    ASK_AGAIN = "ask again with the clearance that was won since it was sent"
    ALONE = "solve it for this page only: the wall wants a token for each page"


class Stamp(NamedTuple):
    """The moment at which a request was sent."""

    order: int
    """Number of the request, in the order in which requests are sent."""
    generation: int
    """How many clearances its session had won by then."""
    re_ask: bool = False
    """Whether it was sent right after a clearance was won: sent again, or released from a hold."""


class Session:
    """The wall of one session, which is what a clearance belongs to.

    That is a host with a cookiejar and a proxy, or a host in a context of a browser.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.leading: Stamp | None = None
        """Stamp of the request that solves the wall at the moment."""
        self.generation = 0
        """How many clearances have been won."""
        self.proven = False
        """Whether a request without a token has been let through since the last clearance."""
        self.per_page = False
        """Whether the wall wants a token for each page."""
        self.answers = 0
        """Number of responses so far. Each may have replaced the cookies or fields that an earlier page depends on."""
        self.last_answer_checksum: int | None = None
        """Checksum of the last answer to a submission that was neither the page nor a challenge."""
        self.cookies: list[Cookie] = []
        """The cookies that prove the last clearance."""
        self._walled_in_part = False
        """Whether a request passed that was sent after the leader met the wall, so that new requests are not held."""
        self._held: deque[tuple[Deferred[None], bool]] = deque()
        """Held requests: what fires when it is their turn, and whether they have met the wall themselves."""
        self._released = 0
        self._releasing = False
        self._concurrency = _one_at_once

    @property
    def is_walled(self) -> bool:
        """Whether new requests would only run into the wall."""
        return self.leading is not None and not self._walled_in_part

    @property
    def is_idle(self) -> bool:
        """Whether no request leads or waits here, and none that has waited is under way."""
        return self.leading is None and not self._held and not self._released

    def wait_turn(self, *, challenged: bool) -> Deferred[None]:
        """Hold a request; the Deferred fires when it is its turn to go on.

        :param challenged: the request has met the wall itself, rather than being held before it was sent.
        """
        turn: Deferred[None] = Deferred(lambda _: self._held.remove(entry) if entry in self._held else None)
        entry = (turn, challenged)
        self._held.append(entry)
        return turn

    def role(self, stamp: Stamp) -> Role:
        """Decide what a request that was sent at ``stamp`` and met a challenge does next."""
        if self.leading is not None:
            return Role.FOLLOW
        if stamp.generation < self.generation:
            return Role.ASK_AGAIN
        if stamp.re_ask and not self.proven:
            # No request has ever passed with this fresh clearance, so the wall wants a token for each page.
            self.per_page = True
            self._release_all(challenged=True)
        return Role.ALONE if self.per_page else Role.LEAD

    def lead(self, stamp: Stamp) -> None:
        """Make the request that was sent at ``stamp`` the leader."""
        self.leading = stamp
        self._walled_in_part = False

    def won(self, cookies: list[Cookie], *, proven: bool) -> None:
        """Record the cookies that the leader has won.

        :param proven: the leader's page came in answer to a request without a token.
        """
        self.generation += 1
        self.proven = proven
        self.cookies = cookies

    def stop_leading(self, concurrency: Callable[[], int]) -> None:
        """End the lead: the leader is through, or has given up and the next request leads.

        :param concurrency: returns how many held requests may be under way at once after a clearance was won.
        """
        won = self.leading is not None and self.leading.generation < self.generation
        self.leading = None
        self._concurrency = concurrency if won else _one_at_once
        self._release_more()

    def unchallenged(self, stamp: Stamp) -> None:
        """Record that a request sent at ``stamp`` without a token was answered with a page, not a challenge."""
        if stamp.generation == self.generation:
            self.proven = True
            self.per_page = False
        if self.leading is not None and stamp.order > self.leading.order:
            # It was sent after the leader and let through, so the wall is not around the whole session.
            self._walled_in_part = True
            self._release_all(challenged=False)

    def end_turn(self) -> None:
        """End the turn of a released request: its response is back, or never will be."""
        self._released -= 1
        self._release_more()

    def _release_more(self) -> None:
        # Without asyncio, who is released goes on at once, and may end its turn here. The loop then goes on, rather
        # than one within it: hundreds of them would be more than Python's stack can hold.
        if self._releasing:
            return
        self._releasing = True
        try:
            while self._held and self.leading is None and self._released < self._concurrency():
                self._release(self._held[0])
        finally:
            self._releasing = False
        if self.is_idle:
            # What it is told by keeps a part of Scrapy's downloader for the host.
            self._concurrency = _one_at_once

    def _release_all(self, *, challenged: bool) -> None:
        """Release the requests that have met the wall themselves, or those that have not."""
        # Who is released may go on at once, and wait again.
        for entry in [entry for entry in self._held if entry[1] is challenged]:
            if entry in self._held:
                self._release(entry)

    def _release(self, entry: tuple[Deferred[None], bool]) -> None:
        self._held.remove(entry)
        self._released += 1
        entry[0].callback(None)


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
        return self._stamps.get(request, Stamp(0, 0))

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
        return self._stamps.pop(request, Stamp(0, 0))

    def cookies(self, request: Request) -> list[Cookie]:
        """Return the cookies that Scrapy would send to the host of ``request``, whatever the path."""
        host = host_of(request.url)
        domains = {*potential_domain_matches(host), host, f"{host}.local", f".{host}"}
        return [cookie for cookie in self._jar(request) or () if cookie.domain in domains]

    def restore_clearance(self, request: Request, stamp: Stamp) -> None:
        """Restore the cookies that the answer to a request sent before the last clearance may have overwritten."""
        session = self.known(request)
        if session is not None and stamp.generation < session.generation:
            jar = self._jar(request)
            if jar is not None:
                for cookie in session.cookies:
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
        return host, request.meta.get("cookiejar"), _proxy(request)


def _proxy(request: Request) -> object:
    """Return address and user of a proxy, equal before and after HttpProxyMiddleware moved the user into a header."""
    proxy = request.meta.get("proxy")
    # A proxy from the environment is the same for all requests, and is in meta only once the request was sent.
    if not proxy or "_scheme_proxy" in request.meta:
        return None
    user, _, address = (proxy.partition("//")[2] or proxy).rpartition("@")
    header = request.headers.get("Proxy-Authorization")
    if user:
        name, _, password = user.partition(":")
        header = b"Basic " + b64encode(f"{unquote(name)}:{unquote(password)}".encode("latin-1", "replace"))
    # Hashed, because it is a password.
    return address.rstrip("/"), hash(header)
