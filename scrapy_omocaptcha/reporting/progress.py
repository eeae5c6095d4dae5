"""Log what concerns a crawl as a whole: what is enabled, and the bill."""

import logging
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from scrapy import Spider
from scrapy.crawler import Crawler

from scrapy_omocaptcha.buying.buyer import Buyer
from scrapy_omocaptcha.buying.records import Run
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.reporting.events import Events
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.settings.checks import check_settings, tell_closer

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Progress:
    """Logs when the spider opens, and when it has closed."""

    crawler: Crawler
    middleware: type
    """The class of the package's downloader middleware."""
    settings: Settings
    buyer: Buyer
    events: Events
    stats: Stats

    def open(self, spider: Spider) -> None:
        """Log what is enabled, and warn of mistakes in the settings."""
        settings = self.settings
        ledger = os.path.abspath(settings.ledger) if settings.ledger and self.buyer.ledger.has_file else None
        logger.info(
            "OMOcaptcha is on: %s, %s%s for %s%s, at most %d jobs for a request%s%s",
            urlsplit(settings.api_url).netloc,
            f"at most {settings.max_cost:g} USD" if settings.max_cost else "no cost limit",
            f" and {settings.max_jobs} jobs" if settings.max_jobs else "",
            "this crawl" if settings.redis_url is None else f"the fleet {settings.fleet or spider.name!r}",
            f" and {settings.max_cost_per_day:g} USD in 24 hours" if settings.max_cost_per_day else "",
            settings.max_attempts,
            f"; jobs are recorded in {ledger}" if ledger else "",
            "; dry run, nothing is bought" if settings.dry_run else "",
        )
        for sentence in tell_closer(self.crawler.settings, self.middleware):
            logger.info("OMOcaptcha %s", sentence)
        for warning in check_settings(settings, self.crawler.settings, spider):
            logger.warning("OMOcaptcha: %s", warning)

    async def close(self, reason: str) -> None:
        """Log the report of the crawl, and record in the ledger that it has ended."""
        from scrapy_omocaptcha.reporting.text import crawl_report
        from scrapy_omocaptcha.reporting.totals import Totals

        buyer, events = self.buyer, self.events
        report = crawl_report(
            Totals(buyer.ledger.records, runs=[Run("", "", "", reason, events.not_solved, events.noticed)]),
            challenges=int(self.stats.get("challenges")),
            # Only buying shows whether one job opens a wall for a session, or each page needs one.
            would_buy={host: len(sessions) for host, sessions in events.dry_run.items()},
            price=buyer.limits.price,
            account_closed=buyer.account.closed,
        )
        logger.info("%s", report)
        buyer.ledger.ended(reason, events.not_solved, events.noticed)
