"""Pause buying while the service loses, garbles or refuses create calls, on all hosts or on those that it refuses."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from scrapy.utils.datatypes import LocalCache

from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import ApiError, ApiRefused, ApiUnreachable

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds until one job is tried again; doubled with each that fails, and longer only if the service says so."""
_QUIET = 60.0
"""Seconds after a pause in which nobody has wanted a job, after which this is another time."""
_MANY = 3
"""Failures in a streak of which the user is told; with fewer, a refusal is taken to be about its own job."""
_MAX_HOSTS = 10_000


@dataclass(eq=False)
class _Streak:
    """Create calls that gave no job since the last one that did, of one host or of all, and the pause after them."""

    failures: int = 0
    last_error: str = ""
    cure: str = ""
    """What to do about that error."""
    failed_at: float = 0.0
    began: float = 0.0
    """When the first pause of these began."""
    paused_until: float = 0.0
    """When the pause ends, after which one job is tried; 0 if there is none."""
    is_trying: bool = False
    """Whether that job is being tried."""


class Outage:
    """What the create calls of one crawl show of the service.

    :param patience: seconds for which jobs wait for a service that takes none.
    """

    def __init__(self, lifetime: Lifetime, clock: Callable[[], float], patience: float) -> None:
        self._lifetime, self._clock, self._patience = lifetime, clock, patience
        self._all = _Streak()
        self._of_hosts: LocalCache[str, _Streak] = LocalCache(_MAX_HOSTS)
        """The refusals of each host. Only the first of a streak counts for all: the next may be due to this host."""

    def _streaks(self, host: str) -> list[_Streak]:
        return [self._all, *filter(None, [self._of_hosts.get(host)])]

    def _holding(self, host: str) -> list[_Streak]:
        """Return why a job for ``host`` may not be created now."""
        return [streak for streak in self._streaks(host) if streak.is_trying or self._clock() < streak.paused_until]

    def holds(self, host: str) -> bool:
        """Tell whether a job for ``host`` has to wait."""
        return bool(self._holding(host))

    async def wait(self, host: str, deadline: float) -> None:
        """Wait until a job for ``host`` may be created.

        :param deadline: when a job that has been tried gives up; infinite before its first try.
        :raises ApiUnreachable: when that would take too long.
        """

        def is_too_long(streak: _Streak) -> bool:
            if streak.is_trying:
                return self._clock() > deadline
            return streak.paused_until > min(deadline, streak.began + self._patience)

        def too_long() -> list[_Streak]:
            return [streak for streak in self._holding(host) if is_too_long(streak)]

        await self._lifetime.until(lambda: not self.holds(host) or bool(too_long()))
        if streaks := too_long():
            error = ApiUnreachable(streaks[0].last_error, taken=False)
            error.cure = streaks[0].cure
            raise error

    @contextmanager
    def trying(self, host: str) -> Iterator[bool]:
        """Create a job for ``host`` in the block; after a pause, others wait until it has ended.

        The block gets whether this is the job that is tried after a pause.
        """
        after_pause = [streak for streak in self._streaks(host) if streak.paused_until]
        for streak in after_pause:
            if self._clock() > streak.paused_until + _QUIET:
                streak.began = self._clock()
            streak.is_trying = True
        try:
            yield bool(after_pause)
        finally:
            for streak in after_pause:
                streak.is_trying = False

    def failed(self, error: ApiError, sent: float, host: str) -> None:
        """Record that a create call for ``host``, sent at ``sent``, gave no job."""
        if isinstance(error, ApiRefused):
            streak = self._of_hosts.setdefault(host, _Streak())
            is_first = not streak.failures
            self._count(streak, error, sent, f" for {host}")
            if not is_first:
                return
        self._count(self._all, error, sent)

    def _count(self, streak: _Streak, error: ApiError, sent: float, where: str = "") -> None:
        # Calls that were under way together count once.
        if sent < streak.failed_at or self._lifetime.closing:
            return
        streak.failed_at = self._clock()
        streak.failures += 1
        streak.last_error, streak.cure = str(error), error.cure
        if not isinstance(error, ApiRefused) or streak.failures >= _MANY:
            if not streak.paused_until:
                streak.began = streak.failed_at
            usual = min(_FIRST_PAUSE * 2 ** min(streak.failures - 1, 6), _LONGEST_PAUSE)
            streak.paused_until = streak.failed_at + max(getattr(error, "retry_after", None) or 0.0, usual)
        if streak.failures == _MANY:
            logger.warning(
                "OMOcaptcha: the service takes no job%s (%s); challenges wait for it for %g s (OMOCAPTCHA_JOB_TIMEOUT)",
                where,
                error.with_cure,
                self._patience,
            )

    def succeeded(self, sent: float, host: str) -> None:
        """Record that a create call gave a job. One that was sent before the last failure shows nothing."""
        for streak in self._streaks(host):
            if sent >= streak.failed_at:
                streak.failures, streak.paused_until = 0, 0.0
