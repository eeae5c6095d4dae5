"""Send a form with a token in a page that a browser renders: load the page, fill the form in, and press its button.

The page is loaded once its token is there, so that it takes no other page's place meanwhile. Before the first token for
such a form is paid for, it is loaded to see whether the form can be filled in.
"""

from dataclasses import dataclass
from functools import partial

from scrapy import Request
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha.browser.forms.handover import FormHandover
from scrapy_omocaptcha.browser.playwright import PlaywrightMedium
from scrapy_omocaptcha.buying.purchase import Verdict
from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.errors import CrawlClosing, TokenUnused
from scrapy_omocaptcha.forms.encoding import field_names
from scrapy_omocaptcha.forms.submission import session_headers
from scrapy_omocaptcha.tokens.attempts import Result
from scrapy_omocaptcha.tokens.judging import is_overloaded
from scrapy_omocaptcha.tokens.reasons import REASONS, GivenUp, NotSolved, Refusal
from scrapy_omocaptcha.tokens.sending import get_page
from scrapy_omocaptcha.tokens.verdict import unknown
from scrapy_omocaptcha.upfront.token_request import TokenRequest


@dataclass(eq=False)
class BrowserTokenRequest(TokenRequest):
    """The attempts to send one form in a browser."""

    browser: PlaywrightMedium

    def __post_init__(self) -> None:
        super().__post_init__()
        self._loaded: Request | None = None
        """The request for the page that was loaded last."""
        self._handover: FormHandover | None = None
        """What became of the token there."""

    async def run(self) -> Response:
        """Send the form with a token, and return what the page shows then, or raise ``GivenUp``."""
        try:
            answer = await super().run()
        except Exception:
            await self._leave()
            raise
        await self._end_session()
        return answer

    async def _leave(self) -> None:
        """Close the page that was loaded last, where it is left open for the spider, and its session."""
        if self._loaded is not None:
            await self.browser.close_page(self._loaded)
            await self._end_session()

    async def _end_session(self) -> None:
        if self._handover is not None:
            await self.browser.end_session(self.request, self._handover.context)

    async def challenge(self) -> Challenge:
        """Return the challenge to buy a token for, if the page of the form is known."""
        if self.wish.fresh is None:
            raise GivenUp(Refusal.of("browser"))
        return await super().challenge()

    async def refill(self) -> None:
        """See that the form can be filled in, unless a token for such a form has been accepted."""
        await self._leave()
        if self.form.accepts:
            return
        async with self.hold.sending():
            look, answer = await self._load(None)
        await self._leave()
        if isinstance(answer, Exception):
            raise answer
        refusal = self._refusal(look)
        if refusal is not None and is_overloaded(answer):
            raise NotSolved(answer)
        if refusal is not None:
            raise GivenUp(refusal)

    async def submit(self, token: Token) -> Response | Result:
        """Load the page, fill its form in with the token, and send it."""
        handover, answer = await self._load(token)
        if handover.is_handed_in:
            self.tell_sent(self.request.method, self.request.url, field_names(self.request))
        if isinstance(answer, Response) and handover.has_moved:
            return handover.complete(answer)
        await self._leave()
        if handover.trouble == "foreign_form":
            # It was stopped on its way there.
            return Result(verdict=unknown("foreign_form", is_useless=True), error=GivenUp(Refusal.of("foreign_form")))
        if self.engine.lifetime.closing and not handover.is_handed_in:
            raise CrawlClosing
        if handover.trouble in ("other_key", "too_old"):
            raise TokenUnused(handover.trouble)
        is_overload = isinstance(answer, Response) and is_overloaded(answer)
        refusal = None if handover.is_handed_in or is_overload else self._refusal(handover)
        if refusal is not None:
            return Result(verdict=Verdict("expired", refusal.reason), error=GivenUp(refusal))
        raise handover.failure(answer)

    def _refusal(self, handover: FormHandover) -> Refusal | None:
        """Return why a page could not take a token."""
        if handover.trouble == "not_rendered":
            return Refusal.of("not_rendered")
        if handover.missing and handover.trouble in ("", "form_changed"):
            return Refusal("form_changed", f"{REASONS['form_changed']}: {handover.missing}")
        return None

    async def _load(self, token: Token | None) -> tuple[FormHandover, Response | Exception]:
        """Load the page of the form, and return what became of it and what it shows, or its error."""
        fresh = self.wish.fresh
        assert fresh is not None
        # What the form is answered with is not what its address shows.
        meta = {**self.request.meta, "dont_cache": True}
        del meta["omocaptcha"]
        page = Request(fresh.page, headers=session_headers(self.request), meta=meta, callback=NO_CALLBACK)
        find, lifetime = partial(self.policy.find, self.request), self.engine.lifetime
        self.browser.begin(page, find)
        handover = FormHandover(fresh, page, self.wanted, token, find, lambda: lifetime.closing)
        answer = await handover.load(self.browser, partial(get_page, self.chain, page))
        self.browser.share_page(page, self.request)
        self._loaded, self._handover = page, handover
        return handover, answer or Response(page.url)

    def judge(self, answer: Response, rejected: bool | None) -> Verdict:
        """Return what is known of a token that was not plainly rejected."""
        return super().judge(answer, rejected) if self._handover and self._handover.is_sent else unknown("not_seen")

    def rejected(self) -> Verdict:
        """Return what is known of a token after an answer that rejects it, or what was sent with it."""
        is_seen = self._handover is not None and self._handover.is_sent
        return super().rejected() if is_seen else unknown("not_seen", is_useless=True)

    def leads_back(self, answer: Response) -> bool:
        """Tell whether a site that redirects may have redirected because it rejected the token."""
        has_navigated = self._handover is not None and self._handover.has_navigated
        return has_navigated and super().leads_back(answer)
