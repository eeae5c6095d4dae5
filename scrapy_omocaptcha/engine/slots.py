"""Use Scrapy's download slots: hold requests without using up concurrency, and send requests at once.

It uses private names of Scrapy, each of which has a contract test. Where one is gone, the crawl still works: held
requests then count toward CONCURRENT_REQUESTS, or a submission waits behind the queue of its site.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.utils.asyncio import call_later

from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.forms.submission import Submission, without_token


class Hold:
    """A held request, counted in its download slot.

    Because it is in the slot's ``active``, the scheduler turns to other hosts however many more requests of this host
    are queued.
    """

    def __init__(self, slots: Slots, request: Request) -> None:
        self._slots = slots
        self._request: Request | None = request
        self._slot = slots.slot(request)
        if self._slot is not None:
            self._slot.active.add(request)

    def release(self) -> None:
        """End the hold: the request has its response, or never will. May be called twice."""
        self.leave_slot()
        self._slots.holds.discard(self)
        self._slots.match_concurrency()

    def leave_slot(self) -> None:
        """Hand the request over to the downloader, which counts it in the slot from here on."""
        if self._slot is not None:
            self._slot.active.discard(self._request)
        # However long this object is kept, the request is not kept alive by it.
        self._slot = self._request = None


class Slots:
    """The download slots of a crawl.

    :param max_waiting: how many held requests do not count toward CONCURRENT_REQUESTS.
    """

    def __init__(self, crawler: Crawler, max_waiting: int) -> None:
        self._crawler = crawler
        self._max_waiting = max_waiting
        self.holds: set[Hold] = set()
        self._extra = 0
        """By how much CONCURRENT_REQUESTS is raised for held requests."""
        crawler.signals.connect(self._about_to_send, signals.request_reached_downloader)
        crawler.signals.connect(self._downloaded, signals.response_downloaded)

    # -- held requests -------------------------------------------------------------------------------------------

    def hold(self, request: Request) -> Hold:
        """Count ``request`` as held until :meth:`Hold.release` is called."""
        hold = Hold(self, request)
        self.holds.add(hold)
        self.match_concurrency()
        return hold

    def match_concurrency(self) -> None:
        """Raise the crawl's concurrency by the number of held requests, up to ``max_waiting``.

        The requests are counted, not assigned: were the extra concurrency tied to single requests, those held beyond
        ``max_waiting`` would never get a share of it.
        """
        wanted = min(len(self.holds), self._max_waiting)
        self.add_concurrency(wanted - self._extra)
        self._extra = wanted

    def add_concurrency(self, number: int) -> None:
        """Let the crawl have ``number`` more (or fewer) requests under way than now."""
        downloader = self._crawler.engine.downloader
        # 0 means "no limit" and has to keep that meaning.
        if getattr(downloader, "total_concurrency", 0) > 0:
            downloader.total_concurrency += number
            if number > 0:
                self._poll_scheduler()

    def _poll_scheduler(self) -> None:
        # Without this the engine would sleep up to 5 s before it asks its scheduler again.
        with suppress(AttributeError):
            self._crawler.engine._slot.nextcall.schedule()  # type: ignore[union-attr]

    # -- the slot of a request -----------------------------------------------------------------------------------

    def slot(self, request: Request) -> Any:
        """Return the download slot of a request, or None where Scrapy does not show it."""
        get_slot = getattr(self._crawler.engine.downloader, "_get_slot", None)
        return None if get_slot is None else get_slot(request)[1]

    def concurrency(self, request: Request) -> int:
        """Return how many requests the site of ``request`` is sent at once."""
        return max(1, getattr(self.slot(request), "concurrency", 1))

    def is_queued(self, request: Request) -> bool:
        """Tell whether a request still waits in its slot to be sent."""
        # The slot's set of requests being transferred would not do: a request leaves it before its cookies are stored.
        queue: Any = getattr(self.slot(request), "queue", ())
        return any(entry[0] is request for entry in queue)

    def delay(self, request: Request) -> float:
        """Return the longest time between two requests to the site of ``request``, in seconds."""
        slot = self.slot(request)
        # Before Scrapy 2.19 a slot does not show its jitter; its delay then varies by half, or not at all.
        return float(getattr(slot, "delay", 0.0) * (1 + getattr(slot, "jitter", 0.5)))

    def delay_ahead(self, request: Request) -> float:
        """Return the longest time that a submission sent now has to wait for its site's delay, in seconds."""
        slot = self.slot(request)
        delay = self.delay(request)
        ahead = sum(isinstance(entry[0], Submission) for entry in getattr(slot, "queue", ()))
        return max(0.0, float(getattr(slot, "lastseen", 0.0) + delay - time.monotonic())) + ahead * delay

    # -- sending -------------------------------------------------------------------------------------------------

    async def send(self, request: Request) -> Response:
        """Send a request past the scheduler, at the head of its site's queue.

        The site's delay and concurrency hold. The request does not count toward CONCURRENT_REQUESTS, since the request
        that it is sent for already does.

        :raises Exception: whatever Scrapy's downloader and middlewares raise.
        """
        self.add_concurrency(1)
        try:
            return await self._crawler.engine.download_async(request)
        finally:
            self.add_concurrency(-1)

    def _about_to_send(self, request: Request) -> None:
        if isinstance(request, Submission):
            # No middleware sees the request from here on.
            request.add_cookie()
        if request_state.is_own(request):
            # The signal comes just before the request is queued.
            call_later(0, self._move_to_front, request)

    def _downloaded(self, request: Request, response: Response) -> None:
        """Take the token out of the address of a response, before any middleware can log it."""
        if isinstance(request, Submission):
            with suppress(AttributeError):
                response._set_url(without_token(response.url, request.secret))

    def _move_to_front(self, request: Request) -> None:
        queue: Any = getattr(self.slot(request), "queue", ())
        for entry in queue:
            if entry[0] is request:
                queue.remove(entry)
                queue.insert(_after_submissions(queue) if isinstance(request, Submission) else 0, entry)
                return


def _after_submissions(queue: Any) -> int:
    """Return the index behind all submissions: were the last token sent first, the first would grow too old."""
    return max((index for index, entry in enumerate(queue, 1) if isinstance(entry[0], Submission)), default=0)
