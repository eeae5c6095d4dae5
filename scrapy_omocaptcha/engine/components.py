"""Ask Scrapy's own middlewares for cookies, cached pages and permissions, where they are enabled."""

from collections.abc import Callable
from typing import Any

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.downloadermiddlewares.httpcache import HttpCacheMiddleware
from scrapy.downloadermiddlewares.offsite import OffsiteMiddleware
from scrapy.downloadermiddlewares.redirect import MetaRefreshMiddleware
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import HtmlResponse, Response
from scrapy.http.cookies import CookieJar
from scrapy.utils.defer import ensure_awaitable
from scrapy.utils.httpobj import urlparse_cached
from scrapy.utils.response import get_meta_refresh


class Components:
    """Scrapy's downloader middlewares in one crawl."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    async def call(self, method: Callable[..., Any], **arguments: Any) -> Any:
        """Call a method of a downloader middleware as Scrapy does, whatever its signature."""
        return await ensure_awaitable(self._crawler.engine.downloader.middleware._handle_mw_method(method, **arguments))

    def jar(self, request: Request) -> CookieJar | None:
        """Return the cookiejar of a request's session, or None where Scrapy keeps no cookies for it."""
        if request.meta.get("dont_merge_cookies"):
            return None
        middleware = self._crawler.get_downloader_middleware(CookiesMiddleware)
        return None if middleware is None else middleware.jars[request.meta.get("cookiejar")]

    def meta_refresh(self, response: Response) -> str | None:
        """Return the address that Scrapy would follow a page's meta refresh to, or None."""
        if not isinstance(response, HtmlResponse) or b"refresh" not in response.body[:4096].lower():
            return None
        if self._crawler.get_downloader_middleware(MetaRefreshMiddleware) is None:
            return None
        settings = self._crawler.settings
        seconds, url = get_meta_refresh(response, settings.getlist("METAREFRESH_IGNORE_TAGS"))
        return url if seconds is not None and seconds < settings.getint("METAREFRESH_MAXDELAY") else None

    async def forbids(self, target: Request, *, page: Request) -> str | None:
        """Tell whether robots.txt or the spider's allowed_domains forbid a request that is sent because of ``page``.

        :returns: ``"robots"``, ``"offsite"`` or None.
        """
        offsite = self._crawler.get_downloader_middleware(OffsiteMiddleware)
        spider = self._crawler.spider
        if offsite is not None and spider is not None and not page.meta.get("allow_offsite"):
            elsewhere = urlparse_cached(target).hostname != urlparse_cached(page).hostname
            if elsewhere and not offsite.should_follow(target, spider):
                return "offsite"
        robots = self._crawler.get_downloader_middleware(RobotsTxtMiddleware)
        if robots is not None:
            try:
                await self.call(robots.process_request, request=target)
            except IgnoreRequest:
                return "robots"
        return None

    async def cached(self, request: Request) -> Response | None:
        """Return the response that HttpCache would answer ``request`` with, if any."""
        cache = self._crawler.get_downloader_middleware(HttpCacheMiddleware)
        answer = None if cache is None else await self.call(cache.process_request, request=request)
        return answer if isinstance(answer, Response) else None

    def is_cached(self, request: Request) -> bool:
        """Tell whether HttpCache will answer ``request``, without marking the request as :meth:`cached` does."""
        cache = self._crawler.get_downloader_middleware(HttpCacheMiddleware)
        if cache is None or request.meta.get("dont_cache") or not cache.policy.should_cache_request(request):
            return False
        stored = cache.storage.retrieve_response(self._crawler.spider, request)
        return stored is not None and bool(cache.policy.is_cached_response_fresh(stored, request))

    def store(self, request: Request, response: Response) -> None:
        """Have HttpCache store a page in the place of the challenge that it has seen for ``request``."""
        cache = self._crawler.get_downloader_middleware(HttpCacheMiddleware)
        if cache is None or request.meta.get("dont_cache"):
            return
        policy = cache.policy
        # Fingerprints are cached by object, and this object may have had another address.
        request = request.copy()
        if policy.should_cache_request(request) and policy.should_cache_response(response, request):
            cache.storage.store_response(self._crawler.spider, request, response)
