"""List the names that ``engine`` uses and Scrapy does not promise, and find those that this Scrapy does not have.

Each has a test in ``tests/crawl/engine``. What else there is of Scrapy's is documented, or guarded where it is used.
``docs/design.rst`` has what Scrapy would have to offer in their place.
"""

from contextlib import suppress
from inspect import signature
from operator import attrgetter
from types import SimpleNamespace

from scrapy import Request
from scrapy.core.downloader import Downloader, Slot
from scrapy.crawler import Crawler
from scrapy.http.cookies import CookieJar
from scrapy.utils import httpobj

_READ = {
    "engine._starting": "tell that the crawl is stopped",
    "engine._slot.closing": "tell that the spider is being closed",
    "engine.downloader.active": "count what is at the downloader",
    "engine.downloader.total_concurrency": "count as components have changed CONCURRENT_REQUESTS",
    "engine.downloader.middleware.middlewares": "find the middlewares that are closer to the site",
    "Slot.active": "keep the place of a held request at its site",
    "Slot.queue": "send tokens first",
    "Slot.delay": "let held requests go one at a time",
    "Slot.concurrency": "let no more held requests go at once than the site is sent",
    "CookieJar._cookies": "read a host's cookies, without going through those of all hosts",
    "httpobj._urlparse_cache": "forget the parsed address of a request that is redirected in place",
}
"""With what each is for."""
_CALLED: dict[str, tuple[str, tuple[object, ...]]] = {
    "engine._slot.nextcall.schedule": ("have the engine ask its scheduler now", ()),
    "engine.downloader._enqueue_request": ("send a request through its slot, and no middleware", ("request",)),
    "engine.downloader._get_slot": ("find a request's slot, or make it", ("request",)),
    "engine.downloader._process_queue": ("send what was kept back", ("slot",)),
    "engine.downloader.handlers.download_request_async": ("see what is sent", ("request",)),
    "engine.downloader.middleware.download_async": ("send through the inner chain", ("function", "request")),
    "Downloader.fetch": ("see what the engine begins with", ("self", "request")),
    "Downloader.needs_backout": ("count held requests no longer", ("self",)),
    "Request._set_url": ("redirect a request in place", ("self", "url")),
}
"""With what each is for, and the arguments that are passed."""
NAMES = (*_READ, *_CALLED)
AUTH_PROXY = "_auth_proxy"
"""The key of meta that has the proxy whose credentials HttpProxy has written into a header: without it, they go."""
SCHEME_PROXY = "_scheme_proxy"
"""The key of meta that says that HttpProxy has taken a proxy from the environment."""


def find_missing(crawler: Crawler) -> list[str]:
    """Return each name that the Scrapy of an opened crawl does not have, or that takes other arguments there."""
    places = SimpleNamespace(
        engine=crawler.engine,
        Downloader=Downloader,
        Slot=_slot(),
        CookieJar=CookieJar(),
        Request=Request,
        httpobj=httpobj,
    )
    return [name for name in NAMES if not _has(places, name)]


def _slot() -> Slot | None:
    with suppress(TypeError):
        return Slot(1, 0.0, 0.0)
    return None


def _has(places: object, name: str) -> bool:
    try:
        found = attrgetter(name)(places)
        if name in _CALLED:
            _, arguments = _CALLED[name]
            signature(found).bind(*arguments)
    except (AttributeError, TypeError):
        return False
    return True
