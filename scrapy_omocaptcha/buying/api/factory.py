"""Build the API client of a crawl: the version follows from the settings, the transport from the process."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from scrapy.utils.reactor import is_reactor_installed

from scrapy_omocaptcha.buying.api.found import FoundApi
from scrapy_omocaptcha.buying.api.protocol import Api, Version
from scrapy_omocaptcha.buying.api.transport import Transport
from scrapy_omocaptcha.buying.api.version1 import Version1Api
from scrapy_omocaptcha.buying.api.version2 import Version2Api
from scrapy_omocaptcha.settings import Settings

_PRICE_LIST = "https://omocaptcha.com/api/getServicePrice?type=service"
"""Public price list of version 2, which is on another host than the calls of version 2."""

BuildTransport = Callable[[str, float], Transport]
"""Builds a transport for a base URL, with a timeout in seconds."""


def build_api(
    settings: Settings,
    build_transport: BuildTransport | None = None,
    is_closing: Callable[[], bool] = lambda: False,
) -> Api:
    """Build the client of the configured API version, by default with a transport that works in this process.

    :param is_closing: tells whether a call that has found no API is not to be made in another version.
    """
    build_transport = build_transport or _build_transport
    clients = {
        version: _client(version, settings, build_transport(url, settings.api_timeout))
        for version, url in settings.api_urls.items()
    }
    if settings.api_version is not None:
        return clients[settings.api_version]
    memory = _Memory(settings)
    first = memory.read()
    return FoundApi(dict(sorted(clients.items(), key=lambda each: each[0] != first)), memory.write, is_closing)


def _client(version: int, settings: Settings, transport: Transport) -> Version:
    if version == 1:
        return Version1Api(transport, settings.api_token, settings.type_job_id)
    price_list = _PRICE_LIST if settings.is_omocaptcha else None
    return Version2Api(transport, settings.api_token, settings.task_type, price_list)


class _Memory:
    """Remembers beside the ledger which version of the API a service has."""

    def __init__(self, settings: Settings) -> None:
        self._path = None if settings.ledger is None else Path(f"{settings.ledger}.api")
        self._urls = settings.api_urls

    def read(self) -> int | None:
        """Return the version that has answered at the address where it would be asked for now, or None."""
        with suppress(OSError, ValueError):
            version, url = self._path.read_text(encoding="utf-8").split() if self._path is not None else ("", "")
            return int(version) if self._urls.get(int(version)) == url else None
        return None

    def write(self, version: int) -> None:
        """Remember a version. Where that fails, as on a full disk, the next crawl asks anew."""
        if self._path is not None and self.read() != version:
            with suppress(OSError):
                self._path.write_text(f"{version} {self._urls[version]}\n", encoding="utf-8")


def _build_transport(url: str, timeout: float) -> Transport:
    # Imported only when needed: importing the reactor installs one, and one of the two HTTP clients is enough.
    if is_reactor_installed():
        from twisted.internet import reactor

        from scrapy_omocaptcha.buying.api.treq_transport import TreqTransport

        return TreqTransport(url, timeout=timeout, reactor=reactor)
    from scrapy_omocaptcha.buying.api.aiohttp_transport import AiohttpTransport

    return AiohttpTransport(url, timeout=timeout)
