"""Take a challenged request through its wall in a page that a browser renders: load it anew, and give it the token.

The page of the challenge is closed while its request waits for a token, so that it takes no other page's place. With
PLAYWRIGHT_MAX_CONTEXTS it stays open: all new pages wait for one lock, whose holder may wait until a context is closed,
which the spider does once it has its page. For the same reason, the request then goes on beyond CONCURRENT_REQUESTS.
"""

from functools import partial

from scrapy.http import HtmlResponse, Response

from scrapy_omocaptcha.browser.handing_in import Trouble
from scrapy_omocaptcha.browser.handover import PageHandover
from scrapy_omocaptcha.buying.purchase import ACCEPTED, Verdict
from scrapy_omocaptcha.challenge import Challenge, Form, Token
from scrapy_omocaptcha.errors import CrawlClosing, HandoverBroke, TokenUnused
from scrapy_omocaptcha.tokens.attempts import Result
from scrapy_omocaptcha.tokens.judging import Answer, is_good, is_overloaded
from scrapy_omocaptcha.tokens.reasons import NOT_RENDERED, GivenUp, Refusal
from scrapy_omocaptcha.tokens.verdict import Handed, came_without, unknown, unused
from scrapy_omocaptcha.walls.passage import Passage

_WIDGET = "//iframe[contains(@src, '/recaptcha/')] | //textarea[starts-with(@name, 'g-recaptcha-response')]"


class BrowserPassage(Passage):
    """The passage of a request whose page a browser renders."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.browser = self.policy.mediums.driven

    async def refusal(self) -> Refusal | None:
        """Return why the challenge at hand is not solved: also where page methods would act a second time."""
        refusal = await super().refusal()
        return refusal or (Refusal.of("behind_methods") if self.browser.has_acted(self.request) else None)

    async def next_challenge(self) -> Challenge | Answer:
        """Return the challenge at hand once its widget is there, unless it is not to be solved any more."""
        await self.check()
        response = self.page.response
        if isinstance(response, HtmlResponse) and response.xpath(_WIDGET):
            return self.page.challenge
        # Nothing is bought for a widget that is never rendered, as where Google's script is blocked.
        async with self.hold.sending():
            look, answer = await self._load(None)
        if isinstance(answer, Exception):
            raise answer
        if not self.take_challenge(answer):
            return answer
        await self.check()
        if look.trouble is Trouble.NOT_RENDERED:
            raise GivenUp(NOT_RENDERED)
        await self.set_aside()
        return self.page.challenge

    async def submit(self, token: Token) -> Handed | Result:
        """Load the page anew, and hand the token in there."""
        handover, answer = await self._load(token)
        if not handover.is_handed_in:
            return await self._not_handed_in(handover, answer)
        self.record_handed_in()
        form = self.page.challenge.form or Form("a script of", self.page.challenge.url, ())
        self.report_sent(form.method, form.url, form.names)
        if handover.trouble is Trouble.FOREIGN_FORM:
            # The token was stopped on its way there, or a redirect has repeated it.
            return Result(verdict=unknown("foreign_form", is_useless=True), error=GivenUp(Refusal.of("foreign_form")))
        if handover.is_page:
            page = answer if isinstance(answer, Response) and self.take_challenge(answer) is None else None
            if page is not None or handover.error is not None or handover.has_acted:
                # The spider's methods are not called a second time, whatever they have made of the page since.
                verdict = ACCEPTED if handover.is_sent else unknown("not_seen")
                return Result(page, verdict, _error_of(answer), submitted=page)
        handed = self._handed(handover, answer)
        if not handover.is_sent:
            # No request carried the token as it is, so nobody knows whether the page has sent it, in whatever form.
            return Handed(None, is_page=False, broke=handed.broke, is_seen=False)
        return handed

    async def after_judging(self, result: Result) -> Result:
        """Close the page after a job that was of no use."""
        if result.answer is None:
            await self.set_aside()
        return result

    async def _load(self, token: Token | None) -> tuple[PageHandover, Answer | Exception]:
        """Load the page anew, hand a token in, and return what became of it and what the page shows, or its error."""
        # A page that the spider has brought keeps the function, which must not keep the request.
        find, lifetime = partial(self.policy.find, self.request), self.engine.lifetime
        handover = PageHandover(self.request, self.page.challenge, token, find, lambda: lifetime.closing)
        handover.is_wanted = self.is_page
        answer = await self.browser.load(handover, super().send)
        return handover, handover.complete(answer) if isinstance(answer, Response) else answer

    def _handed(self, handover: PageHandover, answer: Answer | Exception) -> Handed:
        if handover.trouble is not None or isinstance(answer, Exception):
            return Handed(None, is_page=False, broke=handover.failure(answer))
        if not isinstance(answer, Response) or not handover.has_moved:
            return Handed(None, is_page=False)
        if not handover.has_navigated and not is_good(answer):
            # A script has changed the challenge in its place, and the status is still that of the challenge.
            return Handed(None, is_page=False)
        if is_overloaded(answer):
            return Handed(answer, is_page=False, broke=HandoverBroke(f"the token was answered with {answer.status}"))
        # A script may have put only a part of the page there.
        return Handed(answer, is_page=handover.is_page)

    async def _not_handed_in(self, handover: PageHandover, answer: Answer | Exception) -> Result:
        if not isinstance(answer, Exception) and not self.take_challenge(answer):
            if is_good(answer):
                self.session.record_page(self.request, self.stamp, has_met_wall=True)
            return Result(answer, came_without(answer))
        if handover.error is not None:
            return Result(verdict=Verdict("expired", "not_needed"), error=handover.error)
        if self.engine.lifetime.closing:
            raise CrawlClosing()
        if handover.trouble in (Trouble.OTHER_KEY, Trouble.TOO_OLD):
            await self.set_aside()
            raise TokenUnused(handover.trouble.value)
        if handover.trouble is Trouble.NOT_RENDERED:
            return Result(verdict=unused("not_rendered"), error=GivenUp(NOT_RENDERED))
        if self.is_first:
            raise handover.failure(answer)
        return Result(verdict=unused("page_failed"), error=_error_of(answer))

    async def send(self) -> Answer:
        """Send the spider's request once more; its page methods are not called in a challenge."""
        self.browser.watch(self.request, partial(self.policy.find, self.request))
        try:
            return await super().send()
        finally:
            self.browser.answered(self.request)

    async def set_aside(self) -> None:
        """Close the page of the challenge at hand, unless all others may be waiting for its context."""
        if self.browser.limits_contexts:
            self.hold.is_awaited = True
        else:
            await self.discard()

    async def discard(self) -> None:
        """Close the page of the challenge at hand."""
        await self.browser.close_page(self.request)


def _error_of(answer: Answer | Exception) -> Exception | None:
    return answer if isinstance(answer, Exception) else None
