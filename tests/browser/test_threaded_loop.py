"""Crawls with scrapy-playwright's event loop in a thread of its own, as it has it on Windows.

They are processes of their own: scrapy-playwright can start such a loop only once in a process.
"""

from __future__ import annotations

from collections import Counter

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite, browser_settings
from tests.helpers.stopping import StoppedCrawl

THREADED = {"_PLAYWRIGHT_THREADED_LOOP": True}


@pytest.mark.nightly
@pytest.mark.usefixtures("chromium")
@pytest.mark.parametrize(
    ("wall", "meta"),
    [
        ("session", {"playwright_include_page": True}),
        ("callback_only", {"playwright_page_methods": [["wait_for_selector", ".item"]]}),
    ],
    ids=["include_page", "page methods"],
)
def test_a_wall_opens_for_one_job(tmp_path, wall, meta):
    with OmoCaptchaService() as service, WalledSite(service, wall) as site:
        urls = [f"{site.url}/page/{number}" for number in (1, 2)]
        settings = {**service.settings, **browser_settings(), **THREADED}
        crawl = StoppedCrawl(tmp_path, urls, settings, meta={"playwright": True, **meta})
        log = crawl.end(crawl.start())
    assert crawl.came_back == Counter(f"page {url}" for url in urls), log
    assert len(service.jobs) == site.accepted == 1
    assert "Traceback" not in log, log
