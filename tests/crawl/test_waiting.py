"""Whole crawls: one solve opens the wall for all, holding takes no place, nobody waits for ever."""

import asyncio

import pytest
import scrapy
from aiohttp import web

from scrapy_omocaptcha import Challenge, solve
from scrapy_omocaptcha.testing import OmoCaptchaService, Wall, WalledSite
from tests.helpers import sites
from tests.helpers.components import OfCrawler
from tests.helpers.crawling import RecordingSpider
from tests.helpers.nightly import nightly
from tests.helpers.scrapy_versions import zero_is_no_limit
from tests.helpers.sites import KEY, Site, behind_wall, challenge, page, pages_of, redirect, spider

BOTH = {"CONCURRENT_REQUESTS": 200, "CONCURRENT_REQUESTS_PER_DOMAIN": 200}


def urls(crawled):
    return sorted(page.url for page in crawled.pages)


class LateService(OmoCaptchaService):
    """Ends its first job when it is told to, and each other at once."""

    def __init__(self):
        self._now = 0.0
        super().__init__(solve_seconds=0, clock=lambda: self._now)
        self.next_job(seconds=100)

    def end_first_job(self):
        self._now = 100.0


# Fewer at once are in each simulation.
@pytest.mark.parametrize(
    ("wall", "settings"),
    [
        *((wall, BOTH) for wall in ("session", "redirect", "session_marked", "same_url", "thanks")),
        pytest.param("redirect", {"CONCURRENT_REQUESTS": 0}, marks=zero_is_no_limit),
    ],
)
def test_one_job_opens_a_session_wall_for_all(crawl, service, walled, wall, settings):
    site = walled(wall, catalogue_pages=60)
    crawled = crawl(pages_of(site, 60), {**service.settings, **settings})
    assert urls(crawled) == sorted(f"{site.url}/page/{number}" for number in range(1, 61))
    assert len(service.jobs) == 1
    assert site.accepted == 1
    assert sum(site.rejected.values()) == 0
    assert (crawled.failures, crawled.bugs) == ([], [])


@pytest.mark.parametrize(("meta", "is_redirect"), [({}, False), ({"omocaptcha": False}, False), ({}, True)])
def test_a_late_answer_replaces_no_cookie_that_a_request_has_got_which_asked_again(crawl, service, meta, is_redirect):
    followed = asyncio.Event()

    async def answer(request, form):
        if request.path == "/late":
            # It was sent before there was a token, and needs none.
            await followed.wait()
        shown = page() if request.path in ("/late", "/last", "/moved") else inside(request, form)
        if request.path == "/late" and is_redirect:
            shown = redirect("/moved")
        if request.path == "/late" or (request.path not in ("/last", "/moved") and sites.cleared(request)):
            shown.set_cookie("turn", request.path[1:], path="/")
        if request.path == "/follows" and sites.cleared(request):
            followed.set()
        return shown

    class Spider(RecordingSpider):
        def page(self, response):
            self.pages.append(response)
            if len(self.pages) == 3:
                yield scrapy.Request(f"{site.origin}/last", self.page, errback=self.failed)

    inside = behind_wall(opens_at="/leads")
    with Site(answer) as site:
        requests = [scrapy.Request(f"{site.origin}/{path}") for path in ("leads", "follows", "late")]
        requests[2].meta.update(meta)
        crawled = crawl(sites.sending(*requests, base=Spider), service.settings)
    assert len(crawled.pages) == 4
    (last,) = [headers["Cookie"] for _, path, _, headers in site.requests if path == "/last"]
    assert "turn=follows" in last.split("; ")


@pytest.mark.parametrize("after", ["/verify", "/search"])
def test_a_login_that_is_answered_while_or_after_a_token_is_handed_in_stays(crawl, service, after):
    done = set()

    async def answer(request, form):
        # What is answered while a job is bought shows that only a part of the site is walled.
        while (request.path == "/about" and not service.jobs) or (request.path == "/login" and after not in done):
            await asyncio.sleep(0.01)
        if request.path == "/verify":
            done.add("/verify")
            return sites.won("/search")
        if request.path == "/search" and not sites.cleared(request):
            return sites.challenge()
        done.add(request.path)
        response = sites.page()
        if request.path in ("/", "/login"):
            response.set_cookie("session", "Ada" if request.path == "/login" else "new", path="/")
        return response

    class Spider(RecordingSpider):
        def requests(self):
            yield scrapy.Request(f"{site.origin}/", self.begin)

        def begin(self, response):
            yield response.follow("/search", self.page, priority=2)
            yield response.follow("/about", self.page, priority=1)
            yield response.follow("/login", self.logged_in, method="POST")

        def logged_in(self, response):
            yield response.follow("/account", self.page)

    with sites.Site(answer) as site:
        crawled = crawl(Spider, service.settings)
    assert len(crawled.pages) == 3
    assert len(service.jobs) == 1
    (account,) = [headers["Cookie"] for _, path, _, headers in site.requests if path == "/account"]
    assert sorted(account.split("; ")) == ["clearance=yes", "session=Ada"]


def test_a_wall_that_wants_a_token_a_page_gets_one_each_and_they_are_solved_side_by_side(crawl, service, walled):
    site = walled("per_page", catalogue_pages=40)
    crawled = crawl(pages_of(site, 40), {**service.settings, "OMOCAPTCHA_CONCURRENT_JOBS": 40})
    assert len(set(urls(crawled))) == len(crawled.pages) == 40
    assert len(service.jobs) == 40
    assert site.accepted == 40
    assert max(_at_once(service.jobs)) > 10
    # Each page is asked for and handed its token. The first are asked for again once the wall is thought to be open for
    # all, and some once more, since each of their answers began a session: paid with requests, not with jobs.
    in_flight = 8
    assert len(site.requests) <= 40 + 40 + 3 * in_flight


@pytest.mark.parametrize("clearance", ["cookie", "session"])
def test_a_clearance_of_ten_pages_is_not_taken_for_one_of_a_page_where_half_of_the_site_is_free(
    crawl, service, walled, clearance
):
    site = walled(Wall(form="page", clearance=clearance, clearance_pages=10), catalogue_pages=400, free_delay=0.1)
    paths = [f"{kind}/{number}" for number in range(1, 101) for kind in ("page", "free")]
    crawled = crawl(spider(*(f"{site.url}/{path}" for path in paths)), {**service.settings, "DOWNLOAD_DELAY": 0.25})
    assert len(crawled.pages) == 200
    assert len(service.jobs) <= 100 // 10 * 2


@pytest.mark.parametrize(("sets_cookie", "first"), [(False, 200), (True, 200), (True, 404)])
def test_a_wall_that_opens_for_one_page_and_redirects_back_to_it_is_solved_side_by_side_unless_it_sets_a_cookie(
    crawl, service, sets_cookie, first
):
    """An error does not show that the cookie opens the wall."""
    opened = set()

    def answer(request, form):
        if form:
            opened.add(request.path)
            cookie = {"Set-Cookie": f"clearance={len(opened)}; Path=/"} if sets_cookie else {}
            return web.Response(status=302, headers={"Location": request.path, **cookie})
        status = first if len(opened) == 1 else 200
        return page(status=status) if request.path in opened else challenge(request.path, status=200)

    with Site(answer) as site:
        asks = spider(*(f"{site.origin}/{number}" for number in range(16)), handle_httpstatus_list=[404])
        crawled = crawl(asks, service.settings)
    assert len(crawled.pages) == len(service.jobs) == 16
    at_once = max(_at_once(service.jobs))
    assert at_once == 1 if sets_cookie and first == 200 else at_once > 10


def test_tokens_that_each_open_the_wall_for_the_page_that_is_asked_for_next_are_handed_in_one_after_the_other(
    crawl, service
):
    is_open = [False]

    async def answer(request, form):
        await asyncio.sleep(1)
        if form:
            is_open[0] = True
            return redirect(request.query["page"])
        shown = page() if is_open[0] else challenge(f"/verify?page={request.path}")
        is_open[0] = False
        return shown

    with Site(answer) as site:
        crawled = crawl(spider(*(f"{site.origin}/{number}" for number in range(12))), service.settings)
    assert len(crawled.pages) == len(service.jobs) == 12


def _at_once(jobs):
    for job in jobs:
        yield sum(other.created_at <= job.created_at < other.answered_at for other in jobs)


def test_sessions_never_wait_for_each_other(crawl):
    with LateService() as service, WalledSite(service, catalogue_pages=9) as site:

        class Jars(RecordingSpider):
            def requests(self):
                for number in range(9):
                    url, meta = f"{site.url}/page/{number + 1}", {"cookiejar": number % 3}
                    yield scrapy.Request(url, self.page, errback=self.failed, meta=meta)

            def page(self, response):
                super().page(response)
                if len(self.pages) == 6:
                    service.end_first_job()

        crawled = crawl(Jars, {**service.settings, "OMOCAPTCHA_MAX_ATTEMPTS": 1})
    # The first job, for one of them, ends when the two others are through.
    assert len({page.meta["cookiejar"] for page in crawled.pages[:6]}) == 2
    assert (len(crawled.pages), crawled.failures) == (9, [])


def test_what_the_others_wait_for_gets_through_a_wall_whenever_it_was_asked_for(crawl, service, walled):
    class LogIn(OfCrawler):
        async def open_spider(self):
            login = scrapy.Request(f"{self.crawler.spider.site}/page/1")
            self.crawler.spider.login = asyncio.create_task(self.crawler.engine.download_async(login))

        def process_item(self, item):
            return item

    class WaitForLogin(OfCrawler):
        async def process_request(self, request):
            if not request.url.endswith("/page/1"):
                await asyncio.wait([self.crawler.spider.login])

    site = walled("session")
    spider = pages_of(site, 3)
    spider.site, spider.urls = site.url, spider.urls[1:]
    parts = {"ITEM_PIPELINES": {LogIn: 1}, "DOWNLOADER_MIDDLEWARES": {WaitForLogin: 100}}
    crawled = crawl(spider, {**service.settings, **parts, "CONCURRENT_REQUESTS": 2})
    assert urls(crawled) == sorted(spider.urls)


def test_callbacks_that_wait_for_a_token_hold_up_the_crawl_when_their_responses_fill_the_buffer(crawl, service, walled):
    class Buys(RecordingSpider):
        came = 0

        async def page(self, response, asked):
            self.came += 1
            if self.came == 1:
                await solve(Challenge("http://127.0.0.1/", KEY), crawler=self.crawler)
                self.pages.append(self.came)

    service.next_job(seconds=60)
    site = walled("session")
    urls = [f"{site.url}/free/{number}" for number in range(1, 61)]
    settings = {**service.settings, "SCRAPER_SLOT_MAX_ACTIVE_SIZE": 1, "CONCURRENT_REQUESTS": 4}
    crawled = crawl(Buys, settings, urls=urls)
    assert crawled.pages[0] <= 4 < crawled.spider.came == 60


@pytest.mark.parametrize(
    ("number", "settings", "hosts"),
    [(1, {}, ["127.0.0.2"]), (300, {}, ["127.0.0.3"]), nightly(1000, {}, ["127.0.0.3"])],
    ids=["another part of the site", "hundreds", "a thousand"],
)
def test_all_else_goes_on_while_requests_of_a_walled_host_are_queued(crawl, number, settings, hosts):
    with (
        LateService() as service,
        WalledSite(service, catalogue_pages=number, hosts=["127.0.0.2"]) as site,
        WalledSite(service, hosts=hosts) as other,
    ):

        class Two(RecordingSpider):
            free_pages = 0

            def requests(self):
                for page in range(1, max(number, 200) + 1):
                    if page <= number:
                        yield scrapy.Request(f"{site.url}/page/{page}", callback=self.page, errback=self.failed)
                    if page <= 200:
                        yield scrapy.Request(f"{other.url}/free/{page}", callback=self.free)

            def free(self, response):
                self.free_pages += 1
                assert self.pages == self.failures == []
                if self.free_pages == 200:
                    service.end_first_job()

        crawled = crawl(Two, {**service.settings, **settings})
        assert crawled.bugs == []
        assert crawled.spider.free_pages == 200
        assert len(crawled.pages) == number
        assert len(service.jobs) == 1
