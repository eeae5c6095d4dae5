"""Open a wall for one request: ask again, hand tokens in, and judge the answers.

Whether a page is a challenge and may be solved is decided by ``policy``; which request buys a token, by ``passage``.

It is longer than other files, because all of it works on one state: the page at hand, its session and its stamp.
"""

from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookiejar import Cookie
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
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.urls import public_address
from scrapy_omocaptcha.walls.attempts import Answer, GivenUp, Refusal
from scrapy_omocaptcha.walls.delivery import take_over
from scrapy_omocaptcha.walls.judging import is_good, is_overloaded, is_page_of, is_same_wall
from scrapy_omocaptcha.walls.policy import Policy
from scrapy_omocaptcha.walls.redirects import Redirects
from scrapy_omocaptcha.walls.sending import send_submission
from scrapy_omocaptcha.walls.sessions import Sessions, Stamp

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


@dataclass(eq=False)
class WallErrand:
    """The errand of opening a wall for one request."""

    sessions: Sessions
    redirects: Redirects
    policy: Policy
    slots: Slots
    chain: InnerChain
    lifetime: Lifetime
    request: Request
    stamp: Stamp
    """When the request was sent last."""
    hold: Hold
    page: Page = field(init=False)
    """The challenge at hand."""
    is_alone = False
    """Whether the wall is solved for this page only."""
    has_opened = True
    """Whether the page is known to be worth something."""
    page_answer: Response | None = None
    """The answer to the submission, where it is the page itself or redirects to it."""

    def __post_init__(self) -> None:
        self.session = self.sessions.session(self.request)
        self._sent: Request | None = None
        """The submission as it was sent last."""
        self._passed: list[Purchase] = []
        """Tokens after which another wall came. Whether they opened theirs is known once the page is there."""

    async def challenge(self) -> Challenge:
        """Return the challenge at hand, unless it is not to be solved any more."""
        # Checked before each attempt, since other passages may have found out much since the page came.
        await self.check()
        return self.page.challenge

    async def ready(self) -> Challenge | Answer:
        """Wait for other answers of the session, and ask again where they may have outdated the form at hand."""
        if not self.is_alone:
            await self._quiet()
        passed = await self.look_again() if self._is_stale() else None
        return self.page.challenge if passed is None else passed

    async def look_again(self, *, re_ask: bool = False) -> Answer | None:
        """Ask again, and return the answer if the site lets the request through without a token.

        :param re_ask: with a clearance that a leader has just won.
        :raises GivenUp: when the challenge that came is not to be solved.
        """
        answer = await self.ask_again(re_ask=re_ask)
        if self.is_challenge(answer):
            await self.check(skip_limits=True)
            return None
        if is_good(answer):
            self.session.unchallenged(self.stamp)
        return answer

    async def hand_in(self, purchase: Purchase, *, may_repeat: bool) -> Answer | None:
        """Submit the token, and tell from the answer, or by asking again, whether it opened the wall."""
        page = self.page
        try:
            submission = self.policy.submit(page.response, page.challenge, purchase.token)
        except HookFailed as error:
            purchase.expired("hook")
            raise GivenUp(Refusal("hook", str(error))) from error
        is_own_address = public_address(submission.url) == public_address(self.request.url)
        async with self.hold.sending():
            answer, broke = await self._submit(purchase, submission, is_own_address=is_own_address)
            if answer is not None and self.is_challenge(answer):
                self._still_closed(purchase, page)
                return None
            if answer is not None and is_page_of(self.request, answer) and not self.redirects.refreshes(answer):
                self._is_page_answer(answer, submission)
                purchase.accepted()
                return answer
            again = await self._send_again()
        if not self.is_challenge(again):
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
        self.has_opened = False
        self._is_page_answer(answer, submission)
        purchase.accepted(opened=False)
        return await self.redirects.of_answer(self.request, answer) or answer

    async def _submit(
        self, purchase: Purchase, submission: Submission, *, is_own_address: bool
    ) -> tuple[Response | None, HandoverBroke | None]:
        """Return the answer to a submission, and the error where the token may not have been read.

        There is no answer if that leads to the page that was asked for.

        :raises GivenUp: when a middleware of the project failed on it.
        """
        try:
            answer = await send_submission(self.chain, submission, asked=self.request, follow=not is_own_address)
        except HandoverBroke as error:
            return None, error
        except MiddlewareFailed as error:
            purchase.unknown("broke", is_useless=True)
            raise GivenUp(Refusal("broke", f"the request with the token failed: {error}")) from error
        self.session.answers += 1
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

    def settle(self, error: Exception | None) -> None:
        """Record what became of tokens after which another wall came.

        :param error: why there is no page; None if there is one.
        """
        for purchase in self._passed:
            if error is None and purchase.token.sitekey != self.page.challenge.sitekey:
                purchase.accepted(opened=self.has_opened)
            else:
                # The form of a wall that rejects tokens may change as well.
                purchase.unknown("another_wall", is_useless=isinstance(error, GivenUp))

    def _may_be_page(self, answer: Response, page: Page, *, is_own_address: bool) -> bool:
        """Tell whether the answer to a submission may be all that there is of the page."""
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            return is_own_address and answer.status != page.response.status
        # A wall that ignores tokens repeats the same answer. Pages at addresses of their own may be equal.
        last, self.session.last_answer_checksum = self.session.last_answer_checksum, crc32(answer.body)
        return bool(answer.body) and (is_own_address or last != self.session.last_answer_checksum)

    def _is_page_answer(self, answer: Response, submission: Submission) -> None:
        """Take the answer to a submission for the page, and for its request what middlewares wrote into that."""
        self.page_answer = answer
        if self._sent is not None:
            take_over(self.request, self._sent, submission)
            self._sent = None

    async def _quiet(self) -> None:
        """Wait until no other request of the session is at the site, whose answer could outdate the form at hand."""
        await self.lifetime.until(
            lambda: not (self.session.is_walled and self._others_at_site()), timeout=_QUIET_TIMEOUT
        )

    def _others_at_site(self) -> bool:
        # Requests that are still queued don't count: the submission is sent before them. Neither do those that a
        # middleware has replaced.
        under_way = self.sessions.under_way(self.request)
        return any(self.slots.is_active(other) and not self.slots.is_queued(other) for other in under_way)

    def is_challenge(self, answer: Answer) -> bool:
        """Tell whether an answer is a challenge, which is the page at hand from then on."""
        if isinstance(answer, Request):
            return False
        challenge = self.policy.find(self.request, answer)
        if challenge is not None:
            self.meet(answer, challenge)
        return challenge is not None

    def _is_stale(self) -> bool:
        """Tell whether the form at hand may depend on cookies or fields that other answers have replaced since."""
        if self.is_alone:
            # Others of the session are at the site all the time, so only changed cookies tell.
            return self.page.cookies != self._cookie_values()
        return self.page.answers != self.session.answers

    async def ask_again(self, *, re_ask: bool = False) -> Answer:
        """Send the spider's request once more, and return the answer."""
        async with self.hold.sending():
            return await self._send_again(re_ask=re_ask)

    async def _send_again(self, *, re_ask: bool = False) -> Answer:
        self.stamp = self.sessions.stamp(self.request, re_ask=re_ask)
        answer = await self.redirects.send_again(self.request)
        self.session.answers += 1
        return answer

    async def check(self, *, skip_limits: bool = False) -> None:
        """Raise ``GivenUp`` unless the challenge at hand may be solved."""
        refusal = await self.refusal(skip_limits=skip_limits)
        if refusal is not None:
            raise GivenUp(refusal)

    async def refusal(self, *, skip_limits: bool) -> Refusal | None:
        """Return why the challenge at hand is not solved, or None."""
        page = self.page
        return await self.policy.refusal(self.request, page.response, page.challenge, skip_limits=skip_limits)

    def meet(self, response: Response, challenge: Challenge) -> None:
        """Make a response that is a challenge the page at hand."""
        # Scrapy sets it only after the middlewares, but a submission takes its session from there.
        response.request = response.request or self.request
        self.page = Page(response, challenge, self.session.answers, self._cookie_values())

    def cookies(self) -> list[Cookie]:
        """Return the cookies of the session."""
        return self.sessions.cookies(self.request)

    def _cookie_values(self) -> frozenset[tuple[str, str | None]]:
        return frozenset((cookie.name, cookie.value) for cookie in self.cookies())
