"""Choose when to poll a job, from the solve times seen so far in this crawl.

The first poll comes after half of the usual time, and each later one when a twelfth more has passed. All times are
seconds since the creation of the job. The policy knows neither network nor settings nor clock.
"""

import math
import random

_USUAL = 22.0
"""Before the first solve: OMOcaptcha advertised an average of 15 s in 2024 and of 60 s in 2026."""
_MEMORY = 20
"""Solves after which an earlier one is mostly forgotten."""
_JITTER = 0.05
"""Share of an interval that is random, so that jobs created together are not polled together."""


class Polling:
    """The polling policy of a crawl.

    :param min_interval: minimum seconds between two polls of a job. Below 2, jobs are expected to be shorter, in
        proportion.
    :param max_gap: maximum seconds between two polls, or before the first one, unless ``min_interval`` is longer. A
        token may be as old as the last poll that did not find it.
    """

    def __init__(self, min_interval: float = 2.0, max_gap: float = math.inf) -> None:
        self._min_interval, self._max_gap = min_interval, max_gap
        self._mean = _USUAL * min(1.0, min_interval / 2.0)
        self._solves = 0

    @property
    def usual_seconds(self) -> float | None:
        """Return how long jobs have usually taken; None before one was solved."""
        return self._mean if self._solves else None

    def next_poll(self, last_poll: float, polls: int) -> float:
        """Return when to poll a job that has been polled ``polls`` times, last at ``last_poll``."""
        if not polls:
            return min(self._mean / 2, self._max_gap) * random.uniform(1 - _JITTER, 1 + _JITTER)
        gap = min(last_poll / 12, self._max_gap) * random.uniform(1 - _JITTER, 1)
        return last_poll + max(gap, self._min_interval)

    def record(self, not_ready: float, ready: float) -> None:
        """Learn from a solve, which was not finished at ``not_ready`` (0 without a poll), and was at ``ready``."""
        self._solves = min(self._solves + 1, _MEMORY)
        self._mean += ((not_ready + ready) / 2 - self._mean) / self._solves
