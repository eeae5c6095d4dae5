"""What may be bought.

Pure state with an injected clock: a reservation is made before the call, so that concurrent challenges cannot overrun
a limit between them. It neither calls the service nor logs. What the workers of a fleet share is in ``fleet``.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy_omocaptcha.buying.breaker import Breaker
from scrapy_omocaptcha.errors import NotBought

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scrapy_omocaptcha.buying.api.protocol import JobId
    from scrapy_omocaptcha.buying.journal import Record
    from scrapy_omocaptcha.settings import Settings

_REFUSALS_IN_A_ROW = 5
"""Create calls refused in a row, on whatever host, after which buying pauses."""
_ROUNDING = 1e-9
"""USD: sums of floats are never exact."""


@dataclass
class Running:
    """A job that is under way at the service."""

    id: JobId
    created: float
    """When it was created, by the clock of this process."""
    not_ready: float
    """When it was last known to have no token yet."""


@dataclass(frozen=True)
class Reservation:
    """Room for one job in every limit, until it is bought (it stays) or certainly was not (it is given up)."""

    cost: float
    """USD."""
    give_up: Callable[[], None]
    running: Running | None = None
    """A job that has been bought already, by somebody who has left it; nothing is to be bought."""


class Limits:
    """Jobs and USD of a crawl, the breaker of each host and key, and whether the account can buy at all.

    :param price: USD a job, as known at the moment.
    :param spent_in_a_day: USD that all crawls that share ``OMOCAPTCHA_MAX_COST_PER_DAY`` have spent; it need not be
        exact below its argument, and raises ``OSError`` where it cannot be known.
    """

    def __init__(
        self,
        settings: Settings,
        price: float,
        clock: Callable[[], float],
        *,
        spent_in_a_day: Callable[[float], float],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._spent_in_a_day = spent_in_a_day
        self.price = price
        self.jobs = 0
        self.spent = 0.0
        self.jobs_of_host: Counter[str] = Counter()
        self.breaker = Breaker(settings.breaker_failures, settings.breaker_pause, clock)
        self._spendable = math.inf
        self._account: str | None = None
        self._refusals = 0
        self._paused_until = 0.0

    def go_on(self, records: Iterable[Record]) -> None:
        """Count what earlier runs of the same crawl have bought."""
        for record in records:
            # One that costs nothing where others do was taken over: whoever bought it has counted it.
            bought = record.cost_usd > 0 or not self.price
            self.jobs += bought
            self.jobs_of_host[record.host] += bought
            self.spent += record.cost_usd

    def check(self, host: str, sitekey: str) -> None:
        """Whether a job may be bought now.

        :raises NotBought: no; it says why and what to change.
        """
        settings = self._settings
        if self._account is not None:
            raise NotBought("account", self._account)
        if settings.max_jobs and self.jobs >= settings.max_jobs:
            raise self.reached("max_jobs", self.jobs)
        if settings.max_jobs_per_host and self.jobs_of_host[host] >= settings.max_jobs_per_host:
            raise self.reached("max_jobs_per_host", self.jobs_of_host[host], host)
        after = self.spent + self.price
        if settings.max_cost and after > settings.max_cost + _ROUNDING:
            raise self.reached("max_cost", self.spent)
        if after > self._spendable + _ROUNDING:
            raise self.reached("min_balance", self.spent)
        if settings.max_cost_per_day:
            self._check_day(settings.max_cost_per_day + _ROUNDING - self.price)
        self._check_pauses(host, sitekey)

    def _check_pauses(self, host: str, sitekey: str) -> None:
        if self._clock() < self._paused_until:
            raise self.reached("refused")
        if self.breaker.is_open(host, sitekey):
            raise self.reached("breaker", host=host)

    def _check_day(self, room: float) -> None:
        try:
            spent = self._spent_in_a_day(room)
        except OSError as error:
            raise NotBought(
                "max_cost_per_day",
                f"what other crawls have spent is not known ({error}), and OMOCAPTCHA_MAX_COST_PER_DAY must hold "
                "for all: mend OMOCAPTCHA_JOURNAL",
            ) from None
        if spent > room:
            raise self.reached("max_cost_per_day", spent)

    def reached(self, reason: str, so_far: float = 0, host: str = "", whose: str = "") -> NotBought:
        """The error for a limit that is reached.

        :param so_far: jobs that have been bought, or USD that have been spent, whichever the limit is about.
        :param whose: who has bought and spent, where it was not this crawl alone.
        """
        settings = self._settings
        spent = f"{so_far:.5f} USD have been spent{whose}"
        words = {
            "max_jobs": f"{so_far:.0f} jobs have been bought{whose}: raise OMOCAPTCHA_MAX_JOBS to go on",
            "max_jobs_per_host": (
                f"{so_far:.0f} jobs have been bought for {host}{whose}: raise OMOCAPTCHA_MAX_JOBS_PER_HOST to go on"
            ),
            "max_cost": f"{spent}, a job costs {self.price:.5f}: raise OMOCAPTCHA_MAX_COST to go on",
            "min_balance": (
                f"the balance at the start and the {so_far:.5f} USD spent since{whose} leave no room for a job above "
                f"{settings.min_balance:g} USD: top the account up, or lower OMOCAPTCHA_MIN_BALANCE"
            ),
            "max_cost_per_day": (
                f"{spent} within 24 hours, a job costs {self.price:.5f}: "
                "raise OMOCAPTCHA_MAX_COST_PER_DAY to go on sooner"
            ),
            "refused": "the service has refused several jobs in a row; buying pauses for a while",
            "breaker": (
                f"{settings.breaker_failures} jobs in a row were of no use on {host}; it is left alone for "
                f"{settings.breaker_pause:g} s (OMOCAPTCHA_BREAKER_FAILURES, OMOCAPTCHA_BREAKER_PAUSE)"
            ),
        }
        return NotBought(reason, words[reason])

    # -- a job -------------------------------------------------------------------------------------------------------

    def reserve(self, host: str, sitekey: str) -> Reservation:
        """Room for one job.

        :raises NotBought: a limit is reached.
        """
        self.check(host, sitekey)
        cost = self.price
        self.jobs += 1
        self.jobs_of_host[host] += 1
        self.spent += cost
        give_back_turn = self.breaker.take_turn(host, sitekey)

        def give_up() -> None:
            self.jobs -= 1
            self.jobs_of_host[host] -= 1
            self.spent -= cost
            give_back_turn()

        return Reservation(cost, give_up)

    async def book(self, host: str, sitekey: str, page: str) -> Reservation:
        """Room for one job with whoever shares these limits; in one process that is known at once, without a wait.

        :param page: the address of the page with the widget.
        :raises NotBought: a limit is reached.
        :raises CrawlClosing: the crawl closes.
        """
        return self.reserve(host, sitekey)

    def hand_on(self, job: Running, sitekey: str, page: str) -> bool:
        """The crawl ends while a job is under way: leave it to others, if there are any."""
        return False

    def succeeded(self, host: str, sitekey: str) -> None:
        """The site has accepted a token."""
        self.breaker.succeeded(host, sitekey)

    def failed(self, host: str, sitekey: str) -> None:
        """A job failed, or the site rejected its token."""
        self.breaker.failed(host, sitekey)

    # -- the account -------------------------------------------------------------------------------------------------

    async def charged(self) -> float | None:
        """USD of which the account has certainly been charged: for who is about to ask for the balance."""
        return self.spent

    def holds(self, balance: float, charged: float | None) -> None:
        """The account holds ``balance`` USD, of which ``OMOCAPTCHA_MIN_BALANCE`` is to be left.

        :param charged: what had been spent before that was asked; None: not known.
        """
        self._spendable = (charged or 0.0) + balance - self._settings.min_balance

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

    async def close(self) -> None:
        """The crawl has ended; nothing is called afterwards."""
