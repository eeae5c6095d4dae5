"""What a user is told of a crawl as a whole: what is on, how far it is, and the bill.

Single challenges are told of in ``telling``. Nothing is decided here.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy import signals
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.asyncio import create_looping_call
from scrapy.utils.defer import deferred_from_coro

from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.errors import ApiError, CrawlClosing, NotBought
from scrapy_omocaptcha.reporting.text import crawl_report
from scrapy_omocaptcha.settings.checks import complaints

if TYPE_CHECKING:
    from scrapy import Request, Spider
    from scrapy.crawler import Crawler
    from scrapy.http import Response

    from scrapy_omocaptcha.buying.buyer import Means

logger = logging.getLogger(__name__)


class Progress:
    """Speaks when the spider opens, now and then, and when it has closed.

    :param ours: the class of our middleware.
    """

    def __init__(self, crawler: Crawler, means: Means, ours: type) -> None:
        self._crawler = crawler
        self._means = means
        self._ours = ours
        self._interval = crawler.settings.getfloat("LOGSTATS_INTERVAL")
        self._line: Any = None
        self._said = ""
        self._pages = 0
        """Those that the crawl got."""
        crawler.signals.connect(self._opened, signals.spider_opened)
        crawler.signals.connect(self._started, signals.engine_started)
        crawler.signals.connect(self._received, signals.response_received)
        crawler.signals.connect(self._closed, signals.spider_closed)

    def _opened(self, spider: Spider) -> None:
        settings = self._means.settings
        logger.info(
            "OMOcaptcha is on: %s, at most %s for %s%s, %d jobs for a request%s",
            urlsplit(settings.api_url).netloc,
            f"{settings.max_cost:g} USD" if settings.max_cost else "any cost",
            "this crawl" if settings.redis_url is None else f"the fleet {settings.fleet_of(spider.name)!r}",
            f" and {settings.max_cost_per_day:g} USD in 24 hours" if settings.max_cost_per_day else "",
            settings.max_attempts,
            "; dry run, nothing is bought" if settings.dry_run else "",
        )
        for complaint in complaints(settings, self._crawler.settings, spider, self._ours):
            logger.warning("OMOcaptcha: %s", complaint)
        if self._interval:
            self._line = create_looping_call(self._say)
            self._line.start(self._interval, now=False)

    def _started(self) -> None:
        # Not when the spider is opened: the engine does not run yet then, as when it is closing.
        if self._means.settings.min_balance and not self._means.settings.dry_run:
            deferred_from_coro(self._look_at_balance())

    async def _look_at_balance(self) -> None:
        try:
            await self._means.account.ready()
        except ApiError as error:
            logger.warning("The balance is not known yet, and nothing is bought before it is: %s", error)
        except (NotBought, CrawlClosing):
            # Said by the account itself; or of no interest any more.
            return

    def _received(self, response: Response, request: Request) -> None:
        # What components of Scrapy ask for, and we, is no page to the spider: robots.txt, media, submissions.
        for_spider = request.callback is not NO_CALLBACK and not request_state.is_own(request)
        if for_spider and response.status < HTTPStatus.BAD_REQUEST:
            self._pages += 1

    def _say(self) -> None:
        stats = self._means.stats
        line = (
            f"{len(self._means.engine.holds)} requests wait, {stats.get('jobs/solved'):g} of "
            f"{stats.get('jobs/created'):g} jobs are solved, {stats.get('cost_usd'):.5f} USD so far"
        )
        if line != self._said and stats.get("challenges"):
            logger.info("OMOcaptcha: %s", line)
            self._said = line

    async def _closed(self, spider: Spider) -> None:
        if self._line is not None and self._line.running:
            self._line.stop()
        means = self._means
        closing_balance = await means.account.last_balance()
        report = crawl_report(
            [entry.record for entry in means.ledger.entries],
            challenges=int(means.stats.get("challenges")),
            pages=self._pages,
            stayed_closed=means.told.stayed_closed,
            opening_balance=means.account.balance,
            closing_balance=closing_balance,
            would_buy=means.estimate.jobs,
            price=means.limits.price,
        )
        logger.info("%s", report)
        means.ledger.close()
        await means.limits.close()
        await means.api.close()
