"""Take one request through a wall: solve or wait, submit, judge the answer, ask again.

It decides in which order things happen and how they end. Whether a page is a challenge and may be solved is decided by
``policy``; which of several requests solves, by ``sessions``; how often, by ``attempts``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from http.cookiejar import Cookie
from typing import NamedTuple
from urllib.parse import urldefrag
from zlib import crc32

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.buying.purchase import Purchase
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine import request_state
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.slots import Slots
from scrapy_omocaptcha.errors import HandoverBroke, HookFailed
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.reporting.events import Events
from scrapy_omocaptcha.walls.attempts import Attempts, GivenUp, Refusal
from scrapy_omocaptcha.walls.policy import Policy
from scrapy_omocaptcha.walls.sending import send_submission
from scrapy_omocaptcha.walls.sessions import Role, Sessions, Stamp, cookies_of

logger = logging.getLogger(__name__)

_QUIET_TIMEOUT = 10.0
"""Longest wait for other answers of the session before a token is handed in, in seconds."""


class Page(NamedTuple):
    """A response that is a challenge, and the state of its session when it came."""

    response: Response
    challenge: Challenge
    answers: int
    """How many answers the session had had."""
    cookies: frozenset[tuple[str, str | None]]
    """Names and values of the session's cookies."""


class NoPassage(Exception):
    """The wall stays closed to a request; ``page`` is the challenge that the request ended at."""

    def __init__(self, refusal: Refusal, page: Page, jobs: int) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.page = page
        self.jobs = jobs


class Passage:
    """The passage of one request that met a challenge.

    :param stamp: when the request was sent.
    """

    def __init__(
        self,
        request: Request,
        stamp: Stamp,
        attempts: Attempts,
        *,
        sessions: Sessions,
        policy: Policy,
        slots: Slots,
        lifetime: Lifetime,
        components: Components,
        events: Events,
        clock: Callable[[], float],
    ) -> None:
        self._request = request
        self._stamp = stamp
        self._attempts = attempts
        self._sessions = sessions
        self._session = sessions.session(request)
        self._policy = policy
        self._slots = slots
        self._lifetime = lifetime
        self._components = components
        self._events = events
        self._clock = clock
        self._page: Page
        self._alone = False
        """Whether the wall is solved for this page only."""
        self._opened = True

    async def run(self, response: Response, challenge: Challenge) -> Response:
        """Go through the wall that ``response`` has shown, and return the page that was asked for.

        :raises NoPassage: when the wall stays closed to this request.
        :raises CrawlClosing: when the crawl closes.
        :raises Exception: what Scrapy raises when the page is asked for again.
        """
        self._page = self._as_page(response, challenge)
        try:
            return await self._run()
        except GivenUp as error:
            raise NoPassage(error.refusal, self._page, self._attempts.jobs) from error.__cause__

    async def _run(self) -> Response:
        if "cached" in self._page.response.flags:
            # Whatever HttpCache has stored, the site may be open now, and looking costs no job.
            answer = await self._ask_again()
            if not self._is_challenge(answer):
                return answer
        refusal = await self._refusal(skip_limits=self._others_pay())
        self._events.detected(self._request, self._page.challenge, "solve" if refusal is None else refusal.reason)
        if refusal is not None:
            raise GivenUp(refusal)
        while True:
            role = self._session.role(self._stamp)
            if role is Role.LEAD:
                return await self._lead()
            if role is Role.ALONE:
                self._alone = True
                return await self._attempts.run(self)
            if role is Role.FOLLOW:
                await self._lifetime.wait(self._session.wait_turn(challenged=True))
            try:
                if self._session.role(self._stamp) is Role.ASK_AGAIN:
                    answer = await self._ask_again(re_ask=True)
                    if not self._is_challenge(answer):
                        self._let_through(answer)
                        return answer
                    await self._check(skip_limits=True)
            finally:
                if role is Role.FOLLOW:
                    self._session.end_turn()

    def _others_pay(self) -> bool:
        """Tell whether another request has opened the wall since this one was sent, or is about to."""
        return self._session.leading is not None or self._stamp.generation < self._session.generation

    async def _lead(self) -> Response:
        session = self._session
        session.lead(self._stamp)
        try:
            answer = await self._attempts.run(self)
            # The answer to a submission itself does not show whether its cookies are worth anything.
            proven = answer.status < HTTPStatus.BAD_REQUEST and not isinstance(answer.request, Submission)
            if self._opened:
                session.won(self._cookies(), proven=proven)
            return answer
        finally:
            session.stop_leading(lambda: self._slots.concurrency(self._request))

    # -- an errand of its attempts -------------------------------------------------------------------------------

    async def challenge(self) -> Challenge:
        """Return the challenge at hand, unless it is not to be solved any more."""
        # Checked before each attempt, since other passages may have found out much since the page came.
        await self._check()
        return self._page.challenge

    async def ready(self) -> Challenge | Response:
        """Wait for other answers of the session, and ask again where they may have outdated the form at hand."""
        if not self._alone:
            await self._quiet()
        if self._is_stale():
            answer = await self._ask_again()
            if not self._is_challenge(answer):
                self._let_through(answer)
                return answer
            await self._check(skip_limits=True)
        return self._page.challenge

    async def hand_in(self, purchase: Purchase) -> Response | None:
        """Submit the token, and tell from the answer, or by asking again, whether it opened the wall."""
        answer = await self._submit(purchase)
        if answer is not None:
            if self._is_challenge(answer):
                purchase.rejected()
                return None
            if self._is_what_was_asked(answer):
                purchase.accepted()
                return answer
        again = await self._ask_again()
        if not self._is_challenge(again):
            purchase.accepted()
            return again
        if answer is not None and answer.status < HTTPStatus.MULTIPLE_CHOICES and self._is_new(answer):
            # There is no page but this answer. Nobody knows what it is worth, so it wins no clearance.
            self._opened = False
            purchase.accepted(opened=False)
            return answer
        purchase.rejected()
        return None

    async def _submit(self, purchase: Purchase) -> Response | None:
        """Return the answer to the submission, or None when it broke off, which leaves the token as spent."""
        try:
            submission = self._policy.submit(self._page.response, self._page.challenge, purchase.token)
        except HookFailed as error:
            raise GivenUp(Refusal("hook", str(error))) from error
        try:
            answer = await send_submission(self._slots, submission)
        except HandoverBroke as error:
            logger.info("%s: %s", self._session.host, error)
            return None
        self._session.answers += 1
        return answer

    async def _quiet(self) -> None:
        """Wait until no other request of the session is at the site, whose answer could outdate the form at hand."""
        until = self._clock() + _QUIET_TIMEOUT
        await self._lifetime.until(
            lambda: not (self._session.is_walled and self._others_at_site()) or self._clock() >= until
        )

    def _others_at_site(self) -> bool:
        # Requests that are still queued don't count: the submission is sent before them.
        return not all(self._slots.is_queued(other) for other in self._sessions.under_way(self._request))

    # -- judging -------------------------------------------------------------------------------------------------

    def _is_challenge(self, answer: Response) -> bool:
        """Tell whether an answer is a challenge, which is the page at hand from then on."""
        challenge = self._policy.find(self._request, answer)
        if challenge is not None:
            self._page = self._as_page(answer, challenge)
        return challenge is not None

    def _is_what_was_asked(self, answer: Response) -> bool:
        """Tell whether an answer is below 300, and of the address that was asked for or that this redirects to."""
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES or request_state.method(self._request) != "GET":
            return False
        redirects = answer.request.meta.get("redirect_urls", []) if answer.request is not None else []
        wanted = urldefrag(request_state.url(self._request)).url
        return wanted in {urldefrag(url).url for url in [answer.url, *redirects]}

    def _is_stale(self) -> bool:
        """Tell whether the form at hand may depend on cookies or fields that other answers have replaced since."""
        if self._alone:
            # Others of the session are at the site all the time, so only changed cookies tell.
            return self._page.cookies != self._cookie_values()
        return self._page.answers != self._session.answers

    def _is_new(self, answer: Response) -> bool:
        """Tell whether an answer differs from the last one: a wall that ignores tokens repeats the same page."""
        last, self._session.last_answer_checksum = self._session.last_answer_checksum, crc32(answer.body)
        return last != self._session.last_answer_checksum

    # -- asking again --------------------------------------------------------------------------------------------

    async def _ask_again(self, *, re_ask: bool = False) -> Response:
        """Send the request that the spider made once more.

        :param re_ask: with a clearance that a leader has just won.
        """
        self._stamp = self._sessions.stamp(self._request, re_ask=re_ask)
        answer = await self._slots.send(request_state.again(self._request))
        self._session.answers += 1
        return answer

    def _let_through(self, answer: Response) -> None:
        if answer.status < HTTPStatus.BAD_REQUEST:
            self._session.unchallenged(self._stamp)

    async def _check(self, *, skip_limits: bool = False) -> None:
        """Check that the challenge at hand may be solved.

        :raises GivenUp: when it may not.
        """
        refusal = await self._refusal(skip_limits=skip_limits)
        if refusal is not None:
            raise GivenUp(refusal)

    async def _refusal(self, *, skip_limits: bool) -> Refusal | None:
        page = self._page
        return await self._policy.refusal(self._request, page.response, page.challenge, skip_limits=skip_limits)

    def _as_page(self, response: Response, challenge: Challenge) -> Page:
        return Page(response, challenge, self._session.answers, self._cookie_values())

    def _cookies(self) -> list[Cookie]:
        jar = self._components.jar(self._request)
        return [] if jar is None else cookies_of(jar, self._session.host)

    def _cookie_values(self) -> frozenset[tuple[str, str | None]]:
        return frozenset((cookie.name, cookie.value) for cookie in self._cookies())
