"""The spiders that are measured, and the plain middleware that they are compared with."""

from __future__ import annotations

import gc
import itertools
import time
import tracemalloc
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import scrapy
from scrapy.utils.asyncio import sleep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Event

    from scrapy import Request
    from scrapy.http import Response

LOOK = 0.02
FREE_REQUESTS = 64
"""Requests of the other host that are queued or under way all the time."""


class AwaitingMiddleware:
    """What everybody writes first: solve the challenge in ``process_response``, and wait for it there."""

    async def process_response(self, request: Request, response: Response) -> Response:
        if b"g-recaptcha" in response.body:
            await sleep(3600)
        return response


class _Reporting(scrapy.Spider):
    """:param walled: and ``other``: addresses of the sites. :param solving: lets all jobs be solved."""

    name = "measured"

    def __init__(self, link: Connection, walled: str, other: str, solving: Event, **told: Any) -> None:
        super().__init__(**told)
        self.report = link.send
        self.walled, self.other, self.solving = walled, other, solving
        self.pages = 0

    def behind_the_wall(self, number: int) -> Request:
        return scrapy.Request(f"{self.walled}/page/{number}", callback=self.page, errback=self.failed)

    def page(self, response: Response) -> None:
        self.pages += 1

    def failed(self, failure: Any) -> None:
        raise RuntimeError(f"a page was lost: {failure.value!r}")

    def waiting(self) -> int:
        """Requests of the walled host that Scrapy has under way."""
        host = urlsplit(self.walled).netloc
        return sum(urlsplit(request.url).netloc == host for request in self.crawler.engine.downloader.active)


class Neighbour(_Reporting):
    """Crawls the other host all the time, and reports its pages a second beside what happens at the walled one.

    :param stages: numbers of walled requests that are to wait; a window is measured at each.
    """

    stages: tuple[int, ...] = (0,)
    window = 1.0
    settle = 1.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.free_pages = 0
        self._paused = False
        self._numbers = itertools.count(1)
        self._walled_numbers = itertools.count(1)

    def free(self) -> Request:
        return scrapy.Request(f"{self.other}/free/{next(self._numbers)}", callback=self.free_page)

    def free_page(self, response: Response) -> Request | None:
        self.free_pages += 1
        return None if self._paused else self.free()

    def next_walled(self) -> Request:
        return self.behind_the_wall(next(self._walled_numbers))

    async def start(self) -> AsyncIterator[Request]:
        asked = 0
        for stage in self.stages:
            # Scrapy prefers the host that has fewer requests under way: all wait only if the other host is idle.
            self._paused = True
            while len(self.crawler.engine.downloader.active) > self.waiting():
                await sleep(LOOK)
            for _ in range(stage - asked):
                yield self.next_walled()
            asked = stage
            await sleep(self.settle)
            self._paused = False
            for _ in range(FREE_REQUESTS):
                yield self.free()
            await self.measure()

    async def measure(self) -> None:
        await sleep(self.settle)
        free, walled, since = self.free_pages, self.pages, time.monotonic()
        await sleep(self.window)
        seconds = time.monotonic() - since
        self.report(((self.free_pages - free) / seconds, (self.pages - walled) / seconds, self.waiting()))


class Queue(Neighbour):
    """The same while ``length`` requests of each host are queued.

    :param beside: False: of the other host alone, twice as many, since a large queue has a cost of its own.
    :param opens: let the wall be opened, and measure a second window.
    """

    length = 0
    beside = True
    opens = False

    async def start(self) -> AsyncIterator[Request]:
        for _ in range(self.length):
            yield self.next_walled() if self.beside else self.free()
            yield self.free()
        await self.measure()
        if self.opens:
            self.solving.set()
            while not self.pages:
                await sleep(LOOK)
            await self.measure()


class Catalogue(_Reporting):
    """Asks for ``count`` pages behind the wall, and reports when each came to its callback.

    :param ordinary_pages: pages of the same host that stand before the wall, asked for after them.
    """

    count = 1
    ordinary_pages = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.times: dict[str, float] = {}

    async def start(self) -> AsyncIterator[Request]:
        # All at once, rather than one by one while the first answers come.
        self.crawler.engine.pause()
        for number in range(self.count):
            yield self.behind_the_wall(number + 1)
        for number in range(self.ordinary_pages):
            yield scrapy.Request(f"{self.walled}/free/{number + 1}", callback=self.ordinary)
        self.crawler.engine.unpause()

    def page(self, response: Response) -> None:
        self.times[urlsplit(response.url).path] = time.monotonic()

    def ordinary(self, response: Response) -> None:
        pass

    def closed(self, reason: str) -> None:
        self.report(self.times)


class Crowd(_Reporting):
    """``count`` requests wait; reports what that costs.

    :param memory: count bytes, which takes so much CPU that seconds are worth nothing then.
    """

    count = 100
    idle = 1.0
    memory = False

    async def start(self) -> AsyncIterator[Request]:
        # One waits already, in a session of its own: what a crawl needs once is there afterwards.
        yield self.behind_the_wall(self.count + 1).replace(meta={"cookiejar": "first"})
        await sleep(1)
        if self.memory:
            tracemalloc.start()
        before = self.spent()
        for request in self.requests():
            yield request
        while self.waiting() <= self.count:
            await sleep(LOOK)
        held = self.spent()
        await sleep(self.idle)
        idle = self.spent()
        self.solving.set()
        while self.pages <= self.count:
            await sleep(LOOK)
        self.report((held - before, (idle - held) / self.idle, self.spent() - idle))

    def requests(self) -> Iterator[Request]:
        for number in range(self.count):
            yield self.behind_the_wall(number + 1)

    def spent(self) -> float:
        """Bytes, or seconds of CPU."""
        if not self.memory:
            return time.process_time()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]


class Ordinary(_Reporting):
    """``count`` pages of a host without a wall: the CPU that Scrapy itself takes for them."""

    count = 100

    async def start(self) -> AsyncIterator[Request]:
        yield self.behind_the_wall(self.count + 1)
        await sleep(1)
        since = time.process_time()
        for number in range(self.count):
            yield self.behind_the_wall(number + 1)
        while self.pages <= self.count:
            await sleep(LOOK)
        self.report(time.process_time() - since)


class Interrupted(_Reporting):
    """Reports once ``count`` requests wait; writes the address of each page into the file ``out``."""

    count = 0
    out = ""

    async def start(self) -> AsyncIterator[Request]:
        for number in range(self.count):
            yield self.behind_the_wall(number + 1)
        if not self.solving.is_set():
            while self.waiting() < self.count:
                await sleep(LOOK)
            self.report(self.count)
            await sleep(3600)

    def page(self, response: Response) -> None:
        with open(self.out, "a") as file:
            file.write(f"{response.url}\n")

    def failed(self, failure: Any) -> None:
        with open(self.out, "a") as file:
            file.write(f"{failure.value!r}\n")
