"""Whole crawls: what has not begun does not begin while its wall is being solved, and keeps nobody else waiting."""

import asyncio

import pytest
import scrapy

from scrapy_omocaptcha.testing import WalledSite
from tests.helpers import sites
from tests.helpers.components import OfCrawler
from tests.helpers.crawling import RecordingSpider
from tests.helpers.nightly import nightly
from tests.helpers.sites import Site, pages_of
from tests.simulation import clock

SOLVE_SECONDS = 20
"""How long the only job of a crawl takes."""


@pytest.fixture
def links():
    """Start a site each of whose pages takes 0.1 s."""

    async def answer(request, form):
        await asyncio.sleep(0.1)
        return sites.page()

    with Site(answer) as site:
        yield site


def beside(site, queued, links, hosts):
    """Return a spider that queues pages of each walled host, and follows links elsewhere until one of them has come."""

    class Beside(RecordingSpider):
        followed = 0

        def requests(self):
            port = site.url.rpartition(":")[2]
            for number in range(1, queued + 1):
                for host in hosts:
                    yield scrapy.Request(f"http://{host}:{port}/page/{number}", self.page, errback=self.failed)
            yield scrapy.Request(f"{links.origin}/0", self.follow)

        def follow(self, response):
            if not self.pages:
                self.followed += 1
                yield scrapy.Request(f"{links.origin}/{self.followed}", self.follow)

    return Beside


@pytest.mark.parametrize(
    ("queued", "hosts"), [(64, 1), (600, 1), nightly(20_000, 1), (300, 2)], ids=lambda value: str(value)
)
def test_who_follows_links_elsewhere_gets_its_pages_however_many_requests_are_queued_at_a_wall(
    crawl, service, links, monkeypatch, queued, hosts
):
    monkeypatch.setattr(clock, "MAX_ITERATIONS", 10**7)
    monkeypatch.setattr(clock, "MAX_REAL_SECONDS", 600)
    for _ in range(hosts):
        service.next_job(seconds=SOLVE_SECONDS)
    names = [f"127.0.1.{number}" for number in range(1, hosts + 1)]
    with WalledSite(service, catalogue_pages=queued, hosts=names) as site:
        crawled = crawl(beside(site, queued, links, names), {**service.settings, "OMOCAPTCHA_POLL_INTERVAL": 1})
    assert crawled.spider.followed >= 8 * SOLVE_SECONDS
    assert (len(crawled.pages), crawled.failures, crawled.bugs) == (queued * hosts, [], [])
    assert len(service.jobs) == hosts
    assert crawled.stats["omocaptcha/held/max"] == queued * hosts
    assert crawled.count("seconds/held") > queued * hosts


def test_what_has_waited_begins_by_its_priority_and_then_in_its_order(crawl, service, walled):
    class Spider(RecordingSpider):
        def requests(self):
            for number in range(1, 31):
                priority = 0 if number < 5 else 1 + number % 3
                yield scrapy.Request(f"{site.url}/page/{number}", self.page, priority=priority)

    site = walled(catalogue_pages=30)
    service.next_job(seconds=SOLVE_SECONDS)
    settings = {**service.settings, "CONCURRENT_REQUESTS_PER_DOMAIN": 1, "CONCURRENT_REQUESTS": 4}
    crawl(Spider, settings)
    shown = [int(visit.path.rpartition("/")[2]) for visit in site.requests if visit.shown == "page"]
    # The first four are on their way to the wall.
    waited = [number for number in shown if number > 4]
    assert waited == sorted(range(5, 31), key=lambda number: (-1 - number % 3, number))


def test_what_has_waited_leaves_others_their_share_of_the_concurrency_when_its_wall_opens(crawl, service, links):
    class Spider(RecordingSpider):
        followed = 0

        def requests(self):
            for number in range(1, 201):
                yield scrapy.Request(f"{site.url}/page/{number}", self.page)
            for number in range(400):
                yield scrapy.Request(f"{links.origin}/{number}", self.free)

        def free(self, response):
            self.followed += 1

        def page(self, response):
            super().page(response)
            under_way.append(sum(request.url.startswith(site.url) for request in self.crawler.engine.downloader.active))

    under_way = []
    service.next_job(seconds=SOLVE_SECONDS)
    with WalledSite(service, catalogue_pages=200) as site:
        crawled = crawl(Spider, {**service.settings, "CONCURRENT_REQUESTS_PER_DOMAIN": 2})
    assert (len(crawled.pages), crawled.spider.followed) == (200, 400)
    # Those that had met the wall, or were on their way to it, go on as well.
    assert max(under_way[30:]) <= 3


def test_a_wall_that_never_opens_lets_each_request_end(crawl, service, walled):
    site = walled("never", catalogue_pages=40)
    settings = {**service.settings, "OMOCAPTCHA_MAX_JOBS": 3, "OMOCAPTCHA_MAX_ATTEMPTS": 1}
    crawled = crawl(pages_of(site, 40, handle_httpstatus_list=[403]), settings)
    assert (len(crawled.pages) + len(crawled.failures), len(service.jobs), crawled.bugs) == (40, 3, [])


def test_what_waits_is_back_in_the_queue_when_the_crawl_is_stopped(crawl, service, walled, tmp_path):
    site = walled(catalogue_pages=300)

    class Stops(pages_of(site, 300)):
        async def start(self):
            async for request in super().start():
                yield request
            if not stopped:
                while self.crawler.stats.get_value("omocaptcha/held", 0) < 250:
                    await asyncio.sleep(0.1)
                stopped.append(True)
                # The crawl waits for this method, so this must not wait for the crawl.
                self.stopping = asyncio.ensure_future(self.crawler.stop_async())

    stopped = []
    service.next_job(seconds=600)
    settings = {**service.settings, "JOBDIR": str(tmp_path / "job"), "CONCURRENT_REQUESTS": 8}
    first = crawl(Stops, settings)
    second = crawl(Stops, settings)
    came = sorted(page.url for page in (*first.pages, *second.pages))
    assert came == sorted(f"{site.url}/page/{number}" for number in range(1, 301))
    assert (first.failures, second.failures, first.bugs, second.bugs) == ([], [], [], [])


def test_what_components_await_gets_through_a_wall_though_it_fills_all_places(crawl, service, walled):
    class Awaits(OfCrawler):
        async def process_item(self, item):
            request = scrapy.Request(f"{site.url}/page/{item['number']}")
            response = await self.crawler.engine.download_async(request)
            self.crawler.spider.pages.append(response)
            return item

    class Spider(RecordingSpider):
        def requests(self):
            for number in range(1, 41):
                yield scrapy.Request(f"{site.url}/free/{number}", self.item, cb_kwargs={"number": number})
                yield scrapy.Request(f"{site.url}/page/{number + 40}", self.page)

        def item(self, response, number):
            yield {"number": number}

    site = walled(catalogue_pages=80)
    service.next_job(seconds=SOLVE_SECONDS)
    settings = {**service.settings, "ITEM_PIPELINES": {Awaits: 1}, "CONCURRENT_REQUESTS": 2}
    crawled = crawl(Spider, settings)
    assert (len(crawled.pages), len(service.jobs)) == (80, 1)
