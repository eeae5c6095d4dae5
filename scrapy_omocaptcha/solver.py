"""Challenge → Token: the life of a job at the service.

A job that may still be running is never bought a second time: network errors, 5xx and broken answers are waited out
until the deadline, and only the service's ``fail`` or the deadline ends it. What a site does with the token is none of
this file's business.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from twisted.internet.defer import DeferredLock, DeferredSemaphore

from scrapy_omocaptcha.api.protocol import JobRequest
from scrapy_omocaptcha.challenge import Token
from scrapy_omocaptcha.errors import (
    AccountError,
    ApiBadAnswer,
    ApiError,
    ApiRefused,
    ApiUnreachable,
    CrawlClosing,
    JobError,
    JobFailed,
    JobLost,
    JobTimeout,
    NotBought,
)
from scrapy_omocaptcha.settings import FALLBACK_PRICE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scrapy_omocaptcha.api.protocol import Api
    from scrapy_omocaptcha.challenge import Challenge
    from scrapy_omocaptcha.engine import CrawlEngine
    from scrapy_omocaptcha.limits import Limits
    from scrapy_omocaptcha.polling import Polling
    from scrapy_omocaptcha.settings import Settings
    from scrapy_omocaptcha.stats import Stats

logger = logging.getLogger(__name__)
T = TypeVar("T")

_CREATE_TRIES = 4
_FIRST_PAUSE = 1.0
"""Seconds before a create call that certainly did not arrive is repeated; doubled each time."""


class Solver:
    """Buys jobs, within the limits, and waits for their tokens."""

    def __init__(
        self,
        api: Api,
        limits: Limits,
        polling: Polling,
        *,
        engine: CrawlEngine,
        settings: Settings,
        stats: Stats,
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._limits = limits
        self._polling = polling
        self._engine = engine
        self._settings = settings
        self._stats = stats
        self._clock = clock
        self._jobs_at_once = DeferredSemaphore(settings.concurrent_jobs)
        self._price_asked = settings.price is not None
        self._asking_price = DeferredLock()

    async def solve(self, challenge: Challenge, *, host: str, bought: Callable[[float], None]) -> Token:
        """Buy a job for ``challenge`` and wait for its token.

        :param host: the host that the job is counted for.
        :param bought: called with its cost in USD once a job is bought.
        :raises NotBought: a limit is reached, or the account cannot buy.
        :raises JobError: a job was bought and gave no token.
        :raises ApiError: the service took no job.
        :raises CrawlClosing: the crawl closes.
        """
        sitekey = challenge.sitekey or ""
        self._limits.check(host, sitekey)
        await self._engine.wait(self._jobs_at_once.acquire())
        try:
            await self._ask_price()
            job_id, sent = await self._create(challenge, host, bought)
            return await self._result(job_id, sitekey, sent)
        except JobLost as error:
            # It may be running; until its deadline it is not bought a second time.
            logger.info("%s; waiting it out", error)
            self._stats.inc(f"jobs/failed/{error.reason}")
            await self._engine.sleep(self._settings.job_timeout)
            raise
        except JobError as error:
            self._stats.inc(f"jobs/failed/{error.reason}")
            if isinstance(error, JobFailed):
                self._limits.failed(host, sitekey)
            raise
        finally:
            self._jobs_at_once.release()

    # -- buying --------------------------------------------------------------------------------------------------

    async def _create(self, challenge: Challenge, host: str, bought: Callable[[float], None]) -> tuple[str, float]:
        """The id of a new job, and when it was asked for."""
        sitekey = challenge.sitekey or ""
        job = JobRequest(page=public_address(challenge.url), sitekey=sitekey, invisible=challenge.invisible)
        pause = _FIRST_PAUSE
        for last in (False,) * (_CREATE_TRIES - 1) + (True,):
            reservation = self._limits.reserve(host, sitekey)
            sent = self._clock()
            try:
                job_id = await self._call(self._api.create_job(job))
            except ApiRefused as error:
                reservation.give_up()
                await self._settle(error)
                raise
            except AccountError as error:
                reservation.give_up()
                raise self._close_account(error) from None
            except ApiUnreachable as error:
                if error.taken:
                    self._count(reservation.cost, bought)
                    raise JobLost(f"the answer to a create call was lost, its job counts as bought: {error}") from None
                reservation.give_up()
                pause = max(pause, error.retry_after or 0.0)
                if last or pause > self._settings.job_timeout:
                    raise
                await self._engine.sleep(pause)
                pause *= 2
            except ApiBadAnswer as error:
                self._count(reservation.cost, bought)
                raise JobLost(f"a create call was answered with nonsense, its job counts as bought: {error}") from None
            except CrawlClosing:
                # The call was on its way: what came of it will never be known here.
                self._count(reservation.cost, bought)
                raise
            else:
                self._count(reservation.cost, bought)
                self._limits.taken()
                return job_id, sent
        raise AssertionError("unreachable")

    def _count(self, cost: float, bought: Callable[[float], None]) -> None:
        self._stats.inc("jobs/created")
        self._stats.add("cost_usd", cost)
        bought(cost)

    async def _ask_price(self) -> None:
        """Know the price before the first job is bought, however many are wanted at once."""
        if self._price_asked:
            return
        await self._engine.wait(self._asking_price.acquire())
        try:
            if not self._price_asked:
                await self._learn_price()
        finally:
            self._price_asked = True
            self._asking_price.release()

    async def _learn_price(self) -> None:
        try:
            price = await self._call(self._api.price())
        except ApiError as error:
            logger.debug("The price of a job could not be asked (%s); reckoning with %s USD", error, FALLBACK_PRICE)
            return
        if not price:
            # Not in the list; or for nothing, which would switch OMOCAPTCHA_MAX_COST off on the service's word alone.
            return
        if price > FALLBACK_PRICE:
            logger.warning(
                "A job costs %s USD by the service's list, more than the %s USD that was to be expected: "
                "set OMOCAPTCHA_MAX_COST accordingly",
                price,
                FALLBACK_PRICE,
            )
        self._limits.price = price

    async def _settle(self, refusal: ApiRefused) -> None:
        """Version 1 has no error codes: whether words that we do not know are about the account, the balance tells."""
        self._limits.refused()
        try:
            balance = await self._call(self._api.balance())
        except AccountError as error:
            raise self._close_account(error) from None
        except ApiError:
            return
        if balance < self._limits.price:
            raise self._close_account(
                AccountError(f"the balance is {balance:.5f} USD, a job costs {self._limits.price:.5f} ({refusal})")
            ) from None

    def _close_account(self, error: AccountError) -> NotBought:
        cure = "check OMOCAPTCHA_API_TOKEN and the balance of the account"
        message = f"the service refuses this account ({error}); nothing is bought any more: {cure}"
        if self._limits.close_account(message):
            logger.error("OMOcaptcha: %s", message)
        return NotBought("account", message)

    # -- waiting -------------------------------------------------------------------------------------------------

    async def _result(self, job_id: str, sitekey: str, sent: float) -> Token:
        """Wait for a job that was asked for at ``sent``."""
        made_after = sent
        created = last_question = not_ready = self._clock()
        deadline = created + self._settings.job_timeout
        asked = 0
        while True:
            at = created + self._polling.next_question(last_question - created, asked)
            await self._engine.sleep(max(0.0, min(at, deadline) - self._clock()))
            last_question = self._clock()
            asked += 1
            try:
                value = await self._call(self._api.job_result(job_id))
            except AccountError as error:
                self._close_account(error)
            except ApiUnreachable as error:
                if error.retry_after is not None:
                    await self._engine.sleep(min(error.retry_after, max(0.0, deadline - self._clock())))
            except ApiError as error:
                logger.debug("Job %s: %s; asking again", job_id, error)
            else:
                if value is not None:
                    self._polling.saw(not_ready - created, last_question - created)
                    self._stats.inc("jobs/solved")
                    return Token(value, sitekey=sitekey, made_at=made_after, job=job_id)
                not_ready = made_after = last_question
            if last_question >= deadline:
                raise JobTimeout(
                    f"job {job_id} had no answer within {self._settings.job_timeout:g} s (OMOCAPTCHA_JOB_TIMEOUT)"
                )

    async def _call(self, call: Awaitable[T]) -> T:
        self._stats.inc("api/calls")
        try:
            return await self._engine.wait(call)
        except ApiError as error:
            self._stats.inc(f"api/errors/{error.reason}")
            raise

    async def close(self) -> None:
        await self._api.close()


def public_address(url: str) -> str:
    """Scheme, host and path of an address: what others may know of it, without its query, fragment or user."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
