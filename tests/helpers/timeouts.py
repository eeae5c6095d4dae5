"""Shorten the wait for an answer where none ever comes, and only there: a busy machine may take as long for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import ClientTimeout

from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport

if TYPE_CHECKING:
    from scrapy_omocaptcha.buying.api.transport import Transport


def set_timeout(transport: Transport, seconds: float) -> None:
    """Let the calls that follow time out after so many seconds, over the connections that are open."""
    transport._timeout = seconds
    if isinstance(transport, AiohttpTransport) and "_session" in vars(transport):
        transport._session._timeout = ClientTimeout(total=seconds)
