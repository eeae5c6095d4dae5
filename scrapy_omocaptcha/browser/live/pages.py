"""Give tokens to pages that a spider drives itself, and watch what a page does with them until it is closed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress

from playwright.async_api import Error, Page, Request, Route

from scrapy_omocaptcha.browser.live.found import find_widget
from scrapy_omocaptcha.browser.live.purchase import BY_HAND, PagePurchase
from scrapy_omocaptcha.browser.page import Unanswered, close
from scrapy_omocaptcha.browser.traffic import TokenTraffic, masking, navigated_frame
from scrapy_omocaptcha.browser.widget import LiveWidget
from scrapy_omocaptcha.buying.purchase import Purchase
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.errors import HandoverBroke
from scrapy_omocaptcha.tokens.verdict import unknown, unused
from scrapy_omocaptcha.urls import public_address

_MASKED_AFTER = 1.0
"""Seconds after a page was closed until its tokens are no longer masked in what is logged."""


class LivePages:
    """The pages of one crawl that spiders drive themselves, and that were given tokens.

    :param user_agents: what scrapy-playwright has sent for each page, where that is known.
    """

    def __init__(self, user_agents: Mapping[Page, bytes], lifetime: Lifetime) -> None:
        self._user_agents = user_agents
        self._lifetime = lifetime
        self._pages: dict[Page, LivePage] = {}
        self._undecided: set[PagePurchase] = set()
        """The tokens of which the spider has not said yet what the site makes of them."""

    async def solve(
        self, page: Page, selector: str | None, press: bool, buy: Callable[[Challenge], Awaitable[Purchase]]
    ) -> PagePurchase:
        """Buy a token for a page and give it to its widget; see ``solve_page``.

        :param buy: buys a token under all limits of the crawl.
        """
        if not isinstance(page, Page):
            raise TypeError(f"{page!r} is no page: ask for one with playwright_include_page in the meta of the request")
        widget, challenge = await find_widget(page, selector, lambda: self._lifetime.closing)
        purchase = await buy(challenge)
        given = PagePurchase(purchase, self._undecided.discard)
        self._undecided.add(given)
        if page not in self._pages:
            self._pages[page] = LivePage(page, self._user_agents.get(page), self._pages.pop)
        error = await self._pages[page].give(widget, challenge.url, purchase.token.value, press=press)
        if error is not None:
            given.record(unknown("broke") if error.is_sent else unused("closed"))
            raise error
        return given

    def close(self) -> None:
        """Record as unknown the tokens of which the spider has said nothing."""
        for purchase in list(self._undecided):
            purchase.record(BY_HAND)
        for page in self._pages.values():
            page.masks.close()


class LivePage(TokenTraffic):
    """The requests of a page that a spider drives, from its first token until it is closed.

    :param forget: called when the page is closed.
    """

    def __init__(self, page: Page, user_agent: bytes | None, forget: Callable[[Page], object]) -> None:
        super().__init__(page, "", "", user_agent)
        self._forget = forget
        self.masks = ExitStack()
        """Mask the tokens of the page in what is logged."""
        self._leaving: asyncio.Task[None] | None = None
        page.once("close", self._closed)

    async def give(self, widget: LiveWidget, url: str, secret: str, *, press: bool) -> HandoverBroke | None:
        """Give a token to a widget of the page, and return what went wrong.

        :param url: address of the page, or of its frame, with the widget.
        :param press: whether to press the button of its form, unless its callback sends the token.
        """
        where = public_address(url)
        words = f"the page {where} was closed, went elsewhere or lost its widget while a token was bought for it"
        gone = HandoverBroke(words, is_sent=False)
        try:
            if not await widget.is_there():
                return gone
            await self._guard(url, secret)
        except Error:
            return gone
        # From here on, the page may go elsewhere at any time.
        try:
            is_called = await widget.give(secret, waits=True)
            if is_called is None:
                return gone
            has_acted = press and is_called and await self.callback_acts(self._page.is_closed)
            if press and not has_acted and not await widget.press(is_called):
                return HandoverBroke(f"the widget in {where} has its token, but no button of its own to press")
        except Unanswered:
            await close(self._page)
            return HandoverBroke(f"the page {where} does not answer since it was given its token, so it was closed")
        except Error:
            pass
        return None

    async def _guard(self, url: str, secret: str) -> None:
        """Keep a token, instead of the one before it, from other sites and from the log."""
        is_first = not self.secret
        self._url, self.secret = url, secret
        self.is_sent = self.is_stopped = self.is_leaked = self._has_acted = False
        self.masks.enter_context(masking(secret))
        if is_first:
            await self.watch()

    async def pass_on(self, route: Route, request: Request) -> None:
        # A script may have changed the token beyond recognition, or need its headers for what comes after it.
        frame = navigated_frame(request)
        is_of_page = frame is not None and frame.page == self._page
        await (self.send(route, request) if is_of_page else route.fallback())

    async def _route(self, route: Route, request: Request) -> None:
        # The spider may close its page at any time.
        with suppress(Error):
            await super()._route(route, request)

    def _closed(self, page: Page) -> None:
        self._forget(page)
        loop = asyncio.get_running_loop()
        loop.call_later(_MASKED_AFTER, self.masks.close)
        self._leaving = loop.create_task(self.leave())
