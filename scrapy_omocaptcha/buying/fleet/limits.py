"""The limits of a fleet: several workers that crawl as one, and share through a Redis what they buy and learn.

Each worker keeps limits of its own as well (``limits``). How what is shared is counted without an overrun is in
``fleet.lua``; here is what is asked of it, and what follows while Redis is away. No token, no credential and no page
goes there: hosts, site keys and sums do.
"""

from __future__ import annotations

import json
import logging
import uuid
from typing import TYPE_CHECKING, Any

from scrapy_omocaptcha.buying.fleet.link import TRY_EVERY, FleetLink, Given
from scrapy_omocaptcha.buying.fleet.script import RedisAway, ScriptFailed
from scrapy_omocaptcha.buying.limits import Limits, Reservation, Running
from scrapy_omocaptcha.errors import CrawlClosing, NotBought
from scrapy_omocaptcha.settings import OWN_LIMITS
from scrapy_omocaptcha.urls import host_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_omocaptcha.engine.slots import CrawlEngine
    from scrapy_omocaptcha.settings import Settings

logger = logging.getLogger(__name__)

_UNIT = 1e-9
"""USD in which Redis counts: whole numbers add up exactly."""
_MOST = 10**13
"""10,000 USD or 300 years: to Lua, whole numbers of more than 14 digits are others."""
_LEASE = 30.0
"""Seconds for which room is held for a job that is not sent yet: two calls of Redis, and a busy process."""


class Fleet(Limits):
    """The limits of one worker, all of whose jobs are counted with those of the others.

    :param name: of the fleet; workers that share it, and the Redis, are one crawl.
    :raises NotConfigured: redis-py is not installed.
    """

    def __init__(
        self, settings: Settings, price: float, clock: Callable[[], float], *, engine: CrawlEngine, name: str
    ) -> None:
        # What is spent in a day is counted in Redis alone.
        super().__init__(settings, price, clock, spent_in_a_day=lambda _: 0.0)
        assert settings.redis_url is not None
        self._engine = engine
        self._name = name
        self._alone = settings.on_redis_failure == OWN_LIMITS
        self._pause = _milliseconds(settings.breaker_pause)
        self._link = FleetLink(
            settings.redis_url,
            name,
            clock,
            meanwhile=(
                "and this worker buys within its own limits until Redis is back"
                if self._alone
                else "and nothing is bought until Redis is back; challenges wait for it for "
                f"{settings.job_timeout:g} s (OMOCAPTCHA_JOB_TIMEOUT)"
            ),
        )

    # -- a job -------------------------------------------------------------------------------------------------------

    async def book(self, host: str, sitekey: str, page: str) -> Reservation:
        """Room for one job in the limits of this worker and of the fleet; or a job that need not be bought.

        :raises NotBought: a limit is reached, or Redis is away and the jobs of others are not known.
        :raises CrawlClosing: the crawl closes.
        """
        self.check(host, sitekey)
        job = self._job(host, sitekey, page)

        def withdraw() -> None:
            self._link.tell("give_up", lambda: job)

        try:
            running = await self._engine.wait(self._grant(job))
            if self._engine.closing:
                raise CrawlClosing("the crawl is closing")
            if running is not None:
                return Reservation(0.0, withdraw, running)
            own = self.reserve(host, sitekey)
        except BaseException:
            # It may be reserved already, or even count; what is not, Redis knows nothing of.
            withdraw()
            raise

        def give_up() -> None:
            own.give_up()
            withdraw()

        return Reservation(own.cost, give_up)

    async def _grant(self, job: Given) -> Running | None:
        """Have a job counted; or the one that is under way already.

        :raises NotBought: it is not counted.
        """
        try:
            while True:
                answer = await self._ask("reserve", job)
                if answer is not None and answer[0] != "running":
                    raise self._refusal(job["host"], *answer)
                if await self._ask("send", job):
                    return None if answer is None else self._running(*answer[1:])
        except RedisAway as error:
            if self._alone:
                self._link.tell("add", lambda: job)
                return None
            raise _unknown(error) from None

    async def _ask(self, name: str, given: Given) -> Any:
        """The answer of Redis, for which is waited for as long as a job may take.

        :raises RedisAway: it does not come; at once where own limits hold meanwhile.
        """
        since = self._clock()
        while True:
            try:
                return await self._link.ask(name, given)
            except ScriptFailed:
                raise
            except RedisAway:
                waited = max(self._link.away_for, self._clock() - since)
                if self._alone or waited >= self._settings.job_timeout:
                    raise
            await self._engine.sleep(TRY_EVERY)

    def _refusal(self, host: str, reason: str, detail: str) -> NotBought:
        fleet = f"the fleet {self._name!r}"
        if reason == "account":
            return NotBought("account", f"another worker of {fleet} says: {detail}")
        so_far = float(detail) * (1 if reason.startswith("max_jobs") else _UNIT)
        return self.reached(reason, so_far, host, f" by {fleet}")

    def _running(self, told: str, redis_now: str) -> Running:
        """A job as Redis tells it, by the clock of this process."""
        job, ahead = json.loads(told), self._clock() - int(redis_now) / 1000
        return Running(json.loads(job["id"]), ahead + job["created"] / 1000, ahead + job["not_ready"] / 1000)

    def _job(self, host: str, sitekey: str, page: str) -> dict[str, Any]:
        settings = self._settings
        return {
            "job": uuid.uuid4().hex,
            **self._circuit(host, sitekey),
            "at": host_of(page),
            "cost": _units(self.price),
            "lease": _milliseconds(_LEASE),
            # Told within it, however often, a job counts once.
            "window": _milliseconds(settings.job_timeout + 2 * settings.api_timeout + _LEASE),
            "floor": settings.min_balance > 0,
            "max_jobs": settings.max_jobs,
            "max_jobs_per_host": settings.max_jobs_per_host,
            "max_cost": _units(settings.max_cost),
            "max_cost_per_day": _units(settings.max_cost_per_day),
        }

    def hand_on(self, job: Running, sitekey: str, page: str) -> bool:
        # To Lua, a number of many digits is another one.
        where = {"at": host_of(page), "key": sitekey, "id": json.dumps(job.id)}

        def told() -> Given | None:
            now = self._clock()
            # Its token may have been made right after it was last asked for.
            good_for = job.not_ready + self._settings.token_max_age - now
            ages = {"created": now - job.created, "not_ready": now - job.not_ready, "good_for": good_for}
            return {**where, **{name: _milliseconds(age) for name, age in ages.items()}} if good_for > 0 else None

        if told() is None:
            return False
        self._link.tell("hand_on", told)
        return True

    def _circuit(self, host: str, sitekey: str) -> dict[str, Any]:
        return {"host": host, "key": sitekey, "most": self._settings.breaker_failures, "pause": self._pause}

    # -- what is learnt ------------------------------------------------------------------------------------------

    def _check_pauses(self, host: str, sitekey: str) -> None:
        # What the workers have learnt together says more than what this one has.
        if self._link.away_for:
            super()._check_pauses(host, sitekey)

    def succeeded(self, host: str, sitekey: str) -> None:
        super().succeeded(host, sitekey)
        self._tell("succeeded", self._circuit(host, sitekey))

    def failed(self, host: str, sitekey: str) -> None:
        super().failed(host, sitekey)
        self._tell("failed", self._circuit(host, sitekey))

    def refused(self) -> None:
        super().refused()
        self._tell("refused", {"pause": self._pause})

    def taken(self) -> None:
        super().taken()
        self._tell("taken", {})

    def close_account(self, why: str) -> bool:
        news = super().close_account(why)
        if news:
            self._tell("close_account", {"why": why, "pause": self._pause})
        return news

    async def charged(self) -> float | None:
        """:raises NotBought: Redis is away. :raises CrawlClosing: the crawl closes."""
        try:
            # A call that buys takes as long at the most, and so does the one that asks for the balance.
            uncertain = _milliseconds(2 * self._settings.api_timeout)
            answer = await self._engine.wait(self._ask("charged", {"uncertain": uncertain}))
            return float(answer) * _UNIT
        except RedisAway as error:
            if self._alone:
                return None
            raise _unknown(error) from None

    def holds(self, balance: float, charged: float | None) -> None:
        super().holds(balance, self.spent)
        if charged is not None:
            self._tell("holds", {"spendable": _units(charged + balance - self._settings.min_balance)})

    def _tell(self, name: str, given: Given) -> None:
        self._link.tell(name, lambda: given)

    async def close(self) -> None:
        untold = await self._link.close()
        given_up = {given["job"] for name, given in untold if name == "give_up"}
        bought = sum(name == "add" and given["job"] not in given_up for name, given in untold)
        left = sum(name == "hand_on" for name, _ in untold)
        if bought or left:
            logger.warning(
                "OMOcaptcha: Redis has not come back: the fleet does not hear of %d jobs that this worker bought "
                "meanwhile, and of %d that it leaves under way",
                bought,
                left,
            )


def _unknown(error: RedisAway) -> NotBought:
    return NotBought(
        "redis",
        f"the Redis of OMOCAPTCHA_REDIS_URL does not answer ({error}), so that what the fleet has bought is not known: "
        "bring it back, or set OMOCAPTCHA_ON_REDIS_FAILURE to 'own_limits'",
    )


def _units(usd: float) -> int:
    return round(min(usd / _UNIT, _MOST))


def _milliseconds(seconds: float) -> int:
    return round(min(seconds * 1000, _MOST))
