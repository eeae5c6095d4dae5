"""Keep the limits of a fleet, whose workers count what they buy in one Redis.

Each job is reserved there before it is bought, and in the limits and the ledger of its worker. ``fleet.lua`` counts,
and makes sure that no limit is exceeded; while Redis is unavailable, nothing is bought. A reservation whose reply is
lost counts as bought. All else that a worker learns is its own. Redis gets hosts and sums, but no token and no page.
"""

from collections.abc import Callable
from typing import Any

from scrapy_omocaptcha.buying.fleet.link import FleetLink
from scrapy_omocaptcha.buying.fleet.redis_store import Arguments, NoReply, RedisStore
from scrapy_omocaptcha.buying.ledger import Ledger, Sums
from scrapy_omocaptcha.buying.limits import Limits, Reservation
from scrapy_omocaptcha.buying.records import JobRequest
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import CrawlClosing, NotBought
from scrapy_omocaptcha.settings import LIMITS, Settings

_UNIT = 1e-9
"""USD in which the store counts: whole numbers add up exactly."""
_LARGEST = 10**13
"""Largest number sent to Lua, which writes longer ones with an exponent: 10,000 USD."""


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
        self._by = f" by the fleet {store.fleet!r}"
        self._lifetime = lifetime
        self._link = FleetLink(store, lifetime, clock, patience=settings.job_timeout)
        self._spent = 0.0

    @property
    def spent(self) -> float:
        """Return the USD spent by the fleet, when it was last asked."""
        return self._spent

    async def reserve(self, job: JobRequest, host: str) -> Reservation:
        """Count a job in the limits of this worker and of the fleet; ``NotBought`` may also mean that Redis is away."""
        self.check(host)
        cost = _whole(self.price, _UNIT)
        reply = await self._call("reserve", {"host": host, "cost": cost, "limits": self._in_units(cost)})
        spent, in_a_day = (reply[name] * _UNIT for name in ("spent", "spent_in_a_day"))
        before = Sums(reply["jobs"], reply["jobs_of_host"], spent, in_a_day)
        if reason := reply.get("reached"):
            raise self._reached(reason, getattr(before, LIMITS[reason].measure), host, self._by)
        counted = {"host": host, "cost": cost, "step": reply["step"]}
        try:
            self._look_for_near(before, host, self._fleet_limits, self._by)
            if self._lifetime.closing:
                raise CrawlClosing()
            own = await super().reserve(job, host)
        except BaseException:
            self._link.tell("cancel", counted)
            raise

        def cancel() -> None:
            own.cancel()
            self._link.tell("cancel", counted)

        def bought(job_id: str | None) -> None:
            own.bought(job_id)
            if self._settings.min_balance:
                self._link.tell("charge", {"cost": cost})

        return Reservation(own.entry, cancel, bought)

    def _in_units(self, cost: int) -> list[Arguments]:
        """Return the limits of the fleet as the store checks them."""
        return [
            {
                "reason": reason,
                "measure": limit.measure,
                "adds": 1 if limit.counts_jobs else cost,
                "most": _whole(self._most(reason), 1 if limit.counts_jobs else _UNIT),
            }
            for reason, limit in self._fleet_limits.items()
        ]

    async def _call(self, command: str, arguments: Arguments) -> dict[str, Any]:
        """Return the reply of the store, or raise ``NotBought`` when there is none, so that nothing may be bought."""
        try:
            reply = await self._lifetime.wait(self._link.call(command, arguments))
        except NoReply as error:
            raise NotBought(
                "redis",
                f"the Redis of OMOCAPTCHA_REDIS_URL cannot be used ({error}), so it is not known what the fleet has "
                "bought: bring it back",
            ) from None
        self._spent = reply["spent"] * _UNIT
        return reply

    async def charged_so_far(self) -> float:
        """Return the USD that the balance certainly lacks: the cost of all jobs whose create calls have ended."""
        return float((await self._call("sums", {"host": ""}))["charged"]) * _UNIT

    async def close(self) -> None:
        """Tell Redis what it has not been told yet, and close the ledger."""
        await self._link.close()
        await super().close()


def _whole(amount: float, unit: float) -> int:
    return round(min(amount / unit, _LARGEST))
