"""What may be bought.

Pure state with an injected clock: a reservation is made before the call, so that concurrent challenges cannot overrun
a limit between them. It neither calls the service nor logs.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from scrapy_omocaptcha.errors import NotBought

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_omocaptcha.settings import Settings

_REFUSALS_IN_A_ROW = 5
"""Create calls refused in a row, on whatever host, after which buying pauses."""
_ROUNDING = 1e-9
"""USD: sums of floats are never exact."""


class Reservation:
    """Room for one job in every limit, until it is bought (it stays) or certainly was not (it is given up)."""

    def __init__(self, limits: Limits, host: str, cost: float, give_back_turn: Callable[[], None]) -> None:
        self._limits = limits
        self._host = host
        self._give_back_turn = give_back_turn
        self.cost = cost

    def give_up(self) -> None:
        self._limits.jobs -= 1
        self._limits.jobs_of_host[self._host] -= 1
        self._limits.spent -= self.cost
        self._give_back_turn()


class Limits:
    """Jobs and USD of a crawl, the breaker of each host and key, and whether the account can buy at all.

    :param price: USD a job, as known at the moment.
    """

    def __init__(self, settings: Settings, price: float, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self.price = price
        self.jobs = 0
        self.spent = 0.0
        self.jobs_of_host: Counter[str] = Counter()
        self._account: str | None = None
        self._refusals = 0
        self._paused_until = 0.0
        self._failures: Counter[tuple[str, str]] = Counter()
        self._open_until: dict[tuple[str, str], float] = {}

    def check(self, host: str, sitekey: str) -> None:
        """Whether a job may be bought now.

        :raises NotBought: no; it says why and what to change.
        """
        settings = self._settings
        if self._account is not None:
            raise NotBought("account", self._account)
        if settings.max_jobs and self.jobs >= settings.max_jobs:
            raise NotBought("max_jobs", f"{self.jobs} jobs have been bought: raise OMOCAPTCHA_MAX_JOBS to go on")
        if settings.max_jobs_per_host and self.jobs_of_host[host] >= settings.max_jobs_per_host:
            raise NotBought(
                "max_jobs_per_host",
                f"{self.jobs_of_host[host]} jobs have been bought for {host}: "
                "raise OMOCAPTCHA_MAX_JOBS_PER_HOST to go on",
            )
        if settings.max_cost and self.spent + self.price > settings.max_cost + _ROUNDING:
            raise NotBought(
                "max_cost",
                f"{self.spent:.5f} USD have been spent, a job costs {self.price:.5f}: "
                "raise OMOCAPTCHA_MAX_COST to go on",
            )
        now = self._clock()
        if now < self._paused_until:
            raise NotBought("refused", "the service has refused several jobs in a row; buying pauses for a while")
        if now < self._open_until.get((host, sitekey), 0.0):
            raise NotBought(
                "breaker",
                f"{settings.breaker_failures} jobs in a row were of no use on {host}; it is left alone for "
                f"{settings.breaker_pause:g} s (OMOCAPTCHA_BREAKER_FAILURES, OMOCAPTCHA_BREAKER_PAUSE)",
            )

    def reserve(self, host: str, sitekey: str) -> Reservation:
        """Room for one job.

        :raises NotBought: a limit is reached.
        """
        self.check(host, sitekey)
        self.jobs += 1
        self.jobs_of_host[host] += 1
        self.spent += self.price
        return Reservation(self, host, self.price, self._take_turn((host, sitekey)))

    def _take_turn(self, key: tuple[str, str]) -> Callable[[], None]:
        """After a breaker's pause one job tries again, and the next waits for its outcome; how to undo that."""
        before = self._open_until.get(key)
        if before is None:
            return lambda: None
        mine = self._open_until[key] = self._clock() + self._settings.breaker_pause

        def give_back() -> None:
            # A failure since then has begun a pause of its own, a success has ended it.
            if self._open_until.get(key) == mine:
                self._open_until[key] = before

        return give_back

    def succeeded(self, host: str, sitekey: str) -> None:
        """The site has accepted a token."""
        self._failures.pop((host, sitekey), None)
        self._open_until.pop((host, sitekey), None)

    def failed(self, host: str, sitekey: str) -> None:
        """A job failed, or the site rejected its token. Lost calls do not count."""
        self._failures[host, sitekey] += 1
        if self._failures[host, sitekey] >= self._settings.breaker_failures:
            self._open_until[host, sitekey] = self._clock() + self._settings.breaker_pause

    def refused(self) -> None:
        """The service refused a create call."""
        self._refusals += 1
        if self._refusals >= _REFUSALS_IN_A_ROW:
            self._refusals = 0
            self._paused_until = self._clock() + self._settings.breaker_pause

    def taken(self) -> None:
        """The service took a create call."""
        self._refusals = 0

    def close_account(self, why: str) -> bool:
        """Buy nothing any more; True when this is news."""
        news = self._account is None
        self._account = self._account or why
        return news
