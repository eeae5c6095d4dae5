"""An offline service that a crowd calls at once, for tests of how many connections that takes."""

from __future__ import annotations

import asyncio

from scrapy_omocaptcha.testing import OmoCaptchaService


class Crowded(OmoCaptchaService):
    """Answers no call before a certain number of them is there, and knows the connections they came over."""

    def __init__(self, number):
        super().__init__()
        self._missing = number
        self._all_there = asyncio.Event()
        self.connections = set()

    async def _handle(self, request):
        self.connections.add(request.transport.get_extra_info("peername"))
        self._missing -= 1
        if self._missing <= 0:
            self._all_there.set()
        await self._all_there.wait()
        return await super()._handle(request)
