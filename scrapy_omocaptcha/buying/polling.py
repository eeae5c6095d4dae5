"""Choose when to poll a job, from the solve times seen so far in this crawl.

Polling late costs waiting, and polling often costs API calls: one poll counts as 0.2 s of waiting. Solve times are
taken to be lognormal, with a mean and a variance that follow the last 20 or so. The policy is pure: it knows neither
network nor settings nor clock. All times are seconds since the creation of the job.
"""

import math
import random

_POLL_COST = 0.2
_MAX_INTERVAL = 12.0
_MEDIAN, _SIGMA = 22.0, 0.55
"""Before the first solve: OMOcaptcha advertised an average of 15 s in 2024 and of 60 s in 2026."""
_MEMORY = 20
"""Solves after which an earlier one is mostly forgotten."""
_SIGMAS_EARLY = 1.35
"""Standard deviations before the mean at which the first poll is cheapest, found by simulation."""
_MIN_SIGMA = 0.05
_JITTER = 0.05
"""Share of an interval that is random, so that jobs created together are not polled together."""


class Polling:
    """The polling policy of a crawl.

    :param min_interval: minimum seconds between two polls of a job. Below 2, jobs are expected to be shorter and polls
        to cost less, in proportion.
    :param max_gap: maximum seconds between two polls, or before the first one, unless ``min_interval`` is longer. A
        token may be as old as the last poll that did not find it.
    """

    def __init__(self, min_interval: float = 2.0, max_gap: float = math.inf) -> None:
        self._second = min(1.0, min_interval / 2.0)
        self._min_interval = min_interval
        self._max_gap = max_gap
        self._mean = math.log(_MEDIAN * self._second)
        self._variance = _SIGMA**2
        self._solves = 1

    @property
    def usual_seconds(self) -> float | None:
        """Return how long jobs have usually taken; None before one was solved."""
        return math.exp(self._mean) if self._solves > 1 else None

    def next_poll(self, last_poll: float, polls: int) -> float:
        """Return when to poll a job that has been polled ``polls`` times, last at ``last_poll``."""
        if not polls:
            first = min(math.exp(self._mean - _SIGMAS_EARLY * self._sigma), self._max_gap)
            return first * random.uniform(1 - _JITTER, 1 + _JITTER)
        # While the hazard is h, polling every s seconds costs s / 2 seconds of waiting and 1 / (h * s) polls for each
        # solve. The sum is smallest for this s.
        interval = math.sqrt(2 * _POLL_COST * self._second / self._hazard(last_poll))
        interval = min(interval, _MAX_INTERVAL * self._second, self._max_gap)
        return last_poll + max(interval * random.uniform(1 - _JITTER, 1), self._min_interval)

    def record(self, not_ready: float, ready: float) -> None:
        """Learn from a solve, which was not finished at ``not_ready`` (0 without a poll), and was at ``ready``."""
        if ready <= not_ready:
            return
        self._solves = min(self._solves + 1, _MEMORY)
        weight = 1 / self._solves
        deviation = math.log(max((not_ready + ready) / 2, 0.1 * self._second)) - self._mean
        self._mean += weight * deviation
        self._variance = (1 - weight) * (self._variance + weight * deviation**2)

    @property
    def _sigma(self) -> float:
        return max(math.sqrt(self._variance), _MIN_SIGMA)

    def _hazard(self, at: float) -> float:
        """Return the probability a second that a job unfinished at ``at`` seconds is finished right then."""
        at = max(at, 0.001 * self._second)
        # The exponential underflows farther out.
        z = max(-37.0, min((math.log(at) - self._mean) / self._sigma, 37.0))
        density = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) / (self._sigma * at)
        return density / (math.erfc(z / math.sqrt(2)) / 2)
