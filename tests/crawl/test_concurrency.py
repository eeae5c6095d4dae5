"""Whole crawls whose concurrency is measured at the site: it is never more than Scrapy's settings say.

The settings for a host and a slot are in tests/process/test_concurrency.py: on asyncio, Scrapy 2.19 itself exceeds them
when several requests are queued in one turn of the loop.
"""

from __future__ import annotations

import pytest
import scrapy
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha.signals import challenge_detected
from scrapy_omocaptcha.testing import Wall
from tests.helpers.components import OfCrawler, hears
from tests.helpers.crawling import RecordingSpider
from tests.helpers.features import HOST, OTHER_HOST
from tests.helpers.many_pages import ManyPages
from tests.helpers.nightly import nightly
from tests.helpers.sites import pages_of, spider
from tests.helpers.walled_pages import ONE_ADDRESS, WalledPages

OFTEN = ("session", "redirect", "per_page")
"""The walls that are tried for every change."""
SECONDS = 0.03
"""How long the site takes for a page."""
NUMBER = 20
"""Pages of each host."""


class Pages(RecordingSpider):
    """Visits as many pages of each host."""

    def requests(self):
        for number in range(NUMBER):
            for host in self.hosts:
                yield scrapy.Request(f"{host}/page/{number}", self.page, errback=self.failed)


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


@pytest.fixture
def measure(crawl, service):
    """``measure(wall, settings)`` → the crawl and the site, of which two hosts are behind the wall."""

    def measure(wall, settings, hosts=(HOST, OTHER_HOST)):
        with WalledPages(ManyPages(delay=SECONDS), service, wall, hosts=hosts) as site:
            urls = [f"http://{host}:{site.port}" for host in hosts]
            crawled = crawl(Pages, {**service.settings, "OMOCAPTCHA_MAX_ATTEMPTS": 9, **settings}, hosts=urls)
        assert len(crawled.pages) == NUMBER * len(hosts)
        return crawled, site

    return measure


@pytest.mark.parametrize("wall", [*OFTEN, nightly("rate"), nightly("expiring"), nightly(ONE_ADDRESS, id="one address")])
@pytest.mark.parametrize("number", [1, nightly(3)])
def test_a_site_never_gets_more_requests_at_once_than_concurrent_requests(measure, wall, number):
    _, site = measure(wall, {"CONCURRENT_REQUESTS": number})
    assert site.most["all"] <= number


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


@pytest.mark.parametrize("wall", OFTEN)
def test_scrapy_counts_the_pages_of_the_spider_alone(measure, wall):
    crawled, _ = measure(wall, {"LOGSTATS_INTERVAL": 0.05}, hosts=(HOST,))
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
        crawled = crawl(Pages, settings, hosts=[site.origin])
    assert len(crawled.pages) >= 9
    assert crawled.stats["finish_reason"] == setting.lower()
