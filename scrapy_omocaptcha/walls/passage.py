"""One request's way through a wall: solve, submit, judge the answer, ask again.

It decides in which order things happen and what the outcome is. What a page is, is said by ``detection``; whether a
job may be bought, by ``limits``; who of several requests solves, by ``clearance``.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING
from zlib import crc32

from scrapy.http import Response

from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.errors import ApiError, HandoverBroke, HookFailed, JobError, NotBought
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.walls.look import Look
from scrapy_omocaptcha.walls.policy import Refusal
from scrapy_omocaptcha.walls.sending import hand_over
from scrapy_omocaptcha.walls.sessions import Role

if TYPE_CHECKING:
    from scrapy import Request

    from scrapy_omocaptcha.buying.buyer import Means
    from scrapy_omocaptcha.challenge import Challenge, Token
    from scrapy_omocaptcha.walls.look import Page
    from scrapy_omocaptcha.walls.sessions import Stamp

logger = logging.getLogger(__name__)

_QUIET_TIME = 10.0
"""Seconds to wait at most for other answers of the session, before a token is handed in."""


class NoPassage(Exception):
    """The wall stays closed; carries the page to show for it, and the number of jobs bought in vain."""

    def __init__(self, refusal: Refusal, page: Page, jobs: int) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.page = page
        self.jobs = jobs


class Passage:
    """The way of one challenged request; :meth:`run` ends with the page that was asked for, or raises.

    :param stamp: when the request was sent that met the challenge.
    """

    def __init__(self, means: Means, request: Request, stamp: Stamp) -> None:
        self._means = means
        self._engine = means.engine
        self._request = request
        self._stamp = stamp
        self._session = means.clearance.session(request)
        self._look = Look(means, request)
        self._opened = True
        self.jobs = 0
        """Jobs bought so far."""
        self.cost = 0.0
        """What they cost, in USD."""

    async def run(self, response: Response, challenge: Challenge) -> Response:
        """Go through the wall that ``response`` has shown.

        :raises NoPassage: the wall stays closed to this request.
        :raises CrawlClosing: the crawl closes.
        :raises Exception: what Scrapy raises when what was asked is asked again.
        """
        session = self._session
        page = self._look.page(response, challenge)
        if "cached" in response.flags:
            # Not worth a job: whatever was stored, the site may be open now.
            answer, found = await self._ask_again()
            if found is None:
                return answer
            page = found
        refusal = await self._look.refusal(page, paid=self._others_pay())
        verdict = "solve" if refusal is None else refusal.reason
        self._means.told.detected(self._request, page.challenge, verdict)
        if refusal is not None:
            raise NoPassage(refusal, page, self.jobs)
        while True:
            role = session.role(self._stamp)
            if role is Role.LEAD:
                return await self._lead(page)
            if role is Role.ALONE:
                return await self._solve(page, alone=True)
            if role is Role.FOLLOW:
                await self._engine.wait(session.join(challenged=True))
            try:
                if session.role(self._stamp) is Role.ASK_AGAIN:
                    answer, found = await self._ask_again(re_ask=True)
                    if found is None:
                        self._let_through(answer)
                        return answer
                    page = await self._allowed(found, paid=True)
            finally:
                if role is Role.FOLLOW:
                    session.back()

    def _others_pay(self) -> bool:
        """Another request has opened the wall since this one was sent, or is about to."""
        return self._session.leading is not None or self._stamp.generation < self._session.generation

    async def _lead(self, page: Page) -> Response:
        session = self._session
        session.lead(self._stamp)
        try:
            answer = await self._solve(page, alone=False)
            # The answer to a submission itself shows nothing of what its cookies are worth.
            proven = answer.status < HTTPStatus.BAD_REQUEST and not isinstance(answer.request, Submission)
            if self._opened:
                session.won(self._look.cookies(), proven=proven)
            return answer
        finally:
            session.stop_leading(lambda: self._engine.width(self._request))

    # -- attempts ------------------------------------------------------------------------------------------------

    async def _solve(self, page: Page, *, alone: bool) -> Response:
        """Buy a token and hand it in, as often as that may be tried."""
        settings = self._means.settings
        while True:
            tried = request_state.jobs(self._request)
            if tried >= settings.max_attempts:
                message = f"{tried} jobs were of no use (OMOCAPTCHA_MAX_ATTEMPTS)"
                raise NoPassage(Refusal("attempts", message), page, self.jobs)
            # Much may have been learnt since the page came, from the passages of others.
            token = await self._buy(await self._allowed(page))
            if token is None:
                continue
            if not alone:
                await self._quiet()
            if self._look.is_stale(page, alone=alone):
                answer, found = await self._ask_again()
                if found is None:
                    self._means.solver.expired(token, "not_needed")
                    self._let_through(answer)
                    return answer
                page = await self._allowed(found, paid=True)
            age = self._means.clock() - token.made_at + self._engine.delay_ahead(self._request)
            too_old = age > settings.token_max_age
            if too_old or page.challenge.sitekey != token.sitekey:
                self._means.solver.expired(token, "too_old" if too_old else "other_key")
                continue
            outcome = await self._hand_in(page, token)
            if isinstance(outcome, Response):
                return outcome
            page = outcome

    async def _buy(self, page: Page) -> Token | None:
        """A token, or None when the job that was bought gave none."""
        token = None
        try:
            token = await self._means.solver.solve(page.challenge, host=self._session.host, bought=self._bought)
        except JobError as error:
            logger.info("%s", error)
        except NotBought as error:
            raise NoPassage(Refusal(error.reason, str(error)), page, self.jobs) from error
        except ApiError as error:
            refusal = Refusal("service", f"the service took no job: {error}")
            raise NoPassage(refusal, page, self.jobs) from error
        # Not when it is bought: one that the end of the crawl cuts off was not of no use.
        request_state.count_job(self._request)
        return token

    def _bought(self, cost: float) -> None:
        self.jobs += 1
        self.cost += cost

    def _others_at_site(self) -> bool:
        # Not those that wait to be sent: the submission goes ahead of them.
        return not all(self._engine.is_queued(other) for other in self._means.clearance.under_way(self._request))

    async def _quiet(self) -> None:
        """Let nothing else of the session be under way, whose answer would replace what the form at hand is tied to."""
        until = self._means.clock() + _QUIET_TIME
        await self._engine.until(
            lambda: not (self._session.closed and self._others_at_site()) or self._means.clock() >= until
        )

    # -- handing in ----------------------------------------------------------------------------------------------

    async def _hand_in(self, page: Page, token: Token) -> Response | Page:
        """Submit, and judge the answer: what was asked for, or the challenge that is there instead."""
        answer = await self._submit(page, token)
        if answer is not None:
            found = self._look.find(answer)
            if found is not None:
                return self._rejected(found, token)
            if self._look.is_what_was_asked(answer):
                return self._accepted(answer, token)
        again, found = await self._ask_again()
        if found is None:
            return self._accepted(again, token)
        if answer is not None and answer.status < HTTPStatus.MULTIPLE_CHOICES and self._is_news(answer):
            # Its own answer is all there is. Whether it is worth anything nobody knows, so that nothing is won by it.
            self._opened = False
            self._means.solver.accepted(token, opened=False)
            return answer
        return self._rejected(found, token)

    async def _submit(self, page: Page, token: Token) -> Response | None:
        """The answer to the submission; None when none came, which leaves the token as spent."""
        try:
            submission = self._means.policy.submit(page.response, page.challenge, token)
        except HookFailed as error:
            raise NoPassage(Refusal("hook", str(error)), page, self.jobs) from error
        try:
            answer = await hand_over(self._engine, submission)
        except HandoverBroke as error:
            logger.info("%s: %s", self._session.host, error)
            return None
        self._session.answers += 1
        return answer

    def _is_news(self, answer: Response) -> bool:
        """Not the same page as for the token before: a wall that takes tokens for nothing says the same each time."""
        said, self._session.said = self._session.said, crc32(answer.body)
        return said != self._session.said

    def _accepted(self, answer: Response, token: Token) -> Response:
        self._means.solver.accepted(token)
        return answer

    def _rejected(self, page: Page, token: Token) -> Page:
        self._means.solver.rejected(token)
        return page

    # -- asking --------------------------------------------------------------------------------------------------

    async def _ask_again(self, *, re_ask: bool = False) -> tuple[Response, Page | None]:
        """Ask for what was asked for; the answer, and the challenge that it is."""
        self._stamp = self._means.clearance.stamp(self._request, re_ask=re_ask)
        return await self._look.again()

    def _let_through(self, answer: Response) -> None:
        if answer.status < HTTPStatus.BAD_REQUEST:
            self._session.unchallenged(self._stamp)

    async def _allowed(self, page: Page, *, paid: bool = False) -> Page:
        """A page met on the way, unless it may not be solved."""
        refusal = await self._look.refusal(page, paid=paid)
        if refusal is not None:
            raise NoPassage(refusal, page, self.jobs)
        return page
