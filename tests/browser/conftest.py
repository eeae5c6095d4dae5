"""Fixtures for tests whose pages a browser renders."""

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService
from tests.browser.crawling import Browsing
from tests.helpers.crawling import Crawls


@pytest.fixture
def browse(chromium, crawl, service):
    """``browse(spider_class, settings, **spider_arguments)`` → the finished crawl, in pages of a browser."""
    return Browsing(crawl, service)


@pytest.fixture(scope="session")
def together(request, chromium, reactor, tmp_path_factory):
    """``together(spider_class, cases, **settings)`` → the finished crawl of many cases, each at its own site.

    Without any nightly test to run, it leaves out the nightly cases.
    """
    in_the_night = any(item.get_closest_marker("nightly") for item in request.session.items)

    def together(spider, cases, **settings):
        cases = [case for case in cases if in_the_night or not case.nightly]
        with OmoCaptchaService() as service:
            crawled = Browsing(Crawls(reactor, timeout=180), service).together(
                spider, cases, tmp_path_factory.mktemp("ledger") / "jobs.sqlite", **settings
            )
        crawled.service = service
        return crawled

    return together
