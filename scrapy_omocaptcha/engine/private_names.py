"""List the names that ``engine`` uses and Scrapy does not promise, and find those that this Scrapy does not have.

Each private one has a test in ``tests/crawl/engine``; the others are public and not documented. What else there is of
Scrapy's is documented, or guarded where it is used.
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

_READ = (
    "engine.start_time",  # tell that the crawl has not started yet
    "engine._starting",  # tell that the crawl is stopped
    "engine._slot.closing",  # tell that the spider is being closed
    "engine.downloader.active",  # count what is at the downloader
    "engine.downloader.total_concurrency",  # count as components have changed CONCURRENT_REQUESTS
    "engine.downloader.middleware.middlewares",  # find the middlewares that are closer to the site
    "Slot.queue",  # send tokens first
    "Slot.delay",  # let held requests go one at a time
    "Slot.concurrency",  # let no more held requests go at once than the site is sent
    "CookieJar._cookies",  # read a host's cookies, without going through those of all hosts
    "httpobj._urlparse_cache",  # forget the parsed address of a request that is redirected in place
    "CookiesMiddleware.jars",  # keep sessions apart, and find what a form has changed
    "RedirectMiddleware.max_redirect_times",  # tell whether a redirect will be followed
    "MetaRefreshMiddleware.max_redirect_times",  # tell whether a refresh will be followed
    "RetryMiddleware.max_retry_times",  # tell whether a request will be sent again
    "RetryMiddleware.retry_http_codes",
    "RetryMiddleware.exceptions_to_retry",
    "HttpCacheMiddleware.policy",  # store the page in the place of the challenge
    "HttpCacheMiddleware.storage",
)
_CALLED: dict[str, tuple[str, ...]] = {
    "engine._slot.nextcall.schedule": (),  # have the engine ask its scheduler now
    "engine.downloader._enqueue_request": ("request",),  # send a request through its slot, and no middleware
    "engine.downloader._get_slot": ("request",),  # find a request's slot, or make it
    "engine.downloader.handlers.download_request_async": ("request",),  # see what is sent
    "engine.downloader.middleware.download_async": ("function", "request"),  # send through the inner chain
    "Downloader.fetch": ("self", "request"),  # see what the engine begins with
    "Downloader.needs_backout": ("self",),  # count held requests no longer
    "Request._set_body": ("self", "body"),  # turn a request into another one in place
    "Request._set_url": ("self", "url"),
    "OffsiteMiddleware.should_follow": ("request", "spider"),  # send no form to a site that the spider may not visit
}
"""Functions, with the arguments that are passed."""
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
    with suppress(AttributeError):  # A manager without a list of them is found to be unfit by that name.
        for one in crawler.engine.downloader.middleware.middlewares:
            kinds = [kind for kind in type(one).__mro__ if kind.__module__.startswith("scrapy.downloadermiddlewares.")]
            vars(places).update({kind.__name__: one for kind in kinds})
    # A crawl without one of the middlewares needs none of its names.
    used = (name for name in NAMES if hasattr(places, name.partition(".")[0]) or "Middleware." not in name)
    return [name for name in used if not _has(places, name)]


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
