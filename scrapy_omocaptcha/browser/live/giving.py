"""Give tokens to a page that a spider drives itself, and watch what the page does with them until it is closed."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress

from playwright.async_api import Error, Page, Request, Response, Route

from scrapy_omocaptcha.browser.masking import masking
from scrapy_omocaptcha.browser.page import until
from scrapy_omocaptcha.browser.traffic import TokenTraffic
from scrapy_omocaptcha.browser.widget import CALLBACK_TIMEOUT, Given, LiveWidget
from scrapy_omocaptcha.errors import HandoverBroke
from scrapy_omocaptcha.forms.submission import masked
from scrapy_omocaptcha.urls import public_address

logger = logging.getLogger(__name__)

_MASKED_AFTER = 1.0
"""How long what is logged of a page is masked after it was closed, in seconds."""


class LiveTraffic(TokenTraffic):
    """What a page that a spider drives sends once it has been given a token."""

    def __init__(self, page: Page, url: str, secret: str, user_agent: bytes | None) -> None:
        super().__init__(page, url, secret, user_agent)
        self._carriers: set[Request] = set()

    async def end(self) -> None:
        """Leave the page as it was before."""
        await self.leave()
        await self._page.unroute("**", self._route)

    def sends(self, request: Request) -> None:
        super().sends(request)
        self._carriers.add(request)

    def responded(self, response: Response) -> None:
        """Tell of a token that was answered with an error."""
        if response.status >= 400 and _first_of(response.request) in self._carriers:
            address = public_address(response.url)
            logger.info("The token for %s was answered with %s by %s", self._url, response.status, address)

    async def has_sent(self) -> bool:
        """Tell whether the page has tried to send the token."""
        return self.is_sent or self.is_stopped

    async def pass_on(self, route: Route, request: Request) -> None:
        # A script may have changed the token beyond recognition, or need its headers for what comes after it.
        await (self.send(route, request) if self._is_of_page(request) else route.fallback())

    def _is_of_page(self, request: Request) -> bool:
        """Tell whether a request is a navigation of the page, rather than of another one of its context."""
        # The first one of a window that is about to open has no frame yet.
        with suppress(Error):
            return request.is_navigation_request() and request.frame.page == self._page
        return False

    async def _route(self, route: Route, request: Request) -> None:
        # The spider may close its page at any time.
        with suppress(Error):
            await super()._route(route, request)


def _first_of(request: Request) -> Request:
    """Return the request whose redirects have led to a request."""
    while request.redirected_from is not None:
        request = request.redirected_from
    return request


class LivePage:
    """A page that a spider drives, from its first token until it is closed.

    :param user_agent: what scrapy-playwright has sent for the page; None to leave the browser's own.
    :param forget: called when the page is closed.
    """

    def __init__(self, page: Page, user_agent: bytes | None, forget: Callable[[Page], None]) -> None:
        self._page = page
        self._user_agent = user_agent
        self._forget = forget
        self._traffic: LiveTraffic | None = None
        """That of the newest token."""
        self._masks = ExitStack()
        self._leaving: asyncio.Task[None] | None = None
        page.once("close", self._closed)

    async def give(self, widget: LiveWidget, url: str, secret: str, *, press: bool) -> HandoverBroke | None:
        """Give a token to a widget of the page, and return what went wrong.

        :param url: address of the page, or of its frame, with the widget.
        :param press: whether to press the button of its form, unless its callback sends the token.
        """
        where = public_address(url)
        traffic = LiveTraffic(self._page, url, secret, self._user_agent)
        try:
            if not await widget.is_there():
                raise Error("a script has taken the widget away")
            await self._watch(traffic)
        except Error:
            lost = f"the page {where} was closed, or went elsewhere, while a token was bought for it"
            return HandoverBroke(lost, is_sent=False)
        given: Given | None = Given(is_called=False)
        # From here on, the page may go elsewhere at any time.
        with suppress(Error):
            given = await widget.give(secret, waits=True)
            if given is None:
                return HandoverBroke(f"a script of {where} has taken the widget away", is_sent=False)
            if press and not given.thrown:
                has_sent = given.is_called and await until(traffic.has_sent, CALLBACK_TIMEOUT, lambda: False)
                if not has_sent:
                    await widget.press()
        if given is not None and given.thrown:
            return HandoverBroke(f"the widget's callback in {where} failed: {masked(given.thrown, secret)}")
        return None

    def unmask(self) -> None:
        """Stop masking what is logged."""
        self._masks.close()

    async def _watch(self, traffic: LiveTraffic) -> None:
        if self._traffic is not None:
            await self._traffic.end()
        self._traffic = traffic
        self._masks.enter_context(masking(traffic.secret))
        await traffic.watch()

    def _closed(self, page: Page) -> None:
        self._forget(page)
        loop = asyncio.get_running_loop()
        loop.call_later(_MASKED_AFTER, self.unmask)
        self._leaving = loop.create_task(self._leave())

    async def _leave(self) -> None:
        with suppress(Error):
            if self._traffic is not None:
                await self._traffic.leave()
