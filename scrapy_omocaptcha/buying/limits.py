"""Decide whether a job may be bought, and count what has been bought.

The limits are pure state with an injected clock: they neither call the service nor log. A job is counted before its
create call is sent, so that concurrent challenges cannot exceed a limit together. ``fleet.limits`` shares the counts
between the workers of a fleet.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from scrapy_omocaptcha.buying.api.protocol import Balance
from scrapy_omocaptcha.buying.breaker import Breaker
from scrapy_omocaptcha.buying.journal import Record
from scrapy_omocaptcha.errors import NotBought
from scrapy_omocaptcha.settings import Settings

_REFUSALS_IN_A_ROW = 5
"""Consecutive create calls, on any host, that the service refuses before buying pauses."""
_OTHERS_SPEND = 0.05
"""USD a second that all others who use the account are assumed to spend at most; the cost of about 90 jobs."""
_CALL_SECONDS = 1.0
"""Seconds that a create call is assumed to take, in which others may spend too."""
_ROUNDING = 1e-9
"""USD by which a sum of floats may be wrong."""


@dataclass(frozen=True)
class Reservation:
    """One job that is counted in every limit before it is bought."""

    cost: float
    """USD."""
    cancel: Callable[[], None]
    """Take the job off the counts again; called when the job certainly was not bought."""
    answered: Callable[[], None]
    """Record that its create call has ended, so that the balance now includes its cost if it was charged."""


class Limits:
    """The limits of one crawl: jobs, USD, the breaker of each host and key, and the state of the account.

    :param price: USD a job, as far as it is known.
    :param spent_in_a_day: returns the USD spent by all crawls that share ``OMOCAPTCHA_MAX_COST_PER_DAY``. The result
        may be outdated while it is below the argument. Raises ``OSError`` when the sum is unknown.
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
        self.jobs_per_host: Counter[str] = Counter()
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_pause, clock)
        self._spendable = math.inf
        self._balance_at: float | None = None
        self._unanswered: set[object] = set()
        self.account_closed: str | None = None
        """Why nothing is bought any more with this account; None while it can buy."""
        self._refusals = 0
        self._paused_until = 0.0

    def resume(self, records: Iterable[Record]) -> None:
        """Count what earlier runs of the same crawl have bought."""
        for record in records:
            self.jobs += 1
            self.jobs_per_host[record.host] += 1
            self.spent += record.cost_usd

    def check(self, host: str, sitekey: str) -> None:
        """Raise ``NotBought``, with the limit that is reached, unless a job may be bought now."""
        settings = self._settings
        if self.account_closed is not None:
            raise NotBought("account", self.account_closed)
        if settings.max_jobs and self.jobs >= settings.max_jobs:
            raise self._reached("max_jobs", self.jobs)
        if settings.max_jobs_per_host and self.jobs_per_host[host] >= settings.max_jobs_per_host:
            raise self._reached("max_jobs_per_host", self.jobs_per_host[host], host)
        after = self.spent + self.price
        if settings.max_cost and after > settings.max_cost + _ROUNDING:
            raise self._reached("max_cost", self.spent)
        if after > self._spendable + _ROUNDING:
            raise self._reached("min_balance")
        if settings.max_cost_per_day:
            self._check_day(settings.max_cost_per_day + _ROUNDING - self.price)
        self._check_pauses(host, sitekey)

    def _check_day(self, most: float) -> None:
        try:
            spent = self._spent_in_a_day(most)
        except OSError as error:
            raise NotBought(
                "max_cost_per_day",
                f"what other crawls have spent is not known ({error}), and OMOCAPTCHA_MAX_COST_PER_DAY must hold "
                "for all: mend OMOCAPTCHA_JOURNAL",
            ) from None
        if spent > most:
            raise self._reached("max_cost_per_day", spent)

    def _check_pauses(self, host: str, sitekey: str) -> None:
        if self._clock() < self._paused_until:
            raise self._reached("refused")
        if self._breaker.is_open(host, sitekey):
            raise self._reached("breaker", host=host)

    def _reached(self, reason: str, used: float = 0, host: str = "", by: str = "") -> NotBought:
        """Return the error for a limit that is reached.

        :param used: jobs bought or USD spent, depending on the limit.
        :param by: names the buyer, such as ``" by the fleet 'shop'"``; empty for this crawl.
        """
        settings = self._settings
        spent = f"{used:.5f} USD have been spent{by}"
        messages = {
            "max_jobs": f"{used:.0f} jobs have been bought{by}: raise OMOCAPTCHA_MAX_JOBS to go on",
            "max_jobs_per_host": (
                f"{used:.0f} jobs have been bought for {host}{by}: raise OMOCAPTCHA_MAX_JOBS_PER_HOST to go on"
            ),
            "max_cost": f"{spent}, a job costs {self.price:.5f}: raise OMOCAPTCHA_MAX_COST to go on",
            "min_balance": (
                f"a job would leave less than {settings.min_balance:g} USD in the account: "
                "top it up, or lower OMOCAPTCHA_MIN_BALANCE"
            ),
            "max_cost_per_day": (
                f"{spent} within 24 hours, a job costs {self.price:.5f}: "
                "raise OMOCAPTCHA_MAX_COST_PER_DAY to go on sooner"
            ),
            "refused": "the service has refused several jobs in a row; buying pauses for a while",
            "breaker": (
                f"{settings.breaker_failures} jobs in a row were of no use on {host}; nothing is bought for it for "
                f"{settings.breaker_pause:g} s (OMOCAPTCHA_BREAKER_FAILURES, OMOCAPTCHA_BREAKER_PAUSE)"
            ),
        }
        return NotBought(reason, messages[reason])

    async def reserve(self, host: str, sitekey: str) -> Reservation:
        """Count a job before it is bought, with all processes that share these limits.

        :raises NotBought: when a limit is reached.
        """
        self.check(host, sitekey)
        cost = self.price
        self.jobs += 1
        self.jobs_per_host[host] += 1
        self.spent += cost
        cancel_trial = self._breaker.begin_trial(host, sitekey)
        call = object()
        self._unanswered.add(call)

        def answered() -> None:
            self._unanswered.discard(call)

        def cancel() -> None:
            answered()
            self.jobs -= 1
            self.jobs_per_host[host] -= 1
            self.spent -= cost
            cancel_trial()

        return Reservation(cost, cancel, answered)

    def record_success(self, host: str, sitekey: str) -> None:
        """Record that the site accepted a token."""
        self._breaker.record_success(host, sitekey)

    def record_failure(self, host: str, sitekey: str) -> None:
        """Record that a job gave no token, or that the site rejected its token."""
        self._breaker.record_failure(host, sitekey)

    @property
    def needs_balance(self) -> bool:
        """Whether others may have spent so much since the last look at the balance that a job could be one too many.

        Close to the floor, this holds before each job, so that jobs are created one by one.
        """
        if self._balance_at is None:
            return self._settings.min_balance > 0
        others = _OTHERS_SPEND * (self._clock() - self._balance_at + _CALL_SECONDS)
        left = self._spendable + _ROUNDING - self.spent - self.price
        return 0 <= left < others

    def no_call_is_under_way(self) -> bool:
        """Return whether all create calls have ended; until then, the balance may or may not include their cost."""
        return not self._unanswered

    async def charged_so_far(self) -> float | None:
        """Return the USD that the balance already lacks, or None if unknown; call it before asking for the balance."""
        return self.spent

    def set_balance(self, balance: Balance, charged: float | None) -> None:
        """Let the crawl spend ``balance`` down to ``OMOCAPTCHA_MIN_BALANCE``.

        :param charged: what ``charged_so_far`` returned before the balance was requested.
        """
        self._spendable = (charged or 0.0) + self._above_floor(balance)
        self._balance_at = self._clock()

    def _above_floor(self, balance: Balance) -> float:
        """Return the USD that may be spent, where the solves of a package count at the price of a job."""
        above = balance.usd - self._settings.min_balance
        return max(above, 0.0) + balance.solves * self.price if balance.solves else above

    def create_accepted(self) -> None:
        """Record that the service accepted a create call."""
        self._refusals = 0

    def create_refused(self) -> None:
        """Record that the service refused a create call; pause buying after several in a row."""
        self._refusals += 1
        if self._refusals >= _REFUSALS_IN_A_ROW:
            self._refusals = 0
            self._paused_until = self._clock() + self._settings.breaker_pause

    def close_account(self, why: str) -> bool:
        """Stop all buying; return whether it went on until now."""
        if self.account_closed is not None:
            return False
        self.account_closed = why
        return True

    async def close(self) -> None:
        """Release what the limits use; called once, when the crawl has ended."""
