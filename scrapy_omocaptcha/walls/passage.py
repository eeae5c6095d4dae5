"""Take one challenged request through its wall, from the challenge to its page.

The steps are the methods of :class:`Passage` in their order: take the challenge, refuse it, lead or follow or go alone
or ask again, buy a token, hand it in, judge what came of it, give the spider its page. A subclass knows when a token is
ready to be handed in, and how: ``form_passage`` does it by the page's form, ``browser.passage`` in a page of a browser.
The loop in ``tokens.attempts`` calls ``next_challenge`` for each token, ``hand_in`` for each try with it, and records
the verdict.

For what orders, gates and originals are, see ``redirects``. A stamp is the number of a sending; later ones are higher.
"""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import Cookie
from typing import NamedTuple

from scrapy import Request
from scrapy.http import HtmlResponse, Response, TextResponse

from scrapy_omocaptcha.buying.purchase import ACCEPTED, Verdict
from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.engine.components import is_redirect
from scrapy_omocaptcha.engine.slots import Hold
from scrapy_omocaptcha.errors import ChallengeNotSolved, CrawlClosing, TokenUnused
from scrapy_omocaptcha.forms.encoding import SAFE_METHODS
from scrapy_omocaptcha.forms.submission import copy_back
from scrapy_omocaptcha.tokens.attempts import Attempts, Result
from scrapy_omocaptcha.tokens.judging import (
    Answer,
    doubt_about,
    is_blank,
    is_good,
    is_other_wall,
    is_page_of,
    is_same_wall,
)
from scrapy_omocaptcha.tokens.reasons import GivenUp, Refusal
from scrapy_omocaptcha.tokens.sending import follow_back
from scrapy_omocaptcha.tokens.verdict import Handed, opened, still_closed, unknown
from scrapy_omocaptcha.urls import redirect_target
from scrapy_omocaptcha.walls.asking_again import AskingAgain
from scrapy_omocaptcha.walls.clearance import Worth
from scrapy_omocaptcha.walls.redirects import MAYBE_EXECUTED, Redirects
from scrapy_omocaptcha.walls.session import Role
from scrapy_omocaptcha.walls.sessions import Sessions
from scrapy_omocaptcha.walls.targets import GATES, Kind

_NOT_SEEN = Refusal(
    "browser",
    "the page has sent no token: neither its callback does, nor a button of the widget's own form: drive it with "
    "solve_page",
)


class Page(NamedTuple):
    """A response that is a challenge, and the state of its session when it came."""

    response: Response
    challenge: Challenge
    answers: int
    """How many answers the session has had with this one, if none came while it was under way. Once there have been
    more, its form may be outdated."""
    cookies: frozenset[tuple[str, str]] | None
    """Names and values of the session's cookies; None if they are not those that the response was for."""


@dataclass(eq=False)
class Passage(Attempts):
    """The passage of one challenged request through its wall."""

    sessions: Sessions
    redirects: Redirects

    def __post_init__(self) -> None:
        super().__post_init__()
        self.session = self.sessions.session(self.request)
        self.asking = AskingAgain(self.engine, self.policy, self.redirects, self.request)
        self._answers = self.session.answers
        self.page: Page
        """The challenge at hand: the newest that was seen, also while a token is judged."""
        self.hold: Hold
        self.stamp: int
        """When the request was sent last."""
        self.is_alone = False
        """Whether the wall is solved for this page only."""

    async def run(self, response: Response, challenge: Challenge | None, stamp: int) -> Answer:
        """Go through the wall that ``response`` has shown; return its page, or the challenge if nothing was bought.

        :param challenge: what ``response`` is; None if the wall to which the request was redirected is open.
        :param stamp: when the request was sent.
        :raises ChallengeNotSolved: when the wall stays closed though jobs were bought for the request, or where the
            site may have executed it, unless ``OMOCAPTCHA_ON_FAILURE`` asks for the challenge then.
        :raises GivenUp: when the spider is to be closed at a limit.
        """
        way, sent_at = self.redirects.way_of(self.request), self._state.sent_at
        is_page_withheld = self.redirects.is_withheld(self.request) and not self.redirects.is_order(self.request)
        self.stamp = self.sessions.own(sent_at) if is_page_withheld else stamp
        with self.engine.slots.hold(self.request) as self.hold:
            try:
                result = await (self._leave(response) if challenge is None else self._go(response, challenge))
            except GivenUp as error:
                return await self._not_solved(error)
            except Exception:
                await self.discard()
                raise
            finally:
                self.policy.handed_in.pop(self.request, None)
                self.redirects.settle(way, sent_at)
        if result.verdict is ACCEPTED and result.proves_open:
            has_new_cookies = self.cookie_values() != self.page.cookies
            self.session.visitors.record_opened(self.request, has_new_cookies=has_new_cookies)
        return self.deliver(challenge or self.page.challenge, result)

    async def _leave(self, response: Response) -> Result:
        """Ask for what the wall has withheld, now that it answers with no challenge, or take an order's receipt."""
        self._note(response, Challenge(self.request.url, None))
        is_returning = self.redirects.targets.of(self.request.url).kind is Kind.RETURNING
        if self.asking.is_for_order and not is_returning:
            self.redirects.check_receipt(self.request, response)
            if is_good(response):
                self.session.record_page(self.request, self.stamp)
            return Result(response)
        answer = await self.look_again()
        return await self._take_turns() if answer is None else Result(answer)

    # Take the challenge, and refuse it

    async def _go(self, response: Response, challenge: Challenge) -> Result:
        self._note(response, challenge)
        refusal = await self.refusal()
        # Another request may have opened the wall since this one was sent, or be about to.
        if refusal is None and self.session.role(self.stamp) in (Role.LEAD, Role.ALONE):
            refusal = self.policy.limit_refusal(self.request.url)
        self.events.detected(self.request, self.page.challenge, "solve" if refusal is None else refusal.reason)
        if refusal is not None:
            raise GivenUp(refusal)
        await self.set_aside()
        return await self._take_turns()

    def take_challenge(self, answer: Answer) -> Challenge | None:
        """Take the challenge that an answer is for the one at hand, and return it; None if the answer is none."""
        if isinstance(answer, Request):
            return None
        challenge = self.policy.find(self.request, answer)
        if challenge is not None:
            self._note(answer, challenge)
        return challenge

    def _note(self, response: Response, challenge: Challenge) -> None:
        # Scrapy sets it only after the middlewares, but a submission takes its session from there.
        response.request = response.request or self.request
        values = self.cookie_values()
        is_current = self.sessions.is_current(self.request, response, values)
        self.page = Page(response, challenge, self._answers, values if is_current else None)
        if self.purchase is None and "cached" not in response.flags:
            if self.session.clearance.was_there_at(self.stamp):
                self.session.visitors.record_challenge(self.request)
            self.policy.hints.clearance_bound(self.request.url, self.session.visitors.difference)

    async def check(self) -> None:
        """Raise ``GivenUp`` unless a token may be bought for the challenge at hand."""
        refusal = await self.refusal() or self.policy.limit_refusal(self.request.url)
        if refusal is not None:
            raise GivenUp(refusal)

    async def refusal(self) -> Refusal | None:
        """Return why the challenge at hand is not solved, whoever pays, or None."""
        # A token at hand opens the wall for others at least.
        if self.asking.may_be_executed and self.purchase is None:
            return MAYBE_EXECUTED
        return await self.policy.refusal(self.request, self.page.response, self.page.challenge)

    # Lead, follow, go alone or ask again

    async def _take_turns(self) -> Result:
        session = self.session
        while True:
            session.record_challenge(self.stamp)
            role = session.role(self.stamp)
            if role is Role.LEAD:
                return await self._lead()
            if role is Role.ALONE:
                self.is_alone = True
                return await self.make_attempts()
            if role is Role.WAIT:
                await self.engine.lifetime.wait(session.turns.wait(challenged=True))
            try:
                if session.role(self.stamp) is Role.ASK_AGAIN:
                    answer = await self.look_again()
                    if answer is not None:
                        return Result(answer)
            finally:
                if role is Role.WAIT:
                    session.turns.end()

    async def _lead(self) -> Result:
        session, slots = self.session, self.engine.slots
        slot = slots.order.slot(self.request)
        session.lead(self.stamp)
        try:
            result = await self.make_attempts()
            if result.proves_open:
                session.clearance.record_won(self.cookies(), self._worth(result))
            return result
        finally:
            # The session keeps this function, which must not keep the request.
            session.stop_leading(lambda: slots.concurrency(slot))

    def record_handed_in(self) -> None:
        """Record that a token goes to the site."""
        if not self.is_alone:
            # Requests that were queued without cookies are answered with new cookies meanwhile, and later.
            self.session.clearance.record_token(self.cookies())

    def _worth(self, result: Result) -> Worth:
        if result.verdict is not ACCEPTED:
            # A page that came without a token, or of which that is not known, does not show what a token is good for.
            return Worth.DOUBTFUL
        # Neither the answer to a submission itself nor one for which the site has set no cookie shows that the wall is
        # open for other pages, too.
        is_cleared = result.submitted is None and self.cookie_values() != self.page.cookies
        return Worth.PROVEN if is_cleared and result.answer and is_good(result.answer) else Worth.NEW

    # Ask again

    async def look_again(self) -> Answer | None:
        """Ask again; return the answer if no token is needed; raise ``GivenUp`` if its challenge may not be solved."""
        answer = await self.ask_again()
        if self.take_challenge(answer) is not None:
            refusal = await self.refusal()
            if refusal is not None:
                raise GivenUp(refusal)
            await self.set_aside()
            return None
        if is_good(answer):
            self.session.record_page(self.request, self.stamp, has_met_wall=True)
        return answer

    async def ask_again(self) -> Answer:
        """Ask for what was asked for once more, and return the answer."""
        async with self.hold.sending():
            return await self.send()

    async def send(self) -> Answer:
        """Do as :meth:`AskingAgain.ask` while the request is counted as being sent."""
        since, self.stamp = self.stamp, self.sessions.next_stamp()
        self.session.clearance.record_sent(since, self.stamp)
        with self.answering():
            answer = await self.asking.ask()
        if isinstance(answer, Request):
            self.redirects.write(self.request, answer, answer.url, self.stamp, is_through=True)
        return answer

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Count the answer to something that is sent to the site in the block."""
        self._answers = self.session.answers + 1
        try:
            yield
        finally:
            # An answer that is lost on its way outdates forms as well.
            self.session.answers += 1
            self.session.clearance.cookies = self.cookies()

    # Buy a token, and hand it in

    async def next_challenge(self) -> Challenge | Answer:
        """Return the challenge at hand, unless it is not to be solved any more, or an answer that came without."""
        # Checked before each attempt, since other passages may have found out much since the page came.
        await self.check()
        # Another token, or time, may have opened the wall, and looking costs no job.
        is_older = self.session.clearance.has_changed_since(self.stamp) and not (self.jobs or self.is_alone)
        passed = await self.look_again() if is_older or "cached" in self.page.response.flags else None
        return self.page.challenge if passed is None else passed

    async def hand_in(self, token: Token) -> Result:
        """Send a token to the site, and judge the answer; see :meth:`Attempts.hand_in` for what is raised."""
        page = self.page
        if page.challenge.sitekey != token.sitekey:
            raise TokenUnused("other_key")
        self.policy.handed_in[self.request] = page.challenge
        async with self.hold.sending():
            handed = await self.submit(token)
            result = handed if isinstance(handed, Result) else await self.judge(page, handed)
        return await self.after_judging(result)

    @abstractmethod
    async def submit(self, token: Token) -> Handed | Result:
        """Send a token to the site, and return what came of it, or its result if there is nothing to judge.

        It raises what :meth:`hand_in` raises.
        """

    @abstractmethod
    async def after_judging(self, result: Result) -> Result:
        """Do what is left to do once nothing more is sent for a token, and return what came of it."""

    async def set_aside(self) -> None:
        """Close what takes the place of others while something is waited for."""

    async def discard(self) -> None:
        """Close what the challenge at hand keeps open, once nothing more is done with it."""

    # Judge the answer

    async def judge(self, page: Page, handed: Handed) -> Result:
        """Tell whether a token opened the wall, if need be by asking for the page again, and return the page.

        It raises what :meth:`hand_in` raises.

        :param page: the challenge that the token was handed in for.
        """
        result = self._judge_answer(page.challenge, handed)
        if result is not None:
            return result
        self.session.is_page_asked_for = True
        try:
            again = await self.send()
        except Exception as error:
            if not self.is_alone:
                # The other requests of the session ask again then, rather than buy a token each.
                self.session.clearance.record_won(self.cookies(), Worth.DOUBTFUL)
            reasons = {CrawlClosing: "closing", GivenUp: "redirect"}
            return Result(verdict=unknown(reasons.get(type(error), "broke")), error=error)
        later = self.take_challenge(again)
        if later is None:
            return Result(again, self._opened(handed, again))
        return await self._judge_challenge(page, handed, later)

    def _judge_answer(self, wall: Challenge, handed: Handed) -> Result | None:
        """Return what the answer to a token shows, or None if only the page that was asked for can show it."""
        answer = handed.answer
        later = None if answer is None else self.take_challenge(answer)
        if later is not None:
            return Result(verdict=still_closed(wall, later, is_first=self.is_first))
        if answer is not None and handed.is_page:
            self._copy_back(handed)
            if self.asking.is_for_order:
                self.redirects.check_receipt(self.request, answer)
            if answer.status < HTTPStatus.MULTIPLE_CHOICES and not is_blank(answer):
                return Result(answer, ACCEPTED, submitted=answer)
            # The form has sent the spider's own request, which may be answered by anything. Sites redirect what they
            # reject, too.
            is_led_on = HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST
            verdict = unknown("redirect", "its answer is a redirect") if is_led_on else self._opened(handed, answer)
            return Result(answer, verdict, submitted=answer, proves_open=False)
        if self.engine.lifetime.closing:
            # Another request may hang.
            return Result(verdict=unknown("closing"), error=CrawlClosing())
        return None

    async def _judge_challenge(self, page: Page, handed: Handed, later: Challenge) -> Result:
        """Return what it means that the page is still, or again, behind a challenge after a token."""
        if not handed.is_seen:
            # A page that has sent nothing, or in disguise, would do so again.
            broke = handed.broke
            why = _NOT_SEEN if broke is None else Refusal("broke", str(broke))
            verdict = unknown("not_seen" if broke is None else "broke", is_useless=True)
            return Result(verdict=verdict, error=GivenUp(why))
        if self.asking.is_for_order and handed.answer is not None and is_good(handed.answer):
            # It shows its challenge also to who is through, so that another token would show no more.
            self.redirects.record_gate(self.redirects.way_of(self.request))
            return Result(verdict=unknown("redirect"), error=GivenUp(MAYBE_EXECUTED))
        behind = await self._look_behind(handed)
        if isinstance(behind, Result):
            return behind
        handed, wall, answer = behind, page.challenge, behind.answer
        result = None if answer is None or self.asking.is_at_gate else self._take_for_page(answer, page, handed)
        if result is not None:
            return result
        if handed.broke is not None and is_same_wall(wall, later):
            if self.is_first:
                # The same token is handed in once more.
                raise handed.broke
            return Result(verdict=unknown("broke", is_useless=True))
        if answer is not None and handed.sent is None:
            refusal = await self.policy.redirect_refusal(self.request, answer)
            if refusal is not None:
                return Result(verdict=unknown(refusal.reason, is_useless=True), error=GivenUp(refusal))
        return Result(verdict=still_closed(wall, later, is_first=self.is_first))

    def _take_for_page(self, answer: Response, page: Page, handed: Handed) -> Result | None:
        """Return the answer to a token as the page, if it may be that: the page itself is behind a challenge again."""
        # A wall that ignores tokens repeats the same answer. Pages at addresses of their own may be equal.
        is_repeated = answer.status < HTTPStatus.MULTIPLE_CHOICES and self.session.record_other_answer(answer.body)
        if not self._may_be_page(answer, page, handed, is_repeated=is_repeated):
            return None
        self._copy_back(handed)
        # There is no page but this answer. That it is the page is not certain enough for a clearance.
        verdict = self._opened(handed, answer)
        if verdict is ACCEPTED:
            is_sure = _is_direct(handed) and answer.status < HTTPStatus.MULTIPLE_CHOICES
            verdict = ACCEPTED if is_sure else unknown("widget_again")
        return Result(answer, verdict, submitted=answer, proves_open=False)

    async def _look_behind(self, handed: Handed) -> Handed | Result:
        """Follow an answer that redirects to the page with another query, and return what that shows, or means."""
        answer = handed.answer
        if answer is None or handed.sent is None or not self.asking.is_for_own_page:
            return handed
        try:
            with self.answering():
                shown = await follow_back(self.engine.chain, handed.sent[1], answer, self.request)
        except CrawlClosing as error:
            return Result(verdict=unknown("closing"), error=error)
        if shown is None:
            return handed
        if self.take_challenge(shown) is not None:
            return Result(verdict=unknown("redirect", is_useless=True))
        is_for_spider = self.engine.components.is_redirect_for_spider(self.request, answer)
        return handed if is_for_spider else handed._replace(answer=shown, sent=None)

    def _opened(self, handed: Handed, answer: Answer) -> Verdict:
        """Return the verdict on a token for which ``answer`` is the page, or the request that a redirect leads to."""
        url: str | None = answer.url
        if isinstance(answer, Response):
            url = redirect_target(answer.url, answer.headers.get("Location")) if is_redirect(answer) else None
        leads_to_wall = url is not None and self.redirects.targets.of(url).kind in GATES
        doubt = doubt_about(self.request, answer) or ("redirect" if leads_to_wall else None)
        return opened(handed, answer, doubt, others_hand_in=self.is_alone)

    def _copy_back(self, handed: Handed) -> None:
        if handed.sent is not None:
            copy_back(*handed.sent, self.request)

    def is_page(self, answer: Response) -> bool:
        """Tell whether an answer, should it be no challenge, is the page that was asked for, or the best there is."""
        is_its_own = self.asking.is_for_own_page or (self.asking.is_for_order and not self.asking.is_at_gate)
        return is_its_own and is_page_of(self.request, answer) and self.engine.components.meta_refresh(answer) is None

    def _may_be_page(self, answer: Response, page: Page, handed: Handed, *, is_repeated: bool) -> bool:
        """Tell whether the answer to a submission may be the page, which shows a challenge when it is asked for."""
        # What was made without the fields of a POST is no answer to that.
        is_unlike = self.request.method not in SAFE_METHODS and handed.is_own_address
        if is_unlike or is_other_wall(page.challenge, self.page.challenge):
            return False
        if not self.asking.is_for_own_page and not (isinstance(answer, HtmlResponse) and is_good(answer)):
            # An error, or JSON for a script, answers the token, and is not what a redirect to its address would show.
            return False
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            return handed.is_own_address and answer.status != page.response.status
        # Text that is no HTML, as JSON is, is for a script of the page, which would ask for the page then.
        is_for_script = isinstance(answer, TextResponse) and not isinstance(answer, HtmlResponse)
        is_doubtful = is_repeated or (is_for_script and not handed.is_own_address)
        return not is_blank(answer) and (_is_direct(handed) or not is_doubtful)

    # Give the spider its page, or say why there is none

    async def _not_solved(self, error: GivenUp) -> Response:
        """Report that the wall stays closed to the request, and return its challenge, or raise what the spider gets."""
        refusal, challenge, response = error.refusal, self.page.challenge, self.page.response
        is_closing, on_failure = self.policy.closes_spider(refusal.reason), self.policy.settings.on_failure
        is_untouched = not (self._state.is_paid_for or refusal is MAYBE_EXECUTED)
        if is_closing or not (is_untouched or on_failure == "response"):
            # If closing fails, the request is retried or given back to the scheduler, so nothing is reported before.
            await self.discard()
        if not (is_untouched or is_closing):
            # The crawl that resumes asks for what the redirect led to, as an order may be executed.
            self.asking.give_up()
        if refusal.reason == "dry_run":
            self.events.dry_run[self.session.host][self.session] += 1
        self.events.failed(self.request, challenge, *refusal, is_paid=self._state.is_paid_for)
        if is_closing:
            raise error
        response.flags = [*response.flags, f"omocaptcha:{refusal.reason}"]
        if on_failure == "response":
            return self.engine.components.deliver(self.request, response, handle_httpstatus_all=True)
        if is_untouched:
            return response
        message = f"{challenge.url} stays behind its reCAPTCHA ({refusal.reason}): {refusal.message}"
        response = response.replace(request=self.request)
        raise ChallengeNotSolved(refusal.reason, message, challenge=challenge, response=response) from None

    # The session's cookies

    def cookies(self) -> list[Cookie]:
        return self.sessions.cookies(self.request)

    def cookie_values(self) -> frozenset[tuple[str, str]]:
        # A cookie may have no value.
        return frozenset((cookie.name, cookie.value or "") for cookie in self.cookies())


def _is_direct(handed: Handed) -> bool:
    """Tell whether a token was answered by the address of the page that was asked for itself."""
    return handed.is_own_address and handed.sent is not None
