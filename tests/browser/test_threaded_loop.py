"""Crawls with scrapy-playwright's event loop in a thread of its own, as it has it on Windows.

They are processes of their own: scrapy-playwright can start such a loop only once in a process.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite, browser_settings
from tests.helpers.commands import python
from tests.helpers.stopping import StoppedCrawl

THREADED = {"_PLAYWRIGHT_THREADED_LOOP": True}
DRIVES = """
import asyncio, json, sys
import scrapy
from scrapy.crawler import AsyncCrawlerProcess
from scrapy_omocaptcha import solve_page

class Drives(scrapy.Spider):
    name = "drives"

    async def start(self):
        meta = {"playwright": True, "playwright_include_page": True}
        yield scrapy.Request(sys.argv[1], meta=meta)

    async def parse(self, response):
        purchase = await solve_page(response.meta["playwright_page"], crawler=self.crawler, press=True)
        # The page belongs to another loop, so that the spider cannot wait for what it shows.
        await asyncio.sleep(3)
        purchase.accepted()

process = AsyncCrawlerProcess({"ADDONS": {"scrapy_omocaptcha.Addon": 500}, **json.loads(sys.argv[2])})
process.crawl(Drives)
process.start()
"""


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


@pytest.mark.nightly
@pytest.mark.usefixtures("chromium")
def test_a_page_that_the_spider_drives_gets_its_token(tmp_path):
    with OmoCaptchaService() as service, WalledSite(service) as site:
        settings = {**service.settings, **browser_settings(), **THREADED}
        done = python("-c", DRIVES, f"{site.url}/find", json.dumps(settings), cwd=tmp_path)
    assert (len(service.jobs), site.accepted) == (1, 1), done.stdout
    assert "Traceback" not in done.stdout, done.stdout
