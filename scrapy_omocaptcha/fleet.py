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

from scrapy_omocaptcha.addresses import host_of
from scrapy_omocaptcha.errors import CrawlClosing, NotBought
from scrapy_omocaptcha.fleet_link import TRY_EVERY, FleetLink
from scrapy_omocaptcha.limits import Limits, Reservation, Running
from scrapy_omocaptcha.redis_script import RedisAway
from scrapy_omocaptcha.settings import OWN_LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_omocaptcha.engine import CrawlEngine
    from scrapy_omocaptcha.settings import Settings

logger = logging.getLogger(__name__)

_UNIT = 1e-9
"""USD in which Redis counts: whole numbers add up exactly."""
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
        """Room for one job in the limits of this worker and of the fleet.

        :raises NotBought: a limit is reached, or Redis is away and the jobs of others are not known.
        :raises CrawlClosing: the crawl closes.
        """
        self.check(host, sitekey)
        job = self._job(host, sitekey, page)

        def withdraw() -> None:
            self._link.tell("give_up", job)

        try:
            running = await self._engine.wait(self._book(job))
        except NotBought:
            raise
        except BaseException:
            # It may be reserved already, or even count.
            withdraw()
            raise
        if running is not None:
            return Reservation(0.0, lambda: None, running)
        try:
            if self._engine.closing:
                raise CrawlClosing("the crawl is closing")
            own = self.reserve(host, sitekey)
        except (CrawlClosing, NotBought):
            withdraw()
            raise

        def give_up() -> None:
            own.give_up()
            withdraw()

        return Reservation(own.cost, give_up)

    async def _book(self, job: dict[str, Any]) -> Running | None:
        """Have a job counted; or the one that need not be bought.

        :raises NotBought: it is not counted.
        """
        while True:
            try:
                answer = await self._link.ask("reserve", job)
                if answer is not None:
                    return self._running_or_refused(job["host"], *answer)
                if await self._link.ask("send", job):
                    return None
            except RedisAway as error:
                if self._alone:
                    self._link.tell("add", job)
                    return None
                if self._link.away_for >= self._settings.job_timeout:
                    # It may have heard of the job, and not we of that.
                    self._link.tell("give_up", job)
                    raise NotBought(
                        "redis",
                        f"the Redis of OMOCAPTCHA_REDIS_URL does not answer ({error}), so that what the fleet has "
                        "bought is not known: bring it back, or set OMOCAPTCHA_ON_REDIS_FAILURE to 'own_limits'",
                    ) from None
            await self._engine.sleep(TRY_EVERY)

    def _running_or_refused(self, host: str, word: str, detail: str) -> Running:
        """:raises NotBought: ``word`` is the reason why."""
        fleet = f"the fleet {self._name!r}"
        if word == "running":
            told, now = json.loads(detail), self._clock()
            return Running(told["id"], now - told["created"] / 1000, now - told["not_ready"] / 1000)
        if word == "account":
            raise NotBought("account", f"another worker of {fleet} says: {detail}")
        so_far = float(detail) * (1 if word.startswith("max_jobs") else _UNIT)
        raise self.reached(word, so_far, host, f" by {fleet}")

    def _job(self, host: str, sitekey: str, page: str) -> dict[str, Any]:
        settings = self._settings
        return {
            "job": uuid.uuid4().hex,
            **self._circuit(host, sitekey),
            "at": host_of(page),
            "cost": _units(self.price),
            "lease": _milliseconds(_LEASE),
            # What was sent within it may not be charged yet when a balance that is told now was asked for.
            "window": _milliseconds(2 * settings.api_timeout + _LEASE),
            "max_jobs": settings.max_jobs,
            "max_jobs_per_host": settings.max_jobs_per_host,
            "max_cost": _units(settings.max_cost),
            "max_cost_per_day": _units(settings.max_cost_per_day),
        }

    def hand_on(self, job: Running, sitekey: str, page: str) -> bool:
        now = self._clock()
        # Its token may have been made right after it was last asked for.
        good_for = job.not_ready + self._settings.token_max_age - now
        if good_for <= 0:
            return False
        ages = {"created": now - job.created, "not_ready": now - job.not_ready, "good_for": good_for}
        told = {name: _milliseconds(seconds) for name, seconds in ages.items()}
        self._link.tell("hand_on", {"at": host_of(page), "key": sitekey, "id": job.id, **told})
        return True

    def _circuit(self, host: str, sitekey: str) -> dict[str, Any]:
        return {"host": host, "key": sitekey, "most": self._settings.breaker_failures, "pause": self._pause}

    # -- what is learnt ------------------------------------------------------------------------------------------

    def succeeded(self, host: str, sitekey: str) -> None:
        super().succeeded(host, sitekey)
        self._link.tell("succeeded", self._circuit(host, sitekey))

    def failed(self, host: str, sitekey: str) -> None:
        super().failed(host, sitekey)
        self._link.tell("failed", self._circuit(host, sitekey))

    def holds(self, balance: float) -> None:
        super().holds(balance)
        self._link.tell("holds", {"left": _units(balance - self._settings.min_balance)})

    def refused(self) -> None:
        super().refused()
        self._link.tell("refused", {"pause": self._pause})

    def taken(self) -> None:
        super().taken()
        self._link.tell("taken", {})

    def close_account(self, why: str) -> bool:
        news = super().close_account(why)
        if news:
            self._link.tell("close_account", {"why": why, "pause": self._pause})
        return news

    async def close(self) -> None:
        untold = await self._link.close()
        given_up = {given["job"] for name, given in untold if name == "give_up"}
        bought = [given for name, given in untold if name == "add" and given["job"] not in given_up]
        if bought:
            logger.warning(
                "OMOcaptcha: Redis has not come back: %d jobs that this worker bought meanwhile are not counted with "
                "those of the fleet",
                len(bought),
            )


def _units(usd: float) -> int:
    return round(usd / _UNIT)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
