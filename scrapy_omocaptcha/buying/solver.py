"""Challenge → Token: the life of a job at the service.

A job that may still be running is never bought a second time: network errors, 5xx and broken answers are waited out
until the deadline, and only the service's ``fail`` or the deadline ends it. What a site does with the token is none of
this file's business.
"""

from __future__ import annotations

import logging
import random as _random
from typing import TYPE_CHECKING, NoReturn

from scrapy_omocaptcha.buying.api.protocol import JobRequest
from scrapy_omocaptcha.buying.journal import HANDED_ON
from scrapy_omocaptcha.buying.limiter import Turns
from scrapy_omocaptcha.buying.limits import Running
from scrapy_omocaptcha.challenge import Token
from scrapy_omocaptcha.errors import (
    AccountError,
    ApiBadAnswer,
    ApiError,
    ApiRefused,
    ApiUnreachable,
    CrawlClosing,
    JobFailed,
    JobLost,
    JobTimeout,
)
from scrapy_omocaptcha.urls import public_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_omocaptcha.buying.account import Account
    from scrapy_omocaptcha.buying.api.protocol import Api
    from scrapy_omocaptcha.buying.ledger import Entry, Ledger
    from scrapy_omocaptcha.buying.limits import Limits, Reservation
    from scrapy_omocaptcha.buying.polling import Polling
    from scrapy_omocaptcha.challenge import Challenge
    from scrapy_omocaptcha.engine.slots import CrawlEngine
    from scrapy_omocaptcha.settings import Settings

logger = logging.getLogger(__name__)

_CREATE_TRIES = 4
_FIRST_PAUSE = 1.0
"""Seconds before a create call that certainly did not arrive is repeated; doubled each time."""
_JITTER = 0.5
"""By how much of a pause it is made longer at random: else all that failed together would come again together."""


class Solver:
    """Buys jobs, within the limits, and waits for their tokens."""

    def __init__(
        self,
        api: Api,
        limits: Limits,
        ledger: Ledger,
        account: Account,
        polling: Polling,
        *,
        engine: CrawlEngine,
        settings: Settings,
        clock: Callable[[], float],
        random: _random.Random | None = None,
    ) -> None:
        self._api = api
        self._limits = limits
        self._ledger = ledger
        self._account = account
        self._polling = polling
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._random = random or _random.Random()
        self._jobs_at_once = Turns(settings.concurrent_jobs)
        self._unjudged: dict[tuple[str, float], Entry] = {}
        """Those whose token is out, by its job and age: ids are the service's word, and no token is kept here."""

    async def solve(self, challenge: Challenge, *, host: str, bought: Callable[[float], None]) -> Token:
        """Buy a job for ``challenge`` and wait for its token, whose fate is to be told in the end.

        :param host: the host that the job is counted for.
        :param bought: called with its cost in USD once a job is bought.
        :raises NotBought: a limit is reached, or the account cannot buy.
        :raises JobError: a job was bought and gave no token.
        :raises ApiError: the service took no job.
        :raises CrawlClosing: the crawl closes.
        """
        self._limits.check(host, challenge.sitekey or "")
        with self._jobs_at_once.turn() as come:
            await self._engine.wait(come)
            await self._account.ready()
            job = JobRequest(public_address(challenge.url), challenge.sitekey or "", challenge.invisible)
            entry, running = await self._create(job, host, bought)
            return await self._result(entry, running, job)

    # -- what becomes of a token -------------------------------------------------------------------------------------

    def accepted(self, token: Token, *, opened: bool = True) -> None:
        """The site has taken it.

        :param opened: it is known to have been worth something.
        """
        entry = self._unjudged.pop(_key(token))
        entry.judged("accepted")
        if opened:
            self._limits.succeeded(entry.record.host, token.sitekey)

    def rejected(self, token: Token) -> None:
        """The site has not."""
        entry = self._unjudged.pop(_key(token))
        entry.judged("rejected")
        self._limits.failed(entry.record.host, token.sitekey)

    def expired(self, token: Token, reason: str) -> None:
        """It was not handed in."""
        self._unjudged.pop(_key(token)).judged("expired", reason)

    def left(self, token: Token, reason: str) -> None:
        """What the site thinks of it will not be known."""
        self._unjudged.pop(_key(token)).left(reason)

    # -- buying --------------------------------------------------------------------------------------------------

    async def _create(self, job: JobRequest, host: str, bought: Callable[[float], None]) -> tuple[Entry, Running]:
        """A new job; or one that others have left under way."""
        pause = _FIRST_PAUSE
        for last in (False,) * (_CREATE_TRIES - 1) + (True,):
            reservation, entry = await self._reserve(job, host)
            if reservation.running is not None:
                entry.taken_over(str(reservation.running.id))
                return entry, reservation.running
            sent = self._clock()
            try:
                job_id = await self._account.call(self._api.create_job(job), buys=True)
            except (ApiRefused, AccountError) as error:
                self._give_up(reservation, entry)
                if isinstance(error, AccountError):
                    raise self._account.close(error) from None
                await self._account.settle(error)
                raise
            except ApiUnreachable as error:
                if error.taken:
                    await self._wait_out(entry, bought, f"the answer to a create call was lost ({error})")
                self._give_up(reservation, entry)
                pause = max(pause, error.retry_after or 0.0)
                if (last or pause > self._settings.job_timeout) and not self._engine.closing:
                    raise
                await self._engine.sleep(pause * self._random.uniform(1, 1 + _JITTER))
                pause *= 2
            except ApiBadAnswer as error:
                await self._wait_out(entry, bought, f"a create call was answered with nonsense ({error})")
            except CrawlClosing:
                # The call was on its way: what came of it will never be known here.
                self._buy(entry, None, bought)
                raise
            else:
                self._buy(entry, str(job_id), bought)
                self._limits.taken()
                # It may be ready from the moment at which it was asked for.
                return entry, Running(job_id, created=self._clock(), not_ready=sent)
        raise AssertionError("unreachable")

    async def _reserve(self, job: JobRequest, host: str) -> tuple[Reservation, Entry]:
        """Room in the limits, and a line in the books."""
        if self._engine.closing:
            raise CrawlClosing("the crawl is closing")
        with self._ledger.locked():
            reservation = await self._limits.book(host, job.sitekey, job.page)
            kind = "invisible" if job.invisible else "checkbox"
            entry = self._ledger.enter(host=host, page=job.page, kind=kind, cost=reservation.cost)
            if not self._ledger.is_shared(entry):
                self._give_up(reservation, entry)
                # The limit of the day cannot hold for all any more: says so.
                self._limits.check(host, job.sitekey)
            return reservation, entry

    def _give_up(self, reservation: Reservation, entry: Entry) -> None:
        reservation.give_up()
        entry.withdraw()

    def _buy(self, entry: Entry, job_id: str | None, bought: Callable[[float], None]) -> None:
        entry.bought(job_id)
        bought(entry.record.cost_usd)

    async def _wait_out(self, entry: Entry, bought: Callable[[float], None], why: str) -> NoReturn:
        """The job may be running, under an id that nobody knows; until its deadline it is not bought a second time."""
        self._buy(entry, None, bought)
        error = JobLost(f"{why}; its job counts as bought")
        logger.info("%s; waiting it out", error)
        entry.failed(error.reason)
        await self._engine.sleep(self._settings.job_timeout)
        raise error

    # -- waiting -------------------------------------------------------------------------------------------------

    async def _result(self, entry: Entry, running: Running, job: JobRequest) -> Token:
        """Wait for a job's token; when the crawl closes before it is there, leave the job to others."""
        try:
            return await self._token(entry, running, job)
        except CrawlClosing:
            if self._limits.hand_on(running, job.sitekey, job.page):
                entry.left(HANDED_ON)
            raise

    async def _token(self, entry: Entry, running: Running, job: JobRequest) -> Token:
        began, last_question = sorted((running.created, running.not_ready))
        deadline = running.created + self._settings.job_timeout
        asked = 0
        while True:
            at = running.created + self._polling.next_question(last_question - running.created, asked)
            await self._engine.sleep(max(0.0, min(at, deadline) - self._clock()))
            last_question = self._clock()
            asked += 1
            try:
                value = await self._account.call(self._api.job_result(running.id))
            except AccountError as error:
                self._account.close(error)
            except ApiUnreachable as error:
                if error.retry_after is not None:
                    await self._engine.sleep(min(error.retry_after, max(0.0, deadline - self._clock())))
            except ApiError as error:
                logger.debug("Job %s: %s; asking again", running.id, error)
            except JobFailed as error:
                entry.failed(error.reason, self._clock() - began, asked)
                self._limits.failed(entry.record.host, job.sitekey)
                raise
            else:
                if value is not None:
                    not_ready = max(0.0, running.not_ready - running.created)
                    self._polling.saw(not_ready, last_question - running.created)
                    entry.solved(self._clock() - began, asked)
                    token = Token(value, sitekey=job.sitekey, made_at=running.not_ready, job=str(running.id))
                    self._unjudged[_key(token)] = entry
                    return token
                running.not_ready = last_question
            if last_question >= deadline:
                entry.failed(JobTimeout.reason, self._clock() - began, asked)
                raise JobTimeout(
                    f"job {running.id} had no answer within {self._settings.job_timeout:g} s (OMOCAPTCHA_JOB_TIMEOUT)"
                )


def _key(token: Token) -> tuple[str, float]:
    return token.job, token.made_at
