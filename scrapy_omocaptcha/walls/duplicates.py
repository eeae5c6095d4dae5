"""Requests that a wall's redirect would lose.

A wall that sends every page to one address of its own (302 to ``/captcha``) makes duplicates of all redirected requests
but the first, and Scrapy's dupefilter drops them without a word. Those whose address proves to be a wall are asked for
once more; the others are duplicates as Scrapy sees it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from scrapy import signals

from scrapy_omocaptcha.engine import request_state

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler


class Astray:
    """Watches the redirected requests of a crawl."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._walls: set[str] = set()
        """Addresses of walls."""
        self._under_way: Counter[str] = Counter()
        """Redirected requests that are yet to be judged, by address."""
        self._dropped: defaultdict[str, list[Request]] = defaultdict(list)
        """Those that were dropped while another one for their address was to be judged."""
        crawler.signals.connect(self._scheduled, signals.request_scheduled)
        crawler.signals.connect(self._was_dropped, signals.request_dropped)

    def judged(self, request: Request, *, is_wall: bool) -> None:
        """What the address of a redirected request has proven to be."""
        url = request.url
        self._done(url)
        dropped = self._dropped.pop(url, ())
        if is_wall:
            self._walls.add(url)
            for other in dropped:
                self._crawler.engine.crawl(request_state.give_back(other))

    def _scheduled(self, request: Request) -> None:
        if _concerns_us(request):
            self._under_way[request.url] += 1

    def _was_dropped(self, request: Request) -> None:
        if not _concerns_us(request):
            return
        url = request.url
        self._done(url)
        if url in self._walls:
            self._crawler.engine.crawl(request_state.give_back(request))
        elif self._under_way[url]:
            self._dropped[url].append(request)

    def _done(self, url: str) -> None:
        self._under_way[url] -= 1
        if self._under_way[url] <= 0:
            del self._under_way[url]


def _concerns_us(request: Request) -> bool:
    """One that is left alone is never judged, so that nothing is to be kept for it."""
    return request_state.is_redirected(request) and request.meta.get("omocaptcha") is not False
