"""The browser that is found in the settings of a crawl."""

from __future__ import annotations

import pytest
from scrapy import Request, Spider
from scrapy.utils.test import get_crawler
from scrapy_playwright.handler import ScrapyPlaywrightDownloadHandler

from scrapy_omocaptcha.browser import find_medium
from scrapy_omocaptcha.engine.engine import Engine
from scrapy_omocaptcha.engine.stats import Stats

HANDLER = "scrapy_playwright.handler.ScrapyPlaywrightDownloadHandler"


class ProjectHandler(ScrapyPlaywrightDownloadHandler):
    """Handler of a project that renders its pages a little differently."""


class OtherHandler:
    """Handler of a project that has nothing to do with browsers."""


def browser_of(**handlers):
    crawler = get_crawler(Spider, {"DOWNLOAD_HANDLERS": handlers})
    medium = find_medium(crawler, Engine(crawler, None, Stats(crawler.stats), max_waiting=0))
    return medium and medium.browser


@pytest.mark.parametrize(
    "handler",
    [HANDLER, ScrapyPlaywrightDownloadHandler, f"{__name__}.ProjectHandler", ProjectHandler],
    ids=["path", "class", "path of a subclass", "subclass"],
)
def test_a_handler_of_scrapy_playwright_renders_what_wants_to_be_rendered(handler):
    browser = browser_of(http=handler, https=handler)
    for scheme in ("http", "https"):
        url = f"{scheme}://shop.example/"
        assert browser.context(Request(url, meta={"playwright": True})) == "default"
        assert browser.context(Request(url, meta={"playwright": True, "playwright_context": "a"})) == "a"
        assert browser.context(Request(url, meta={"playwright": False})) is None
        assert browser.context(Request(url)) is None


@pytest.mark.parametrize(("scheme", "other"), [("http", "https"), ("https", "http")])
def test_a_scheme_that_scrapy_playwright_does_not_load_is_not_rendered(scheme, other):
    browser = browser_of(**{scheme: HANDLER})
    assert browser.context(Request(f"{scheme}://shop.example/", meta={"playwright": True})) == "default"
    assert browser.context(Request(f"{other}://shop.example/", meta={"playwright": True})) is None


@pytest.mark.parametrize(
    "handlers",
    [{}, {"http": None, "https": None}, {"https": f"{__name__}.OtherHandler"}, {"ftp": HANDLER}],
    ids=["those of Scrapy", "none", "another", "another scheme"],
)
def test_without_a_handler_of_scrapy_playwright_there_is_no_browser(handlers):
    assert browser_of(**handlers) is None
