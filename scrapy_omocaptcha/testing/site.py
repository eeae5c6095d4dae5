"""A small shop on loopback whose pages stand behind a wall.

::

    with OmoCaptchaService() as service, WalledSite(service, "redirect", status=429) as site:
        ...  # crawl site.url + "/catalogue/"
        assert site.pages == 5
        assert site.challenges == 1

Behind the wall: ``/``, ``/catalogue/``, ``/page/1`` and so on (``/catalogue/`` is the first), ``/item/1`` and so on,
``/search`` (GET and POST). Never walled: ``/free/1`` and so on, ``/contact`` (a widget in an ordinary page's form),
``/v3`` (reCAPTCHA v3), ``/robots.txt`` unless it is to be. A token wanted before the request is sent: ``POST
/signup`` (form field), ``POST /api/search`` (JSON ``/token``), ``/api/header`` (``X-Captcha-Token``), ``/api/query``
(``token``), ``/api/cookie`` (``captcha``).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from scrapy_omocaptcha.challenge import TOKEN_FIELD
from scrapy_omocaptcha.testing import pages
from scrapy_omocaptcha.testing.faults import KINDS, Fault, Faults, Kind, strike
from scrapy_omocaptcha.testing.gate import CLEARANCE_COOKIE, CSRF, NEXT_FIELD, SESSION_COOKIE, Gate, Session
from scrapy_omocaptcha.testing.server import LoopbackServer
from scrapy_omocaptcha.testing.visit import Shown, Visit, read_visit
from scrapy_omocaptcha.testing.walls import Wall, wall_named

if TYPE_CHECKING:
    from scrapy_omocaptcha.testing.service import OmoCaptchaService


@dataclass(slots=True)
class _Answer:
    body: str
    status: int = 200
    shown: Shown = "open"
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/html"


class WalledSite(LoopbackServer):
    """The site, on loopback, in a thread of its own.

    :param service: whose tokens it accepts. Its clock is also the site's.
    :param wall: a :class:`Wall`, or the name of one of :data:`~scrapy_omocaptcha.testing.WALLS`.
    :param status: HTTP status of the challenge page.
    :param gzip: compress answers for clients that take it.
    :param robots_walled: ``/robots.txt`` stands behind the wall too.
    :param hosts: loopback addresses, all with the same port; on Linux 127.0.0.2 and the like work at once.
    :param sitekey: None makes one up.
    :param free_delay: seconds that each ``/free/`` page takes.
    :param on_event: gets a line of text for each request, in the server's thread. Never holds a token.
    """

    def __init__(
        self,
        service: OmoCaptchaService,
        wall: Wall | str = "session",
        *,
        status: int = 403,
        gzip: bool = False,
        robots_walled: bool = False,
        hosts: Sequence[str] = ("127.0.0.1",),
        port: int = 0,
        sitekey: str | None = None,
        catalogue_pages: int = 5,
        items_per_page: int = 10,
        free_delay: float = 0.0,
        on_event: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(hosts, port)
        self.wall = wall_named(wall) if isinstance(wall, str) else wall
        self.sitekey = sitekey or f"6LtestOnly{secrets.token_hex(15)}"
        self._status = status
        self._gzip = gzip
        self._robots_walled = robots_walled
        self._catalogue_pages = catalogue_pages
        self._items_per_page = items_per_page
        self._free_delay = free_delay
        self._clock = service.clock
        self._gate = Gate(
            self.wall,
            siteverify=lambda token: service.siteverify(token, self.sitekey),
            hostnames={*hosts, "localhost"},
            clock=service.clock,
        )
        self._faults = Faults()
        self._requests: list[Visit] = []
        self._lock = threading.Lock()
        self._on_event = on_event or (lambda line: None)

    @property
    def url(self) -> str:
        """Scheme, first host and port, without a slash at the end."""
        return self.origin

    # What happened

    @property
    def requests(self) -> tuple[Visit, ...]:
        """Every request so far, in the order in which they were answered."""
        with self._lock:
            return tuple(self._requests)

    @property
    def pages(self) -> int:
        """How many pages from behind the wall were shown."""
        return sum(visit.shown == "page" for visit in self.requests)

    @property
    def challenges(self) -> int:
        """How many times the challenge was shown."""
        return sum(visit.shown == "challenge" for visit in self.requests)

    @property
    def accepted(self) -> int:
        """How many tokens were accepted."""
        return sum(visit.token == "accepted" for visit in self.requests)

    @property
    def rejected(self) -> Counter[str]:
        """Why submissions were turned down, and how often: codes of ``siteverify`` and those of ``gate.py``."""
        return Counter(visit.token for visit in self.requests if visit.token not in (None, "accepted"))

    @property
    def csrf_failures(self) -> int:
        """How many forms came that belonged to another session."""
        return sum(visit.shown == "csrf" for visit in self.requests)

    # What is to happen

    def fault(
        self, path: str, kind: Kind, *, times: int = 1, seconds: float = 1.0, location: str = "/elsewhere"
    ) -> None:
        """Let the next ``times`` requests for ``path`` (``"*"``: for anything) go wrong."""
        self._faults.book(path, Fault(kind, seconds, location), times)

    def random_faults(
        self, rate: float, *, seed: int, kinds: Sequence[Kind] = KINDS, seconds: float = 1.0
    ) -> None:
        """Let this share of all requests go wrong."""
        self._faults.by_chance(rate, seed, [Fault(kind, seconds) for kind in kinds], ())

    # HTTP

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        visit = await read_visit(request, self._clock())
        fault = self._faults.draw(visit.path)
        if fault is not None and fault.nothing_done:
            self._record(replace(visit, fault=fault.kind))
            return await strike(fault, request, None, self._pause)
        if self._free_delay and visit.path.startswith("/free/"):
            await asyncio.sleep(self._free_delay)
        answer = self._answer(visit)
        self._record(
            replace(
                visit,
                status=answer.status,
                shown=answer.shown,
                token=answer.token,
                fault=fault.kind if fault is not None else None,
            )
        )
        response = web.Response(
            text=answer.body, status=answer.status, headers=answer.headers, content_type=answer.content_type
        )
        for name, value in answer.cookies.items():
            response.set_cookie(name, value, path="/", httponly=True)
        if fault is not None:
            return await strike(fault, request, response, self._pause)
        if self._gzip:
            response.enable_compression()
        return response

    def _record(self, visit: Visit) -> None:
        with self._lock:
            self._requests.append(visit)
        told = " ".join(
            filter(
                None,
                [visit.shown, visit.token and f"token: {visit.token}", visit.fault and f"[{visit.fault}]"],
            )
        )
        self._on_event(f"site {visit.method} {visit.path} -> {visit.status} {told}")

    # Where a path leads

    def _answer(self, visit: Visit) -> _Answer:
        unwalled = self._unwalled(visit)
        if unwalled is not None:
            return unwalled
        if visit.path in ("/verify", "/gate"):
            return self._checkpoint(visit)
        page = self._page(visit)
        if page is None:
            return _Answer(pages.document("Not found", "<h1>Not found</h1>"), 404, "missing")
        return self._walled(visit, page)

    def _unwalled(self, visit: Visit) -> _Answer | None:
        path = visit.path
        if path == "/robots.txt" and not self._robots_walled:
            return _Answer("User-agent: *\nAllow: /\n", content_type="text/plain")
        if path.startswith("/free/"):
            number = _number(path, "/free/")
            return _Answer(pages.free(number)) if number else None
        if path == "/contact":
            return _Answer(pages.contact(self.sitekey))
        if path == "/v3":
            return _Answer(pages.version3(self.sitekey))
        if path == "/captcha.js":
            return _Answer("/* The key would be in here. */", content_type="text/javascript")
        if path == "/signup":
            return self._signup(visit)
        if path.startswith("/api/"):
            return self._api(visit)
        return None

    def _page(self, visit: Visit) -> _Answer | None:
        """What is behind the wall at this path."""
        path = visit.path
        if path == "/":
            return _Answer(pages.home())
        if path == "/robots.txt":
            return _Answer("User-agent: *\nAllow: /\n", content_type="text/plain")
        if path == "/search":
            asked = (*visit.query, *visit.form)
            return _Answer(pages.search(visit.method, [pair for pair in asked if pair[0] != TOKEN_FIELD]))
        number = 1 if path == "/catalogue/" else _number(path, "/page/")
        if number and number <= self._catalogue_pages:
            first = (number - 1) * self._items_per_page + 1
            items = range(first, first + self._items_per_page)
            return _Answer(pages.catalogue(number, self._catalogue_pages, items))
        number = _number(path, "/item/")
        if number and number <= self._catalogue_pages * self._items_per_page:
            return _Answer(pages.item(number))
        return None

    # The wall

    def _walled(self, visit: Visit, page: _Answer) -> _Answer:
        session = self._gate.session(visit)
        page.shown = "page"
        if self._gate.lets_in(visit, session):
            return _known(page, session)
        if self.wall.form == "page" and visit.method == "POST" and visit.submits:
            problem = self._gate.judge(dict(visit.form), session)
            if problem is not None:
                return self._turned_down(visit, session, problem, visit.target)
            page.token = "accepted"
            return _known(page, session, self._gate.clear(session))
        if self.wall.redirect:
            where = f"/gate?{NEXT_FIELD}={quote(visit.target, safe='')}"
            return _known(_Answer("", 302, "sent on", headers={"Location": where}), session)
        return self._challenge(visit, session, visit.target)

    def _checkpoint(self, visit: Visit) -> _Answer:
        """``/verify`` takes submissions; ``/gate`` shows the challenge and takes submissions."""
        session = self._gate.session(visit)
        if self.wall.widget == "callback":
            return self._checkpoint_json(visit, session)
        by_query = self.wall.form == "get"
        fields = dict(visit.query if by_query else visit.form)
        target = _local(fields.get(NEXT_FIELD) or dict(visit.query).get(NEXT_FIELD, "/"))
        if TOKEN_FIELD not in fields:
            if visit.path == "/gate":
                return self._challenge(visit, session, target)
            return _known(_Answer("", 302, "sent on", headers={"Location": "/"}), session)
        problem = self._gate.judge(fields, session)
        if problem is not None:
            return self._turned_down(visit, session, problem, target)
        if self.wall.after == "thanks":
            answer = _Answer(pages.thanks(target), shown="sent on")
        else:
            where = target if self.wall.after == "back" else "/"
            answer = _Answer("", 302, "sent on", headers={"Location": where})
        answer.token = "accepted"
        return _known(answer, session, self._gate.clear(session))

    def _checkpoint_json(self, visit: Visit, session: Session) -> _Answer:
        problem = self._gate.judge({TOKEN_FIELD: _member(visit.json, "token")}, session)
        if problem is not None:
            return _known(_json({"ok": False, "error": problem}, self._status, problem), session)
        return _known(_json({"ok": True}, 200, "accepted"), session, self._gate.clear(session))

    def _challenge(
        self, visit: Visit, session: Session, target: str, problem: str = "", token: str | None = None
    ) -> _Answer:
        carried = [pair for pair in visit.form if pair[0] not in (TOKEN_FIELD, CSRF, "action")]
        body = pages.challenge(
            self.wall,
            sitekey=self.sitekey,
            csrf=session.csrf,
            target=target,
            carried=carried,
            problem=problem,
        )
        return _known(_Answer(body, self._status, "challenge", token), session)

    def _turned_down(self, visit: Visit, session: Session, problem: str, target: str) -> _Answer:
        if problem == CSRF:
            return _known(_Answer(pages.csrf_failure(), 403, "csrf", problem), session)
        return self._challenge(visit, session, target, problem, problem)

    # Tokens wanted before a request is sent

    def _signup(self, visit: Visit) -> _Answer:
        if visit.method != "POST":
            return _Answer(pages.signup(self.sitekey))
        fields = dict(visit.form)
        if not fields.get("name") or not fields.get("email"):
            return _Answer(pages.signup(self.sitekey, "Name and address are needed."), 400)
        problem = self._gate.check_token(fields.get(TOKEN_FIELD, ""))
        if problem is not None:
            return _Answer(pages.signup(self.sitekey, f"Not confirmed: {problem}."), 400, token=problem)
        return _Answer(pages.welcome(fields["name"]), token="accepted")

    def _api(self, visit: Visit) -> _Answer | None:
        places: dict[str, Callable[[], str]] = {
            "/api/search": lambda: _member(visit.json, "token"),
            "/api/header": lambda: visit.headers.get("X-Captcha-Token", ""),
            "/api/query": lambda: dict(visit.query).get("token", ""),
            "/api/cookie": lambda: visit.cookies.get("captcha", ""),
        }
        if visit.path not in places:
            return None
        if visit.path == "/api/search" and visit.method != "POST":
            return _json({"error": "POST only"}, 405, None)
        problem = self._gate.check_token(places[visit.path]())
        if problem is not None:
            return _json({"error": problem}, 403, problem)
        return _json({"items": ["Thing 1", "Thing 2"], "query": _member(visit.json, "q")}, 200, "accepted")


def _known(answer: _Answer, session: Session, clearance: str | None = None) -> _Answer:
    """Let the answer tell the visitor who they are, and what they have won."""
    if session.is_new:
        answer.cookies[SESSION_COOKIE] = session.id
    if clearance is not None:
        answer.cookies[CLEARANCE_COOKIE] = clearance
    return answer


def _json(value: object, status: int, token: str | None) -> _Answer:
    return _Answer(json.dumps(value), status, "open", token, content_type="application/json")


def _member(value: object, name: str) -> str:
    member = value.get(name) if isinstance(value, Mapping) else None
    return member if isinstance(member, str) else ""


def _number(path: str, prefix: str) -> int:
    """The positive number that follows ``prefix``, 0 if that is not the whole of the path."""
    rest = path.removeprefix(prefix)
    return int(rest) if rest != path and rest.isascii() and rest.isdigit() and len(rest) < 10 else 0


def _local(target: str) -> str:
    """A path of this site; anything else leads home, so that the wall sends nobody elsewhere."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\")) else "/"
