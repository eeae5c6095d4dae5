"""Who leads, who is held, what a session has won.

Of several requests at one wall of one session, the leader solves; the followers are held and then ask again with the
cookies that the leader won. This file decides and remembers; it neither sends nor waits for anything but its own
signals. A token never comes here.
"""

from __future__ import annotations

import weakref
from base64 import b64encode
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from scrapy.http.cookies import potential_domain_matches
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.urls import host_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.cookiejar import Cookie

    from scrapy import Request
    from scrapy.http.cookies import CookieJar

Key = tuple[str, object, object]


class Role(Enum):
    """What a challenged request does next."""

    LEAD = "solve it for the session"
    FOLLOW = "be held until the leader is through"
    ASK_AGAIN = "ask again with what has been won since it was sent"
    ALONE = "solve it for this page: the wall wants a token a page"


class Stamp(NamedTuple):
    """When a request was sent, in the count of requests and in its session's count of clearances."""

    order: int
    generation: int
    re_ask: bool = False
    """It was sent with what a leader had just won: asked again, or held until then."""


class Session:
    """Host, cookiejar and proxy: what a clearance belongs to."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.leading: Stamp | None = None
        """Stamp of the request that solves at the moment."""
        self.generation = 0
        """How many clearances have been won."""
        self.proven = False
        """A request without a token has been let through since the last clearance."""
        self.per_page = False
        self.answers = 0
        """Responses that the session has had; each may have replaced what an earlier page is tied to."""
        self.said: int | None = None
        """A sum over the last answer to a submission that was neither the page nor a challenge."""
        self.cookies: list[Cookie] = []
        """The cookies that prove the last clearance."""
        self._walled_in_part = False
        self._held: deque[tuple[Deferred[None], bool]] = deque()
        self._let_go = 0
        self._width: Callable[[], int] = lambda: 1

    # -- before a request is sent ----------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """New requests would only run into the wall."""
        return self.leading is not None and not self._walled_in_part

    def join(self, *, challenged: bool) -> Deferred[None]:
        """Be held; fires when it is this request's turn to look again.

        :param challenged: it has met the wall itself, rather than being held before it was sent.
        """
        turn: Deferred[None] = Deferred(lambda _: self._held.remove(entry) if entry in self._held else None)
        entry = (turn, challenged)
        self._held.append(entry)
        return turn

    # -- a challenge ---------------------------------------------------------------------------------------------

    def role(self, stamp: Stamp) -> Role:
        """What a request that was sent at ``stamp`` and met a challenge does next."""
        if self.leading is not None:
            return Role.FOLLOW
        if stamp.generation < self.generation:
            return Role.ASK_AGAIN
        if stamp.re_ask and not self.proven:
            # It carried a fresh clearance, with which no request has ever passed: the wall wants a token a page.
            self.per_page = True
            self._wake_challenged()
        return Role.ALONE if self.per_page else Role.LEAD

    def lead(self, stamp: Stamp) -> None:
        self.leading = stamp
        self._walled_in_part = False

    def won(self, cookies: list[Cookie], *, proven: bool) -> None:
        """The leader is through.

        :param proven: its page came in answer to a request without a token.
        """
        self.generation += 1
        self.proven = proven
        self.cookies = cookies

    def stop_leading(self, width: Callable[[], int]) -> None:
        """The leader is through, or has given up and hands the lead on.

        :param width: how many held requests may be under way at once.
        """
        won = self.leading is not None and self.leading.generation < self.generation
        self.leading = None
        self._width = width if won else lambda: 1
        self._let_more_go()

    # -- other answers -------------------------------------------------------------------------------------------

    def unchallenged(self, stamp: Stamp) -> None:
        """A page of this session came without a challenge, asked for at ``stamp`` without a token."""
        if stamp.generation == self.generation:
            self.proven = True
            self.per_page = False
        if self.leading is not None and stamp.order > self.leading.order:
            # Sent after the challenge and let through: the wall is not around the whole session.
            self._walled_in_part = True
            while any(not challenged for _, challenged in self._held):
                self._wake(next(entry for entry in self._held if not entry[1]))

    def back(self) -> None:
        """The response of a request that had been let go is back (or never will be)."""
        self._let_go -= 1
        self._let_more_go()

    # -- letting go ----------------------------------------------------------------------------------------------

    def _let_more_go(self) -> None:
        while self._held and self.leading is None and self._let_go < self._width():
            self._wake(self._held[0])

    def _wake_challenged(self) -> None:
        for entry in [entry for entry in self._held if entry[1]]:
            self._wake(entry)

    def _wake(self, entry: tuple[Deferred[None], bool]) -> None:
        self._held.remove(entry)
        self._let_go += 1
        entry[0].callback(None)


class Clearance:
    """The sessions of a crawl that have met a wall, and what is under way in any."""

    def __init__(self) -> None:
        self._sessions: dict[Key, Session] = {}
        self._under_way: weakref.WeakKeyDictionary[Request, Key] = weakref.WeakKeyDictionary()
        self._stamps: weakref.WeakKeyDictionary[Request, Stamp] = weakref.WeakKeyDictionary()
        self._sent = 0

    def known(self, request: Request) -> Session | None:
        """The session of ``request``, if it has met a wall before."""
        return self._sessions.get(_key(request)) if self._sessions else None

    def session(self, request: Request) -> Session:
        key = _key(request)
        if key not in self._sessions:
            self._sessions[key] = Session(key[0])
        return self._sessions[key]

    def stamp(self, request: Request, *, re_ask: bool = False) -> Stamp:
        """A stamp for a request that is sent now."""
        self._sent += 1
        session = self.known(request)
        return Stamp(self._sent, session.generation if session else 0, re_ask)

    def sent(self, request: Request, *, fresh: bool = False) -> None:
        """``request`` goes to the site; ``fresh``: it was held until a clearance was won."""
        stamp = self._stamps[request] = self.stamp(request, re_ask=fresh)
        self._under_way[request] = _key(request)
        if stamp.generation:
            request_state.count_clearances(request, stamp.generation)

    def left(self, request: Request) -> None:
        """The site has answered ``request``, which says nothing of what becomes of the answer."""
        self._under_way.pop(request, None)

    def answered(self, request: Request) -> Stamp:
        """When ``request`` was sent, which is back with an answer for its session."""
        self.left(request)
        session = self.known(request)
        if session is not None:
            session.answers += 1
        return self._stamps.pop(request, Stamp(0, 0))

    def under_way(self, request: Request) -> list[Request]:
        """The requests of the same session that Scrapy's downloader has; their answers may change its cookies."""
        key = _key(request)
        return [other for other, others_key in self._under_way.items() if others_key == key]


def _key(request: Request) -> Key:
    # Cookies know no ports, so neither does a session.
    return host_of(request_state.url(request)), request.meta.get("cookiejar"), _proxy(request)


def _proxy(request: Request) -> object:
    """Address and user of a proxy, the same before and after HttpProxyMiddleware has moved the user into a header."""
    proxy = request.meta.get("proxy")
    # One out of the environment is the same for all, and is in meta only after the request was sent.
    if not proxy or "_scheme_proxy" in request.meta:
        return None
    user, _, address = (proxy.partition("//")[2] or proxy).rpartition("@")
    header = request.headers.get("Proxy-Authorization")
    if user:
        name, _, password = user.partition(":")
        header = b"Basic " + b64encode(f"{unquote(name)}:{unquote(password)}".encode("latin-1", "replace"))
    # Hashed: it is a password.
    return address.rstrip("/"), hash(header)


def cookies_of(jar: CookieJar, host: str) -> list[Cookie]:
    """The cookies that ``jar`` would send to ``host``, on whatever path."""
    domains = {*potential_domain_matches(host), host, f"{host}.local", f".{host}"}
    return [cookie for cookie in jar if cookie.domain in domains]


def put_back(jar: CookieJar, cookies: list[Cookie]) -> None:
    """Have ``jar`` hold ``cookies`` again, whatever a late answer has made of them."""
    for cookie in cookies:
        jar.set_cookie(cookie)
