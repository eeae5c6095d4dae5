"""Hand a token in, in its page, and wait for what the page makes of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from playwright.async_api import Frame, Page, Request, Response

from scrapy_omocaptcha.browser.page import LOAD_TIMEOUT, is_loaded, until
from scrapy_omocaptcha.browser.traffic import TokenTraffic, navigated_frame
from scrapy_omocaptcha.browser.widget import CALLBACK_TIMEOUT, LiveWidget

_ANSWER_TIMEOUT = 10.0
"""Longest wait for the page to change after the token was given, in seconds, while nothing with it is under way."""


class HandingIn(TokenTraffic):
    """What becomes of a token that the widget of a page is given."""

    def __init__(
        self,
        page: Page,
        url: str,
        secret: str,
        user_agent: bytes | None,
        timeout: float,
        is_closing: Callable[[], bool],
    ) -> None:
        super().__init__(page, url, secret, user_agent)
        self._timeout = timeout
        self._is_closing = is_closing
        self._is_navigating = False
        self._is_gone = False
        self._popups: list[Page] = []
        self.has_navigated = False
        """Whether the page shows the answer to a navigation, rather than having been sent a file or nothing."""
        self.navigation: Response | None = None
        """The response to the last navigation after the token was given."""
        self._listeners |= {
            "framenavigated": self._navigated,
            "popup": self._opened,
            "close": self._ended,
            "crash": self._ended,
        }

    @property
    def trouble(self) -> str:
        """Return what keeps the page from showing an answer to the token; see :attr:`PageHandover.trouble`."""
        if self.is_stopped and not self.is_sent:
            return "foreign_form"
        return "unanswered" if self._is_navigating and self.navigation is None else ""

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch what the page does with the token while the block runs; later it may not send it elsewhere either."""
        await self.watch()
        try:
            yield
        finally:
            await self.leave()

    async def give(self, widget: LiveWidget, is_open: Callable[[], Awaitable[bool]]) -> bool:
        """Give the widget its token, as Google's script does, and press the form's button if that sends nothing.

        :param is_open: tells whether the page shows something else than the challenge.
        :returns: whether the page has changed.
        """

        async def has_changed() -> bool:
            if self.has_navigated or self._popups:
                return True
            # What a script shows before the token is answered does not tell what the site makes of it.
            return self.is_sent and not self.under_way and await is_open()

        async def is_sent() -> bool:
            return self.is_sent or self.is_stopped or await has_changed()

        given = await widget.give(self.secret)
        if not (given is not None and given.is_called and await self._until(is_sent, CALLBACK_TIMEOUT)):
            await widget.press()
        has_moved = await self._until(has_changed, _ANSWER_TIMEOUT)
        if not has_moved and self.under_way:
            # A site may take its time.
            has_moved = await self._until(has_changed, self._timeout)
        for popup in self._popups:
            # The answer is in a window of its own. What it has won is the session's.
            await self._until(partial(is_loaded, popup), LOAD_TIMEOUT)
            await popup.close()
        if has_moved:
            await self._until(partial(is_loaded, self._page), LOAD_TIMEOUT)
        return has_moved and not self._popups

    async def _until(self, condition: Callable[[], Awaitable[bool]], timeout: float) -> bool:
        return await until(condition, timeout, lambda: self._is_gone or self._is_closing())

    def responded(self, response: Response) -> None:
        if navigated_frame(response.request) == self._page.main_frame:
            self.navigation = response

    def sends(self, request: Request) -> None:
        super().sends(request)
        self._is_navigating |= navigated_frame(request) == self._page.main_frame

    def _opened(self, popup: Page) -> None:
        self._popups.append(popup)

    def _navigated(self, frame: Frame) -> None:
        # A script may change the address of the page that is there, too.
        if frame == self._page.main_frame and self.navigation is not None:
            self.has_navigated = True

    def _ended(self, page: Page) -> None:
        self._is_gone = True
