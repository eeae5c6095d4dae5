"""Tell what takes requests whose pages a browser renders through walls."""

from collections.abc import Callable
from functools import partial

from scrapy_omocaptcha.browser.passage import BrowserPassage
from scrapy_omocaptcha.browser.playwright import PlaywrightMedium


class BrowserMedium(PlaywrightMedium):
    """Requests whose pages a browser renders."""

    def passage(self) -> Callable[..., BrowserPassage]:
        return partial(BrowserPassage, browser=self)
