"""An offline service for tests that count the connections of simultaneous calls."""

import asyncio

from scrapy_omocaptcha.testing import OmoCaptchaService


class SimultaneousService(OmoCaptchaService):
    """Service that answers its first calls when ``number`` of them have arrived, and records their connections.

    :param path: end of the path of these calls; others are answered at once.
    """

    def __init__(self, number, path=""):
        super().__init__()
        self._path = path
        self._missing = number
        self._complete = asyncio.Event()
        self.connections = set()
        self.max_open = 0
        """The greatest number of connections that were open at once."""
        self._open = set()

    async def _handle(self, request):
        self.connections.add(request.transport.get_extra_info("peername"))
        self._open = {each for each in self._open if not each.is_closing()} | {request.transport}
        self.max_open = max(self.max_open, len(self._open))
        if request.path.endswith(self._path):
            self._missing -= 1
            if self._missing <= 0:
                self._complete.set()
            await self._complete.wait()
        return await super()._handle(request)
