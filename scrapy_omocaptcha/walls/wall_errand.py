"""Open a wall for one request: ask again, and judge the answers to its token.

How a token is handed in is in the subclasses, ``form_errand`` and ``browser_errand``. Whether a page is a challenge and
may be solved is decided by ``policy``; which request buys a token, by ``passage``.

It is longer than other files, because both ways of handing in work on the one state that is kept here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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
from scrapy_omocaptcha.errors import HandoverBroke
from scrapy_omocaptcha.forms.submission import Submission
from scrapy_omocaptcha.walls.attempts import Answer, Doubt, Errand, GivenUp, Refusal
from scrapy_omocaptcha.walls.delivery import take_over
from scrapy_omocaptcha.walls.judging import is_good, is_other_wall, is_overloaded, is_same_wall
from scrapy_omocaptcha.walls.policy import Policy
from scrapy_omocaptcha.walls.redirects import Redirects
from scrapy_omocaptcha.walls.sessions import Sessions

_DOUBTS = {
    "broke": "the request for the page failed after it",
    "not_seen": "no request was seen to carry it",
    "no_page": "the page is empty",
    "http_error": "the page was answered with {0.status}",
    "redirect": "the page still redirects to where the challenge was",
}


class Page(NamedTuple):
    """A response that is a challenge, and the state of its session when it came."""

    response: Response
    challenge: Challenge
    answers: int
    """How many answers the session would have had with it, had no other come since its request was sent."""
    cookies: frozenset[tuple[str, str | None]] | None
    """Names and values of the session's cookies; None if they are not those that the response was for."""


class Handed(NamedTuple):
    """What came of a token that was handed in."""

    answer: Response | None
    """None if there was none, or if it leads to the page that was asked for."""
    is_page: bool
    """Whether the answer, should it be no challenge, is the page that was asked for."""
    is_own_address: bool = False
    """Whether the token was sent to the address of the page that was asked for."""
    broke: HandoverBroke | None = None
    """Why the token may not have been read."""
    sent: tuple[Request, Submission] | None = None
    """The submission as it was sent, and as it was made; None if that was in a browser, or a redirect was followed."""


@dataclass(eq=False)
class WallErrand(Errand):
    """The errand of opening a wall for one request; a subclass hands the tokens in."""

    sessions: Sessions
    redirects: Redirects
    policy: Policy
    slots: Slots
    chain: InnerChain
    lifetime: Lifetime
    request: Request
    stamp: int
    """When the request was sent last."""
    hold: Hold
    page: Page = field(init=False)
    """The challenge at hand."""
    is_alone = False
    """Whether the wall is solved for this page only."""
    has_opened = True
    """Whether the page is known to be worth something."""
    doubt: Doubt | None = None
    """Why it is not known whether the token opened the wall; None if it is."""
    page_answer: Response | None = None
    """The answer to the submission, where it is the page itself or redirects to it."""

    def __post_init__(self) -> None:
        self.session = self.sessions.session(self.request)
        self._answers = self.session.answers
        self._passed: list[Purchase] = []
        """Tokens after which another wall came. Whether they were of use is known once the page is there."""

    async def challenge(self) -> Challenge | Answer:
        """Return the challenge at hand, unless it is not to be solved any more."""
        # Checked before each attempt, since other passages may have found out much since the page came.
        await self.check()
        return self.page.challenge

    async def look_again(self, *, re_ask: bool = False) -> Answer | None:
        """Ask again, and return the answer if the site lets the request through without a token.

        :param re_ask: with a clearance that a leader has just won.
        :raises GivenUp: when the challenge that came is not to be solved.
        """
        answer = await self.ask_again(re_ask=re_ask)
        if self.is_challenge(answer):
            await self.check(skip_limits=True)
            await self.set_aside()
            return None
        if is_good(answer):
            self.session.unchallenged(self.stamp)
        return answer

    async def judge(self, purchase: Purchase, page: Page, handed: Handed, *, may_repeat: bool) -> Answer | None:
        """Record whether a token opened the wall, and return the page that was asked for.

        :param page: the challenge that the token was handed in for.
        :raises HandoverBroke: only with ``may_repeat``, when the token may not have reached the site.
        """
        answer = handed.answer
        if answer is not None and self.is_challenge(answer):
            self._still_closed(purchase, page, may_repeat=may_repeat)
            return None
        if answer is not None and handed.is_page:
            self._take(answer, handed)
            purchase.accepted()
            return answer
        try:
            again = await self.send_again()
        except Exception:
            purchase.unknown("broke")
            raise
        if not self.is_challenge(again):
            self._opened(purchase, again, handed)
            return again
        if handed.broke is not None and is_same_wall(page.challenge, self.page.challenge):
            if may_repeat:
                raise handed.broke
            purchase.unknown("broke", is_useless=True)
            return None
        if answer is None or not self._may_be_page(answer, page, is_own_address=handed.is_own_address):
            refusal = None
            if answer is not None and handed.sent is None:
                refusal = await self.policy.redirect_refusal(self.request, page.challenge, answer)
            if refusal is not None:
                purchase.unknown(refusal.reason, is_useless=True)
                raise GivenUp(refusal)
            self._still_closed(purchase, page, may_repeat=may_repeat)
            return None
        # There is no page but this answer. Nobody knows what it is worth, so it wins no clearance.
        self.has_opened = False
        self._take(answer, handed)
        self._opened(purchase, answer, handed)
        return answer

    def _opened(self, purchase: Purchase, answer: Answer, handed: Handed) -> None:
        """Record that ``answer``, which is no challenge, came for a token."""
        doubt = self.redirects.doubt_about(self.request, answer)
        if doubt is not None:
            self.doubt = Doubt(doubt, _DOUBTS[doubt].format(answer))
        elif handed.broke is not None and not handed.broke.is_sent:
            self.doubt = Doubt("not_seen", _DOUBTS["not_seen"])
        elif handed.answer is not None and not is_good(handed.answer):
            # Another request may have opened the wall.
            self.doubt = Doubt("http_error", f"the token was answered with {handed.answer.status}")
        else:
            purchase.accepted(opened=self.has_opened)
            return
        # Scrapy retries pages of a site that is overloaded, as often as RETRY_TIMES says.
        is_retried = isinstance(answer, Response) and is_overloaded(answer)
        purchase.unknown(self.doubt.reason, is_useless=doubt is not None and not is_retried)

    def _take(self, answer: Response, handed: Handed) -> None:
        """Take the answer for the page, and for its request what middlewares wrote into the submission."""
        self.page_answer = answer
        if handed.sent is not None:
            take_over(self.request, *handed.sent)

    async def set_aside(self) -> None:
        """Close what the challenge at hand keeps open, before something is waited for."""
        return

    async def reopen(self) -> None:
        """Open what the spider wants to have open with the challenge at hand."""
        return

    def _still_closed(self, purchase: Purchase, page: Page, *, may_repeat: bool) -> None:
        """Record that the page at hand is a challenge though a token was handed in for ``page``."""
        if not is_same_wall(page.challenge, self.page.challenge):
            self._passed.append(purchase)
        elif may_repeat:
            purchase.rejected()
        else:
            # The site may have taken it the first time, and refuse it only because of that.
            purchase.unknown("broke")

    def settle(self, error: Exception | None) -> None:
        """Record what became of tokens after which another wall came.

        :param error: why there is no page; None if there is one.
        """
        for purchase in self._passed:
            # Another request may have opened the wall, and the form of one that rejects tokens may change as well.
            purchase.unknown("another_wall", is_useless=isinstance(error, GivenUp))

    def _may_be_page(self, answer: Response, page: Page, *, is_own_address: bool) -> bool:
        """Tell whether the answer to a submission may be all that there is of the page, which no other wall hides."""
        if is_other_wall(page.challenge, self.page.challenge):
            return False
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            return is_own_address and answer.status != page.response.status
        # A wall that ignores tokens repeats the same answer. Pages at addresses of their own may be equal.
        last, self.session.last_answer_checksum = self.session.last_answer_checksum, crc32(answer.body)
        return bool(answer.body) and (is_own_address or last != self.session.last_answer_checksum)

    def is_challenge(self, answer: Answer) -> bool:
        """Tell whether an answer is a challenge, which is the page at hand from then on."""
        if isinstance(answer, Request):
            return False
        challenge = self.policy.find(self.request, answer)
        if challenge is not None:
            self.meet(answer, challenge)
        return challenge is not None

    async def ask_again(self, *, re_ask: bool = False) -> Answer:
        """Send the spider's request once more, and return the answer."""
        async with self.hold.sending():
            return await self.send_again(re_ask=re_ask)

    async def send_again(self, *, re_ask: bool = False) -> Answer:
        """Send the spider's request once more while it is counted as being sent."""
        self.stamp = self.sessions.stamp()
        if re_ask:
            self.session.re_asked(self.stamp)
        with self.answering():
            return await self.redirects.send_again(self.request)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Count the answer to something that is sent to the site in the block."""
        self._answers = self.session.answers + 1
        yield
        self.session.answers += 1
        self.session.update_cookies(self.cookies())

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
        values = self.cookie_values()
        is_current = self.sessions.has_sent(self.request, response, values)
        self.page = Page(response, challenge, self._answers, values if is_current else None)

    def cookies(self) -> list[Cookie]:
        """Return the cookies of the session."""
        return self.sessions.cookies(self.request)

    def cookie_values(self) -> frozenset[tuple[str, str | None]]:
        """Return names and values of the cookies of the session."""
        return frozenset((cookie.name, cookie.value) for cookie in self.cookies())
