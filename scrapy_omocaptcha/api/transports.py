"""Which transport a crawl uses: it follows from how Scrapy runs, so there is nothing to set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.utils.reactor import is_reactor_installed

if TYPE_CHECKING:
    from scrapy_omocaptcha.api.transport import Transport


def transport_for(base_url: str, *, timeout: float) -> Transport:
    """A transport that works in this process: on treq with a Twisted reactor, on aiohttp without."""
    # Only the client that is used is loaded. The reactor not before it is there: importing it installs one.
    if is_reactor_installed():
        from twisted.internet import reactor

        from scrapy_omocaptcha.api.treq_transport import TreqTransport

        return TreqTransport(base_url, timeout=timeout, reactor=reactor)
    from scrapy_omocaptcha.api.aiohttp_transport import AiohttpTransport

    return AiohttpTransport(base_url, timeout=timeout)
