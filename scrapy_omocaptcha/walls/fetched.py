"""Keep what was fetched to find out where a redirect leads, for the request that Scrapy makes of the redirect."""

from collections.abc import Hashable

from scrapy import Request
from scrapy.http import Response
from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.urls import address_of

_MAX_KEPT = 100
OF_LOOK = {"dont_cache": True, "dont_redirect": True}
"""What the meta of a request that looks where a redirect leads has for the middlewares, but the redirect's has not."""


class Fetched:
    """What was fetched and has not reached the spider yet: a response or an error, by address and cookiejar."""

    def __init__(self) -> None:
        self._kept: LocalCache[Hashable, tuple[Request, Response | Exception]] = LocalCache(_MAX_KEPT)

    def keep(self, sent: Request, result: Response | Exception) -> None:
        """Keep what came for a request that was sent to look where a redirect leads."""
        self._kept[_key(sent)] = sent, result

    def drop(self, request: Request) -> None:
        """Forget what was fetched for a request that is not sent."""
        self._kept.pop(_key(request), None)

    def take(self, request: Request) -> tuple[Request, Response] | None:
        """Return what was sent and fetched in the place of a request, or None; raise the error if there was one."""
        if not self._kept or request.method != "GET" or _key(request) not in self._kept:
            return None
        sent, result = self._kept.pop(_key(request))
        if isinstance(result, Exception):
            raise result
        return sent, result


def complete(request: Request, sent: Request) -> None:
    """Write into a request what the middlewares closer to the site have written into the one sent in its place."""
    for name, values in sent.headers.items():
        request.headers.setdefault(name, values)
    for key, value in sent.meta.items():
        if key not in OF_LOOK:
            request.meta.setdefault(key, value)


def _key(request: Request) -> Hashable:
    return address_of(request.url), request.meta.get("cookiejar")
