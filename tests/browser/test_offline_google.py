"""Crawls with scrapy-playwright and the settings of ``browser_settings``."""

import pickle

import pytest
import scrapy
from scrapy_playwright.page import PageMethod

from scrapy_omocaptcha.testing import OfflineGoogle
from tests.helpers.crawling import RecordingSpider
from tests.helpers.sites import sending

pytest_plugins = ["scrapy_omocaptcha.testing.pytest_plugin"]

RENDERED = {"playwright": True}

pytestmark = pytest.mark.usefixtures("chromium")


async def leave_a_mark(page, request):
    """Be a page callback of the spider, whose routes win over those of the middleware."""
    await page.add_init_script("window.mark = 'spider'")


def test_a_crawl_renders_widgets_without_a_network_and_calls_the_page_callback_of_the_spider(
    crawl, walled, service, omocaptcha_browser
):
    mark = PageMethod("evaluate", "window.mark")

    class Keeping(RecordingSpider):
        """Keeps its page, and asks for the same in it once more."""

        async def page(self, response, asked=None):
            super().page(response)
            if len(self.pages) == 2:
                await response.meta["playwright_page"].close()
            else:
                yield response.request.replace(dont_filter=True)

    meta = {
        **RENDERED,
        "playwright_include_page": True,
        "playwright_page_init_callback": leave_a_mark,
        "playwright_page_methods": [PageMethod("wait_for_selector", "iframe[title=reCAPTCHA]"), mark],
    }
    keeping = sending(scrapy.Request(f"{walled().url}/contact", meta=meta), base=Keeping)
    crawled = crawl(keeping, {**service.settings, **omocaptcha_browser})
    for page in crawled.pages:
        assert len(page.css("textarea[name=g-recaptcha-response]")) == 1
        assert len(page.css("iframe[title=reCAPTCHA]")) == 1
    assert len(crawled.pages) == 2
    assert crawled.stats["playwright/page_count"] == 1
    assert mark.result == "spider"
    assert (crawled.bugs, service.jobs) == ([], ())


@pytest.mark.parametrize("meta", [{}, {"playwright": False}])
def test_other_requests_are_left_as_they_are(meta):
    request = scrapy.Request("http://127.0.0.1/", meta=meta)
    OfflineGoogle().process_request(request)
    assert request.meta == meta


def test_a_request_can_be_stored_and_is_prepared_once():
    callback = "playwright_page_init_callback"
    request = scrapy.Request("http://127.0.0.1/", meta={**RENDERED, callback: leave_a_mark})
    OfflineGoogle().process_request(request)
    prepared = pickle.loads(pickle.dumps(request.meta))
    again = request.copy()
    OfflineGoogle().process_request(again)
    assert again.meta == prepared
    assert leave_a_mark in prepared.values()
