"""Whole crawls that are closed while requests wait for a token: nothing is lost, nothing is crawled twice."""

import asyncio
import logging
from contextlib import suppress

import pytest
import scrapy
from aiohttp import web
from scrapy import signals
from scrapy.utils.defer import deferred_from_coro

from scrapy_omocaptcha import Challenge, solve
from scrapy_omocaptcha.buying.database import read_ledger
from scrapy_omocaptcha.errors import CrawlClosing
from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.helpers import sites
from tests.helpers.components import OfCrawler
from tests.helpers.crawling import RecordingSpider
from tests.helpers.scrapy_versions import in_virtual_time, sleep


class ClosingSpider(RecordingSpider):
    """Has its crawl stopped, as a signal does, as soon as the service has been asked for the result of a job."""

    async def start(self):
        async for request in super().start():
            yield request
        deferred_from_coro(self._stop_while_waiting())

    async def _stop_while_waiting(self):
        while not self.is_waiting():
            await sleep(0.01)
        await self.crawler.stop_async()

    def is_waiting(self):
        return any(call.name == "getJobResult" for call in self.service.calls)


class ClosingWithWishSpider(ClosingSpider):
    def requests(self):
        for request in super().requests():
            yield request.replace(meta={"omocaptcha": self.wish})


@pytest.fixture
def closed_and_resumed(crawl, tmp_path):
    """``closed_and_resumed(spider, settings, **arguments)`` → two crawls, the first ended while it waits for a job."""

    def run(spider, settings, *, solve_seconds, **arguments):
        settings = {**settings, "JOBDIR": str(tmp_path / "job")}
        closed = crawl(spider, settings, **arguments)
        solve_seconds[0] = 0.0
        resumed = crawl(RecordingSpider, settings)
        assert closed.bugs == resumed.bugs == []
        return closed, resumed

    return run


@pytest.mark.parametrize(
    ("hanging", "path", "jobs", "asked"), [(1, "/captcha", 1, 2), (2, "/captcha", 2, 4), (1, "/verify", 2, 2)]
)
def test_nothing_more_is_asked_for_once_the_crawl_is_closing(closed_and_resumed, service, hanging, path, jobs, asked):
    """The visit number ``hanging`` of ``path`` is never answered."""
    visits = []

    class Stops(ClosingSpider):
        def is_waiting(self):
            return len(visits) == hanging

    async def answer(request, form):
        if request.path == path:
            visits.append(request)
            if len(visits) == hanging:
                await asyncio.Event().wait()
        if request.path == "/captcha":
            return sites.challenge()
        if request.path == "/verify":
            return sites.won("/") if len(visits) > hanging else sites.page("thanks")
        return sites.page() if sites.cleared(request) else sites.redirect("/captcha")

    # A crawl that closes waits for what has been sent.
    settings = {**service.settings, "DOWNLOAD_TIMEOUT": 10}
    with sites.Site(answer) as site:
        url = f"{site.origin}/page"
        closed, resumed = closed_and_resumed(Stops, settings, solve_seconds=[0], urls=(url,))
    assert closed.pages == closed.failures == resumed.failures == []
    assert [page.url for page in resumed.pages] == [url]
    assert len(service.jobs) == jobs
    assert closed.count("tokens/accepted") == 0
    assert [path for _, path, *_ in site.requests].count("/page") == asked


def test_a_post_is_not_repeated_since_the_crawl_was_closed_behind_its_redirect(closed_and_resumed, service):
    class Stops(ClosingSpider):
        def requests(self):
            return (request.replace(method="POST") for request in super().requests())

        def is_waiting(self):
            return seen()[-1:] == ["/captcha"]

    async def answer(request, form):
        if request.path == "/captcha" and seen().count("/captcha") == 1:
            await asyncio.Event().wait()
        return sites.page() if request.path == "/captcha" else sites.redirect("/captcha")

    with sites.Site(answer) as site:

        def seen():
            return [path for _, path, *_ in site.requests]

        settings = {**service.settings, "DOWNLOAD_TIMEOUT": 3}
        _, resumed = closed_and_resumed(Stops, settings, solve_seconds=[0], urls=(f"{site.origin}/order",))
    assert [page.url for page in resumed.pages] == [f"{site.origin}/captcha"]
    assert seen() == ["/order", "/captcha", "/captcha"]


@in_virtual_time
@pytest.mark.parametrize(
    ("call", "fault", "pages", "jobs"),
    [("getJobResult", "slow", 1, ["1000001"]), ("createJob", "slow", 0, ["1000001"]), ("getService", "hang", 0, [])],
)
def test_of_the_calls_under_way_when_the_crawl_closes_what_was_bought_is_waited_for_half_a_second(
    crawl, service, tmp_path, call, fault, pages, jobs
):
    class ByHand(ClosingSpider):
        def is_waiting(self):
            return any(each.name == call for each in service.calls)

        def requests(self):
            yield scrapy.Request("data:,", self.buy)

        async def buy(self, response):
            with suppress(CrawlClosing):
                self.pages.append(await solve(Challenge("http://127.0.0.1/", sites.KEY), crawler=self.crawler))

    # The answer is sent in two halves.
    service.fault(call, fault, seconds=0.35)
    ledger = tmp_path / "ledger.sqlite"
    crawled = crawl(ByHand, {**service.settings, "OMOCAPTCHA_PRICE": "auto", "OMOCAPTCHA_LEDGER": str(ledger)})
    assert (len(crawled.pages), crawled.stats["elapsed_time_seconds"] < 1) == (pages, True)
    assert [record.job for record in read_ledger(ledger)] == jobs


class AskingBeforeAll(OfCrawler):
    """An extension that asks for a page while the spider is being opened, as a login does."""

    def __init__(self, crawler):
        super().__init__(crawler)
        crawler.signals.connect(self._sent, signals.request_reached_downloader)
        crawler.signals.connect(self._ask, signals.spider_opened)

    def _sent(self, request):
        self.crawler.spider.sent.append(request.url)

    async def _ask(self):
        response = await self.crawler.engine.download_async(scrapy.Request(self.crawler.spider.login))
        self.crawler.spider.statuses.append(response.status)


def test_a_page_behind_a_wall_that_is_asked_for_before_the_crawl_has_begun_is_opened(crawl, service, walled):
    site = walled("session")

    class Idle(RecordingSpider):
        login = f"{site.url}/page/1"
        sent, statuses = [], []

    crawl(Idle, {**service.settings, "EXTENSIONS": {AskingBeforeAll: 1}})
    assert (Idle.sent, Idle.statuses) == ([Idle.login, f"{site.url}/verify", Idle.login], [200])
    assert len(service.jobs) == 1


def test_the_report_counts_the_pages_that_the_spider_got(crawl, service):
    """Not robots.txt, which a component of Scrapy asks for, nor a page that is missing."""

    def answer(request, form):
        if request.path == "/verify":
            return sites.won("/walled")
        if request.path == "/missing":
            return web.Response(status=404)
        return sites.challenge() if request.path == "/walled" and not sites.cleared(request) else sites.page()

    with sites.Site(answer) as site:
        urls = [f"{site.origin}/{path}" for path in ("1", "2", "missing", "walled")]
        crawled = crawl(sites.spider(*urls), {**service.settings, "ROBOTSTXT_OBEY": True})
    assert "/robots.txt" in [path for _, path, *_ in site.requests]
    (report,) = [text for text in crawled.said(logging.INFO) if "challenged request" in text]
    assert report.startswith("OMOcaptcha: 1 challenged request, 1 job for 0.00055 USD\n")


@pytest.mark.parametrize("spider", [ClosingSpider, ClosingWithWishSpider], ids=["walled", "wanted upfront"])
def test_a_job_that_the_end_of_the_crawl_has_cut_off_does_not_count_as_an_attempt(closed_and_resumed, spider):
    solve_seconds = [1e9]
    with OmoCaptchaService(solve_seconds=lambda _: solve_seconds[0]) as service, WalledSite(service) as site:
        url = f"{site.url}/page/1" if spider is ClosingSpider else f"{site.url}/api/header"
        wish = {"sitekey": site.sitekey, "page": f"{site.url}/find", "put": "header:X-Captcha-Token"}
        options = {"solve_seconds": solve_seconds, "urls": (url,), "service": service, "wish": wish}
        closed, resumed = closed_and_resumed(spider, {**service.settings, "OMOCAPTCHA_MAX_ATTEMPTS": 1}, **options)
    assert closed.pages == closed.failures == []
    assert [page.url for page in resumed.pages] == [url]
    assert len(service.jobs) == 2, "the job that was cut off is paid again"
