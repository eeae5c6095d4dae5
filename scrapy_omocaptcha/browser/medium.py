"""Tell what it means at a wall that a browser renders the page of a request."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from scrapy import Request

from scrapy_omocaptcha.browser.live.pages import LivePages
from scrapy_omocaptcha.browser.playwright import PlaywrightBrowser
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.tokens.medium import Find, Key, PlainMedium
from scrapy_omocaptcha.urls import host_of

if TYPE_CHECKING:
    from scrapy_omocaptcha.browser.forms.token_request import BrowserTokenRequest
    from scrapy_omocaptcha.browser.walls.passage import BrowserPassage

_IN_BROWSER = object()


class BrowserMedium(PlainMedium):
    """Requests whose pages a browser renders."""

    purpose = "browser"

    def __init__(self, components: Components, browser: PlaywrightBrowser, lifetime: Lifetime) -> None:
        super().__init__(components)
        self.browser = browser
        self.live_pages = LivePages(browser, lifetime)
        """The pages that the spider drives itself."""

    def concerns(self, request: Request) -> bool:
        return self.browser.context(request) is not None

    def session_key(self, request: Request) -> Key:
        return host_of(request.url), (_IN_BROWSER, self.browser.context(request)), None

    def jar(self, request: Request) -> None:
        """Return None: a browser keeps its cookies to itself."""

    def begin(self, request: Request, find: Find) -> None:
        """Watch the page that is loaded for a request."""
        self.browser.begin(request, find)

    def answered(self, request: Request) -> None:
        self.browser.unwatch(request)

    def give_back(self, request: Request) -> None:
        self.browser.forget_page(request)

    def close(self) -> None:
        self.live_pages.close()

    def passage(self) -> Callable[..., BrowserPassage]:
        # Both are imported late: most crawls meet neither.
        from scrapy_omocaptcha.browser.walls.passage import BrowserPassage

        return partial(BrowserPassage, browser=self.browser)

    def token_request(self) -> Callable[..., BrowserTokenRequest]:
        from scrapy_omocaptcha.browser.forms.token_request import BrowserTokenRequest

        return partial(BrowserTokenRequest, browser=self.browser)
