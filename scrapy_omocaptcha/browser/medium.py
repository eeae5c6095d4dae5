"""Tell what takes requests whose pages a browser renders through walls, and what sends their forms."""

from collections.abc import Callable
from functools import partial

from scrapy_omocaptcha.browser.passage import BrowserPassage
from scrapy_omocaptcha.browser.playwright import PlaywrightMedium
from scrapy_omocaptcha.browser.token_request import BrowserTokenRequest


class BrowserMedium(PlaywrightMedium):
    """Requests whose pages a browser renders."""

    def passage(self) -> Callable[..., BrowserPassage]:
        return partial(BrowserPassage, browser=self)

    def token_request(self) -> Callable[..., BrowserTokenRequest]:
        return partial(BrowserTokenRequest, browser=self)
