"""Pause buying on all hosts while the service loses, garbles or refuses create calls."""

import logging
from collections.abc import Callable

from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import ApiError, ApiUnreachable

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds until one job is tried again; doubled with each that fails."""
_WARN_AT = 3
"""Failures in a row of which the user is told."""


class Outage:
    """What the create calls of one crawl show of the service.

    :param patience: seconds for which jobs wait for a service that takes none.
    """

    def __init__(self, lifetime: Lifetime, clock: Callable[[], float], patience: float) -> None:
        self._lifetime = lifetime
        self._clock = clock
        self._patience = patience
        self._failures = 0
        self._last_error = ""
        self._began = self._failed_at = self._paused_until = 0.0

    async def wait(self) -> None:
        """Wait until a job may be created; after each pause, only one may.

        :raises ApiUnreachable: when that would take too long.
        """
        await self._lifetime.until(lambda: self._clock() >= self._paused_until or self._is_long)
        if self._clock() < self._paused_until:
            raise ApiUnreachable(self._last_error, taken=False)
        if self._failures:
            self._pause(0.0)

    @property
    def _is_long(self) -> bool:
        return self._paused_until > self._began + self._patience

    def _pause(self, least: float) -> None:
        usual = min(_FIRST_PAUSE * 2 ** (self._failures - 1), _LONGEST_PAUSE)
        self._paused_until = self._clock() + max(least, usual)

    def failed(self, error: ApiError, sent: float) -> None:
        """Record a create call that gave no job.

        :param sent: when it was sent; calls that were under way together count once.
        """
        if sent < self._failed_at or self._lifetime.closing:
            return
        self._failed_at = self._clock()
        if not self._failures:
            self._began = self._failed_at
        self._failures += 1
        self._last_error = str(error)
        self._pause(getattr(error, "retry_after", None) or 0.0)
        if self._failures == _WARN_AT:
            logger.warning(
                "OMOcaptcha: the service takes no job (%s); challenges wait for it for %g s (OMOCAPTCHA_JOB_TIMEOUT)",
                error.with_cure,
                self._patience,
            )

    def succeeded(self, sent: float) -> None:
        """Record a create call that gave a job.

        :param sent: when it was sent; what was sent before the last failure shows nothing.
        """
        if sent >= self._failed_at:
            self._failures, self._paused_until = 0, 0.0
