"""Have scrapy-playwright render single pages, for the command that shows what a page is."""

from playwright.async_api import Error, Page
from scrapy import Request
from scrapy.settings import BaseSettings
from scrapy_playwright.page import PageMethod

from scrapy_omocaptcha.browser import find_schemes
from scrapy_omocaptcha.browser.page import read, until
from scrapy_omocaptcha.browser.widget import WIDGET_TIMEOUT
from scrapy_omocaptcha.detection import find_challenge

_HANDLER = "scrapy_playwright.handler.ScrapyPlaywrightDownloadHandler"


def use_browser(settings: BaseSettings) -> None:
    """Let scrapy-playwright render pages, unless the settings already do."""
    missing = {"http", "https"} - find_schemes(settings)
    handlers = {**settings.getdict("DOWNLOAD_HANDLERS"), **dict.fromkeys(missing, _HANDLER)}
    settings.set("DOWNLOAD_HANDLERS", handlers, "cmdline")


def rendered(request: Request) -> Request:
    """Return a request whose page is rendered, and waits for a widget that a script may show."""
    meta = {"playwright": True, "playwright_page_methods": [PageMethod(_wait_for_widget)]}
    return request.replace(meta={**request.meta, **meta})


async def _wait_for_widget(page: Page) -> None:
    async def has_widget() -> bool:
        try:
            return find_challenge(await read(page)) is not None
        except Error:
            # It is on its way to another address.
            return False

    await until(has_widget, WIDGET_TIMEOUT, lambda: False)
