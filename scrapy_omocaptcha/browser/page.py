"""Read a page that is open in a browser, and give its widget a token.

The functions are called by scrapy-playwright, in the event loop of the browser.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.resources import files
from typing import Any

from playwright.async_api import Error, Frame, Page, Request, Response, Route
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.forms.submission import holds_token
from scrapy_omocaptcha.urls import same_site

_WIDGET_TIMEOUT = 5.0
"""Longest wait for the widget of a challenge to be rendered, in seconds."""
_CALLBACK_TIMEOUT = 1.0
"""Longest wait for the widget's callback to send the token, in seconds. After that the form's button is pressed."""
_ANSWER_TIMEOUT = 10.0
"""Longest wait for the page to change after the token was given, in seconds."""
_STOPPED_TIMEOUT = 1.0
"""The same where the page wanted to send the token to another site."""
_LOAD_TIMEOUT = 10.0
"""Longest wait for the page that a token leads to, and for a window that it opens, in seconds."""
_INTERVAL = 0.2
"""Seconds between two looks at a page."""

_WIDGET = (files(__package__) / "widget.js").read_text(encoding="utf-8")
_READ = """() => [
  document.documentElement.outerHTML.includes("recaptcha"),
  (performance.getEntriesByType("navigation")[0] || {}).responseStatus || 200,
]"""


async def read(page: Page) -> HtmlResponse:
    """Return what a page shows, with the status of its last navigation, or 200 if the browser does not tell.

    The body is empty unless it contains the word "recaptcha", without which the page is no challenge.
    """
    is_suspicious, status = await evaluate(page, _READ)
    content = await page.content() if is_suspicious else ""
    return HtmlResponse(page.url, status, body=content, encoding="utf-8")


async def evaluate(page: Page, script: str, argument: Any = None) -> Any:
    """Evaluate a script in a page; raise ``Error`` if the page, which may wait for another one, does not answer."""
    try:
        return await asyncio.wait_for(page.evaluate(script, argument), _LOAD_TIMEOUT)
    except asyncio.TimeoutError:
        raise Error("the page waits for an answer") from None


async def _is_loaded(page: Page) -> bool:
    try:
        return bool(await evaluate(page, "document.readyState === 'complete'"))
    except Error:
        # It is on its way to another address.
        return False


async def until(condition: Callable[[], Awaitable[bool]], timeout: float, is_closing: Callable[[], bool]) -> bool:
    """Wait until a condition holds; return False if it does not within ``timeout`` seconds, or the crawl closes."""

    async def looks() -> None:
        while not await condition():
            await asyncio.sleep(_INTERVAL)

    end = time.monotonic() + timeout
    # A single look may take as long as a page takes to come.
    looking = asyncio.ensure_future(looks())
    try:
        while not looking.done() and time.monotonic() < end and not is_closing():
            await asyncio.wait([looking], timeout=_INTERVAL)
        if looking.done():
            looking.result()
        return looking.done()
    finally:
        looking.cancel()


class LiveWidget:
    """The widget of a challenge in a page, and what becomes of the token that is given to it."""

    def __init__(
        self, page: Page, challenge: Challenge, *, user_agent: bytes | None, is_closing: Callable[[], bool]
    ) -> None:
        self._page = page
        self._challenge = challenge
        self._user_agent = user_agent
        self._is_closing = is_closing
        self._secret = ""
        self.is_sent = False
        """Whether a request to the site carried the token."""
        self._is_stopped = False
        self._is_navigating = False
        self._is_gone = False
        self._popups: list[Page] = []
        self._under_way: set[Request] = set()
        """Requests that carry the token and are not answered yet."""
        self._has_navigated = False
        self.navigation: Response | None = None
        """The response to the last navigation after the token was given."""

    async def is_rendered(self) -> bool:
        """Wait until the widget can take a token; return False if it never can."""
        return await self._until(lambda: self._call("isThere"), _WIDGET_TIMEOUT)

    @property
    def trouble(self) -> str:
        """Return what keeps the page from showing an answer to the token; see :attr:`PageHandover.trouble`."""
        if self._is_stopped and not self.is_sent:
            return "foreign_form"
        return "unanswered" if self._is_navigating and self.navigation is None else ""

    @asynccontextmanager
    async def watching(self, token: Token) -> AsyncIterator[None]:
        """Watch what the page does with a token while the block runs; later it may not send it elsewhere either."""
        self._secret = token.value
        listeners: dict[Any, Callable[[Any], None]] = {
            "response": self._responded,
            "requestfinished": self._answered,
            "requestfailed": self._answered,
            "framenavigated": self._navigated,
            "popup": self._opened,
            "close": self._ended,
            "crash": self._ended,
        }
        for event, listener in listeners.items():
            self._page.on(event, listener)
        # Registered after scrapy-playwright's route, so it is asked first.
        await self._page.route("**", self._route)
        # A window that the page opens asks only the routes of its context.
        await self._page.context.route("**", self._route)
        try:
            yield
        finally:
            for event, listener in listeners.items():
                self._page.remove_listener(event, listener)
            with suppress(Error):
                await self._page.context.unroute("**", self._route)

    async def give(self, is_open: Callable[[], Awaitable[bool]]) -> bool:
        """Give the widget its token, as Google's script does, and press the form's button if that sends nothing.

        :param is_open: tells whether the page shows something else than the challenge.
        :returns: whether the page has changed.
        """

        async def has_changed() -> bool:
            if self._has_navigated or self._popups:
                return True
            # What a script shows before the token is answered does not tell what the site makes of it.
            return self.is_sent and not self._under_way and await is_open()

        async def is_sent() -> bool:
            return self.is_sent or self._is_stopped or await has_changed()

        if not (await self._call("give", self._secret) and await self._until(is_sent, _CALLBACK_TIMEOUT)):
            await self._call("press")
        timeout = _STOPPED_TIMEOUT if self.trouble == "foreign_form" else _ANSWER_TIMEOUT
        has_moved = await self._until(has_changed, timeout)
        for popup in self._popups:
            # The answer is in a window of its own. What it has won is the session's.
            await self._until(partial(_is_loaded, popup), _LOAD_TIMEOUT)
            await popup.close()
        if has_moved:
            await self._until(partial(_is_loaded, self._page), _LOAD_TIMEOUT)
        return has_moved and not self._popups

    async def _call(self, function: str, *arguments: str) -> bool:
        """Call a function of ``widget.js``."""
        form, sitekey = self._challenge.form, self._challenge.sitekey or ""
        given = [sitekey, form.url if form else "", *arguments]
        return bool(await evaluate(self._page, f"(given) => {_WIDGET}.{function}(...given)", given))

    async def _until(self, condition: Callable[[], Awaitable[bool]], timeout: float) -> bool:
        return await until(condition, timeout, lambda: self._is_gone or self._is_closing())

    def _responded(self, response: Response) -> None:
        if self._is_of_page(response.request):
            self.navigation = response

    def _answered(self, request: Request) -> None:
        self._under_way.discard(request)

    def _is_of_page(self, request: Request) -> bool:
        """Tell whether the answer to a request replaces the page."""
        try:
            return request.is_navigation_request() and request.frame == self._page.main_frame
        except Error:
            # It is the first of a window that is about to open.
            return False

    def _opened(self, popup: Page) -> None:
        self._popups.append(popup)

    def _navigated(self, frame: Frame) -> None:
        # A script may change the address of the page that is there, too.
        if frame == self._page.main_frame and self.navigation is not None:
            self._has_navigated = True

    def _ended(self, page: Page) -> None:
        self._is_gone = True

    async def _route(self, route: Route, request: Request) -> None:
        """Let the token get to the site of the challenge and to no other."""
        carries = holds_token(request.url, self._secret) or self._secret.encode() in (request.post_data_buffer or b"")
        if not carries:
            await route.fallback()
        elif not same_site(self._challenge.url, request.url):
            self._is_stopped = True
            await route.abort()
        else:
            self.is_sent = True
            self._under_way.add(request)
            self._is_navigating = self._is_navigating or self._is_of_page(request)
            # scrapy-playwright would replace the headers by those of Scrapy, and the type of the form be lost.
            headers = await request.all_headers()
            if self._user_agent is not None:
                headers["user-agent"] = self._user_agent.decode("latin-1")
            await route.continue_(headers=headers)
