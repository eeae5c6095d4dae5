"""Build the API client of a crawl: the transport follows from how Scrapy runs, the version from the settings."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from scrapy.utils.reactor import is_reactor_installed

from scrapy_omocaptcha.buying.api.version1 import JobsApi
from scrapy_omocaptcha.buying.api.version2 import TasksApi
from scrapy_omocaptcha.settings import FALLBACK_PRICE
from scrapy_omocaptcha.urls import host_of

if TYPE_CHECKING:
    from scrapy_omocaptcha.buying.api.protocol import Api
    from scrapy_omocaptcha.buying.api.transport import Transport
    from scrapy_omocaptcha.settings import Settings

logger = logging.getLogger(__name__)

_OMOCAPTCHA = "omocaptcha.com"
_PRICE_LIST = f"https://{_OMOCAPTCHA}/api/getServicePrice?type=service"
"""Version 2's list of prices. It is public, and on another host than version 2's calls."""


def speak(settings: Settings, transport: Transport) -> Api:
    """The API in the version of ``settings``. Other services of version 2's protocol have no list of prices."""
    if settings.api_version == 1:
        return JobsApi(transport, settings.api_token, settings.type_job_id)
    host = host_of(settings.api_url)
    is_omocaptcha = host == _OMOCAPTCHA or host.endswith(f".{_OMOCAPTCHA}")
    if not is_omocaptcha and settings.price is None and not settings.dry_run:
        logger.warning(
            "What a job costs at %s cannot be asked, so each is reckoned at %s USD: "
            "set OMOCAPTCHA_PRICE to the right price, or OMOCAPTCHA_MAX_COST will not hold",
            host,
            FALLBACK_PRICE,
        )
    return TasksApi(transport, settings.api_token, settings.task_type, _PRICE_LIST if is_omocaptcha else None)


def transport_for(base_url: str, *, timeout: float) -> Transport:
    """A transport that works in this process: on treq with a Twisted reactor, on aiohttp without."""
    # Only the client that is used is loaded. The reactor not before it is there: importing it installs one.
    if is_reactor_installed():
        from twisted.internet import reactor

        from scrapy_omocaptcha.buying.api.treq_transport import TreqTransport

        return TreqTransport(base_url, timeout=timeout, reactor=reactor)
    from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport

    return AiohttpTransport(base_url, timeout=timeout)
