"""Decide whether a job may be bought, and learn from what became of others.

Counts are kept in the ledger, which the crawls of one machine may share; ``fleet.limits`` shares them between machines.
A job is counted before its create call is sent, so that concurrent challenges cannot exceed a limit together. Nothing
here calls the service or logs.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scrapy_omocaptcha.buying.breaker import Breaker
from scrapy_omocaptcha.buying.ledger import Entry, Ledger, Sums
from scrapy_omocaptcha.buying.records import Balance, JobRequest
from scrapy_omocaptcha.errors import NotBought
from scrapy_omocaptcha.settings import LIMITS, Settings
from scrapy_omocaptcha.settings.values import Limit

_OTHERS_SPEND = 0.05
"""USD a second that all others who use the account are assumed to spend at most; the cost of about 90 jobs."""
_CALL_SECONDS = 1.0
"""Seconds that a create call is assumed to take, in which others may spend too."""
_ROUNDING = 1e-9
"""USD by which a sum of floats may be wrong."""
_NEAR = 0.8
"""Share of a limit at which a warning says that the limit is near."""


@dataclass(frozen=True)
class Reservation:
    """A job that is counted in every limit, and in the ledger, before it is bought."""

    entry: Entry
    cancel: Callable[[], None]
    """Takes the job back; called when it certainly was not bought."""
    bought: Callable[[str | None], None]
    """Records that it was bought, or may have been, and its id if that is known; the balance lacks its cost now."""


class Limits:
    """The limits of one crawl: jobs, USD, and the breaker of each host and domain.

    :param tell_near: called once with the reason that a limit will give, the host that it is about, empty for all, and
        a sentence, when most of it is used and at least one more job can be bought.
    """

    def __init__(
        self, settings: Settings, ledger: Ledger, clock: Callable[[], float], tell_near: Callable[[str, str, str], None]
    ) -> None:
        self._settings = settings
        self._tell_near = tell_near
        self._told_near: set[tuple[str, str]] = set()
        self._ledger = ledger
        self._clock = clock
        self.price = settings.assumed_price
        """USD a job, as far as it is known."""
        self._limits = {reason: limit for reason, limit in LIMITS.items() if getattr(settings, reason)}
        self.breaker = Breaker(settings.breaker_failures, settings.breaker_pause, clock)
        self._spendable = math.inf
        self._balance_at: float | None = None
        self._unanswered: set[Entry] = set()

    @property
    def spent(self) -> float:
        """Return the USD spent by the crawl, with its earlier runs."""
        return self._ledger.sums("").spent

    def check(self, host: str) -> None:
        """Raise ``NotBought``, with the limit that is reached, unless a job may be bought now."""
        self._check(self._ledger.sums(host), host)

    async def reserve(self, job: JobRequest, host: str) -> Reservation:
        """Count a job for ``host`` before it is bought, with all who share these limits, or raise ``NotBought``."""
        entry, before = self._ledger.enter(
            host=host,
            page=job.page,
            kind="invisible" if job.invisible else "checkbox",
            cost=self.price,
            check=lambda sums: self._check(sums, host),
        )
        self.breaker.let_through(host)
        self._unanswered.add(entry)
        # The ledger is free for others by now: a signal's handlers may take their time.
        self._look_for_near(before, host, self._limits)

        def cancel() -> None:
            self._unanswered.discard(entry)
            self._ledger.withdraw(entry)

        def bought(job_id: str | None) -> None:
            self._unanswered.discard(entry)
            entry.bought(job_id)

        return Reservation(entry, cancel, bought)

    def _check(self, sums: Sums, host: str) -> None:
        for reason, limit in self._limits.items():
            used = getattr(sums, limit.measure)
            if used is None:
                raise NotBought(
                    reason,
                    "the ledger cannot be used, so what other crawls have spent is not known, and "
                    f"OMOCAPTCHA_{reason.upper()} must hold for all: fix OMOCAPTCHA_LEDGER, as the log says",
                )
            most = self._most(reason)
            next_one = 1 if limit.counts_jobs else self.price
            if used + next_one > most + _ROUNDING:
                raise self._reached(reason, used, host)
        if (paused := self.breaker.find_open(host)) is not None:
            raise self._reached("breaker", 0, paused)

    def _most(self, reason: str) -> float:
        return self._spendable if reason == "min_balance" else float(getattr(self._settings, reason))

    def _look_for_near(self, before: Sums, host: str, limits: Mapping[str, Limit], by: str = "") -> None:
        """Tell, once each, of those of ``limits`` of which most is used with one more job for ``host``.

        :param by: names the buyer, such as ``" by the fleet 'shop'"``; empty for this crawl.
        """
        for reason, limit in limits.items():
            one_more, most = 1 if limit.counts_jobs else self.price, self._most(reason)
            used = getattr(before, limit.measure) + one_more
            is_near = _NEAR * most <= used + _ROUNDING and used + one_more <= most + _ROUNDING
            of_host = "" if limit.closes_with else host
            if not is_near or (reason, of_host) in self._told_near:
                continue
            self._told_near.add((reason, of_host))
            amount = f"{used:.0f} of {most:.0f} jobs" if limit.counts_jobs else f"{used:.5f} of {most:.5f} USD"
            what, cure = f"OMOCAPTCHA_{reason.upper()}", "raise it"
            if reason == "min_balance":
                what, cure = f"what {what} leaves to spend", "top up the account"
            what += f" is used for {of_host}" if of_host else " is used"
            self._tell_near(
                reason,
                of_host,
                f"{100 * used / most:.0f} % of {what}{by} ({amount}); at 100 % buying stops: {cure} before",
            )

    def _reached(self, reason: str, used: float, host: str, by: str = "") -> NotBought:
        """Return the error for a limit that is reached, or a breaker that is open for a host or a domain.

        :param used: jobs bought or USD spent, depending on the limit.
        :param by: names the buyer, such as ``" by the fleet 'shop'"``; empty for this crawl.
        """
        settings = self._settings
        if reason == "breaker":
            return NotBought(
                "breaker",
                f"at least {settings.breaker_failures} of the last jobs for {host} were of no use: the "
                "lines before say whether its site rejected the tokens or the service gave none; nothing is bought for "
                f"it for {settings.breaker_pause:g} s (OMOCAPTCHA_BREAKER_FAILURES, OMOCAPTCHA_BREAKER_PAUSE)",
            )
        limit, value = LIMITS[reason], getattr(settings, reason)
        jobs = "1 job has been bought" if used == 1 else f"{used:.0f} jobs have been bought"
        usd, cost = f"{used:.5f} USD have been spent", f", a job costs {self.price:.5f}"
        gaps = {"used": jobs, "cost": ""} if limit.counts_jobs else {"used": usd, "cost": cost}
        setting = f"OMOCAPTCHA_{reason.upper()}"
        return NotBought(reason, limit.words.format(**gaps, by=by, host=host, value=value, setting=setting))

    @property
    def needs_balance(self) -> bool:
        """Tell whether a job could be one too many, after what others may have spent since the balance was last known.

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

    async def charged_so_far(self) -> float:
        """Return the USD that the balance already lacks; call it before asking for the balance."""
        return self.spent

    def set_balance(self, balance: Balance, charged: float) -> None:
        """Let the crawl spend ``balance``, asked for after ``charged_so_far``, down to ``OMOCAPTCHA_MIN_BALANCE``."""
        left = balance.usd - self._settings.min_balance
        if balance.solves:  # Those of a package count at the price of a job, however low the balance is.
            left = max(left, 0.0) + balance.solves * self.price
        self._spendable = charged + left
        self._balance_at = self._clock()

    async def close(self) -> None:
        """Release what the limits use, and the ledger; called once, when the crawl has ended."""
        self._ledger.close()
