"""Build the API client of a crawl: the version follows from the settings, the transport from the process."""

from scrapy.utils.reactor import is_reactor_installed

from scrapy_omocaptcha.buying.api.protocol import Api
from scrapy_omocaptcha.buying.api.transport import Transport
from scrapy_omocaptcha.buying.api.version1 import Version1Api
from scrapy_omocaptcha.buying.api.version2 import Version2Api
from scrapy_omocaptcha.settings import Settings

_PRICE_LIST = "https://omocaptcha.com/api/getServicePrice?type=service"
"""Public price list of version 2, which is on another host than the calls of version 2."""


def build_api(settings: Settings, transport: Transport | None = None) -> Api:
    """Build the client of the configured API version, by default with a transport that works in this process."""
    transport = transport or _build_transport(settings)
    if settings.api_version == 1:
        return Version1Api(transport, settings.api_token, settings.type_job_id)
    return Version2Api(
        transport, settings.api_token, settings.task_type, _PRICE_LIST if settings.is_omocaptcha else None
    )


def _build_transport(settings: Settings) -> Transport:
    # Imported only when needed: importing the reactor installs one, and one of the two HTTP clients is enough.
    if is_reactor_installed():
        from twisted.internet import reactor

        from scrapy_omocaptcha.buying.api.treq_transport import TreqTransport

        return TreqTransport(settings.api_url, timeout=settings.api_timeout, reactor=reactor)
    from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport

    return AiohttpTransport(settings.api_url, timeout=settings.api_timeout)
