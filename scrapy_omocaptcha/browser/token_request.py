"""Send a form with a token in a page that a browser renders: load the page, fill the form in, and press its button.

The page is loaded when its token is there, not before, since the browser has few pages at a time. Only for the first
token of such a form, it is loaded before that is bought, too, to see whether the form can be filled in. The form is
found in the HTML of the page as ``form_request`` has found it in a response.
"""

from dataclasses import dataclass, replace
from functools import partial

from playwright.async_api import BrowserContext, Page
from scrapy import Request
from scrapy.http import HtmlResponse, Response
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha.browser.handing_in import Trouble
from scrapy_omocaptcha.browser.handover import PageHandover
from scrapy_omocaptcha.browser.playwright import PlaywrightMedium
from scrapy_omocaptcha.browser.widget import LiveWidget
from scrapy_omocaptcha.buying.purchase import Verdict
from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.errors import CrawlClosing, TokenUnused
from scrapy_omocaptcha.forms.encoding import field_names
from scrapy_omocaptcha.forms.submission import session_headers
from scrapy_omocaptcha.tokens.attempts import Result
from scrapy_omocaptcha.tokens.judging import is_overloaded
from scrapy_omocaptcha.tokens.reasons import REASONS, GivenUp, Refusal
from scrapy_omocaptcha.tokens.sending import get_page
from scrapy_omocaptcha.tokens.verdict import unknown
from scrapy_omocaptcha.upfront.filling import fill_form
from scrapy_omocaptcha.upfront.token_request import TokenRequest
from scrapy_omocaptcha.upfront.wishes import Refill

_SCRIPT_SECONDS = 0.2
"""How long a script may take to show the answer that it has got."""


class FormHandover(PageHandover):
    """Page methods that fill in a form and send it with a token; without one, they only fill it in.

    The spider's own page methods run on the answer. If the form is not there at first, they run before the second
    search for it as well, since they may bring it up.
    """

    refill: Refill
    """The form, and what it is filled in with."""
    missing = ""
    """Why the form cannot be filled in."""
    context: BrowserContext | None = None
    """The context of the page."""

    def _find_challenge(self, shown: HtmlResponse) -> Challenge | None:
        refill = self.refill
        self.missing = ""
        try:
            return fill_form(shown, refill.data, form=refill.form, click=refill.click, by_controls=True)
        except ValueError as error:
            is_wall = self._find(shown) is not None
            self.missing = f"{shown.url} is behind a wall" if is_wall else str(error)
            return None

    def _widget(self, page: Page, challenge: Challenge) -> LiveWidget:
        return replace(super()._widget(page, challenge), is_asked=True)

    async def _press(self, page: Page, challenge: Challenge, is_called: bool) -> None:
        await self._widget(page, challenge).press(is_called)

    async def _fill(self, widget: LiveWidget) -> bool:
        try:
            name = await widget.fill(self.refill.data)
        except OSError as error:
            self.missing = f"a file cannot be chosen: {error.strerror}"
            return False
        if name is not None:
            self.missing = f"{name!r} does not take the value that it is to be filled in with"
        return name is None

    async def _is_open(self, page: Page) -> bool:
        """Return True: whatever a page shows once the token is answered is the answer."""
        return True

    async def _try(self, page: Page) -> None:
        self.context = page.context
        await super()._try(page)
        if self.is_handed_in and not (self.is_sent or self.trouble or self._is_closing()):
            # A script may have sent the token in another form, or refused what was filled in: the page shows which.
            self.has_moved, self._is_challenge = True, False

    async def _is_answer(self, page: Page) -> bool:
        if not self.has_navigated:
            await page.wait_for_timeout(_SCRIPT_SECONDS * 1000)
        return True


@dataclass(eq=False)
class BrowserTokenRequest(TokenRequest):
    """The attempts to send one form in a browser."""

    browser: PlaywrightMedium

    def __post_init__(self) -> None:
        super().__post_init__()
        self._handover: FormHandover | None = None
        """The page that was loaded last."""

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
        if self._handover is not None:
            await self.browser.close_page(self._handover.request)
            await self._end_session()

    async def _end_session(self) -> None:
        if self._handover is not None:
            await self.browser.end_session(self.request, self._handover.context)

    async def next_challenge(self) -> Challenge:
        """Return the challenge to buy a token for, if the page of the form is known."""
        if self.wish.fresh is None:
            raise GivenUp(Refusal.of("browser"))
        return await super().next_challenge()

    async def prepare_form(self) -> None:
        """See that the form can be filled in, unless a token for such a form has been accepted."""
        await self._leave()
        if self.record.accepts:
            return
        async with self.hold.sending():
            look, answer = await self._load(None)
        await self._leave()
        if isinstance(answer, Exception):
            raise answer
        refusal = self._refusal(look)
        if refusal is not None:
            raise GivenUp(refusal, answer if is_overloaded(answer) else None)

    async def submit(self, token: Token) -> Response | Result:
        """Load the page, fill its form in with the token, and send it."""
        handover, answer = await self._load(token)
        if handover.is_handed_in:
            self.report_sent(self.request.method, self.request.url, field_names(self.request))
        if isinstance(answer, Response) and handover.has_moved:
            return handover.complete(answer)
        await self._leave()
        if handover.trouble is Trouble.FOREIGN_FORM:
            # The token was stopped on its way there.
            return Result(verdict=unknown("foreign_form", is_useless=True), error=GivenUp(Refusal.of("foreign_form")))
        if self.engine.lifetime.closing and not handover.is_handed_in:
            raise CrawlClosing
        if handover.trouble in (Trouble.OTHER_KEY, Trouble.TOO_OLD):
            raise TokenUnused(handover.trouble.value)
        is_overload = isinstance(answer, Response) and is_overloaded(answer)
        refusal = None if handover.is_handed_in or is_overload else self._refusal(handover)
        if refusal is not None:
            return Result(verdict=Verdict("expired", refusal.reason), error=GivenUp(refusal))
        raise handover.failure(answer)

    def _refusal(self, handover: FormHandover) -> Refusal | None:
        """Return why a page could not take a token."""
        if handover.trouble is Trouble.NOT_RENDERED:
            return Refusal.of("not_rendered")
        if handover.missing and handover.trouble in (None, Trouble.FORM_CHANGED):
            return Refusal("form_changed", f"{REASONS['form_changed']}: {handover.missing}")
        return None

    async def _load(self, token: Token | None) -> tuple[FormHandover, Response | Exception]:
        """Load the page of the form, and return what became of it and what it shows, or its error."""
        fresh = self.wish.fresh
        assert fresh is not None
        # HttpCache must not store the answer to the form as the page of its address.
        meta = {**self.request.meta, "dont_cache": True}
        del meta["omocaptcha"]
        page = Request(fresh.page, headers=session_headers(self.request), meta=meta, callback=NO_CALLBACK)
        find, lifetime = partial(self.policy.find, self.request), self.engine.lifetime
        self.browser.begin(page, find)
        handover = FormHandover(page, self.wanted, token, find, lambda: lifetime.closing)
        handover.refill = fresh
        answer = await self.browser.load(handover, partial(get_page, self.chain, page))
        self.browser.share_page(page, self.request)
        self._handover = handover
        return handover, answer or Response(page.url)

    @property
    def _is_seen(self) -> bool:
        """Tell whether a request was seen to carry the token."""
        return self._handover is not None and self._handover.is_sent

    def judge(self, answer: Response, rejected: bool | None) -> Verdict:
        """Return what is known of a token that was not plainly rejected."""
        return super().judge(answer, rejected) if self._is_seen else unknown("not_seen")

    def verdict_on_rejection(self) -> Verdict:
        """Return what is known of a token after an answer that rejects it, or what was sent with it."""
        return super().verdict_on_rejection() if self._is_seen else unknown("not_seen", is_useless=True)

    def may_be_rejected_by_redirect(self, answer: Response) -> bool:
        """Tell whether a site that redirects may have redirected because it rejected the token."""
        has_navigated = self._handover is not None and self._handover.has_navigated
        return has_navigated and super().may_be_rejected_by_redirect(answer)
