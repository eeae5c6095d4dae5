"""Run a small shop on loopback whose pages are behind a wall.

::

    with OmoCaptchaService() as service, WalledSite(service, "redirect", status=429) as site:
        ...  # crawl site.url + "/catalogue/"
        assert site.pages == 5
        assert site.challenges == 1

===================== ===================================================================================
behind the wall       ``/``, ``/catalogue/``, ``/page/1``, ``/page/2``…, ``/item/1``…, ``/search`` (any method)
never walled          ``/free/1``…, ``/contact`` (a widget in an ordinary page's form), ``/robots.txt`` unless
                      ``robots_walled`` is set
forms with a token    ``/find`` (a search by POST), ``/find/get`` (by GET), ``/find/postback`` (as in pages of ASP.NET:
                      so are the links to further results), ``/find/built`` (by a form that a script builds), each
                      with three pages of results for the session; ``/login`` (the password is "correct horse"),
                      which opens ``/account`` and ``/orders``
an API with a token   ``POST /api/search`` (JSON pointer ``/token``), ``/api/header`` (``X-Captcha-Token``),
                      ``/api/query`` (``token``)
===================== ===================================================================================
"""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from aiohttp import web

from scrapy_omocaptcha.testing.faults import UNPROCESSED, FaultyServer
from scrapy_omocaptcha.testing.gate import Gate
from scrapy_omocaptcha.testing.server import check_choice
from scrapy_omocaptcha.testing.shop import Answer, Shop
from scrapy_omocaptcha.testing.tokenforms import TokenForms
from scrapy_omocaptcha.testing.visit import Visit, read_visit
from scrapy_omocaptcha.testing.walls import WALLS, Wall

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scrapy_omocaptcha.testing.service import OmoCaptchaService


class WalledSite(FaultyServer):
    """Walled shop that runs on loopback in its own thread.

    :param service: service whose tokens are accepted, and whose clock is used.
    :param wall: a :class:`Wall`, or the name of one of :data:`~scrapy_omocaptcha.testing.WALLS`.
    :param status: HTTP status of the challenge page.
    :param robots_walled: whether ``/robots.txt`` is behind the wall too.
    :param hosts: loopback addresses, all with the same port. On Linux, all of 127.0.0.0/8 can be used.
    :param sitekey: None for a random one.
    :param refuse_every: search and login refuse each token of that number: 5 for every fifth, 0 for none.
    :param on_event: function that gets a line of text, without any token, for each request, in the server's thread.
    """

    def __init__(
        self,
        service: OmoCaptchaService,
        wall: Wall | str = "session",
        *,
        status: int = 403,
        robots_walled: bool = False,
        hosts: Sequence[str] = ("127.0.0.1",),
        port: int = 0,
        sitekey: str | None = None,
        catalogue_pages: int = 5,
        items_per_page: int = 10,
        refuse_every: int = 0,
        on_event: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(hosts, port, on_event)
        self.service = service
        self.wall = WALLS[check_choice(wall, WALLS)] if isinstance(wall, str) else wall
        self.sitekey = sitekey or f"6LtestOnly{secrets.token_hex(15)}"
        gate = Gate(
            self.wall,
            siteverify=lambda token: service.siteverify(token, self.sitekey),
            hostnames={*hosts, "localhost"},
            refuse_every=refuse_every,
        )
        self.shop = Shop(gate, self.sitekey, status, robots_walled, catalogue_pages, items_per_page)
        self.forms = TokenForms(gate, self.sitekey)
        self._requests: list[Visit] = []

    @property
    def url(self) -> str:
        """Return scheme, first host and port, without a trailing slash."""
        return self.origin

    @property
    def requests(self) -> tuple[Visit, ...]:
        """Return all requests in the order of their answers."""
        with self._lock:
            return tuple(self._requests)

    @property
    def pages(self) -> int:
        """Return the number of pages shown from behind the wall."""
        return sum(visit.shown == "page" for visit in self.requests)

    @property
    def challenges(self) -> int:
        """Return the number of challenges shown."""
        return sum(visit.shown == "challenge" for visit in self.requests)

    @property
    def accepted(self) -> int:
        """Return the number of tokens accepted."""
        return sum(visit.token == "accepted" for visit in self.requests)

    @property
    def rejected(self) -> Counter[str]:
        """Return the number of rejected submissions by error code, such as ``timeout-or-duplicate`` or ``csrf``."""
        return Counter(visit.token for visit in self.requests if visit.token and visit.token != "accepted")

    def answer(self, visit: Visit) -> Answer:
        """Answer a visit. Sites of our own tests override it.

        :meta private:
        """
        return self.forms.answer(visit) or self.shop.answer(visit)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        visit = await read_visit(request, self.service.clock())
        fault = self.take_fault(visit.path)
        if fault is not None and fault.kind in UNPROCESSED:
            self._record(replace(visit, fault=fault.kind))
            return await self._break(fault, request, None)
        answer = self.answer(visit)
        visit = replace(visit, status=answer.status, shown=answer.shown, token=answer.token)
        self._record(replace(visit, fault=fault.kind if fault else None))
        response = web.Response(
            text=answer.body, status=answer.status, headers=answer.headers, content_type=answer.content_type
        )
        for name, value in answer.cookies.items():
            response.set_cookie(name, value, path="/", httponly=True)
        if fault is not None:
            return await self._break(fault, request, response)
        return response

    def _record(self, visit: Visit) -> None:
        with self._lock:
            self._requests.append(visit)
        self._on_event(_format(visit))


def _format(visit: Visit) -> str:
    """Format a visit as a line for the log, without any token."""
    line = f"site {visit.method} {visit.path} -> {visit.status or 'nothing'}"
    if visit.shown not in (None, "open"):
        line += f" {visit.shown}"
    if visit.token:
        line += f", token: {visit.token}"
    return f"{line} [fault: {visit.fault}]" if visit.fault else line
