"""The only file that knows Scrapy's insides: places for held requests, is it closing, send now.

What Scrapy does not promise is used here alone, and each such name has a contract test. Where one is gone the crawl
still works: held requests then take ordinary places, or a submission waits behind the queue of its site.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from scrapy import signals
from scrapy.utils.asyncio import call_later, create_looping_call
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.errors import CrawlClosing
from scrapy_omocaptcha.forms.submission import Submission, without_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response

T = TypeVar("T")

_LOOK_EVERY = 0.25
"""Seconds between two looks whether the crawl is closing; no signal tells it early."""
_A_MOMENT = 0.1
"""Seconds: a beat longer than an answer takes from the site to the cookiejar."""


class Hold:
    """One held request: it counts in its download slot.

    Counted in the slot's ``active``, it makes the scheduler turn to other hosts however many more requests of this one
    are queued.
    """

    def __init__(self, engine: CrawlEngine, request: Request) -> None:
        self._engine = engine
        self._request: Request | None = request
        self._slot = engine.slot(request)
        if self._slot is not None:
            self._slot.active.add(request)

    def release(self) -> None:
        """The request's response is back (or it never will be). May be called twice."""
        self.leave_slot()
        self._engine.holds.discard(self)
        self._engine.match_places()

    def leave_slot(self) -> None:
        """The request goes on to the downloader, which counts it in the slot from here on."""
        if self._slot is not None:
            self._slot.active.discard(self._request)
        # Not to keep the request alive from here on, however long this is kept.
        self._slot = self._request = None


class CrawlEngine:
    """Scrapy's engine, as the rest of this package needs it.

    :param max_waiting: how many requests may be held without taking a place.
    """

    def __init__(self, crawler: Crawler, max_waiting: int) -> None:
        self._crawler = crawler
        self._max_waiting = max_waiting
        self.holds: set[Hold] = set()
        self._extra_places = 0
        self._waiting: dict[Deferred[Any], int] = {}
        """By what is waited for: at how many more looks the crawl may be closing."""
        self._look: Any = None
        crawler.signals.connect(self._about_to_send, signals.request_reached_downloader)
        crawler.signals.connect(self._downloaded, signals.response_downloaded)

    # -- closing ------------------------------------------------------------------------------------------------

    @property
    def closing(self) -> bool:
        """The spider is being closed, for whatever reason."""
        engine = self._crawler.engine
        # Not crawler.crawling, which is False in the shell all the time, nor engine.running, which is not yet True when
        # the engine says that it has started.
        return (
            not getattr(engine, "_starting", engine.running)
            or getattr(getattr(engine, "_slot", None), "closing", None) is not None
        )

    def close(self, reason: str) -> None:
        """Have the spider closed, unless it is being closed already."""
        if not self.closing:
            deferred_from_coro(self._crawler.engine.close_spider_async(reason=reason))

    async def wait(self, awaitable: Awaitable[T], *, looks: int = 1) -> T:
        """Wait for a Deferred or a coroutine, but not beyond the crawl's end.

        :param looks: at which look that finds the crawl closing the wait ends; there is one each quarter of a second.
        :raises CrawlClosing: the crawl closes; what was waited for is cancelled.
        """
        if self.closing:
            if isinstance(awaitable, Coroutine):
                # Not begun at all: a call to the service must not go out now.
                awaitable.close()
            else:
                _drop(deferred_from_coro(awaitable))
            raise CrawlClosing("the crawl is closing")
        inner: Deferred[T] = deferred_from_coro(awaitable)
        outer: Deferred[T] = Deferred()
        inner.addCallbacks(
            lambda value: None if outer.called else outer.callback(value),
            lambda failure: None if outer.called else outer.errback(failure),
        )
        self._waiting[outer] = looks
        self._keep_looking()
        try:
            return await maybe_deferred_to_future(outer)
        finally:
            del self._waiting[outer]
            _drop(inner)

    async def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the crawl's end.

        :raises CrawlClosing: the crawl closes.
        """
        # Thousands may sleep at once: these two are less to keep, and for the garbage collector to go through, than a
        # coroutine in a task.
        slept: Deferred[None] = Deferred(lambda _: later.cancel())
        later = call_later(seconds, slept.callback, None)
        await self.wait(slept)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds; it is looked at now and then.

        :raises CrawlClosing: the crawl closes.
        """
        while not condition():
            await self.sleep(_A_MOMENT)

    def _keep_looking(self) -> None:
        if self._look is None:
            self._look = create_looping_call(self._end_waits_when_closing)
            self._look.start(_LOOK_EVERY, now=False)

    def _end_waits_when_closing(self) -> None:
        if self._waiting and self.closing:
            for outer in list(self._waiting):
                self._waiting[outer] -= 1
                if not (self._waiting[outer] or outer.called):
                    outer.errback(CrawlClosing("the crawl is closing"))
        if not self._waiting:
            self._look.stop()
            self._look = None

    # -- places -------------------------------------------------------------------------------------------------

    def hold(self, request: Request) -> Hold:
        """Take note that ``request`` is held; call :meth:`Hold.release` when its response is back."""
        hold = Hold(self, request)
        self.holds.add(hold)
        self.match_places()
        return hold

    def match_places(self) -> None:
        """Have an extra place for each held request, up to ``max_waiting``; which has one and which has not is all one.

        Were a place tied to its request, those held beyond ``max_waiting`` would go without until they are through.
        """
        wanted = min(len(self.holds), self._max_waiting)
        self.add_places(wanted - self._extra_places)
        self._extra_places = wanted

    def slot(self, request: Request) -> Any:
        """The download slot of a request, or None where Scrapy does not show it."""
        get_slot = getattr(self._crawler.engine.downloader, "_get_slot", None)
        return None if get_slot is None else get_slot(request)[1]

    def add_places(self, number: int) -> None:
        """Let the crawl have more (or fewer) requests under way than CONCURRENT_REQUESTS says."""
        downloader = self._crawler.engine.downloader
        # 0 means "no limit", and has to go on meaning it.
        if getattr(downloader, "total_concurrency", 0) > 0:
            downloader.total_concurrency += number
            if number > 0:
                self._wake()

    def _wake(self) -> None:
        """Have the engine ask its scheduler now; it would sleep up to 5 s."""
        with suppress(AttributeError):
            self._crawler.engine._slot.nextcall.schedule()  # type: ignore[union-attr]

    # -- sending ------------------------------------------------------------------------------------------------

    async def send(self, request: Request) -> Response:
        """Send a request at once: past the scheduler, at the head of its site's slot, in this process.

        The site's delay and concurrency hold. It takes no place of its own, since the request that it is sent for has
        one.

        :raises Exception: whatever Scrapy's downloader and middlewares raise.
        """
        self.add_places(1)
        try:
            return await self._crawler.engine.download_async(request)
        finally:
            self.add_places(-1)

    def width(self, request: Request) -> int:
        """How many requests the site of ``request`` is sent at once."""
        return max(1, getattr(self.slot(request), "concurrency", 1))

    def is_queued(self, request: Request) -> bool:
        """A request waits in its slot to be sent.

        Asked of the queue, not of what is being transferred: a request leaves that before its cookies are kept.
        """
        queue: Any = getattr(self.slot(request), "queue", ())
        return any(entry[0] is request for entry in queue)

    def delay_ahead(self, request: Request) -> float:
        """Seconds of its site's delay that a submission which is sent now has to wait for, at the most."""
        slot = self.slot(request)
        delay = self.delay(request)
        ahead = sum(isinstance(entry[0], Submission) for entry in getattr(slot, "queue", ()))
        return max(0.0, float(getattr(slot, "lastseen", 0.0) + delay - time.monotonic())) + ahead * delay

    def delay(self, request: Request) -> float:
        """Seconds between two requests to the site of ``request``, at the most."""
        slot = self.slot(request)
        # Where the slot does not tell, as before Scrapy 2.19, its delay varies by half or not at all.
        return float(getattr(slot, "delay", 0.0) * (1 + getattr(slot, "jitter", 0.5)))

    def _about_to_send(self, request: Request) -> None:
        if isinstance(request, Submission):
            # No middleware sees the request from here on.
            request.add_cookie()
        if request_state.is_own(request):
            # The signal comes just before the request is queued.
            call_later(0, self._move_to_the_front, request)

    def _downloaded(self, request: Request, response: Response) -> None:
        """Take the token out of the address of an answer, before any middleware can log it."""
        if isinstance(request, Submission):
            with suppress(AttributeError):
                response._set_url(without_token(response.url, request.secret))

    def _move_to_the_front(self, request: Request) -> None:
        queue: Any = getattr(self.slot(request), "queue", ())
        for entry in queue:
            if entry[0] is request:
                queue.remove(entry)
                queue.insert(_behind_submissions(queue) if isinstance(request, Submission) else 0, entry)
                return


def _behind_submissions(queue: Any) -> int:
    """Tokens are handed in in the order in which they came: the last one first would leave the first to grow old."""
    return max((place for place, entry in enumerate(queue, 1) if isinstance(entry[0], Submission)), default=0)


def _drop(deferred: Deferred[Any]) -> None:
    """Cancel what nobody waits for any more; how it ends is of no interest."""
    deferred.addErrback(lambda _: None)
    deferred.cancel()
