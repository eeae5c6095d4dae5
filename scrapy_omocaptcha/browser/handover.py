"""Define the page methods that scrapy-playwright calls in place of the spider's: they look first, or hand a token in.

Scrapy-playwright goes through them one by one, so what comes next is decided by what the page shows by then. What hands
a token in raises no error of Playwright's, because its message can hold the token.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from playwright.async_api import Error, Page
from scrapy import Request
from scrapy.http import Headers, HtmlResponse, Response
from scrapy.utils.defer import ensure_awaitable
from scrapy_playwright.page import PageMethod

from scrapy_omocaptcha.browser.handing_in import HandingIn
from scrapy_omocaptcha.browser.page import WIDGET_TIMEOUT, evaluate, read, until
from scrapy_omocaptcha.browser.widget import LiveWidget
from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.errors import HandoverBroke
from scrapy_omocaptcha.forms.submission import without_token
from scrapy_omocaptcha.tokens.medium import Find
from scrapy_omocaptcha.urls import same_address

_DOWNLOAD_TIMEOUT = 180.0
"""Scrapy's default of DOWNLOAD_TIMEOUT, in seconds."""
_CHALLENGE_TIMEOUT = 2.0
"""Longest wait for the challenge of a page, in seconds."""


class WatchedMethods:
    """A spider's page methods, which are not called in a challenge.

    A request that is pickled while it is being sent has the spider's own methods.

    :param original: the page methods as the spider has put them into the meta of its request, if it has.
    """

    def __init__(self, original: Any, find: Find) -> None:
        self.original = original
        self._find = find
        self._is_challenge = False

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self.original), (self.original,) if self.original else ()

    def __iter__(self) -> Iterator[Any]:
        yield PageMethod(self._look)
        yield from self._guarded()

    def _guarded(self) -> Iterator[Any]:
        methods = self.original or ()
        for method in methods.values() if isinstance(methods, dict) else methods:
            if self._is_challenge:
                return
            # Scrapy-playwright warns of anything that it cannot call.
            can_call = isinstance(method, PageMethod) and (callable(method.method) or hasattr(Page, method.method))
            yield PageMethod(partial(self._call, method)) if can_call else method

    async def _look(self, page: Page) -> None:
        try:
            self._is_challenge = self._find(await read(page)) is not None
        except Error:
            # The page goes elsewhere at this moment. What comes of it is judged anyway.
            self._is_challenge = False

    async def _call(self, method: PageMethod, page: Page) -> None:
        function = partial(method.method, page) if callable(method.method) else getattr(page, method.method)
        try:
            method.result = await ensure_awaitable(function(*method.args, **method.kwargs))
        except Exception:
            # It may have waited for something that a challenge does not have.
            await self._look(page)
            if not self._is_challenge:
                raise


class PageHandover(WatchedMethods):
    """Page methods that hand a token in, or without one wait for the widget, before those of the spider."""

    def __init__(
        self,
        request: Request,
        challenge: Challenge,
        token: Token | None,
        find: Find,
        is_closing: Callable[[], bool],
    ) -> None:
        super().__init__(None, find)
        self.request = request
        self._challenge = challenge
        self._token = token
        self.secret = "" if token is None else token.value
        self._is_closing = is_closing
        self._navigation: dict[str, Any] = {}
        """What the last navigation has changed of the response; empty if there was none."""
        self.trouble = ""
        """What was in the way: ``other_key``, ``not_rendered``, ``form_changed`` (it cannot be filled in), ``too_old``,
        ``foreign_form`` (the page wanted to send the token to another site), ``unanswered`` (it was sent, and no page
        came), or an error's name; else empty."""
        self.has_moved = False
        """Whether the page showed anything new after the token was handed in."""
        self.is_handed_in = False
        """Whether the site may have seen the token."""
        self.is_sent = False
        """Whether a request to the site was seen that carried the token."""
        self.is_asked_for = False
        """Whether what the page shows came from the address of the request, a GET, rather than from another address or
        a script."""

    def __iter__(self) -> Iterator[Any]:
        # Scrapy-playwright loads a page again whose browser has crashed.
        if self.is_handed_in:
            return
        yield PageMethod(self._hand_in)
        yield from self._guarded()
        if not (self.is_handed_in or self.trouble):
            # The challenge may be behind something that the spider does in the page.
            yield PageMethod(self._hand_in)
            if self.is_handed_in:
                yield from self._guarded()

    async def _hand_in(self, page: Page) -> None:
        self.trouble, self._is_challenge = "", True
        try:
            await self._try(page)
        except Error as error:
            self.trouble = type(error).__name__
        self.has_moved = self.has_moved and not self.trouble
        if self.is_handed_in and not self.has_moved:
            # Scrapy-playwright reads the page next, and would wait without end for what the page waits for.
            with suppress(Error):
                await page.goto("about:blank")

    async def _try(self, page: Page) -> None:
        challenge = await self._wait_for_challenge(page)
        if challenge is None:
            # The wall has been opened meanwhile.
            self._is_challenge = False
            return
        if challenge.sitekey != self._challenge.sitekey:
            self.trouble = "other_key"
            return
        widget = self._widget(page, challenge)
        if not await until(widget.is_there, WIDGET_TIMEOUT, self._is_closing):
            self.trouble = "not_rendered"
            return
        if not await self._prepare(widget):
            self.trouble = "form_changed"
            return
        if self._token is None:
            return
        if time.monotonic() > self._token.usable_until:
            self.trouble = "too_old"
            return
        # The one that scrapy-playwright has sent for the page.
        user_agent = self.request.headers.get("User-Agent")
        # Scrapy has written it into the meta.
        timeout = float(self.request.meta.get("download_timeout", _DOWNLOAD_TIMEOUT))
        handing_in = HandingIn(page, challenge.url, self.secret, user_agent, timeout, self._is_closing)
        async with handing_in.watching():
            self.is_handed_in = True
            self.has_moved = await handing_in.give(widget, is_open=partial(self._is_open, page))
        self.is_sent = handing_in.is_sent
        self.trouble = handing_in.trouble
        if self.trouble or not self.has_moved:
            return
        if handing_in.navigation is not None:
            headers = Headers(await handing_in.navigation.all_headers())
            # The browser has decoded the page.
            headers.pop("Content-Encoding", None)
            self._navigation = {"status": handing_in.navigation.status, "headers": headers}
            if not handing_in.has_navigated:
                # It got a file, or nothing, and the page is what it was.
                self._navigation |= {"url": without_token(handing_in.navigation.url, self.secret), "body": b""}
        await self._clean_address(page)
        self._is_challenge = not await self._is_answer(page)

    def _widget(self, page: Page, challenge: Challenge) -> LiveWidget:
        return LiveWidget(page, challenge.sitekey or "", challenge.form.url if challenge.form else "")

    async def _prepare(self, widget: LiveWidget) -> bool:
        """Prepare a page for its token, and tell whether that was possible."""
        return True

    async def _is_answer(self, page: Page) -> bool:
        """Tell whether the page methods of the spider are for what a page shows after the token was handed in."""
        shown = await read(page)
        is_page = self.has_navigated and shown.status < 300 and self.request.method == "GET"
        self.is_asked_for = is_page and same_address(shown.url, self.request.url)
        return self.is_asked_for and self._find(shown) is None

    async def _clean_address(self, page: Page) -> None:
        """Take the token of a GET form out of a page's address, which is the Referer of what the spider does there."""
        address = without_token(page.url, self.secret)
        if address != page.url:
            await evaluate(page, "(address) => history.replaceState(history.state, '', address)", address)

    async def _wait_for_challenge(self, page: Page) -> Challenge | None:
        """Return the challenge in a page, where a script may show it some time after the page was loaded."""
        found: Challenge | None = None

        async def is_there() -> bool:
            nonlocal found
            try:
                found = self._find_challenge(await read(page))
            except Error:
                # It is on its way to another address.
                return False
            return found is not None

        await until(is_there, _CHALLENGE_TIMEOUT, self._is_closing)
        return found

    def _find_challenge(self, shown: HtmlResponse) -> Challenge | None:
        return self._find(shown)

    async def _is_open(self, page: Page) -> bool:
        """Tell whether a page shows something else than a challenge; not while it is on its way elsewhere."""
        try:
            return self._find(await read(page)) is None
        except Error:
            return False

    @property
    def has_navigated(self) -> bool:
        """Tell whether the page went to an address after the token was handed in."""
        return bool(self._navigation)

    def failure(self, answer: object) -> HandoverBroke:
        """Return the error that says what kept the page from taking the token, or from showing an answer to it."""
        # The text of an error may hold the token.
        kind = type(answer).__name__ if isinstance(answer, Exception) else self.trouble or "nothing came of it"
        when = "after" if self.is_handed_in else "before"
        return HandoverBroke(f"the page failed {when} it was given the token ({kind})", is_sent=self.is_handed_in)

    def complete(self, answer: Response) -> Response:
        """Return a page with the status and the headers of its last navigation, and no token in its address."""
        completed: Response = answer.replace(**{"url": without_token(answer.url, self.secret), **self._navigation})
        return completed
