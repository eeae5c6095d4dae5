"""Buy a job for a challenge and wait for its token.

A job that may still be running is never bought a second time: network errors, 5xx and broken answers are waited out
until the job's deadline, and only the service's ``fail`` or the deadline ends it. A job whose id was lost counts as
bought, and may be bought anew at once, since nobody can collect it.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet import defer

from scrapy_omocaptcha.buying.account import Account
from scrapy_omocaptcha.buying.ledger import Entry
from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.buying.pace import CapacityLimiter, Pace
from scrapy_omocaptcha.buying.polling import Polling
from scrapy_omocaptcha.buying.purchase import Purchase
from scrapy_omocaptcha.buying.records import JobId, JobRequest
from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import (
    AccountError,
    ApiBadAnswer,
    ApiError,
    ApiRefused,
    ApiUnreachable,
    CrawlClosing,
    JobError,
    JobLost,
    JobTimeout,
)
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.urls import public_address

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Solver:
    """Buys jobs within the limits and polls the service for their tokens."""

    limits: Limits
    account: Account
    polling: Polling
    lifetime: Lifetime
    settings: Settings
    clock: Callable[[], float]

    def __post_init__(self) -> None:
        self._jobs_at_once = CapacityLimiter(self.settings.concurrent_jobs)
        self._pace = Pace(self.settings, self.lifetime, self.clock)
        self._no_poll_before = -math.inf
        """When the pause is over for which a service has asked that gets too many polls."""

    async def solve(self, challenge: Challenge, *, host: str) -> Purchase:
        """Buy a job for ``challenge``, counted for ``host``, and wait for its token; see :func:`~.solve` for errors."""
        self.account.check()
        self.limits.check(host)
        job = JobRequest(public_address(challenge.url), challenge.sitekey or "", challenge.invisible)
        with self._jobs_at_once.acquire() as acquired:
            await self.lifetime.wait(acquired)
            return await self._result(*await self._create(job, host), job.sitekey)

    async def _create(self, job: JobRequest, host: str) -> tuple[Entry, JobId, float]:
        """Create a job as soon as the service takes it; return its entry, its id and when the call was sent."""
        deadline = math.inf
        while True:
            async with self._pace.turn():
                deadline = min(deadline, self.clock() + self.settings.job_timeout)
                try:
                    if (created := await self._try_to_create(job, host)) is not None:
                        return created
                except ApiUnreachable:
                    if self.clock() > deadline:
                        raise

    async def _try_to_create(self, job: JobRequest, host: str) -> tuple[Entry, JobId, float] | None:
        """Create a job; None if no call may be sent now.

        :raises ApiUnreachable: when no job was taken for certain, and one may be taken later.
        """
        sent = self.clock()
        try:
            async with self.account.ready():
                if self.lifetime.closing:
                    raise CrawlClosing()
                if self._pace.is_paused:
                    return None
                entry = await self.limits.reserve(job, host)
        except (ApiUnreachable, ApiBadAnswer) as why:
            # The version or the balance is not known, and no job is taken before it is.
            error = ApiUnreachable(str(why), taken=False, retry_after=why.retry_after)
            self._pace.failed(error, sent)
            raise error from None
        sent = self.clock()
        try:
            # A job that was bought is worth a moment's waiting when the crawl closes.
            job_id = await self.account.call(self.account.api.create_job(job), grace_checks=2)
        except AccountError as error:
            self.limits.cancel(entry)
            raise self.account.close(error) from None
        except ApiRefused:
            # What is refused may be due to the host.
            self.limits.cancel(entry)
            self.limits.breaker.record_failure(host)
            raise
        except (ApiUnreachable, ApiBadAnswer) as error:
            self._pace.failed(error, sent)
            if not error.taken:
                self.limits.cancel(entry)
                raise
            self.limits.bought(entry, None)
            entry.failed(JobLost.reason)
            raise JobLost(f"a create call got no usable answer ({error.with_cure}); its job counts as bought") from None
        except (CrawlClosing, asyncio.CancelledError, defer.CancelledError):
            # The call was on its way when the crawl closed, or its caller stopped waiting: the answer is never known.
            self.limits.bought(entry, None)
            raise
        self.limits.bought(entry, str(job_id))
        self._pace.succeeded(sent)
        return entry, job_id, sent

    async def _result(self, entry: Entry, job_id: JobId, not_ready: float, sitekey: str) -> Purchase:
        """Poll the service for a job's token, which was not there at ``not_ready``, when the create call was sent."""
        began, created = not_ready, self.clock()
        deadline = created + self.settings.job_timeout
        last_poll, polls = created, 0
        try:
            while True:
                at = created + self.polling.next_poll(last_poll - created, polls)
                while (pause := min(max(at, self._no_poll_before), deadline) - self.clock()) > 0:
                    await self.lifetime.sleep(pause)
                last_poll = self.clock()
                polls += 1
                try:
                    value = await self.account.call(self.account.api.job_result(job_id), grace_checks=2)
                except AccountError as error:
                    self.account.close(error)
                except ApiError as error:
                    logger.debug("Job %s: %s; asking again", job_id, error)
                    self._no_poll_before = max(self._no_poll_before, self.clock() + (error.retry_after or 0.0))
                else:
                    if value is not None:
                        self.polling.record(max(0.0, not_ready - created), last_poll - created)
                        entry.solved(self.clock() - began)
                        # The token cannot be older than the last poll without it.
                        usable_until = not_ready + self.settings.token_max_age
                        token = Token(value, sitekey=sitekey, usable_until=usable_until, job=str(job_id))
                        return Purchase(token, entry, self.limits.breaker)
                    not_ready = last_poll
                if last_poll >= deadline:
                    raise JobTimeout(
                        f"job {job_id} had no answer within {self.settings.job_timeout:g} s: raise "
                        "OMOCAPTCHA_JOB_TIMEOUT if that is frequent"
                    )
        except JobError as error:
            entry.failed(error.reason, self.clock() - began)
            self.limits.breaker.record_failure(entry.record.host)
            raise
