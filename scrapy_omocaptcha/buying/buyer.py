"""Buy tokens: everything about money in one crawl, put together once and closed at its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from scrapy.crawler import Crawler
from scrapy.utils.job import job_dir

from scrapy_omocaptcha.buying.account import Account
from scrapy_omocaptcha.buying.ledger import Ledger
from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.settings import Settings

if TYPE_CHECKING:
    from scrapy_omocaptcha.buying.api.protocol import Api
    from scrapy_omocaptcha.buying.purchase import Purchase
    from scrapy_omocaptcha.buying.solver import Solver

logger = logging.getLogger(__name__)


class Buyer:
    """Buys the tokens of one crawl. It owns ``ledger``, ``limits`` (with the price), ``account`` and the solver."""

    def __init__(
        self,
        crawler: Crawler,
        settings: Settings,
        stats: Stats,
        lifetime: Lifetime,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._lifetime = lifetime
        self._clock = clock
        jobdir, spider = job_dir(crawler.settings), crawler.spider
        name = "" if spider is None else spider.name
        # Scrapyd gives each spider this argument.
        crawl = None if spider is None else vars(spider).get("_job")
        self.ledger = Ledger(spider=name, stats=stats, path=settings.ledger, jobdir=jobdir, crawl=crawl)
        if settings.redis_url is None:
            self.limits = Limits(settings, self.ledger, clock)
        else:
            from scrapy_omocaptcha.buying.fleet.limits import FleetLimits
            from scrapy_omocaptcha.buying.fleet.redis_store import RedisStore

            store = RedisStore(settings.redis_url, settings.fleet or name)
            self.limits = FleetLimits(settings, self.ledger, clock, store, lifetime)
        self.account = Account(lambda: self._apis, self.limits, lifetime=lifetime, settings=settings, stats=stats)

    @cached_property
    def _apis(self) -> dict[int, Api]:
        from scrapy_omocaptcha.buying.api.factory import build_apis

        return build_apis(self._settings)

    @cached_property
    def _solver(self) -> Solver:
        from scrapy_omocaptcha.buying.polling import Polling
        from scrapy_omocaptcha.buying.solver import Solver

        settings = self._settings
        # A token is as old as the last poll without it, at most. As much time is left to hand it in.
        polling = Polling(settings.poll_interval, max_gap=settings.token_max_age / 2)
        return Solver(self.limits, self.account, polling, self._lifetime, settings, self._clock)

    @property
    def usual_seconds(self) -> float | None:
        """Return how long the jobs of this crawl have usually taken; None before one was solved."""
        return self._solver.polling.usual_seconds if "_solver" in vars(self) else None

    def check(self, host: str) -> None:
        """Raise ``NotBought``, with the limit that is reached, unless a job may be bought for ``host`` now."""
        self.account.check()
        self.limits.check(host)

    async def buy(self, challenge: Challenge, *, host: str) -> Purchase:
        """Buy a token for ``challenge``, as :meth:`Solver.solve` does."""
        return await self._solver.solve(challenge, host=host)

    async def close(self) -> None:
        """Close limits, with the ledger, and API clients, even if the former raises."""
        try:
            await self.limits.close()
        finally:
            if "_apis" in vars(self):  # A call has been made.
                for api in self._apis.values():
                    await api.close()
