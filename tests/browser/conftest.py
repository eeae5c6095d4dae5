"""Fixtures for tests whose pages a browser renders."""

from __future__ import annotations

import pytest

from tests.browser.crawling import Browsing


@pytest.fixture
def browse(chromium, crawl, service):
    """``browse(spider_class, settings, **spider_arguments)`` → the finished crawl, in pages of a browser."""
    return Browsing(crawl, service)
