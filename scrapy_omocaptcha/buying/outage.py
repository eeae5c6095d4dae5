"""Pause buying while the service loses, garbles or refuses create calls, on all hosts or on the one that it refuses."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import ApiError, ApiRefused, ApiUnreachable

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds until one job is tried again; doubled with each that fails."""
_MANY = 3
"""Failures in a row of which the user is told; with fewer, a refusal is taken to be about its own job."""


@dataclass(eq=False)
class Outage:
    """What the create calls of one crawl show of the service."""

    lifetime: Lifetime
    clock: Callable[[], float]
    patience: float
    """Seconds for which jobs wait for a service that takes none."""

    def __post_init__(self) -> None:
        self._failures = 0
        self._only_host: str | None = None
        """The host that all failures were refusals for, which say nothing of others; None if there is no such host."""
        self._last_error = ""
        self._began = self._failed_at = self._paused_until = 0.0

    @asynccontextmanager
    async def turn(self, host: str, deadline: float) -> AsyncIterator[None]:
        """Wait until a job may be created for ``host``; after each pause, only one may, unless the block raises.

        :param deadline: of this job, which may be waiting for longer than the service takes none.
        :raises ApiUnreachable: when that would take too long.
        """

        def is_paused() -> bool:
            return self.clock() < self._paused_until and self._only_host in (None, host)

        def is_long() -> bool:
            return self._paused_until > min(deadline, self._began + self.patience)

        await self.lifetime.until(lambda: not is_paused() or is_long())
        if is_paused():
            raise ApiUnreachable(self._last_error, taken=False)
        before = self._paused_until
        if 0 < before <= self.clock():
            if self.clock() > before + _LONGEST_PAUSE:
                # Nobody has wanted a job for so long that this is another time.
                self._began = self.clock()
            self._pause(0.0)
        pause = self._paused_until
        try:
            yield
        except BaseException:
            if self._paused_until == pause:
                self._paused_until = before
            raise

    def _pause(self, least: float) -> None:
        usual = min(_FIRST_PAUSE * 2 ** min(self._failures - 1, 6), _LONGEST_PAUSE)
        self._paused_until = self.clock() + max(least, usual)

    def failed(self, error: ApiError, sent: float, host: str) -> None:
        """Record that a create call for ``host``, sent at ``sent``, gave no job.

        Calls that were under way together count once.
        """
        if sent < self._failed_at or self.lifetime.closing:
            return
        self._failed_at = self.clock()
        if not self._paused_until:
            self._began = self._failed_at
        is_refused = isinstance(error, ApiRefused)
        is_of_one_host = is_refused and (not self._failures or self._only_host == host)
        self._only_host = host if is_of_one_host else None
        self._failures += 1
        self._last_error = str(error)
        if not is_refused or self._failures >= _MANY:
            self._pause(getattr(error, "retry_after", None) or 0.0)
        if self._failures == _MANY:
            logger.warning(
                "OMOcaptcha: the service takes no job%s (%s); challenges wait for it for %g s (OMOCAPTCHA_JOB_TIMEOUT)",
                f" for {self._only_host}" if self._only_host else "",
                error.with_cure,
                self.patience,
            )

    def succeeded(self, sent: float) -> None:
        """Record that a create call gave a job. One that was sent before the last failure shows nothing."""
        if sent >= self._failed_at:
            self._failures, self._paused_until = 0, 0.0
