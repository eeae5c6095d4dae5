"""Sites of long runs whose walls are harder than those that are shipped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.testing import WALLS, WalledSite
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
