"""Hold requests so that they use up none of Scrapy's concurrency, and let them go without exceeding it."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import Enum
from typing import Any, Literal

from scrapy import Request
from scrapy.crawler import Crawler
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.mixins import downloader_of
from scrapy_omocaptcha.engine.order import SendingOrder
from scrapy_omocaptcha.engine.request_state import RequestStates
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.scrapy_versions import jitter_of


class HoldState(Enum):
    """State of a held request."""

    IDLE = "nothing is sent for it"
    WAITING = "something is to be sent for it as soon as that is possible"
    SENDING = "something is being sent for it"


class Hold:
    """A held request: it is at the downloader for Scrapy, and does not count toward CONCURRENT_REQUESTS."""

    state: HoldState | None = None
    """None once the hold is over."""
    allowed: Deferred[None]
    """Fires once something may be sent for the request."""

    def __init__(self, slots: "Slots", request: Request) -> None:
        self._slots = slots
        self.request = request
        self.is_awaited = not slots.states.is_scheduled(request)
        """Whether all that is active may be waiting for the request, so that it goes on beyond CONCURRENT_REQUESTS."""
        slots.put_aside(self)

    @property
    def slot(self) -> Any:
        """Return the download slot of the request, which Scrapy makes anew when it was not used for a while."""
        return self._slots.order.slot(self.request)

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Count the request as any other while something is sent for it; wait until that is possible."""
        await self._slots.let_go_on(self)
        try:
            yield
        finally:
            self._slots.put_aside(self)

    async def end(self, on_return: Callable[[], None]) -> None:
        """End the hold as soon as the request may be sent by Scrapy itself.

        :param on_return: called once the request is held again, or gone: it has a response, an error, or a middleware
            has replaced it.
        """
        try:
            await self._slots.let_go_on(self)
        finally:
            self.release()
            self._slots.on_return(self.request, on_return)

    def release(self) -> None:
        """End the hold at once: the request is let go, has its response, or never will."""
        if self.state is not None:
            self._slots.move(self, None)
            self._slots.serve()


class Slots:
    """The download slots of a crawl, and its concurrency.

    :param most_uncounted: how many held requests don't count toward CONCURRENT_REQUESTS.
    """

    def __init__(
        self, crawler: Crawler, lifetime: Lifetime, states: RequestStates, stats: Stats, most_uncounted: int
    ) -> None:
        self._crawler = crawler
        self._lifetime = lifetime
        self.states = states
        self.order = SendingOrder(crawler)
        self._stats = stats
        self.most_uncounted = most_uncounted
        self._holds: dict[HoldState, dict[Hold, None]] = {state: {} for state in HoldState}
        """The holds by their state, in the order in which they came to it."""
        self.held = 0
        """Number of requests that are held, but for those that wait until nothing is paid for any more."""
        self.waiting = 0
        """Number of requests that are held, or parked since they have not begun."""
        self.let_go: dict[Request, list[Callable[[], None]]] = {}
        """Requests that have waited and that Scrapy sends itself, with what is called once they are back."""
        self._bought_by_hand = 0
        self._serving = False

    @property
    def idle(self) -> int:
        """Return for how many held requests nothing is being sent."""
        return len(self._holds[HoldState.IDLE]) + len(self._holds[HoldState.WAITING])

    def concurrency(self, slot: Any) -> int:
        """Return how many released requests to the site of a slot may be in flight at once.

        With a delay it is one: more would only wait in its queue, and use up the concurrency that other sites need.
        """
        return 1 if slot.delay else max(1, slot.concurrency)

    def is_active(self, request: Request) -> bool:
        """Tell whether a request is at the downloader or on its way there or back."""
        return request in self._crawler.engine.downloader.active

    def delay(self, request: Request) -> float:
        """Return the longest time between two requests to the site of ``request``, in seconds."""
        slot = self.order.slot(request)
        return float(slot.delay * (1 + jitter_of(slot)))

    @contextmanager
    def hold(self, request: Request) -> Iterator[Hold]:
        """Hold ``request`` until the block is left."""
        since = time.monotonic()
        self.back(request)
        hold = Hold(self, request)
        downloader_of(self._crawler).omocaptcha_make_room = self._make_room
        self.held += 1
        self.count_waiting(1)
        try:
            yield hold
        finally:
            self.held -= 1
            hold.release()
            self.count_waiting(-1, since)

    def count_waiting(self, change: Literal[1, -1], since: float = 0.0) -> None:
        """Count a request that begins to wait, or has waited ``since`` a monotonic time."""
        self.waiting += change
        if change > 0:
            self._stats.inc("held")
            self._stats.max("held/max", self.waiting)
        else:
            self._stats.add("seconds/held", round(time.monotonic() - since, 3))

    def wake(self) -> None:
        """Have the engine ask its scheduler now, rather than up to 5 s later."""
        slot = self._crawler.engine._slot
        if slot is not None:
            slot.nextcall.schedule()

    @contextmanager
    def buying(self) -> Iterator[None]:
        """Count a token that a callback waits for."""
        self._bought_by_hand += 1
        try:
            yield
        finally:
            self._bought_by_hand -= 1

    async def until_all_is_used(self, request: Request | None) -> None:
        """Wait until no request is held any more and no callback waits for a token.

        :param request: what waits for that, without using up the concurrency that others need; None for a callback.
        """
        hold = None if request is None else Hold(self, request)
        try:
            await self._lifetime.until(lambda: not (self.held or self._bought_by_hand))
        finally:
            if hold is not None:
                hold.release()

    def move(self, hold: Hold, state: HoldState | None) -> None:
        """Record what becomes of a held request from now on; None if its hold is over."""
        if hold.state is not None:
            del self._holds[hold.state][hold]
        if state is not None:
            self._holds[state][hold] = None
        hold.state = state

    def put_aside(self, hold: Hold) -> None:
        """Stop counting a held request toward CONCURRENT_REQUESTS."""
        self.move(hold, HoldState.IDLE)
        self.serve()
        self.wake()

    async def let_go_on(self, hold: Hold) -> None:
        """Count a held request again, as soon as CONCURRENT_REQUESTS allows it."""
        hold.allowed = Deferred()
        self.move(hold, HoldState.WAITING)
        self.serve()
        try:
            await self._lifetime.wait(hold.allowed)
        finally:
            if hold.state is HoldState.WAITING:
                self.move(hold, HoldState.IDLE)

    def _make_room(self) -> int:
        """Let held requests go on that may, and return how far to raise CONCURRENT_REQUESTS, or lower it if negative.

        It is raised by the idle requests, which don't count, and lowered by those that wait to go on.
        With CONCURRENT_REQUESTS = 2, two active requests of which one is idle leave room for one more, unless the
        idle one waits to go on. The engine asks before it takes a request from the scheduler, and after each that is
        done.
        """
        self.find_returned()
        self.serve()
        waiting = sum(not self._is_delayed(hold) for hold in self._holds[HoldState.WAITING])
        return min(self.idle, self.most_uncounted) - waiting

    def on_return(self, request: Request, function: Callable[[], None]) -> None:
        """Call a function once a request that is let go is answered, has failed, or is held again."""
        self.let_go.setdefault(request, []).append(function)

    def back(self, request: Request) -> None:
        """Record that a request is answered, failed or held again, if it has waited before."""
        for function in self.let_go.pop(request, ()):
            function()

    def find_returned(self) -> None:
        """Record which requests that were let go are not at the downloader any more."""
        for request in [request for request in self.let_go if not self.is_active(request)]:
            self.back(request)

    def _is_full(self) -> bool:
        """Tell whether CONCURRENT_REQUESTS is used up by what is not idle."""
        downloader = self._crawler.engine.downloader
        return 0 < downloader.total_concurrency <= len(downloader.active) - self.idle

    def _is_delayed(self, hold: Hold) -> bool:
        """Tell whether another held request waits for the same site's delay; more would keep other sites waiting.

        A token does not wait for what has none.
        """
        is_urgent = self.order.is_urgent(hold.request)
        others = (other for other in self._holds[HoldState.SENDING] if other.slot is hold.slot)
        return hold.slot.delay > 0 and any(self.order.is_urgent(other.request) or not is_urgent for other in others)

    def serve(self) -> None:
        """Let held requests go on that may."""
        # A coroutine that goes on may come here again. The loop then goes on, rather than one within it.
        if self._serving:
            return
        self._serving = True
        try:
            while (hold := self._next()) is not None:
                self.move(hold, HoldState.SENDING)
                hold.allowed.callback(None)
        finally:
            self._serving = False

    def _next(self) -> Hold | None:
        waiting = self._holds[HoldState.WAITING]
        if not waiting:
            return None
        is_full = self._is_full()
        allowed = (hold for hold in waiting if self._may_go(hold, is_full=is_full))
        return min(allowed, key=lambda hold: not self.order.is_urgent(hold.request), default=None)

    def _may_go(self, hold: Hold, *, is_full: bool) -> bool:
        # Scrapy, too, sends what did not come out of the scheduler beyond CONCURRENT_REQUESTS.
        if hold.is_awaited:
            return True
        return not is_full and not self._is_delayed(hold)
