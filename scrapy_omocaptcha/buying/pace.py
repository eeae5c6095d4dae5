"""Wait for a turn to create a job, at the pace that the service bears: for one host, or for all."""

import logging
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from scrapy_omocaptcha.buying.limiter import CapacityLimiter
from scrapy_omocaptcha.buying.window import IN_VAIN, Window
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import ApiError
from scrapy_omocaptcha.settings import Settings

logger = logging.getLogger(__name__)


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
                "OMOcaptcha: the service takes no job%s (%s); challenges wait for it for %g s "
                "(OMOCAPTCHA_JOB_TIMEOUT)%s",
                self._where,
                error.with_cure,
                self._patience,
                ", and each call without an answer counts as a job, which is probably paid" if error.taken else "",
            )
        return not before
