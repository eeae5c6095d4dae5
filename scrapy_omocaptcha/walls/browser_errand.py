"""Open a wall in a page that a browser renders: load the page anew, hand the token in there, and judge what it shows.

The page of the challenge is closed while its request waits for a token, so that it takes no other page's place.
"""

from dataclasses import dataclass, field
from functools import partial

from scrapy.http import HtmlResponse, Response

from scrapy_omocaptcha.browser.protocol import Browser, Handover
from scrapy_omocaptcha.buying.purchase import Purchase
from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.errors import CrawlClosing, HandoverBroke
from scrapy_omocaptcha.walls.attempts import Answer, GivenUp, Refusal
from scrapy_omocaptcha.walls.judging import is_good, is_page_of
from scrapy_omocaptcha.walls.reasons import REASONS
from scrapy_omocaptcha.walls.wall_errand import Handed, WallErrand

_WIDGET = "//iframe[contains(@src, '/recaptcha/')] | //textarea[starts-with(@name, 'g-recaptcha-response')]"


@dataclass(eq=False)
class BrowserErrand(WallErrand):
    """The errand of opening a wall in a page that a browser renders."""

    browser: Browser = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._find = partial(self.policy.find, self.request)

    async def challenge(self) -> Challenge | Answer:
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
        if not self.is_challenge(answer):
            return answer
        await self.check()
        await self._check_rendered(look)
        await self.set_aside()
        return self.page.challenge

    async def ready(self) -> Challenge:
        """Return the challenge at hand; its form is always fresh, since the page is loaded anew."""
        return self.page.challenge

    async def hand_in(self, purchase: Purchase, *, may_repeat: bool) -> Answer | None:
        """Load the page anew, hand the token in there, and tell from what it shows whether that opened the wall."""
        page = self.page
        async with self.hold.sending():
            handover, answer = await self._load(purchase.token)
            if not handover.is_handed_in:
                passed = await self._not_handed_in(purchase, handover, answer, may_repeat=may_repeat)
            else:
                handed = self._handed(handover, answer)
                if handover.trouble == "foreign_form":
                    # It was stopped on its way there.
                    purchase.unknown("foreign_form", is_useless=True)
                    raise GivenUp(Refusal("foreign_form", REASONS["foreign_form"]))
                if self.lifetime.closing and (handed.answer is None or self.is_challenge(handed.answer)):
                    purchase.unknown("closing")
                    raise CrawlClosing("the crawl is closing")
                passed = await self.judge(purchase, page, handed, may_repeat=may_repeat)
        if passed is None:
            await self.set_aside()
        return passed

    async def _load(self, token: Token | None) -> tuple[Handover, Answer | Exception]:
        """Load the page anew, hand a token in, and return what became of it and what the page shows, or its error."""
        with self.browser.handing_in(
            self.request, self.page.challenge, token, self._find, lambda: self.lifetime.closing
        ) as handover:
            try:
                answer: Answer | Exception = await super().send_again()
            except Exception as error:
                answer = error
        return handover, handover.complete(answer) if isinstance(answer, Response) else answer

    def _handed(self, handover: Handover, answer: Answer | Exception) -> Handed:
        # The text of an error may hold the token.
        trouble = type(answer).__name__ if isinstance(answer, Exception) else handover.trouble
        if trouble:
            broke = HandoverBroke(f"the page broke off after it had got the token ({trouble})")
            return Handed(None, is_page=False, broke=broke)
        if not (handover.has_moved and isinstance(answer, Response)):
            return Handed(None, is_page=False)
        return Handed(answer, is_page=is_page_of(self.request, answer))

    async def _not_handed_in(
        self, purchase: Purchase, handover: Handover, answer: Answer | Exception, *, may_repeat: bool
    ) -> Answer | None:
        if not isinstance(answer, Exception) and not self.is_challenge(answer):
            purchase.expired("not_needed")
            if is_good(answer):
                self.session.unchallenged(self.stamp)
            return answer
        if self.lifetime.closing:
            raise CrawlClosing("the crawl is closing")
        if handover.trouble in ("other_key", "not_rendered"):
            purchase.expired(handover.trouble)
            await self._check_rendered(handover)
            return None
        if may_repeat:
            kind = type(answer).__name__ if isinstance(answer, Exception) else handover.trouble
            raise HandoverBroke(f"the page broke off before it got the token ({kind})")
        purchase.expired("page_failed")
        if isinstance(answer, Exception):
            raise answer
        return None

    async def _check_rendered(self, look: Handover) -> None:
        if look.trouble == "not_rendered":
            raise GivenUp(Refusal("not_rendered", REASONS["not_rendered"]))

    async def send_again(self, *, re_ask: bool = False) -> Answer:
        """Send the spider's request once more; its page methods are not called in a challenge."""
        self.browser.watch(self.request, self._find)
        try:
            return await super().send_again(re_ask=re_ask)
        finally:
            self.browser.unwatch(self.request)

    async def set_aside(self) -> None:
        """Close the page of the challenge at hand, which would take the place of another one."""
        await self.browser.close_page(self.request)

    async def reopen(self) -> None:
        """Load the challenge once more where the spider wants its page left open."""
        if self.browser.wants_open_page(self.request):
            answer = await self.ask_again()
            if isinstance(answer, Response):
                self.page = self.page._replace(response=answer)
