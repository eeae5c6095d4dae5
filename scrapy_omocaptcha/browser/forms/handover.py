"""Define page methods that fill in the form of a page, and send it with a token.

The form is found in the HTML of the page as ``form_request`` has found it in a response.
"""

from dataclasses import replace
from typing import Any

from playwright.async_api import BrowserContext, Page
from scrapy.http import HtmlResponse

from scrapy_omocaptcha.browser.page import read, until
from scrapy_omocaptcha.browser.walls.handover import CHALLENGE_TIMEOUT, PageHandover
from scrapy_omocaptcha.browser.widget import LiveWidget
from scrapy_omocaptcha.challenge import Challenge
from scrapy_omocaptcha.detection.filling import fill_form
from scrapy_omocaptcha.upfront.wishes import Refill

_SCRIPT_SECONDS = 0.2
"""How long a script may take to show the answer that it has got."""


class FormHandover(PageHandover):
    """Page methods that fill in a form and send it with a token; without one, they only fill it in.

    Those of the spider are called in the answer. Where there is no such form at first, they are called before it is
    looked for once more, too.
    """

    def __init__(self, refill: Refill, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._refill = refill
        self.missing = ""
        """Why the form cannot be filled in."""
        self.context: BrowserContext | None = None
        """The context of the page."""

    async def _hand_in(self, page: Page) -> None:
        self.context = page.context
        await super()._hand_in(page)

    async def _wait_for_challenge(self, page: Page) -> Challenge | None:
        found: Challenge | None = None

        async def is_there() -> bool:
            nonlocal found
            found = self._find_form(await read(page))
            return found is not None

        await until(is_there, CHALLENGE_TIMEOUT, self._is_closing)
        return found

    def _find_form(self, shown: HtmlResponse) -> Challenge | None:
        refill = self._refill
        self.missing = ""
        try:
            return fill_form(shown, refill.data, form=refill.form, click=refill.click, in_browser=True)
        except ValueError as error:
            is_wall = self._find(shown) is not None
            self.missing = f"{shown.url} is behind a wall" if is_wall else str(error)
            return None

    def _widget(self, page: Page, challenge: Challenge) -> LiveWidget:
        return replace(super()._widget(page, challenge), form=self._refill.form, click=self._refill.click)

    async def _prepare(self, widget: LiveWidget) -> bool:
        try:
            name = await widget.fill(self._refill.data)
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
        await super()._try(page)
        if self.is_handed_in and not (self.is_sent or self.trouble or self._is_closing()):
            # A script may have sent the token in another form, or refused what was filled in: the page shows it.
            self.has_moved, self._is_challenge = True, False

    async def _is_answer(self, page: Page) -> bool:
        if not self.has_navigated:
            await page.wait_for_timeout(_SCRIPT_SECONDS * 1000)
        return True
