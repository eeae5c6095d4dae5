"""List the names that ``engine`` uses and Scrapy does not promise, and find those that this Scrapy does not have.

Each has a test in ``tests/crawl/engine``. What else there is of Scrapy's is documented, or guarded where it is used.
"""

from contextlib import suppress
from inspect import signature
from operator import attrgetter
from types import SimpleNamespace

from scrapy import Request, exceptions
from scrapy.core.downloader import Slot
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.http.cookies import CookieJar
from scrapy.utils import httpobj

TESTED_WITH = "2.18 to 2.19"
"""The versions of Scrapy that have all of these names."""
_READ = (
    *("engine._starting", "engine._slot.closing", "engine._slot.inprogress", "engine._slot.scheduler"),
    *("engine.downloader.active", "engine.downloader.total_concurrency", "engine.downloader.middleware.methods"),
    *("engine.downloader.middleware.middlewares", "Slot.active", "Slot.queue", "Slot.delay", "Slot.concurrency"),
    *("CookieJar._cookies", "exceptions._InvalidOutput", "httpobj._urlparse_cache"),
)
_CALLED: dict[str, tuple[object, ...]] = {
    "engine._slot.add_request": ("request",),
    "engine._slot.nextcall.schedule": (),
    "engine.downloader._enqueue_request": ("request",),
    "engine.downloader._get_slot": ("request",),
    "engine.downloader._process_queue": ("slot",),
    "engine.downloader.needs_backout": (),
    "engine.downloader.handlers.download_request_async": ("request",),
    "engine.downloader.middleware._handle_mw_method": ("method",),
    "engine.downloader.middleware.download_async": ("function", "request"),
    "Request._set_url": ("self", "url"),
    "Response._set_url": ("self", "url"),
}
"""With the arguments that are passed."""
NAMES = (*_READ, *_CALLED)
AUTH_PROXY = "_auth_proxy"
"""The key of meta that has the proxy whose credentials HttpProxy has written into a header: without it, they go."""
SCHEME_PROXY = "_scheme_proxy"
"""The key of meta that says that HttpProxy has taken a proxy from the environment."""


def find_missing(crawler: Crawler) -> list[str]:
    """Return each name that the Scrapy of an opened crawl does not have, or that takes other arguments there."""
    places = SimpleNamespace(
        engine=crawler.engine,
        Slot=_slot(),
        CookieJar=CookieJar(),
        Request=Request,
        Response=Response,
        exceptions=exceptions,
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
            signature(found).bind(*_CALLED[name])
    except (AttributeError, TypeError):
        return False
    return True
