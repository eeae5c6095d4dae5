"""Bring back requests that Scrapy's dupefilter drops behind a wall's redirect.

A wall that redirects every page to one address (302 to ``/captcha``) makes duplicates of all redirected requests but
the first, and the dupefilter drops them silently. Those whose address proves to be a wall are sent once more; the
others are duplicates as Scrapy sees it.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from scrapy import Request, signals
from scrapy.crawler import Crawler

from scrapy_omocaptcha.engine import request_state


class Duplicates:
    """The redirected requests of a crawl."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._walls: set[str] = set()
        """Addresses that have proven to be walls."""
        self._under_way: Counter[str] = Counter()
        """The number of redirected requests that have no answer yet, by address."""
        self._dropped: defaultdict[str, list[Request]] = defaultdict(list)
        """Requests that were dropped while another one for the same address was under way."""
        crawler.signals.connect(self._scheduled, signals.request_scheduled)
        crawler.signals.connect(self._was_dropped, signals.request_dropped)

    def judged(self, request: Request, *, is_wall: bool) -> None:
        """Record whether the address of a redirected request has proven to be a wall."""
        url = request.url
        self._done(url)
        dropped = self._dropped.pop(url, ())
        if is_wall:
            self._walls.add(url)
            for other in dropped:
                self._crawler.engine.crawl(request_state.give_back(other))

    def _scheduled(self, request: Request) -> None:
        if _is_watched(request):
            self._under_way[request.url] += 1

    def _was_dropped(self, request: Request) -> None:
        if not _is_watched(request):
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


def _is_watched(request: Request) -> bool:
    # A request with meta["omocaptcha"] = False is never judged, so nothing must be kept for it.
    return request_state.is_redirected(request) and request.meta.get("omocaptcha") is not False
