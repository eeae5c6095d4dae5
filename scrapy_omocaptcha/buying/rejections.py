"""Report rejected tokens to the service, in the background, where ``OMOCAPTCHA_REPORT_REJECTED`` asks for it."""

import logging
from dataclasses import dataclass
from typing import Any

from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future
from twisted.internet.defer import Deferred, DeferredList

from scrapy_omocaptcha.buying.account import Account
from scrapy_omocaptcha.buying.api.protocol import Api
from scrapy_omocaptcha.buying.records import JobId
from scrapy_omocaptcha.errors import ApiError, CrawlClosing

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Rejections:
    """Reports of one crawl. Nothing waits for them while it runs, and their failures have no consequence."""

    api: Api
    account: Account

    def __post_init__(self) -> None:
        self._under_way: set[Deferred[Any]] = set()

    def report(self, job_id: JobId) -> None:
        """Report that a site has rejected the token of a job."""
        reporting = deferred_from_coro(self._report(job_id))
        self._under_way.add(reporting)
        reporting.addBoth(self._end, reporting)

    def _end(self, result: Any, reporting: Deferred[Any]) -> Any:
        self._under_way.discard(reporting)
        return result

    async def _report(self, job_id: JobId) -> None:
        try:
            await self.account.call(self.api.report_rejected(job_id), grace_checks=2)
        except (ApiError, CrawlClosing) as error:
            logger.debug("Job %s was not reported as rejected: %s", job_id, error)
        else:
            logger.debug("Job %s was reported as rejected", job_id)

    async def close(self) -> None:
        """Wait until no report is under way, which takes half a second at most once the crawl is closing."""
        await maybe_deferred_to_future(DeferredList(list(self._under_way)))
