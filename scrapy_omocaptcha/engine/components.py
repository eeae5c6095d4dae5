"""What Scrapy's own middlewares keep and forbid: cookies, robots.txt, ``allowed_domains``. They are only asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.downloadermiddlewares.cookies import CookiesMiddleware
from scrapy.downloadermiddlewares.offsite import OffsiteMiddleware
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.utils.httpobj import urlparse_cached

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http.cookies import CookieJar


class Neighbours:
    """The middlewares of one crawl, those of them that are on."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    def jar(self, request: Request) -> CookieJar | None:
        """The cookies of a request's session; None where Scrapy does not keep any for it."""
        if request.meta.get("dont_merge_cookies"):
            return None
        middleware = self._crawler.get_downloader_middleware(CookiesMiddleware)
        return None if middleware is None else middleware.jars[request.meta.get("cookiejar")]

    async def forbids(self, target: Request, *, page: Request) -> str | None:
        """Whether robots.txt or the spider's allowed_domains forbid a request that is sent for ``page``.

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
                await robots.process_request(target)
            except IgnoreRequest:
                return "robots"
        return None
