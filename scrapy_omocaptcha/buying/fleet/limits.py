"""Keep the limits of a fleet, whose workers share through Redis what they buy and learn.

Each worker also keeps limits of its own, with its ledger. ``fleet.lua`` counts what is shared and makes sure that no
limit is exceeded; while Redis is unavailable, nothing is bought. Redis gets hosts, sitekeys and sums, but no token, no
credential and no page.
"""

import logging
import os
import socket
import uuid
from collections.abc import Callable
from typing import Any

from scrapy_omocaptcha.buying.fleet.link import FleetLink
from scrapy_omocaptcha.buying.fleet.redis_store import Arguments, NoReply, RedisStore
from scrapy_omocaptcha.buying.ledger import Entry, Ledger
from scrapy_omocaptcha.buying.limits import Limits, Reservation
from scrapy_omocaptcha.buying.records import Balance, JobRequest
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import CrawlClosing, NotBought
from scrapy_omocaptcha.settings import LIMITS, Settings
from scrapy_omocaptcha.urls import domain_of

logger = logging.getLogger(__name__)

_UNIT = 1e-9
"""USD in which the store counts: whole numbers add up exactly."""
_MS = 1e-3
_LARGEST = 10**13
"""Largest number sent to Lua, which writes longer ones with an exponent: 10,000 USD, or 300 years in ms."""


class FleetLimits(Limits):
    """The limits of one worker, whose jobs are also counted in a store together with those of all other workers."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        clock: Callable[[], float],
        tell_near: Callable[[str, str, str], None],
        store: RedisStore,
        lifetime: Lifetime,
    ) -> None:
        super().__init__(settings, ledger, clock, tell_near)
        self._fleet_limits = self._limits
        # The store alone counts what a day costs.
        self._limits = {reason: limit for reason, limit in self._limits.items() if reason != "max_cost_per_day"}
        self._fleet = f"the fleet {store.fleet!r}"
        self._lifetime = lifetime
        self._worker = store.worker
        self._has_told_account = False
        self._for_breaker = {"threshold": settings.breaker_failures, "pause": _whole(settings.breaker_pause, _MS)}
        self._link = FleetLink(store, clock, patience=settings.job_timeout)

    async def reserve(self, job: JobRequest, host: str) -> Reservation:
        """Count a job in the limits of this worker and of the fleet; ``NotBought`` may also mean that Redis is away."""
        self.check(host, job.sitekey)
        arguments = self._job(host, job.sitekey)
        try:
            word, *told = await self._call("reserve", arguments)
            if word != "counted":
                raise self._not_bought(host, word, *told)
            for reason, used, most in told:
                unit = _unit(reason)
                self._near(reason, float(used) * unit, float(most) * unit, host, f" by {self._fleet}")
            if self._lifetime.closing:
                raise CrawlClosing()
            own = await super().reserve(job, host)
        except BaseException:
            # Redis may have counted the job already; it ignores jobs that it does not know.
            self._link.notify("cancel", arguments)
            raise

        def cancel() -> None:
            own.cancel()
            self._link.notify("cancel", arguments)

        def answered() -> None:
            own.answered()
            if self._settings.min_balance:
                self._link.notify("mark_answered", arguments)

        return Reservation(own.entry, cancel, answered)

    async def _call(self, command: str, arguments: Arguments) -> Any:
        """Return the reply of the store, or raise ``NotBought`` when there is none, so that nothing may be bought."""
        try:
            return await self._lifetime.wait(self._link.call(command, arguments))
        except NoReply as error:
            raise NotBought(
                "redis",
                f"the Redis of OMOCAPTCHA_REDIS_URL does not answer ({error}), so it is not known what the fleet has "
                "bought: bring it back",
            ) from None

    def _not_bought(self, host: str, reason: str, detail: str) -> NotBought:
        if reason == "account":
            message = f"another worker of {self._fleet}, {detail}"
            if not self._has_told_account:
                # ``Account`` logs the same where this worker itself was refused.
                self._has_told_account = True
                logger.error("OMOcaptcha: %s", message)
            return NotBought("account", message)
        used, where = (0.0, detail) if reason == "breaker" else (float(detail) * _unit(reason), host)
        return self._reached(reason, used, where, f" by {self._fleet}")

    def _job(self, host: str, sitekey: str) -> Arguments:
        settings, cost = self._settings, _whole(self.price, _UNIT)
        limits = []
        for reason, limit in self._fleet_limits.items():
            limits.append({"reason": reason, "measure": limit.measure, "adds": 1 if limit.counts_jobs else cost})
            if reason != "min_balance":
                limits[-1]["most"] = _whole(getattr(settings, reason), _unit(reason))
        return {
            "job": uuid.uuid4().hex,
            "host": host,
            "domain": domain_of(host),
            "sitekey": sitekey,
            **self._for_breaker,
            "cost": cost,
            "limits": limits,
            # Messages about a job may be repeated within the window, and count once.
            "window": _whole(settings.job_timeout + 2 * settings.api_timeout, _MS),
        }

    def _find_paused(self, host: str, sitekey: str) -> None:
        """Return None: what all workers have learnt, which the store knows, replaces what this one has learnt."""

    def _tell(self, event: str, entry: Entry, sitekey: str) -> None:
        # The workers of a fleet number their jobs alike.
        host = entry.record.host
        job = {"job": f"{self._worker}:{entry.own_row}", "host": host, "domain": domain_of(host), "sitekey": sitekey}
        self._link.notify(event, {**job, **self._for_breaker})

    def close_account(self, why: str) -> bool:
        closed = super().close_account(why)
        if closed:
            who = f"process {os.getpid()} on {socket.gethostname()}"
            self._link.notify("close_account", {"why": f"{who}, says: {why}", **self._for_breaker})
        return closed

    async def charged_so_far(self) -> float:
        """Return the USD that the balance certainly lacks already."""
        # The create call and that for the balance take one timeout each: a worker without an answer has died by then.
        uncertain = _whole(2 * self._settings.api_timeout, _MS)
        return float(await self._call("charged_so_far", {"uncertain": uncertain})) * _UNIT

    def set_balance(self, balance: Balance, charged: float) -> None:
        super().set_balance(balance, self.spent)
        self._link.notify("set_balance", {"spendable": _whole(charged + self._above_floor(balance), _UNIT)})

    async def close(self) -> None:
        """Send Redis what it has not received yet, and close the ledger."""
        await self._link.close()
        await super().close()


def _unit(reason: str) -> float:
    """Return the unit in which the store counts what a limit measures."""
    return 1 if LIMITS[reason].counts_jobs else _UNIT


def _whole(amount: float, unit: float) -> int:
    return round(min(amount / unit, _LARGEST))
