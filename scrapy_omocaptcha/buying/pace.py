"""Limit how many calls are under way at once, to what the service bears, as TCP's window does. Times are in seconds."""

import logging
import math
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from twisted.internet.defer import Deferred

from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import ApiError, ApiUnreachable
from scrapy_omocaptcha.settings import Settings

logger = logging.getLogger(__name__)

FIRST_CALLS = 4
"""Calls that may be under way before any has succeeded: what a service loses that fails from the start."""
IN_VAIN = 3
"""Failures in a row that make a pause; with fewer, each is taken to be about its own call."""
_LONGEST_PAUSE = 60.0
"""The first pause is 1 s; each call that fails after one doubles it. It is longer only if the service says so. A call
that is sent later than that after a pause may fail for another reason."""


class CapacityLimiter:
    """Lets ``limit`` coroutines through at once, in the order in which they asked.

    A coroutine that waits has not begun: no timeout of its API call runs, and nothing of it has been sent.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.taken = limit, 0
        """Number of coroutines that may be in their blocks, from when the next one leaves, and of those that are."""
        self._waiting: OrderedDict[Deferred[None], None] = OrderedDict()
        self._granting = False

    @contextmanager
    def acquire(self) -> Iterator[Deferred[None]]:
        """Yield a Deferred that fires when there is room; leaving the block makes room again."""
        granted: Deferred[None] = Deferred()
        self._waiting[granted] = None
        self._grant()
        try:
            yield granted
        finally:
            if granted in self._waiting:
                del self._waiting[granted]
            else:
                self.taken -= 1
                self._grant()

    def _grant(self) -> None:
        # A callback may leave its block at once and call this again. The outer loop then goes on in place of a nested
        # one: when a crawl closes, thousands leave one after the other.
        if self._granting:
            return
        self._granting = True
        while self.taken < self.limit and self._waiting:
            self.taken += 1
            self._waiting.popitem(last=False)[0].callback(None)
        self._granting = False


class Window:
    """Number of calls that may be under way, never above ``most``, and the pause before the next one. It has no clock.

    A failure halves the window, and a success widens it by one if it is in full use. Failures in a row make a pause,
    since then nothing succeeds.

    :param patience: how long calls wait for a service while none succeeds.
    """

    def __init__(self, most: int, patience: float = math.inf) -> None:
        self.size = min(FIRST_CALLS, most)
        self._most, self._patience = most, patience
        self.failures = 0
        """Failures in a row; calls that were under way together count as one once there is a pause."""
        self._said = self._cure = ""
        self.paused_until = self._failed_at = self._began = -math.inf

    def succeeded(self, sent: float, under_way: int) -> None:
        """Record the success of a call that was sent at ``sent``, one of ``under_way``."""
        self.failures = 0
        if sent >= self._failed_at and under_way >= self.size:
            self.size = min(self.size + 1, self._most)

    def failed(self, error: ApiError, sent: float, now: float) -> None:
        """Record the failure of a call that was sent at ``sent``."""
        if not self.failures or sent > self.paused_until + _LONGEST_PAUSE:
            self._began = now
        self._said, self._cure = str(error), error.cure
        self.paused_until = max(self.paused_until, now + (error.retry_after or 0.0))
        if sent >= self._failed_at:
            self.size = max(1, self.size // 2)
        elif self.failures >= IN_VAIN:
            return
        self._failed_at = now
        self.failures += 1
        if self.failures >= IN_VAIN:
            self.size = 1
            end, last = now + min(2.0 ** min(self.failures - IN_VAIN, 6), _LONGEST_PAUSE), self._began + self._patience
            # The pause ends with the patience at the latest, and one more call is made.
            self.paused_until = max(self.paused_until, min(end, last) if now < last else end)

    def check(self, now: float, deadline: float) -> float:
        """Return for how long a call must wait; raise ``ApiUnreachable`` if that is beyond ``deadline`` or patience."""
        last = min(deadline, self._began + self._patience)
        if self._said and (now > deadline or (self.paused_until > now and self.paused_until > last)):
            error = ApiUnreachable(self._said, taken=False)
            error.cure = self._cure
            raise error
        return self.paused_until - now


class Pace:
    """The pace of create calls, which their successes and failures change.

    :param where: what they are for, in the log: ``" for shop.example"``, or empty for all.
    """

    def __init__(self, settings: Settings, lifetime: Lifetime, clock: Callable[[], float], where: str = "") -> None:
        self._window = Window(settings.concurrent_jobs, settings.job_timeout)
        self._turns = CapacityLimiter(self._window.size)
        self._patience, self._lifetime, self._clock, self._where = settings.job_timeout, lifetime, clock, where

    @property
    def is_paused(self) -> bool:
        """Tell whether no call may be sent."""
        return self._clock() < self._window.paused_until

    @asynccontextmanager
    async def turn(self, deadline: float = math.inf) -> AsyncIterator[None]:
        """Wait until one more create call may be sent, which is under way in the block.

        :param deadline: when a job that has been tried gives up; infinite before its first try.
        :raises ApiUnreachable: when that would take too long.
        """
        with self._turns.acquire() as acquired:
            await self._lifetime.wait(acquired)
            while (pause := self._window.check(self._clock(), deadline)) > 0:
                await self._lifetime.sleep(pause)
            yield

    def succeeded(self, sent: float) -> None:
        """Record that a create call, sent at ``sent``, gave a job."""
        self._window.succeeded(sent, self._turns.taken)
        self._turns.limit = self._window.size

    def failed(self, error: ApiError, sent: float) -> bool:
        """Record that a create call, sent at ``sent``, gave no job; return whether it is the first one in a row."""
        before = self._window.failures
        if not self._lifetime.closing:
            self._window.failed(error, sent, self._clock())
            self._turns.limit = self._window.size
        if before == IN_VAIN < self._window.failures:
            logger.warning(
                "OMOcaptcha: the service takes no job%s (%s); challenges wait for it for at most %g s "
                "(OMOCAPTCHA_JOB_TIMEOUT)%s",
                self._where,
                error.with_cure,
                self._patience,
                ", and each call without an answer counts as a job, which is probably paid" if error.taken else "",
            )
        return not before
