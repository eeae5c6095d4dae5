"""What everything at a wall works with, put together once for a crawl. Nothing is decided here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy.utils.job import job_dir

from scrapy_omocaptcha.buying.account import Account
from scrapy_omocaptcha.buying.api.factory import speak, transport_for
from scrapy_omocaptcha.buying.fleet.limits import Fleet
from scrapy_omocaptcha.buying.ledger import Ledger
from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.buying.polling import Polling
from scrapy_omocaptcha.buying.solver import Solver
from scrapy_omocaptcha.engine.components import Neighbours
from scrapy_omocaptcha.engine.slots import CrawlEngine
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.reporting.dry_run import Estimate
from scrapy_omocaptcha.reporting.events import Telling
from scrapy_omocaptcha.settings import FALLBACK_PRICE
from scrapy_omocaptcha.walls.policy import Policy
from scrapy_omocaptcha.walls.sessions import Clearance

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.crawler import Crawler

    from scrapy_omocaptcha.buying.api.protocol import Api
    from scrapy_omocaptcha.settings import Settings


@dataclass(frozen=True)
class Means:
    """The parts of a crawl."""

    settings: Settings
    engine: CrawlEngine
    neighbours: Neighbours
    api: Api
    account: Account
    limits: Limits
    ledger: Ledger
    solver: Solver
    clearance: Clearance
    stats: Stats
    policy: Policy
    told: Telling
    estimate: Estimate
    clock: Callable[[], float]

    @classmethod
    def of(cls, crawler: Crawler, settings: Settings) -> Means:
        assert crawler.stats is not None
        clock = time.monotonic
        spider = crawler.spider.name if crawler.spider is not None else ""
        stats = Stats(crawler.stats)
        engine = CrawlEngine(crawler, settings.max_waiting)
        neighbours = Neighbours(crawler)
        api = speak(settings, transport_for(settings.api_url, timeout=settings.api_timeout))
        ledger = Ledger(
            spider=spider,
            stats=stats,
            journal=settings.journal,
            per_day=settings.max_cost_per_day > 0 and settings.redis_url is None,
            jobdir=job_dir(crawler.settings),
        )
        price = settings.price or FALLBACK_PRICE
        limits = (
            Limits(settings, price, clock, spent_in_a_day=ledger.spent_in_a_day)
            if settings.redis_url is None
            else Fleet(settings, price, clock, engine=engine, name=settings.fleet_of(spider))
        )
        limits.go_on(ledger.earlier)
        account = Account(api, limits, engine=engine, settings=settings, stats=stats)
        solver = Solver(
            api, limits, ledger, account, Polling(settings.poll_interval), engine=engine, settings=settings, clock=clock
        )
        return cls(
            settings=settings,
            engine=engine,
            neighbours=neighbours,
            api=api,
            account=account,
            limits=limits,
            ledger=ledger,
            solver=solver,
            clearance=Clearance(),
            stats=stats,
            policy=Policy(crawler, settings, neighbours, limits),
            told=Telling(crawler, stats),
            estimate=Estimate(),
            clock=clock,
        )
