"""Decide whether a job may be bought, and count it before its create call is sent.

Counts are kept in the ledger, which the crawls of one machine may share; ``fleet.limits`` shares them between machines.
Concurrent challenges cannot exceed a limit together, since a job is counted first. Nothing here calls the service.
"""

import math
from collections.abc import Callable

from scrapy_omocaptcha.buying.breaker import Breaker
from scrapy_omocaptcha.buying.ledger import Entry, Ledger, Sums
from scrapy_omocaptcha.buying.records import Balance, JobRequest
from scrapy_omocaptcha.errors import NotBought
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.settings.limits import LIMITS

_ROUNDING = 1e-9
"""USD by which a sum of floats may be wrong."""


class Limits:
    """The limits of one crawl: jobs, USD, and the breaker of each host and domain."""

    buyer = ""
    """Names who has bought in messages, such as ``" by the fleet 'shop'"``; empty for this crawl."""

    def __init__(self, settings: Settings, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._ledger = ledger
        if ledger.has_jobdir:
            self.buyer = " by all runs with this JOBDIR"
        self.price = settings.assumed_price
        """USD a job, as far as it is known."""
        self._most = settings.limits
        """The jobs or USD that may be bought, by the reason that a limit gives."""
        if settings.min_balance:
            self._most["min_balance"] = math.inf  # It is not known yet.
        self._checked = list(self._most)
        """The limits that the ledger's sums are compared with."""
        self.breaker = Breaker(settings.breaker_failures, settings.breaker_pause, clock)
        self._unanswered: set[Entry] = set()

    def check(self, host: str) -> None:
        """Raise ``NotBought``, with the limit that is reached, unless a job may be bought now."""
        self._check(self._ledger.sums(host), host)

    async def reserve(self, job: JobRequest, host: str) -> Entry:
        """Count a job for ``host`` before it is bought, with all who share these limits, or raise ``NotBought``."""
        entry = self._ledger.enter(job, host, cost=self.price, check=lambda sums: self._check(sums, host))
        self.breaker.let_through(host)
        self._unanswered.add(entry)
        return entry

    def cancel(self, entry: Entry) -> None:
        """Take back a reserved job that certainly was not bought."""
        self._unanswered.discard(entry)
        entry.withdraw()

    def bought(self, entry: Entry, job_id: str | None) -> None:
        """Record that a reserved job was bought, or may have been, and its id if that is known."""
        self._unanswered.discard(entry)
        entry.bought(job_id)

    def _check(self, sums: Sums, host: str) -> None:
        for reason in self._checked:
            limit = LIMITS[reason]
            used = getattr(sums, limit.measure)
            if used is None:
                raise NotBought(
                    reason,
                    "the ledger cannot be used, so what other crawls have spent is not known, and "
                    f"{limit.setting} must hold for all: fix OMOCAPTCHA_LEDGER, as the log says",
                )
            one_more = 1 if limit.counts_jobs else self.price
            if used + one_more > self._most[reason] + _ROUNDING:
                raise self._reached(reason, used, host)
        if (paused := self.breaker.find_open(host)) is not None:
            settings = self._settings
            raise NotBought(
                "breaker",
                f"at least {settings.breaker_failures} of the last jobs for {paused} were of no use: the "
                "lines before say whether its site rejected the tokens or the service gave none; nothing is bought for "
                f"it for {settings.breaker_pause:g} s (OMOCAPTCHA_BREAKER_FAILURES, OMOCAPTCHA_BREAKER_PAUSE)",
            )

    def _reached(self, reason: str, used: float, host: str) -> NotBought:
        """Return the error for a limit that is reached.

        :param used: jobs bought or USD spent, depending on the limit.
        """
        limit = LIMITS[reason]
        jobs = "1 job has been bought" if used == 1 else f"{used:.0f} jobs have been bought"
        usd, cost = f"{used:.5f} USD have been spent", f", a job costs {self.price:.5f}"
        gaps = {"used": jobs, "cost": ""} if limit.counts_jobs else {"used": usd, "cost": cost}
        value = self._settings.limits[reason]
        return NotBought(
            reason, limit.words.format(**gaps, by=self.buyer, host=host, value=value, setting=limit.setting)
        )

    def no_call_is_under_way(self) -> bool:
        """Return whether all create calls have ended; until then, the balance may or may not include their cost."""
        return not self._unanswered

    async def charged_so_far(self) -> float:
        """Return the USD that the balance already lacks; call it before asking for the balance."""
        return self._ledger.sums("").spent or 0.0

    def set_balance(self, balance: Balance, charged: float) -> None:
        """Let the crawl spend ``balance``, asked for after ``charged_so_far``, down to ``OMOCAPTCHA_MIN_BALANCE``."""
        left = balance.usd - self._settings.min_balance
        if balance.solves:  # Those of a package count at the price of a job, however low the balance is.
            left = max(left, 0.0) + balance.solves * self.price
        self._most["min_balance"] = charged + left

    async def close(self) -> None:
        """Release what the limits use, and the ledger; called once, when the crawl has ended."""
        self._ledger.close()
