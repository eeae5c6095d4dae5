"""The browser that is found in the settings of a crawl, and pages that it does not close."""

import asyncio
from unittest.mock import AsyncMock, Mock

import pytest
from scrapy import Request, Spider
from scrapy.utils.test import get_crawler
from scrapy_playwright.handler import ScrapyPlaywrightDownloadHandler

from scrapy_omocaptcha.browser import find_medium, page
from scrapy_omocaptcha.engine import Engine
from scrapy_omocaptcha.engine.extension import DerivedClasses
from scrapy_omocaptcha.engine.stats import Stats
from scrapy_omocaptcha.tokens.medium import Mediums

HANDLER = "scrapy_playwright.handler.ScrapyPlaywrightDownloadHandler"


class ProjectHandler(ScrapyPlaywrightDownloadHandler):
    """Handler of a project that renders its pages a little differently."""


class OtherHandler:
    """Handler of a project that has nothing to do with browsers."""


def browser_of(**handlers):
    crawler = get_crawler(Spider, {"DOWNLOAD_HANDLERS": handlers, "EXTENSIONS": {DerivedClasses: 0}})
    return find_medium(crawler, Engine(crawler, None, Stats(crawler.stats), is_queue_shared=False))


@pytest.mark.parametrize(
    "handler",
    [HANDLER, ScrapyPlaywrightDownloadHandler, f"{__name__}.ProjectHandler", ProjectHandler],
    ids=["path", "class", "path of a subclass", "subclass"],
)
def test_a_handler_of_scrapy_playwright_renders_what_wants_to_be_rendered(handler):
    browser = browser_of(http=handler, https=handler)
    for scheme in ("http", "https"):
        url = f"{scheme}://shop.example/"
        assert browser.renders(Request(url, meta={"playwright": True}))
        assert not browser.renders(Request(url, meta={"playwright": False}))
        assert not browser.renders(Request(url))


@pytest.mark.parametrize(("scheme", "other"), [("http", "https"), ("https", "http")])
def test_a_scheme_that_scrapy_playwright_does_not_load_is_not_rendered(scheme, other):
    browser = browser_of(**{scheme: HANDLER})
    assert browser.renders(Request(f"{scheme}://shop.example/", meta={"playwright": True}))
    assert not browser.renders(Request(f"{other}://shop.example/", meta={"playwright": True}))


@pytest.mark.parametrize(
    "handlers",
    [{}, {"http": None, "https": None}, {"https": f"{__name__}.OtherHandler"}, {"ftp": HANDLER}],
    ids=["those of Scrapy", "none", "another", "another scheme"],
)
def test_without_a_handler_of_scrapy_playwright_there_is_no_browser(handlers):
    assert browser_of(**handlers) is None


def test_a_request_that_goes_back_to_a_disk_has_no_page_that_is_closed():
    for is_closed in (True, False):
        request = Request(
            "http://shop.example/", meta={"playwright_page": Mock(is_closed=lambda result=is_closed: result)}
        )
        Mediums(None, browser_of(http=HANDLER)).give_back(request)
        assert ("playwright_page" in request.meta) is not is_closed


class StuckPage:
    """A page that the browser never closes, as Chromium does while it is on its way elsewhere."""

    url = "https://shop.example/find?q=boat"

    def is_closed(self):
        return False

    async def close(self):
        await asyncio.Event().wait()

    def __init__(self):
        self.targets = Mock(send=AsyncMock())
        self.context = Mock(new_cdp_session=AsyncMock(return_value=self.targets))


def test_a_page_that_the_browser_does_not_close_holds_up_nothing_and_its_target_is_closed(monkeypatch):
    monkeypatch.setattr(page, "_END_TIMEOUT", 0.01)
    stuck = StuckPage()
    request = Request("https://shop.example/", meta={"playwright_page": stuck})
    asyncio.run(asyncio.wait_for(browser_of(http=HANDLER).close_page(request), 60))
    stuck.targets.send.assert_awaited_once_with("Page.close")
