"""Sites of long runs whose walls are harder than those that are shipped."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.testing import WALLS, WalledSite
from scrapy_omocaptcha.testing.gate import CLEARANCE_COOKIE, SESSION_COOKIE, Session
from scrapy_omocaptcha.testing.shop import Answer

if TYPE_CHECKING:
    from scrapy_omocaptcha.testing import OmoCaptchaService, Wall
    from scrapy_omocaptcha.testing.visit import Visit

GATE = "/hold"
"""The one address of a wall, which does not say that it is one."""


class OneAddress(WalledSite):
    """Site that redirects every page to the same address, so that the redirected requests are duplicates."""

    def __init__(self, service: OmoCaptchaService, gate: str = GATE, **options: Any) -> None:
        super().__init__(service, replace(WALLS["redirect"], after="home"), **options)
        self.gate = gate

    def answer(self, visit: Visit) -> Answer:
        """Answer a visit as the shop does, whose gate has an address for each page."""
        if visit.path == self.gate:
            visit = replace(visit, path="/gate", query=())
        answer = super().answer(visit)
        if answer.headers.get("Location", "").startswith("/gate"):
            answer.headers["Location"] = self.gate
        return answer


class SlowPages(WalledSite):
    """Site that takes ``free_delay`` seconds for each page below ``/free/``."""

    def __init__(
        self, service: OmoCaptchaService, wall: Wall | str = "session", *, free_delay: float, **options: Any
    ) -> None:
        super().__init__(service, wall, **options)
        self._free_delay = free_delay

    async def _handle(self, request):
        if request.path.startswith("/free/"):
            await self._pause(self._free_delay)
        return await super()._handle(request)


class Followed(WalledSite):
    """Site for spiders that follow what they find: each page links to all pages, most links redirect to theirs.

    :param pages: number of pages, ``/item/1`` and so on. Page 3 links to page 7 as ``/go/7/3``.
    :param direct: a link is direct if the sum of the two pages' numbers is divisible by it.
    """

    def __init__(self, service: OmoCaptchaService, wall: Wall, *, pages: int, direct: int, **options: Any) -> None:
        super().__init__(service, wall, **options)
        self._pages, self._direct = range(1, pages + 1), direct

    def answer(self, visit: Visit) -> Answer:
        """Answer a visit as the shop does, with links on each page."""
        if visit.path.startswith("/go/"):
            return Answer("", 302, "sent on", headers={"Location": f"/item/{visit.path.split('/')[2]}"})
        answer = super().answer(visit)
        if answer.shown == "page":
            here = int(visit.path.rpartition("/")[2])
            links = [f"/item/{to}" if (here + to) % self._direct == 0 else f"/go/{to}/{here}" for to in self._pages]
            anchors = "".join(f'<a class="follow" href="{link}">a page</a>' for link in links)
            answer.body = answer.body.replace("</body>", f"{anchors}</body>")
        return answer


class LateCookie(WalledSite):
    """Site that sets no cookie but the clearance: all visitors have one session, which none has to show."""

    def __init__(self, service: OmoCaptchaService, wall: str, **options: Any) -> None:
        super().__init__(service, wall, **options)
        everyone = Session("everyone", "everyone", is_new=False)
        self.shop.gate.session = lambda visit: everyone


class TwoWalls(WalledSite):
    """Site with a second wall behind the first: its challenge has another site key, and wants another token."""

    def __init__(self, service: OmoCaptchaService, **options: Any) -> None:
        super().__init__(service, "session", **options)
        second = f"6LtestOnly{'second' * 5}"
        self._second = copy(self.shop)
        # Both know the same sessions.
        gate = copy(self.shop.gate)
        gate.siteverify, gate._clearances = (lambda token: service.siteverify(token, second)), {}
        self._second.gate, self._second.sitekey = gate, second
        self._through_the_first: set[str] = set()

    def answer(self, visit: Visit) -> Answer:
        """Answer a visit by the wall that its session is at."""
        session = visit.cookies.get(SESSION_COOKIE, "")
        needs_token = visit.path.startswith(("/find", "/api/"))
        if session in self._through_the_first and not needs_token:
            return self._second.answer(visit)
        answer = super().answer(visit)
        if answer.token == "accepted" and not needs_token:
            self._through_the_first.add(session)
            del answer.cookies[CLEARANCE_COOKIE]
        return answer
