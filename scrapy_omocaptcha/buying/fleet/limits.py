"""Keep the limits of a fleet, whose workers count what they buy in one Redis.

Each job is reserved there before it is bought, and in the limits and the ledger of its worker. ``fleet.lua`` counts,
and makes sure that no limit is exceeded; while Redis is unavailable, nothing is bought. A reservation whose reply is
lost counts as bought. All else that a worker learns is its own. Redis gets hosts and sums, but no token and no page.
"""

from collections.abc import Callable
from typing import Any

from scrapy_omocaptcha.buying.fleet.link import FleetLink
from scrapy_omocaptcha.buying.fleet.redis_store import Arguments, NoReply, RedisStore
from scrapy_omocaptcha.buying.ledger import Entry, Ledger, Sums
from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.buying.records import JobRequest
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import CrawlClosing, NotBought
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.settings.limits import LIMITS

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
        store: RedisStore,
        lifetime: Lifetime,
    ) -> None:
        super().__init__(settings, ledger, clock)
        # The store alone counts what a day costs.
        self._checked = [reason for reason in self._checked if reason != "max_cost_per_day"]
        self.buyer = f" by the fleet {store.fleet!r}"
        self._lifetime = lifetime
        self._link = FleetLink(store, lifetime, clock, patience=settings.job_timeout)
        self._counted: dict[Entry, Arguments] = {}
        """What the store has counted, until it is known whether the job was bought."""

    async def reserve(self, job: JobRequest, host: str) -> Entry:
        """Count a job in the limits of this worker and of the fleet; ``NotBought`` may also mean that Redis is away."""
        self.check(host)
        cost = _whole(self.price, _UNIT)
        reply = await self._call("reserve", {"host": host, "cost": cost, "limits": self._in_units(cost)})
        spent, in_a_day = (reply[name] * _UNIT for name in ("spent", "spent_in_a_day"))
        before = Sums(reply["jobs"], reply["jobs_of_host"], spent, in_a_day)
        if reason := reply.get("reached"):
            raise self._reached(reason, getattr(before, LIMITS[reason].measure), host)
        counted = {"host": host, "cost": cost, "step": reply["step"]}
        try:
            if self._lifetime.closing:
                raise CrawlClosing()
            entry = await super().reserve(job, host)
        except BaseException:
            self._link.tell("cancel", counted)
            raise
        self._counted[entry] = counted
        return entry

    def cancel(self, entry: Entry) -> None:
        """Take back a reserved job that certainly was not bought."""
        super().cancel(entry)
        self._link.tell("cancel", self._counted.pop(entry))

    def bought(self, entry: Entry, job_id: str | None) -> None:
        """Record that a reserved job was bought, or may have been, and its id if that is known."""
        super().bought(entry, job_id)
        counted = self._counted.pop(entry)
        if self._settings.min_balance:
            self._link.tell("charge", {"cost": counted["cost"]})

    def _in_units(self, cost: int) -> list[Arguments]:
        """Return the limits of the fleet as the store checks them."""
        return [
            {
                "reason": reason,
                "measure": LIMITS[reason].measure,
                "adds": 1 if LIMITS[reason].counts_jobs else cost,
                "most": _whole(most, 1 if LIMITS[reason].counts_jobs else _UNIT),
            }
            for reason, most in self._most.items()
        ]

    async def _call(self, command: str, arguments: Arguments) -> dict[str, Any]:
        """Return the reply of the store, or raise ``NotBought`` when there is none, so that nothing may be bought."""
        try:
            return await self._lifetime.wait(self._link.call(command, arguments))
        except NoReply as error:
            raise NotBought(
                "redis",
                f"the Redis of OMOCAPTCHA_REDIS_URL cannot be used ({error}), so it is not known what the fleet has "
                "bought: bring it back",
            ) from None

    async def charged_so_far(self) -> float:
        """Return the USD that the balance certainly lacks: the cost of all jobs whose create calls have ended."""
        return float((await self._call("sums", {"host": ""}))["charged"]) * _UNIT

    async def close(self) -> None:
        """Tell Redis what it has not been told yet, and close the ledger."""
        await self._link.close()
        await super().close()


def _whole(amount: float, unit: float) -> int:
    return round(min(amount / unit, _LARGEST))
