"""Whole crawls at walls that redirect every page to one address, so that Scrapy drops redirects as duplicates."""

import asyncio
from collections import Counter
from contextlib import ExitStack

import pytest
import scrapy
from scrapy import signals
from scrapy.exceptions import CloseSpider
from scrapy.utils.defer import deferred_from_coro

from tests.helpers.components import hears
from tests.helpers.crawling import RecordingSpider
from tests.helpers.hard_walls import OneAddress
from tests.helpers.scrapy_versions import CALLBACKS_ARE_LATE
from tests.helpers.sites import Site, behind_wall, challenge, page, pages_of, redirect, won

HOST = "127.0.0.9"


class Pausing(RecordingSpider):
    """Pauses after ``most`` pages; ``failures`` has the addresses that were asked for."""

    most = None

    def page(self, response, asked):
        self.pages.append(response)
        if len(self.pages) == self.most:
            raise CloseSpider("paused")

    def failed(self, failure):
        self.failures.append(failure.request.cb_kwargs["asked"])


@pytest.fixture
def one_address(service):
    """``one_address(gate, fault, times)`` → a site at whose wall's address a fault is met first."""
    with ExitStack() as stack:

        def start(gate="/hold", fault=None, times=1):
            site = stack.enter_context(OneAddress(service, gate, hosts=(HOST,), catalogue_pages=60))
            if fault is not None:
                site.fault(gate, fault, times=times, seconds=3600 if fault == "hang" else 1)
            return site

        yield start


@pytest.mark.parametrize("gate", ["/captcha", "/hold"])
@pytest.mark.parametrize("fault", [None, "bad_gateway", "too_many", "truncated", "hang"])
def test_nothing_is_lost_when_the_walls_address_fails_at_first(crawl, service, one_address, gate, fault):
    pages = pages_of(one_address(gate, fault), 24)
    crawled = crawl(pages, {**service.settings, "CONCURRENT_REQUESTS_PER_DOMAIN": 8})
    assert sorted(one.url for one in crawled.pages) == sorted(pages.urls)
    assert crawled.failures == []
    assert len(service.jobs) == 1


@pytest.mark.parametrize("gate", ["/captcha", "/hold"])
def test_a_resumed_crawl_gets_all_pages_though_the_walls_address_is_known_as_a_duplicate(
    crawl, service, one_address, tmp_path, gate
):
    """The dupefilter of the first run has the address of the wall, and is kept."""
    urls = pages_of(one_address(gate), 60).urls
    settings = {**service.settings, "JOBDIR": str(tmp_path / "job"), "CONCURRENT_REQUESTS": 4}
    runs = [crawl(Pausing, settings, urls=urls, most=most) for most in (5, None)]
    assert Counter(page.url for run in runs for page in run.pages) == Counter(urls)
    assert [run.failures for run in runs] == [[], []]
    assert CALLBACKS_ARE_LATE or len(service.jobs) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_requests_that_wait_until_it_is_known_what_a_redirect_leads_to_are_there_when_a_crawl_resumes(
    crawl, service, one_address, tmp_path, method
):
    """The wall's address does not answer yet when the crawl is stopped, so that all redirects to it are duplicates."""

    @hears(stop=signals.request_dropped)
    class Stops(RecordingSpider):
        dropped = 0

        def stop(self, request):
            self.dropped += request.url.endswith("/hold")
            if self.stops and self.dropped == 3:
                deferred_from_coro(self.crawler.engine.close_spider_async(reason="stopped"))

        async def start(self):
            for url in self.urls:
                yield scrapy.Request(url, self.page, errback=self.failed, method=method)

    url = f"{one_address(fault='hang').url}/search"
    urls = [f"{url}?n={number}" for number in range(8)]
    settings = {**service.settings, "JOBDIR": str(tmp_path / "job")}
    runs = [crawl(Stops, settings, urls=urls, stops=stops) for stops in (True, False)]
    assert [run.stats["finish_reason"] for run in runs] == ["stopped", "finished"]
    if method == "GET":
        assert Counter(one.url for run in runs for one in run.pages) == Counter(urls)
    else:
        # The site may have executed them.
        assert [reason for run in runs for reason in run.reasons] == ["maybe_executed"] * len(urls)


@pytest.mark.parametrize("status", [404, 410])
@pytest.mark.parametrize("wall", [False, True], ids=["no wall, and a stop", "a wall elsewhere"])
def test_redirects_to_a_page_that_is_missing_are_duplicates_as_without_the_add_on(
    crawl, service, tmp_path, wall, status
):
    async def answer(request, form):
        await asyncio.sleep(2 if request.path in ("/gone", "/last") else 0)
        if request.path == "/gone":
            return page(status=status)
        return redirect("/gone") if request.path.startswith("/old") else inside(request, form)

    inside = behind_wall() if wall else lambda request, form: page()
    settings = {**service.settings, "JOBDIR": str(tmp_path), "CONCURRENT_REQUESTS_PER_DOMAIN": 16}
    with Site(answer) as site:
        olds = [f"{site.origin}/old/{number}" for number in range(12)]
        urls = [*([f"{site.origin}/"] if wall else []), *olds, *([] if wall else [f"{site.origin}/last"])]
        runs = [crawl(Pausing, settings, urls=urls, most=None if wall else 1) for _ in range(2)]
        seen = Counter(path for _, path, *_ in site.requests)
    assert sum(len(run.failures) for run in runs) == 1
    assert seen["/gone"] == 1


@pytest.mark.parametrize("wall", [False, True], ids=["open", "three pages a clearance"])
@pytest.mark.parametrize("by_redirects", [False, True], ids=["links", "links that redirect"])
def test_no_page_comes_back_twice_where_a_spider_passes_meta_on(crawl, service, wall, by_redirects):
    """The site's first page is redirected, so that all later requests carry the meta of a redirect."""
    pages = 6
    left = {"pages": 3}

    def answer(request, form):
        if request.path == "/":
            return redirect("/home")
        if request.path.startswith("/go/"):
            return redirect("/p/" + request.path.split("/")[2])
        if request.path == "/verify":
            left["pages"] = 3
            return won("/home")
        if wall and left["pages"] <= 0:
            return challenge()
        left["pages"] -= 1
        here = request.path.rpartition("/")[2]
        path = (lambda number: f"/go/{number}/{here}") if by_redirects else (lambda number: f"/p/{number}")
        return page("<title>p</title>" + "".join(f'<a href="{path(number)}">next</a>' for number in range(pages)))

    class PassesMetaOn(RecordingSpider):
        def page(self, response, asked=None):
            self.pages.append(response)
            if len(self.pages) > 100:
                raise CloseSpider("runs wild")
            meta = {} if by_redirects else response.meta
            yield from response.follow_all(css="a", callback=self.page, errback=self.failed, meta=meta)

    settings = {**service.settings, "OMOCAPTCHA_MAX_ATTEMPTS": 20, "CONCURRENT_REQUESTS_PER_DOMAIN": 4}
    with Site(answer) as site:
        crawled = crawl(PassesMetaOn, settings, urls=[f"{site.origin}/"])
        expected = {f"{site.origin}/home", *(f"{site.origin}/p/{number}" for number in range(pages))}
    assert crawled.failures == []
    assert {one.url for one in crawled.pages} == expected
    # Where the page that redirects lead to is walled itself, and the clearance ends, it may come for another of them.
    assert len(crawled.pages) <= len(expected) + (wall and by_redirects)
