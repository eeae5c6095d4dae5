"""Tell whether a crawl is closing, and wait for things no longer than the crawl lasts."""

import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from scrapy.crawler import Crawler
from scrapy.utils.asyncio import call_later, create_looping_call
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.errors import CrawlClosing

T = TypeVar("T")

_CHECK_INTERVAL = 0.25
"""Seconds between two checks whether the crawl is closing. No signal tells it early enough."""
_CONDITION_INTERVAL = 0.1
"""Seconds between two evaluations of a condition: longer than a response takes from the site to the cookiejar."""


class Lifetime:
    """The time from the start of a crawl to the moment at which it begins to close."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._waits: dict[Deferred[Any], int] = {}
        """The number of checks that may still find the crawl closing before a wait ends, by wait."""
        self._checking: Any = None

    @property
    def closing(self) -> bool:
        """Tell whether the spider is being closed, for whatever reason."""
        engine = self._crawler.engine
        # crawler.crawling is always False in the shell, and engine.running is not yet True when engine_started is sent.
        is_stopped = engine.start_time is not None and not engine._starting
        return is_stopped or (engine._slot is not None and engine._slot.closing is not None)

    def close(self, reason: str) -> None:
        """Close the spider, unless it is being closed already."""
        if not self.closing:
            deferred_from_coro(self._crawler.engine.close_spider_async(reason=reason))

    async def wait(self, awaitable: Awaitable[T], *, grace_checks: int = 1) -> T:
        """Wait for a Deferred or a coroutine, but not beyond the end of the crawl.

        :param grace_checks: the check that ends the wait once the crawl is closing; there are four a second.
        :raises CrawlClosing: when the crawl closes; what was waited for is cancelled.
        """
        if self.closing:
            if isinstance(awaitable, Coroutine):
                # A coroutine must not even begin: it could call the service.
                awaitable.close()
            else:
                _cancel(deferred_from_coro(awaitable))
            raise CrawlClosing()
        inner, outer = _begin(awaitable)
        self._waits[outer] = grace_checks
        if self._checking is None:
            self._checking = create_looping_call(self._end_waits_if_closing)
            self._checking.start(_CHECK_INTERVAL, now=False)
        try:
            return await maybe_deferred_to_future(outer)
        finally:
            del self._waits[outer]
            _cancel(inner)

    async def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the end of the crawl."""
        # Thousands may sleep at once, and a Deferred with a timer costs less memory than a coroutine in a task.
        slept: Deferred[None] = Deferred(lambda _: timer.cancel())
        timer = call_later(seconds, slept.callback, None)
        await self.wait(slept)

    async def until(self, condition: Callable[[], bool], *, timeout: float = math.inf) -> None:
        """Wait until ``condition`` holds, or for ``timeout`` seconds; it is evaluated ten times a second."""
        end = time.monotonic() + timeout
        while not condition() and time.monotonic() < end:
            await self.sleep(_CONDITION_INTERVAL)

    def _end_waits_if_closing(self) -> None:
        if self.closing:
            for outer in self._waits:
                self._waits[outer] -= 1
            for outer in [outer for outer, checks in self._waits.items() if not checks]:
                # The end of one wait may already have ended another where there is no asyncio.
                if not outer.called:
                    outer.errback(CrawlClosing())
        if not self._waits:
            self._checking.stop()
            self._checking = None


async def wait_at_most(seconds: float, awaitable: Awaitable[T]) -> T:
    """Wait some seconds for a Deferred or a coroutine, also when the crawl closes; then cancel it: ``TimeoutError``."""
    inner, outer = _begin(awaitable)
    late = TimeoutError(f"no answer within {seconds:g} s")
    timer = call_later(seconds, lambda: None if outer.called else outer.errback(late))
    try:
        return await maybe_deferred_to_future(outer)
    finally:
        timer.cancel()
        _cancel(inner)


def _begin(awaitable: Awaitable[T]) -> tuple[Deferred[T], Deferred[T]]:
    """Return the Deferred of an awaitable, and one that fires with it unless it is fired before."""
    inner: Deferred[T] = deferred_from_coro(awaitable)
    outer: Deferred[T] = Deferred()
    inner.addCallbacks(
        lambda value: None if outer.called else outer.callback(value),
        lambda failure: None if outer.called else outer.errback(failure),
    )
    return inner, outer


def _cancel(deferred: Deferred[Any]) -> None:
    """Cancel a Deferred that nobody waits for any more, and ignore how it ends."""
    deferred.addErrback(lambda _: None)
    deferred.cancel()
