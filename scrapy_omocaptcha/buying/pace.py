"""Limit how many calls are under way at once, and wait while the service takes no job. Times are in seconds."""

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
"""Create calls that may be under way before any has succeeded: what a service loses that fails from the start."""
_TOLD_AFTER = 3
"""Failures in a row after which a warning tells of them."""
_LONGEST_PAUSE = 60.0


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


class Pace:
    """The pace of create calls, which their successes and failures change.

    A failure makes a pause of a second, which each further one in a row doubles. Then one call at a time is made, and
    each success lets one more be under way.
    """

    def __init__(self, settings: Settings, lifetime: Lifetime, clock: Callable[[], float]) -> None:
        self._most, self._patience = settings.concurrent_jobs, settings.job_timeout
        self._lifetime, self._clock = lifetime, clock
        self._turns = CapacityLimiter(min(FIRST_CALLS, self._most))
        self._failures = 0
        """Failures in a row."""
        self._error = ApiError("")
        """The last failure."""
        self._failed_at = self._paused_until = self._patient_until = -math.inf

    @property
    def is_paused(self) -> bool:
        """Tell whether no call may be sent."""
        return self._clock() < self._paused_until

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until one more create call may be sent, which is under way in the block.

        :raises ApiUnreachable: when none has succeeded for ``OMOCAPTCHA_JOB_TIMEOUT``, or would within that time.
        """
        with self._turns.acquire() as acquired:
            await self._lifetime.wait(acquired)
            while self.is_paused:
                if self._paused_until > self._patient_until:
                    error = ApiUnreachable(str(self._error), taken=False)
                    error.cure = self._error.cure
                    raise error
                await self._lifetime.sleep(self._paused_until - self._clock())
            yield

    def succeeded(self, sent: float) -> None:
        """Record that a create call, sent at ``sent``, gave a job."""
        if sent >= self._failed_at:
            self._failures = 0
            if self._turns.taken >= self._turns.limit:
                self._turns.limit = min(self._turns.limit + 1, self._most)

    def failed(self, error: ApiError, sent: float) -> None:
        """Record that a create call, sent at ``sent``, gave no job.

        Calls that were under way together count as one.
        """
        if sent < self._failed_at or self._lifetime.closing:
            return
        now = self._clock()
        # A row that nobody has prolonged for a while is over.
        if not self._failures or now > self._paused_until + self._patience:
            self._failures, self._patient_until = 0, now + self._patience
        self._error, self._failed_at = error, now
        self._failures += 1
        self._turns.limit = 1
        pause = min(2.0 ** min(self._failures - 1, 6), _LONGEST_PAUSE)
        if now < self._patient_until:
            # One more call is made when the patience ends.
            pause = min(pause, self._patient_until - now)
        self._paused_until = now + max(pause, error.retry_after or 0.0)
        if self._failures == _TOLD_AFTER:
            logger.warning(
                "OMOcaptcha: the service takes no job (%s); challenges wait for it for at most %g s "
                "(OMOCAPTCHA_JOB_TIMEOUT)%s",
                error.with_cure,
                self._patience,
                ", and each call without an answer counts as a job, which is probably paid" if error.taken else "",
            )
