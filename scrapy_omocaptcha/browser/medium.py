"""Tell what takes requests whose pages a browser renders through walls, and what sends their forms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from scrapy_omocaptcha.browser.playwright import PlaywrightMedium

if TYPE_CHECKING:
    from scrapy_omocaptcha.browser.passage import BrowserPassage
    from scrapy_omocaptcha.browser.token_request import BrowserTokenRequest


class BrowserMedium(PlaywrightMedium):
    """Requests whose pages a browser renders. Both are imported late: most crawls meet neither."""

    def passage(self) -> Callable[..., BrowserPassage]:
        from scrapy_omocaptcha.browser.passage import BrowserPassage

        return partial(BrowserPassage, browser=self)

    def token_request(self) -> Callable[..., BrowserTokenRequest]:
        from scrapy_omocaptcha.browser.token_request import BrowserTokenRequest

        return partial(BrowserTokenRequest, browser=self)
