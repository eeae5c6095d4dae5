"""Whole crawls beside Scrapy's concurrency, and what Scrapy counts.

Each simulation (``tests/simulation``) checks that no site gets more requests at once than the settings allow.
"""

from __future__ import annotations

import pytest
import scrapy
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha.signals import challenge_detected
from scrapy_omocaptcha.testing import Wall
from tests.helpers.components import OfCrawler, hears
from tests.helpers.many_pages import ManyPages
from tests.helpers.sites import pages_of, spider
from tests.helpers.walled_pages import WalledPages

HOST = "127.0.0.21"
NUMBER = 20
"""Pages of the site."""


def pages_of_site(site):
    return spider(*(f"{site.origin}/page/{number}" for number in range(NUMBER)))


class Downloads(OfCrawler):
    async def process_response(self, request, response):
        if "/page/" in request.url and response.status == 200:
            other = scrapy.Request(request.url.replace("/page/", "/item/"), callback=NO_CALLBACK)
            await self.crawler.engine.download_async(other)
        return response


def test_a_middleware_of_the_project_may_wait_for_a_request_of_the_same_session(crawl, service, walled):
    site = walled(Wall(clearance_pages=2), catalogue_pages=6)
    settings = {"CONCURRENT_REQUESTS_PER_DOMAIN": 1, "CLOSESPIDER_TIMEOUT": 60}
    crawled = crawl(pages_of(site, 6), {**service.settings, **settings, "DOWNLOADER_MIDDLEWARES": {Downloads: 543}})
    assert (len(crawled.pages), crawled.stats["finish_reason"]) == (6, "finished")


def test_one_request_at_a_time_means_that_callbacks_keep_their_order(crawl, service, walled):
    site = walled("per_page")
    urls = [f"{site.url}/{kind}/{number}" for number in range(1, 4) for kind in ("page", "free")]
    crawled = crawl(spider(*urls), {**service.settings, "CONCURRENT_REQUESTS": 1})
    assert [page.url for page in crawled.pages] == urls
    assert crawled.said() == []


def test_a_crawl_goes_on_when_more_is_held_than_may_be_active_by_now(crawl, service, walled):
    @hears(detected=challenge_detected)
    class Slows(pages_of(walled("session"), 5)):
        """Lowers the concurrency of the crawl once several requests may be held."""

        def detected(self):
            self.crawler.engine.downloader.total_concurrency = 1

    crawled = crawl(Slows, {**service.settings, "CONCURRENT_REQUESTS": 4, "OMOCAPTCHA_MAX_WAITING": 1})
    assert sorted(page.url for page in crawled.pages) == sorted(Slows.urls)


# -- what Scrapy counts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wall", ["session", "redirect", "per_page"])
def test_scrapy_counts_the_pages_of_the_spider_alone(crawl, service, wall):
    with WalledPages(ManyPages(delay=0.03), service, wall, hosts=(HOST,)) as site:
        crawled = crawl(pages_of_site(site), {**service.settings, "LOGSTATS_INTERVAL": 0.05})
    assert len(crawled.pages) == NUMBER
    assert crawled.stats["response_received_count"] == NUMBER
    assert crawled.stats["scheduler/enqueued"] == crawled.stats["scheduler/dequeued"] == NUMBER
    said = [record.getMessage() for record in crawled.log if record.name == "scrapy.extensions.logstats"]
    counts = [int(line.split()[1]) for line in said]
    assert counts == sorted(counts)
    assert max(counts) <= NUMBER
    crawled_lines = [record for record in crawled.log if record.getMessage().startswith("Crawled (")]
    assert len(crawled_lines) == NUMBER


@pytest.mark.parametrize("setting", ["CLOSESPIDER_PAGECOUNT", "CLOSESPIDER_PAGECOUNT_NO_ITEM"])
@pytest.mark.parametrize("wall", ["session", "per_page"])
def test_closespider_counts_the_pages_of_the_spider_alone(crawl, service, setting, wall):
    settings = {**service.settings, setting: 10, "CONCURRENT_REQUESTS": 1, "OMOCAPTCHA_MAX_WAITING": 2}
    with WalledPages(ManyPages(), service, wall, hosts=(HOST,)) as site:
        crawled = crawl(pages_of_site(site), settings)
    assert len(crawled.pages) >= 9
    assert crawled.stats["finish_reason"] == setting.lower()
