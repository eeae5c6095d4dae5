"""Tell what it means at a wall that a browser renders the page of a request."""

from scrapy import Request

from scrapy_omocaptcha.browser.live_pages import LivePages
from scrapy_omocaptcha.browser.playwright import PlaywrightBrowser
from scrapy_omocaptcha.engine.components import Components
from scrapy_omocaptcha.engine.lifetime import Lifetime
from scrapy_omocaptcha.urls import host_of
from scrapy_omocaptcha.walls.medium import Find, Key, PlainMedium

_IN_BROWSER = object()


class BrowserMedium(PlainMedium):
    """Requests whose pages a browser renders."""

    passage = "scrapy_omocaptcha.browser.passage.BrowserPassage"
    purpose = "browser"
    token_request = "scrapy_omocaptcha.browser.token_request.BrowserTokenRequest"

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
