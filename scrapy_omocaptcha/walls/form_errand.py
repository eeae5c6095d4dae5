"""Open a wall by the form of its challenge: submit the token as a browser would, and judge the answer."""

from dataclasses import dataclass, field

from scrapy.http import Response

from scrapy_omocaptcha.buying.purchase import Purchase
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.errors import HandoverBroke, HookFailed, MiddlewareFailed
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.urls import public_address
from scrapy_omocaptcha.walls.attempts import Answer, GivenUp, Outdated, Refusal
from scrapy_omocaptcha.walls.judging import is_overloaded, is_page_of
from scrapy_omocaptcha.walls.sending import send_submission
from scrapy_omocaptcha.walls.wall_errand import Handed, WallErrand

_MAX_OUTDATED = 3
"""How often in a row other answers may outdate a form just before it is submitted."""
_QUIET_TIMEOUT = 10.0
"""Longest wait for other answers of the session before a token is handed in, in seconds."""


@dataclass(eq=False)
class FormErrand(WallErrand):
    """The errand of opening a wall by its form."""

    _outdated: int = field(default=0, init=False)
    """How often the form at hand was outdated just before it was submitted."""

    async def ready(self) -> Challenge | Answer:
        """Wait for other answers of the session, and ask again where they may have outdated the form at hand."""
        if not self.is_alone:
            await self.lifetime.until(self._is_quiet, timeout=_QUIET_TIMEOUT)
        passed = await self.look_again() if self._is_stale() else None
        return self.page.challenge if passed is None else passed

    async def hand_in(self, purchase: Purchase, *, may_repeat: bool) -> Answer | None:
        """Submit the token, and tell from the answer, or by asking again, whether it opened the wall."""
        async with self.hold.sending():
            # Requests that were queued without cookies may have been sent, and given a session each, meanwhile.
            is_outdated = not self.is_alone and (self._is_stale() or not self._is_quiet())
            if is_outdated and self._outdated < _MAX_OUTDATED:
                self._outdated += 1
                raise Outdated
            self._outdated = 0
            answer = await self._submit_and_judge(purchase, may_repeat=may_repeat)
        if isinstance(answer, Response) and not self.has_opened:
            return await self.redirects.of_answer(self.request, answer) or answer
        return answer

    async def _submit_and_judge(self, purchase: Purchase, *, may_repeat: bool) -> Answer | None:
        page = self.page
        if not self.is_alone:
            # Requests that were queued without cookies are answered with others meanwhile, and later.
            self.session.keep_cookies(self.cookies())
        try:
            submission = self.policy.submit(page.response, page.challenge, purchase.token)
        except HookFailed as error:
            purchase.expired("hook")
            raise GivenUp(Refusal("hook", str(error))) from error
        self.redirects.handed_in()
        handed = await self.submit(purchase, submission)
        return await self.judge(purchase, page, handed, may_repeat=may_repeat)

    async def submit(self, purchase: Purchase, submission: Submission) -> Handed:
        """Send a submission, and return what came of it.

        :raises GivenUp: when a middleware of the project failed on it.
        """
        is_own_address = public_address(submission.url) == public_address(self.request.url)
        try:
            with self.answering():
                answer = await send_submission(
                    self.chain, submission, purchase.token, asked=self.request, follow=not is_own_address
                )
        except HandoverBroke as error:
            return Handed(None, is_page=False, broke=error)
        except MiddlewareFailed as error:
            purchase.unknown("broke", is_useless=True)
            raise GivenUp(Refusal("broke", f"the request with the token failed: {error}")) from error
        if answer is None:
            return Handed(None, is_page=False)
        sent = None if answer.request is None else (answer.request, submission)
        answer.request = None
        broke = None
        if is_overloaded(answer) and not is_own_address:
            # At the page's own address, the error may be all that there is of the page.
            broke = HandoverBroke(f"the token was answered with {answer.status}")
        return Handed(answer, self.is_page(answer), is_own_address, broke, sent)

    def is_page(self, answer: Response) -> bool:
        """Tell whether an answer, should it be no challenge, is the page that was asked for."""
        return is_page_of(self.request, answer) and self.chain.meta_refresh(answer) is None

    def _is_quiet(self) -> bool:
        """Tell whether no other request of the session is at the site, whose answer could outdate the form at hand."""
        if not self.session.is_walled:
            return True
        # Requests that are still queued don't count: the submission is sent before them. Neither do those that a
        # middleware has replaced.
        under_way = self.sessions.under_way(self.request)
        return not any(self.slots.is_active(other) and not self.slots.is_queued(other) for other in under_way)

    def _is_stale(self) -> bool:
        """Tell whether the form at hand may depend on cookies or fields that other answers have replaced since."""
        # Where each page wants a token, others of the session are at the site all the time, so only cookies tell.
        is_answered = not self.is_alone and self.page.answers != self.session.answers
        return is_answered or self.page.cookies != self.cookie_values()
