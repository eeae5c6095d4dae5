"""The crawl that is raced: a walled host and a free one, the requests of both queued from the start."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import scrapy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from multiprocessing.connection import Connection

    from scrapy import Request
    from scrapy.http import Response


class Beside(scrapy.Spider):
    """Asks for ``pages`` of each host, and reports when each page came that was asked for.

    :param walled_pages: so many of those of the walled host are behind its wall.
    """

    name = "beside"
    pages = 500
    walled_pages = 100

    def __init__(self, link: Connection, walled: str, other: str, sitekey: str, **told: Any) -> None:
        super().__init__(**told)
        self.report = link.send
        self.walled, self.other, self.sitekey = walled, other, sitekey
        self.behind_the_wall: set[str] = set()
        self.free: list[float] = []
        self.ordinary = 0

    async def start(self) -> AsyncIterator[Request]:
        # All at once, rather than one by one while the first answers come.
        self.crawler.engine.pause()
        for number in range(1, self.pages + 1):
            yield scrapy.Request(f"{self.other}/free/{number}", callback=self.free_page)
            if number * self.walled_pages // self.pages > (number - 1) * self.walled_pages // self.pages:
                url = f"{self.walled}/page/{number}"
                yield scrapy.Request(url, callback=self.walled_page, errback=self.lost, cb_kwargs={"asked": url})
            else:
                yield scrapy.Request(f"{self.walled}/free/{number}", callback=self.ordinary_page)
        self.crawler.engine.unpause()
        self.since = time.monotonic()

    def free_page(self, response: Response) -> None:
        self.free.append(time.monotonic())

    def ordinary_page(self, response: Response) -> None:
        self.ordinary += 1

    def walled_page(self, response: Response, asked: str) -> Any:
        if response.status == 200 and urlsplit(response.url).path == urlsplit(asked).path:
            self.behind_the_wall.add(asked)

    def lost(self, failure: Any) -> None:
        """A page that is lost is missing in the end."""

    def closed(self, reason: str) -> None:
        seconds = time.monotonic() - self.since
        self.report({"seconds": seconds, "free": self.free, "got": self.ordinary + len(self.behind_the_wall)})
