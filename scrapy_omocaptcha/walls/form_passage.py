"""Take a challenged request through its wall by a request of ours: submit the token as a browser would its form.

A spider's ``omocaptcha_submit`` may make that request.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from urllib.parse import urldefrag

from scrapy import Request
from scrapy.http import Response

from scrapy_omocaptcha.challenge import Token
from scrapy_omocaptcha.errors import CrawlClosing, HandoverBroke
from scrapy_omocaptcha.forms.encoding import field_names, missing_pairs, repeats
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.tokens.attempts import Result
from scrapy_omocaptcha.tokens.judging import Answer, is_lost
from scrapy_omocaptcha.tokens.reasons import GivenUp, Refusal
from scrapy_omocaptcha.tokens.sending import send_submission
from scrapy_omocaptcha.tokens.verdict import Handed, came_without, unknown, unused
from scrapy_omocaptcha.urls import public_address, redirect_target, same_address
from scrapy_omocaptcha.walls.passage import Passage

_MAX_OUTDATED = 3
"""How often in a row other answers may outdate a form just before it is submitted. A request that hangs takes
``_QUIET_TIMEOUT`` each time, and the token grows old."""
_QUIET_TIMEOUT = 10.0
"""Longest wait for other answers of the session before a token is handed in, in seconds."""


class _Outdated(Exception):
    """The form at hand was outdated just before it was submitted."""


class FormPassage(Passage):
    """The passage of a request whose token a request of ours submits."""

    _outdated = 0
    """How often the form at hand was outdated just before it was submitted."""

    async def hand_in_twice(self, token: Token) -> Result:
        """Hand a token in, and once more if that broke off, while the session knows of it."""
        if not self.is_alone:
            self.session.is_handing_in = True
        try:
            return await super().hand_in_twice(token)
        finally:
            self.session.end_handing_in()

    async def hand_in(self, token: Token) -> Result:
        """Wait for other answers of the session, which may outdate the form at hand, and send a token by the newest.

        Where each page wants a token, and is asked for after it, nothing else of the session is sent meanwhile: it
        could use up what the token opens.
        """
        try:
            if not self.is_alone:
                await self.engine.lifetime.until(self._none_under_way, timeout=_QUIET_TIMEOUT)
            passed = await self.look_again() if self._is_stale() else None
        except CrawlClosing:
            raise
        except Exception as error:
            reason = error.refusal.reason if isinstance(error, GivenUp) else "page_failed"
            return Result(verdict=unused(reason), error=error)
        if passed is not None:
            return Result(passed, came_without(passed))
        is_for_page = self.is_alone and self.session.is_page_asked_for
        try:
            async with self._nothing_else() if is_for_page else nullcontext():
                return await super().hand_in(token)
        except _Outdated:
            return await self.hand_in(token)

    async def ask_again(self) -> Answer:
        """Ask again; where an order may be sent, nothing else uses up what lets it through."""
        goes_first = self.purchase is not None and not self.is_alone
        if goes_first or not self.asking.is_for_order:
            return await super().ask_again()
        with self.engine.slots.order.urgently(self.request):
            async with self._nothing_else():
                return await super().ask_again()

    @asynccontextmanager
    async def _nothing_else(self) -> AsyncIterator[None]:
        """Send nothing else of the session in the block."""
        lock = self.session.submitting
        await self.engine.lifetime.wait(lock.acquire())
        try:
            self.session.is_handing_in = True
            await self.engine.lifetime.until(self._none_under_way, timeout=_QUIET_TIMEOUT)
            yield
        finally:
            self.session.end_handing_in()
            lock.release()

    async def submit(self, token: Token) -> Handed | Result:
        """Submit the token by the form of the page."""
        # Requests that were queued without cookies may have been sent, and given a session each, meanwhile.
        is_outdated = not self.is_alone and (self._is_stale() or not self._none_under_way())
        if is_outdated and self._outdated < _MAX_OUTDATED:
            self._outdated += 1
            raise _Outdated
        self._outdated = 0
        try:
            submission = self.submission(token)
        except GivenUp as error:
            return Result(verdict=unused("hook"), error=error)
        self.record_handed_in()
        self.report_sent(submission.method, submission.url, field_names(submission))
        return await self._send(submission, token)

    async def after_judging(self, result: Result) -> Result:
        """Look where an answer leads that need not be the page."""
        if isinstance(result.answer, Response) and not result.proves_open:
            try:
                redirected = await self._follow(result.answer)
            except Exception as error:
                return replace(result, error=error)
            return replace(result, answer=redirected or result.answer)
        return result

    async def _follow(self, answer: Response) -> Request | None:
        """Return what Scrapy is to follow if the answer to a submission redirects.

        Where the answer has come from behind a redirect, the request is turned into the one for its address.
        """
        request, components = self.request, self.engine.components
        url = redirect_target(request.url, answer.headers.get("Location"))
        if url is not None and not components.is_redirect_for_spider(request, answer):
            redirected = await components.redirect(request, answer)
            if redirected is not None:
                self.redirects.write_answer(request, redirected)
                return redirected
        if request.method == "GET" and not same_address(answer.url, request.url):
            await components.turn_towards(request, answer.url)
        return None

    def submission(self, token: Token) -> Submission:
        """Return the request that hands a token in for the challenge at hand.

        A form that is sent to the address of the spider's own POST takes its fields along: what the site makes of a
        token without them is no answer to that.
        """
        challenge, form = self.page.challenge, self.page.challenge.form
        if form is not None and form.method == "POST" and not self.policy.hooks.can_submit:
            own = missing_pairs(form.names, form.url, self.request)
            challenge = replace(challenge, form=replace(form, fields=(*form.fields, *own)))
        return self.policy.hooks.submit(self.page.response, challenge, token)

    async def _send(self, submission: Submission, token: Token) -> Handed | Result:
        """Send a submission, and return what came of it."""
        is_own_address = public_address(submission.url) == public_address(self.request.url)
        try:
            with self.answering():
                answer = await send_submission(
                    self.engine.chain, submission, token, asked=self.request, stops=self.asking.hops
                )
        except HandoverBroke as error:
            if error.is_sent and repeats(submission, self.request):
                refusal = Refusal(
                    "broke", f"its own fields were sent with the token, which may have executed it: {error}"
                )
                return Result(verdict=unknown("broke"), error=GivenUp(refusal))
            return Handed(None, is_page=False, broke=error)
        if isinstance(answer, str):
            self.asking.record_led_to(answer)
            return Handed(None, is_page=False)
        sent = None if answer.request is None else (answer.request, submission)
        answer.request = None
        if same_address(answer.url, self.request.url):
            # Spiders compare it with what they have asked for, which a form may spell in another way.
            answer = answer.replace(url=urldefrag(self.request.url).url)
        words = f"the token was answered with {answer.status} and {len(answer.body)} bytes"
        broke = HandoverBroke(words) if is_lost(answer) else None
        # A submission that repeats the spider's own request may have executed it, so that is not sent again.
        is_page = self.is_page(answer) or repeats(submission, self.request)
        return Handed(answer, is_page, is_own_address, broke, sent)

    def _none_under_way(self) -> bool:
        """Tell whether no other request of the session is at the site, whose answer could outdate the form at hand."""
        if not (self.session.holds_new_requests or self.session.is_handing_in):
            return True
        # Requests that are still queued don't count: the submission is sent before them. Neither do those that a
        # middleware has replaced.
        under_way = self.sessions.under_way(self.request)
        return not any(
            self.engine.slots.is_active(other) and not self.engine.slots.order.is_queued(other) for other in under_way
        )

    def _is_stale(self) -> bool:
        """Tell whether the form at hand may depend on cookies or fields that other answers have replaced since."""
        # Where each page wants a token, other requests of the session are at the site all the time: only cookies tell.
        is_answered = not self.is_alone and self.page.answers != self.session.answers
        return is_answered or self.page.cookies != self.cookie_values()
