"""Hand a token in, in its page, and wait for what the page makes of it."""

from collections.abc import Awaitable, Callable
from enum import Enum
from functools import partial

from playwright.async_api import Frame, Page, Request, Response

from scrapy_omocaptcha.browser.page import LOAD_TIMEOUT, is_loaded, until
from scrapy_omocaptcha.browser.traffic import TokenTraffic, navigated_frame
from scrapy_omocaptcha.browser.widget import LiveWidget

_ANSWER_TIMEOUT = 10.0
"""Longest wait for the page to change after the token was given, in seconds, while nothing with it is under way."""


class Trouble(Enum):
    """The reason why a page takes no token, or shows no answer to it; errors quote the value."""

    OTHER_KEY = "other_key"
    NOT_RENDERED = "not_rendered"
    TOO_OLD = "too_old"
    FOREIGN_FORM = "foreign_form"
    UNANSWERED = "unanswered"
    SILENT = "it does not answer"
    ERROR = "an error of Playwright's"


class HandingIn(TokenTraffic):
    """The requests of a page whose widget is given a token, and the answer that the page shows."""

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
        self.has_navigated = False
        """Whether the page shows the answer to a navigation, rather than having been sent a file or nothing."""
        self.navigation: Response | None = None
        """The response to the last navigation after the token was given."""
        self._listeners += [
            (page, "framenavigated", self._navigated),
            (page, "close", self._ended),
            (page, "crash", self._ended),
        ]

    @property
    def trouble(self) -> Trouble | None:
        """Return what keeps the page from showing an answer to the token."""
        if self.is_leaked or (self.is_stopped and not self.is_sent):
            return Trouble.FOREIGN_FORM
        return Trouble.UNANSWERED if self._is_navigating and self.navigation is None else None

    async def give(
        self, widget: LiveWidget, is_open: Callable[[], Awaitable[bool]], press: Callable[[bool], Awaitable[None]]
    ) -> bool:
        """Give the widget its token, as Google's script does, and press the form's button if that does nothing.

        :param is_open: tells whether the page shows something else than the challenge.
        :param press: presses the button, if there is one, given whether the widget has a callback.
        :returns: whether the page has changed.
        """

        async def has_changed() -> bool:
            if self.has_navigated or self.is_leaked:
                return True
            # A change that a script makes before the token is answered does not tell what the site makes of it.
            return self.is_sent and not self.under_way and await is_open()

        is_called = await widget.give(self.secret)
        if is_called is None:
            return False
        has_acted = is_called and await self.callback_acts(self._is_over)
        if not (has_acted or self._is_over()):
            await press(is_called)
        has_moved = await until(has_changed, _ANSWER_TIMEOUT, self._is_over)
        if not has_moved and self.under_way:
            # A site may take its time.
            has_moved = await until(has_changed, self._timeout, self._is_over)
        if has_moved:
            await until(partial(is_loaded, self._page), LOAD_TIMEOUT, self._is_over)
        return has_moved

    def _is_over(self) -> bool:
        return self._is_gone or self._is_closing()

    def record_response(self, response: Response) -> None:
        if navigated_frame(response.request) == self._page.main_frame:
            self.navigation = response

    def record_sent(self, request: Request) -> None:
        super().record_sent(request)
        self._is_navigating |= navigated_frame(request) == self._page.main_frame

    def _navigated(self, frame: Frame) -> None:
        # A script may change the address of the page that is there, too.
        if frame == self._page.main_frame and self.navigation is not None:
            self.has_navigated = True

    def _ended(self, page: Page) -> None:
        self._is_gone = True
