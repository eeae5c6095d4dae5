"""The limits of a fleet: workers that crawl as one and share through Redis what they buy and learn.

Each worker also keeps limits of its own, with its ledger. ``fleet.lua`` counts what is shared and makes sure that no
limit is exceeded; this module calls it, and decides what follows while Redis is unavailable. Redis gets hosts, sitekeys
and sums, but no token, no credential and no page.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.buying.fleet.link import RETRY_INTERVAL, Arguments, FleetLink
from scrapy_omocaptcha.buying.fleet.script import RedisUnavailable, ScriptFailed
from scrapy_omocaptcha.buying.ledger import Entry, Ledger
from scrapy_omocaptcha.buying.limits import Limits, Reservation
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import CrawlClosing, NotBought
from scrapy_omocaptcha.settings import OWN_LIMITS, Settings

if TYPE_CHECKING:
    from scrapy_omocaptcha.buying.api.protocol import Balance, JobRequest

logger = logging.getLogger(__name__)

_UNIT = 1e-9
"""USD in which Redis counts: whole numbers add up exactly."""
_LARGEST = 10**13
"""Largest number sent to Lua, which writes longer ones with an exponent: 10,000 USD, or 300 years in ms."""
_LEASE = 30.0
"""Seconds for which a reservation counts before it is marked as sent: two calls of Redis by a busy process."""


class FleetLimits(Limits):
    """The limits of one worker, whose jobs are also counted in Redis together with those of all other workers.

    :param name: name of the fleet. Workers with the same name and the same Redis are one crawl.
    :raises NotConfigured: when redis-py is not installed.
    """

    def __init__(
        self, settings: Settings, ledger: Ledger, clock: Callable[[], float], *, lifetime: Lifetime, name: str
    ) -> None:
        super().__init__(settings, ledger, clock)
        assert settings.redis_url is not None
        self._lifetime = lifetime
        self._name = name
        self._worker = uuid.uuid4().hex
        self._has_own_limits = settings.on_redis_failure == OWN_LIMITS
        self._pause = _milliseconds(settings.breaker_pause)
        self._link = FleetLink(
            settings.redis_url,
            name,
            clock,
            meanwhile=(
                "and this worker buys within its own limits until Redis is back"
                if self._has_own_limits
                else "and nothing is bought until Redis is back; challenges wait for it for "
                f"{settings.job_timeout:g} s (OMOCAPTCHA_JOB_TIMEOUT)"
            ),
        )

    async def reserve(self, job: JobRequest, host: str) -> Reservation:
        """Count a job in the limits of this worker and of the fleet before it is bought.

        :raises NotBought: when a limit is reached, or when Redis is unavailable and must not be.
        """
        self.check(host, job.sitekey)
        arguments = self._job(host, job.sitekey)
        try:
            await self._lifetime.wait(self._reserve_in_fleet(arguments))
            if self._lifetime.closing:
                raise CrawlClosing("the crawl is closing")
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

    async def _reserve_in_fleet(self, job: Arguments) -> None:
        try:
            while True:
                refusal = await self._call("reserve", job)
                if refusal is not None:
                    raise self._not_bought(job["host"], *refusal)
                # The lease may have run out in between.
                if await self._call("mark_sent", job):
                    return
        except RedisUnavailable as error:
            if not self._has_own_limits:
                raise _fleet_unknown(error) from None
            self._link.notify("add", job)

    async def _call(self, command: str, arguments: Arguments) -> Any:
        """Return the reply of Redis, after waiting for it as long as a job may take.

        :raises RedisUnavailable: when there is no reply, at once where the worker's own limits hold meanwhile.
        """
        start = self._clock()
        while True:
            try:
                return await self._link.call(command, arguments)
            except ScriptFailed:
                raise
            except RedisUnavailable:
                waited = max(self._link.unavailable_for, self._clock() - start)
                if self._has_own_limits or waited >= self._settings.job_timeout:
                    raise
            await self._lifetime.sleep(RETRY_INTERVAL)

    def _not_bought(self, host: str, reason: str, detail: str) -> NotBought:
        fleet = f"the fleet {self._name!r}"
        if reason == "account":
            return NotBought("account", f"another worker of {fleet} says: {detail}")
        used = float(detail) * (1 if reason.startswith("max_jobs") else _UNIT)
        return self._reached(reason, used, host, f" by {fleet}")

    def _job(self, host: str, sitekey: str) -> Arguments:
        settings = self._settings
        return {
            "job": uuid.uuid4().hex,
            **self._circuit(host, sitekey),
            "cost": _units(self.price),
            "lease": _milliseconds(_LEASE),
            # Messages about a job may be repeated for this long, and count once.
            "window": _milliseconds(settings.job_timeout + 2 * settings.api_timeout + _LEASE),
            "keeps_balance": settings.min_balance > 0,
            "max_jobs": settings.max_jobs,
            "max_jobs_per_host": settings.max_jobs_per_host,
            "max_cost": _units(settings.max_cost),
            "max_cost_per_day": _units(settings.max_cost_per_day),
        }

    def _circuit(self, host: str, sitekey: str) -> Arguments:
        return {"host": host, "sitekey": sitekey, "threshold": self._settings.breaker_failures, "pause": self._pause}

    def _check_day(self, spent: float | None) -> None:
        """Redis alone counts what a day costs."""

    def _check_breaker(self, host: str, sitekey: str) -> None:
        # What all workers have learnt, which Redis knows, replaces what this one has learnt.
        if self._link.unavailable_for:
            super()._check_breaker(host, sitekey)

    def create_accepted(self, entry: Entry, sitekey: str) -> None:
        super().create_accepted(entry, sitekey)
        self._link.notify("create_accepted", self._created(entry, sitekey))

    def record_success(self, entry: Entry, sitekey: str) -> None:
        super().record_success(entry, sitekey)
        self._link.notify("record_success", self._created(entry, sitekey))

    def record_failure(self, entry: Entry, sitekey: str) -> None:
        super().record_failure(entry, sitekey)
        self._link.notify("record_failure", self._created(entry, sitekey))

    def _created(self, entry: Entry, sitekey: str) -> Arguments:
        # The workers of a fleet number their jobs alike.
        return {"job": f"{self._worker}:{entry.own_row}", **self._circuit(entry.record.host, sitekey)}

    def close_account(self, why: str) -> bool:
        closed = super().close_account(why)
        if closed:
            self._link.notify("close_account", {"why": why, "pause": self._pause})
        return closed

    async def charged_so_far(self) -> float | None:
        """Return the USD that the balance certainly lacks already; None if unknown where Redis may be away."""
        # A create call takes this long at most, and so does the call for the balance: after that, a worker that has not
        # recorded an answer has died.
        uncertain = _milliseconds(2 * self._settings.api_timeout)
        try:
            return float(await self._lifetime.wait(self._call("charged_so_far", {"uncertain": uncertain}))) * _UNIT
        except RedisUnavailable as error:
            if self._has_own_limits:
                return None
            raise _fleet_unknown(error) from None

    def set_balance(self, balance: Balance, charged: float | None) -> None:
        super().set_balance(balance, self.spent)
        if charged is not None:
            self._link.notify("set_balance", {"spendable": _units(charged + self._above_floor(balance))})

    async def close(self) -> None:
        """Send Redis what it has not received yet, log what it will not receive, and close the ledger."""
        unsent = await self._link.close()
        cancelled = {arguments["job"] for command, arguments in unsent if command == "cancel"}
        bought = sum(command == "add" and arguments["job"] not in cancelled for command, arguments in unsent)
        if bought:
            logger.warning(
                "OMOcaptcha: Redis has not come back: the fleet does not know of %d jobs that this worker bought "
                "meanwhile",
                bought,
            )
        await super().close()


def _fleet_unknown(error: RedisUnavailable) -> NotBought:
    return NotBought(
        "redis",
        f"the Redis of OMOCAPTCHA_REDIS_URL does not answer ({error}), so it is not known what the fleet has bought: "
        "bring it back, or set OMOCAPTCHA_ON_REDIS_FAILURE to 'own_limits'",
    )


def _units(usd: float) -> int:
    return round(min(usd / _UNIT, _LARGEST))


def _milliseconds(seconds: float) -> int:
    return round(min(seconds * 1000, _LARGEST))
