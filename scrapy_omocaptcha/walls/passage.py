"""Take one request through a wall: solve or wait, submit, judge the answer, ask again.

It decides in which order things happen and how they end. Whether a page is a challenge and may be solved is decided by
``policy``; which of several requests solves, by ``sessions``; how often, by ``attempts``.

It is longer than other files, because all of it works on one state: the page, the session and the stamp of one request.
"""

import logging
from http import HTTPStatus
from typing import NamedTuple
from zlib import crc32

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.buying.purchase import Purchase
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.chain import InnerChain
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.engine.slots import Hold, Slots
from scrapy_omocaptcha.errors import HandoverBroke, HookFailed, MiddlewareFailed
from scrapy_omocaptcha.forms.submission import Submission, is_free_of
from scrapy_omocaptcha.reporting.events import Events
from scrapy_omocaptcha.urls import public_address
from scrapy_omocaptcha.walls.attempts import Answer, Attempts, GivenUp, Refusal
from scrapy_omocaptcha.walls.judging import is_overloaded, is_page_of, is_same_wall
from scrapy_omocaptcha.walls.policy import Policy
from scrapy_omocaptcha.walls.redirects import Redirects
from scrapy_omocaptcha.walls.sending import send_submission
from scrapy_omocaptcha.walls.sessions import Role, Sessions, Stamp

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


class Passage:
    """Takes one challenged request through its wall.

    :param stamp: when the request was sent.
    """

    def __init__(
        self,
        sessions: Sessions,
        redirects: Redirects,
        policy: Policy,
        slots: Slots,
        chain: InnerChain,
        lifetime: Lifetime,
        events: Events,
        *,
        request: Request,
        stamp: Stamp,
        attempts: Attempts,
        hold: Hold,
    ) -> None:
        self._sessions = sessions
        self._redirects = redirects
        self._policy = policy
        self._slots = slots
        self._chain = chain
        self._lifetime = lifetime
        self._events = events
        self._request = request
        self._stamp = stamp
        self._attempts = attempts
        self._hold = hold
        self._session = sessions.session(request)
        self.page: Page
        self._sent: Request | None = None
        """The submission as it was sent last."""
        self._alone = False
        """Whether the wall is solved for this page only."""
        self._opened = True
        self._passed: list[Purchase] = []
        """Tokens after which another wall came. Whether they opened theirs is known once the page is there."""
        self.page_answer: Response | None = None
        """The answer to the submission, where it is the page itself or redirects to it."""

    async def run(self, response: Response, challenge: Challenge) -> Answer:
        """Go through the wall that ``response`` has shown, and return the page that was asked for.

        :raises GivenUp: when the wall stays closed to this request; :attr:`page` is the challenge that it ended at.
        :raises Exception: what Scrapy raises when the page is asked for again.
        """
        self.page = self._as_page(response, challenge)
        if "cached" in response.flags:
            # Whatever HttpCache has stored, the site may be open now, and looking costs no job.
            answer = await self._ask_again()
            if not self._is_challenge(answer):
                return answer
        refusal = await self._refusal(skip_limits=self._others_pay())
        self._events.detected(self._request, self.page.challenge, "solve" if refusal is None else refusal.reason)
        if refusal is not None:
            raise GivenUp(refusal)
        while True:
            role = self._session.role(self._stamp)
            if role is Role.LEAD:
                return await self._lead()
            if role is Role.ALONE:
                self._alone = True
                return await self._attempt()
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

    async def _lead(self) -> Answer:
        session, slots, slot = self._session, self._slots, self._slots.slot(self._request)
        session.lead(self._stamp)
        try:
            answer = await self._attempt()
            # The answer to a submission itself does not show whether its cookies are worth anything.
            proven = self.page_answer is None and _is_good(answer)
            if self._opened:
                session.won(self._sessions.cookies(self._request), proven=proven)
            return answer
        finally:
            # The session keeps this function, which must not keep the request.
            session.stop_leading(lambda: slots.concurrency(slot))

    async def _attempt(self) -> Answer:
        try:
            answer = await self._attempts.run(self)
        except Exception as error:
            for purchase in self._passed:
                purchase.unknown("another_wall", is_useless=isinstance(error, GivenUp))
            raise
        for purchase in self._passed:
            if purchase.token.sitekey == self.page.challenge.sitekey:
                # The form of a wall that rejects tokens may change as well.
                purchase.unknown("another_wall")
            else:
                purchase.accepted(opened=self._opened)
        return answer

    async def challenge(self) -> Challenge:
        """Return the challenge at hand, unless it is not to be solved any more."""
        # Checked before each attempt, since other passages may have found out much since the page came.
        await self._check()
        return self.page.challenge

    async def ready(self) -> Challenge | Answer:
        """Wait for other answers of the session, and ask again where they may have outdated the form at hand."""
        if not self._alone:
            await self._quiet()
        if self._is_stale():
            answer = await self._ask_again()
            if not self._is_challenge(answer):
                self._let_through(answer)
                return answer
            await self._check(skip_limits=True)
        return self.page.challenge

    async def hand_in(self, purchase: Purchase, *, may_repeat: bool) -> Answer | None:
        """Submit the token, and tell from the answer, or by asking again, whether it opened the wall."""
        page = self.page
        try:
            submission = self._policy.submit(page.response, page.challenge, purchase.token)
        except HookFailed as error:
            purchase.expired("hook")
            raise GivenUp(Refusal("hook", str(error))) from error
        is_own_address = public_address(submission.url) == public_address(self._request.url)
        async with self._hold.sending():
            answer, broke = await self._submit(purchase, submission, is_own_address=is_own_address)
            if answer is not None and self._is_challenge(answer):
                self._still_closed(purchase, page)
                return None
            if answer is not None and is_page_of(self._request, answer) and not self._redirects.refreshes(answer):
                self._is_page_answer(answer, submission)
                purchase.accepted()
                return answer
            again = await self._send_again()
        if not self._is_challenge(again):
            purchase.accepted()
            return again
        if broke is not None and is_same_wall(page.challenge, self.page.challenge):
            if may_repeat:
                raise broke
            purchase.unknown("broke", is_useless=True)
            return None
        if answer is None or not self._may_be_page(answer, page, is_own_address=is_own_address):
            self._still_closed(purchase, page)
            return None
        # There is no page but this answer. Nobody knows what it is worth, so it wins no clearance.
        self._opened = False
        self._is_page_answer(answer, submission)
        purchase.accepted(opened=False)
        return await self._redirects.of_answer(self._request, answer) or answer

    async def _submit(
        self, purchase: Purchase, submission: Submission, *, is_own_address: bool
    ) -> tuple[Response | None, HandoverBroke | None]:
        """Return the answer to a submission, and the error where the token may not have been read.

        There is no answer if that leads to the page that was asked for.

        :raises GivenUp: when a middleware of the project failed on it.
        """
        try:
            answer = await send_submission(self._chain, submission, asked=self._request, follow=not is_own_address)
        except HandoverBroke as error:
            return None, error
        except MiddlewareFailed as error:
            purchase.unknown("broke", is_useless=True)
            raise GivenUp(Refusal("broke", f"the request with the token failed: {error}")) from error
        self._session.answers += 1
        if answer is None:
            return None, None
        self._sent, answer.request = answer.request, None
        # At the page's own address, the error may be all that there is of the page.
        broke = is_overloaded(answer) and not is_own_address
        return answer, HandoverBroke(f"the token was answered with {answer.status}") if broke else None

    def _still_closed(self, purchase: Purchase, page: Page) -> None:
        """Record that the page at hand is a challenge though a token was handed in for ``page``."""
        if is_same_wall(page.challenge, self.page.challenge):
            purchase.rejected()
        else:
            self._passed.append(purchase)

    def _may_be_page(self, answer: Response, page: Page, *, is_own_address: bool) -> bool:
        """Tell whether the answer to a submission may be all that there is of the page."""
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            return is_own_address and answer.status != page.response.status
        # A wall that ignores tokens repeats the same answer. Pages at addresses of their own may be equal.
        last, self._session.last_answer_checksum = self._session.last_answer_checksum, crc32(answer.body)
        return bool(answer.body) and (is_own_address or last != self._session.last_answer_checksum)

    def _is_page_answer(self, answer: Response, submission: Submission) -> None:
        """Take the answer to a submission for the page, and for its request what middlewares wrote into that."""
        self.page_answer = answer
        if self._sent is None:
            return
        sent_request, self._sent = self._sent, None
        for mine, sent, before in (
            (self._request.meta, sent_request.meta, {**submission.meta, "dont_redirect": True}),
            (self._request.cb_kwargs, sent_request.cb_kwargs, submission.cb_kwargs),
        ):
            written = {key: value for key, value in sent.items() if before.get(key) is not value}
            mine.update({key: value for key, value in written.items() if is_free_of(submission.secret, value)})

    async def _quiet(self) -> None:
        """Wait until no other request of the session is at the site, whose answer could outdate the form at hand."""
        await self._lifetime.until(
            lambda: not (self._session.is_walled and self._others_at_site()), timeout=_QUIET_TIMEOUT
        )

    def _others_at_site(self) -> bool:
        # Requests that are still queued don't count: the submission is sent before them. Neither do those that a
        # middleware has replaced.
        under_way = self._sessions.under_way(self._request)
        return any(self._slots.is_active(other) and not self._slots.is_queued(other) for other in under_way)

    def _is_challenge(self, answer: Answer) -> bool:
        """Tell whether an answer is a challenge, which is the page at hand from then on."""
        if isinstance(answer, Request):
            return False
        challenge = self._policy.find(self._request, answer)
        if challenge is not None:
            self.page = self._as_page(answer, challenge)
        return challenge is not None

    def _is_stale(self) -> bool:
        """Tell whether the form at hand may depend on cookies or fields that other answers have replaced since."""
        if self._alone:
            # Others of the session are at the site all the time, so only changed cookies tell.
            return self.page.cookies != self._cookie_values()
        return self.page.answers != self._session.answers

    async def _ask_again(self, *, re_ask: bool = False) -> Answer:
        async with self._hold.sending():
            return await self._send_again(re_ask=re_ask)

    async def _send_again(self, *, re_ask: bool = False) -> Answer:
        """Send the spider's request once more.

        :param re_ask: with a clearance that a leader has just won.
        """
        self._stamp = self._sessions.stamp(self._request, re_ask=re_ask)
        answer = await self._redirects.send_again(self._request)
        self._session.answers += 1
        return answer

    def _let_through(self, answer: Answer) -> None:
        if _is_good(answer):
            self._session.unchallenged(self._stamp)

    async def _check(self, *, skip_limits: bool = False) -> None:
        """Raise ``GivenUp`` unless the challenge at hand may be solved."""
        refusal = await self._refusal(skip_limits=skip_limits)
        if refusal is not None:
            raise GivenUp(refusal)

    async def _refusal(self, *, skip_limits: bool) -> Refusal | None:
        page = self.page
        return await self._policy.refusal(self._request, page.response, page.challenge, skip_limits=skip_limits)

    def _as_page(self, response: Response, challenge: Challenge) -> Page:
        # Scrapy sets it only after the middlewares, but a submission takes its session from there.
        response.request = response.request or self._request
        return Page(response, challenge, self._session.answers, self._cookie_values())

    def _cookie_values(self) -> frozenset[tuple[str, str | None]]:
        return frozenset((cookie.name, cookie.value) for cookie in self._sessions.cookies(self._request))


def _is_good(answer: Answer) -> bool:
    return isinstance(answer, Request) or answer.status < HTTPStatus.BAD_REQUEST
