"""Define the page methods that scrapy-playwright calls in place of the spider's: they look first, or hand a token in.

Scrapy-playwright goes through them one by one, so what comes next is decided by what the page shows by then. What hands
a token in raises no error of Playwright's, because its message can hold the token.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from playwright.async_api import Error, Page
from playwright.async_api import Request as BrowserRequest
from scrapy import Request
from scrapy.http import Headers, HtmlResponse, Response
from scrapy.utils.defer import ensure_awaitable
from scrapy_playwright.page import PageMethod

from scrapy_omocaptcha.browser.handing_in import HandingIn, Trouble
from scrapy_omocaptcha.browser.page import WIDGET_TIMEOUT, answered, evaluate, leave, read, until, wait_for_challenge
from scrapy_omocaptcha.browser.traffic import navigated_frame
from scrapy_omocaptcha.browser.widget import LiveWidget
from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.errors import HandoverBroke
from scrapy_omocaptcha.forms.submission import without_token
from scrapy_omocaptcha.tokens.judging import is_same_wall
from scrapy_omocaptcha.tokens.medium import Find
from scrapy_omocaptcha.urls import same_site

_DOWNLOAD_TIMEOUT = 180.0
"""Scrapy's default of DOWNLOAD_TIMEOUT, in seconds."""


class WatchedMethods:
    """A spider's page methods, which are not called in a challenge.

    A request that is pickled while it is being sent has the spider's own methods.

    :param original: the page methods as the spider has put them into the meta of its request, if it has.
    """

    def __init__(self, original: Any, find: Find) -> None:
        self.original = original
        self.error: Exception | None = None
        """The error that one of them has raised in a page that is no challenge."""
        self.has_acted = False
        """Whether they have done something: the page went elsewhere, or sent more than GET requests."""
        self._find = find
        self._has_called = False
        self._is_challenge = False

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self.original), (self.original,) if self.original else ()

    def __iter__(self) -> Iterator[Any]:
        yield PageMethod(self._look)
        yield from self._guarded()

    def _guarded(self) -> Iterator[Any]:
        # Scrapy-playwright may load a page again, whose browser has crashed.
        self.has_acted = self._has_called = False
        methods = self.original or ()
        for method in methods.values() if isinstance(methods, dict) else methods:
            if self._is_challenge:
                return
            # Scrapy-playwright warns of anything that it cannot call.
            can_call = isinstance(method, PageMethod) and (callable(method.method) or hasattr(Page, method.method))
            yield PageMethod(partial(self._call, method)) if can_call else method

    async def _look(self, page: Page) -> None:
        # The page may go elsewhere at this moment. The page that comes then is judged anyway.
        self._is_challenge = False
        with suppress(Error):
            self._is_challenge = self._find(await read(page)) is not None

    async def _call(self, method: PageMethod, page: Page) -> None:
        function = partial(method.method, page) if callable(method.method) else getattr(page, method.method)
        self._has_called |= not str(method.method).startswith("wait_for_")
        requested = partial(self._requested, page)
        page.on("request", requested)
        try:
            method.result = await ensure_awaitable(function(*method.args, **method.kwargs))
        except Exception as error:
            # The method may have waited for something that a challenge does not have.
            await self._look(page)
            if not self._is_challenge:
                self.error = error
                raise
        finally:
            page.remove_listener("request", requested)

    def _requested(self, page: Page, request: BrowserRequest) -> None:
        goes_on = navigated_frame(request) == page.main_frame
        is_sent = request.method != "GET" and same_site(page.url, request.url)
        self.has_acted |= self._has_called and (goes_on or is_sent)


class PageHandover(WatchedMethods):
    """Page methods that hand a token in, or without one wait for the widget, before those of the spider."""

    def __init__(
        self, request: Request, challenge: Challenge, token: Token | None, find: Find, is_closing: Callable[[], bool]
    ) -> None:
        super().__init__(None, find)
        self.request = request
        self._challenge = challenge
        self._token = token
        self.secret = "" if token is None else token.value
        self._is_closing = is_closing
        self.is_wanted: Callable[[HtmlResponse], bool] = lambda shown: False
        """Tells whether an answer, should it be no challenge, is the page that was asked for."""
        self._navigation: dict[str, Any] = {}
        """The fields of the response that the last navigation has changed; empty if there was none."""
        self._handing_in: HandingIn | None = None
        self.trouble: Trouble | None = None
        """The reason why the token was not taken, or not answered; None if there is none."""
        self.has_moved = False
        """Whether the page showed anything new after the token was handed in."""
        self.is_page = False
        """Whether the page then showed what was asked for."""

    @property
    def is_handed_in(self) -> bool:
        """Tell whether the site may have seen the token."""
        return self._handing_in is not None

    @property
    def is_sent(self) -> bool:
        """Tell whether a request to the site was seen that carried the token."""
        return self._handing_in is not None and self._handing_in.is_sent

    def __iter__(self) -> Iterator[Any]:
        # Scrapy-playwright loads a page again whose browser has crashed.
        if self.is_handed_in:
            return
        yield PageMethod(self._hand_in)
        yield from self._guarded()
        if not (self.is_handed_in or self.trouble or self.has_acted):
            # A script may have shown the challenge while the spider's methods waited.
            yield PageMethod(self._hand_in)
            if self.is_handed_in:
                yield from self._guarded()

    async def _hand_in(self, page: Page) -> None:
        self.trouble, self._is_challenge = None, True

        async def try_once() -> bool:
            await self._try(page)
            return True

        try:
            # Calls into a page that does not answer are cut off where the crawl closes.
            await until(try_once, math.inf, self._is_closing)
        except Error:
            self.trouble = Trouble.ERROR
        self.has_moved = self.has_moved and self.trouble is None
        # Scrapy-playwright reads the page next, and would wait without end for what the page waits for.
        if await leave(page, empty=self.is_handed_in and not self.has_moved):
            self.has_moved, self.trouble = False, self.trouble or Trouble.SILENT
            raise self.failure(None)

    async def _try(self, page: Page) -> None:
        challenge = await wait_for_challenge(page, self._find, self._is_closing)
        if challenge is None:
            # The wall has been opened meanwhile.
            self._is_challenge = False
            return
        widget = LiveWidget(page, challenge.sitekey or "", challenge.form)
        self.trouble = await self._prepare(challenge, widget)
        if self.trouble is None and self._token is not None:
            await self._give(page, challenge, widget)

    async def _prepare(self, challenge: Challenge, widget: LiveWidget) -> Trouble | None:
        """Prepare a page for its token, and return what is in the way."""
        if challenge.sitekey != self._challenge.sitekey:
            return Trouble.OTHER_KEY
        if not await until(widget.is_there, WIDGET_TIMEOUT, self._is_closing):
            return Trouble.NOT_RENDERED
        is_too_old = self._token is not None and time.monotonic() > self._token.usable_until
        return Trouble.TOO_OLD if is_too_old else None

    async def _give(self, page: Page, challenge: Challenge, widget: LiveWidget) -> None:
        """Give the widget its token, and record what the page makes of it."""
        # Scrapy-playwright has sent this header for the page, and Scrapy has written the timeout into the meta.
        user_agent = self.request.headers.get("User-Agent")
        timeout = float(self.request.meta.get("download_timeout", _DOWNLOAD_TIMEOUT))
        given = HandingIn(page, challenge.url, self.secret, user_agent, timeout, self._is_closing)
        await given.watch()
        self._handing_in = given
        try:
            press = partial(self._press, page, challenge)
            self.has_moved = await given.give(widget, partial(self._is_open, page), press)
        finally:
            await given.leave()
        self.trouble = given.trouble
        if self.trouble is not None or not self.has_moved:
            return
        if given.navigation is not None:
            headers = Headers(await given.navigation.all_headers())
            # The browser has decoded the page.
            headers.pop("Content-Encoding", None)
            self._navigation = {"status": given.navigation.status, "headers": headers}
            if not given.has_navigated:
                # The navigation got a file, or nothing, and the page is what it was.
                self._navigation |= {"url": without_token(given.navigation.url, self.secret), "body": b""}
        await self._clean_address(page)
        self.is_page = await self._is_answer(page)
        self._is_challenge = not self.is_page

    async def _press(self, page: Page, challenge: Challenge, is_called: bool) -> None:
        """Press the button of a challenge, if it is still what it was judged to be."""
        later = self._find(await read(page))
        if later is not None and is_same_wall(challenge, later):
            await LiveWidget(page, later.sitekey or "", later.form).press(is_called)

    async def _is_answer(self, page: Page) -> bool:
        """Tell whether the page methods of the spider are for what a page shows after the token was handed in."""
        shown = (await read(page)).replace(body=await answered(page.content()))
        return self.has_navigated and self.is_wanted(shown) and self._find(shown) is None

    async def _clean_address(self, page: Page) -> None:
        """Take the token of a GET form out of a page's address, which is the Referer of what the spider does there."""
        address = without_token(page.url, self.secret)
        if address != page.url:
            await evaluate(page, "(address) => history.replaceState(history.state, '', address)", address)

    async def _is_open(self, page: Page) -> bool:
        """Tell whether a page shows something else than a challenge; not while it is on its way elsewhere."""
        with suppress(Error):
            return self._find(await read(page)) is None
        return False

    @property
    def has_navigated(self) -> bool:
        """Tell whether the page has asked for an address, be it of a file, after the token was handed in."""
        return bool(self._navigation)

    def failure(self, answer: object) -> HandoverBroke:
        """Return the error that says what kept the page from taking the token, or from showing an answer to it."""
        if isinstance(answer, HandoverBroke):
            return answer
        kind = "nothing came of it"
        if isinstance(answer, Exception):
            # The text of an error may hold the token.
            kind = type(answer).__name__
        elif self.trouble is not None:
            kind = self.trouble.value
        when = "after" if self.is_handed_in else "before"
        return HandoverBroke(f"the page failed {when} it was given the token ({kind})", is_sent=self.is_handed_in)

    def complete(self, answer: Response) -> Response:
        """Return a page with the status and the headers of its last navigation, and no token in its address."""
        completed: Response = answer.replace(**{"url": without_token(answer.url, self.secret), **self._navigation})
        return completed
