"""Crawls in a browser in which something goes wrong, or is forbidden: they end, and lose and hide nothing."""

import asyncio
import json
import os
import pickle
import signal
from dataclasses import replace
from functools import partial

import pytest
from aiohttp import web
from scrapy_playwright.page import PageMethod

from scrapy_omocaptcha.browser import handing_in
from scrapy_omocaptcha.browser.handover import PageHandover
from scrapy_omocaptcha.signals import challenge_detected
from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite, browser_settings
from tests.browser.crawling import BrowserSpider, Browsing, Case, CasesSpider, WithPage, names
from tests.helpers import sites
from tests.helpers.clock import Clock
from tests.helpers.components import hears
from tests.helpers.nightly import nightly

OPEN = WithPage.meta


def urls(site, pages=1):
    return [f"{site.url}/page/{number}" for number in range(1, pages + 1)]


# What breaks


class TakesLong:
    """Keeps the token until it is too old, as a long queue for the browser's pages would."""

    def process_request(self, request):
        handover = request.meta.get("playwright_page_methods")
        if isinstance(handover, PageHandover) and handover.secret:
            handover._token = replace(handover._token, usable_until=0.0)


def test_a_token_that_grows_too_old_before_its_page_is_loaded_is_not_given_to_it(browse, service, walled):
    inside = {**browser_settings()["DOWNLOADER_MIDDLEWARES"], TakesLong: 595}
    settings = {"DOWNLOADER_MIDDLEWARES": inside, "OMOCAPTCHA_MAX_ATTEMPTS": 1}
    crawled = browse(WithPage, settings, urls=urls(walled()))
    assert crawled.reasons == ["attempts"]
    assert len(service.jobs) == 1
    assert crawled.count("tokens/expired") == 1
    assert service.jobs[0].verdicts == ()


@hears(found=challenge_detected)
class Meddles(BrowserSpider):
    """Does something to the browser, ``meddle()``, as soon as a job is bought for a challenge.

    :param clock: that of the service, by which the job takes until that is done.
    """

    def __init__(self, *args, clock=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.opened = []
        self.done = None
        self.clock = clock or Clock()

    def meta_of(self, url):
        return {**self.meta, "playwright_page_init_callback": self.keep}

    async def keep(self, page, request):
        self.opened.append(page)

    def found(self, verdict):
        if self.done is None:
            self.done = asyncio.ensure_future(self.meddle_with_job())

    async def meddle_with_job(self):
        # A job that is made later than the end of all jobs would never end.
        while not self.service.jobs:
            await asyncio.sleep(0.01)
        await self.meddle()

    def end_job(self):
        self.clock.now += 10

    async def close_page(self):
        # That may not be done before the crawl goes on.
        asyncio.get_running_loop().call_later(0.5, self.end_job)
        await self.opened[0].close()

    async def close_context(self):
        asyncio.get_running_loop().call_later(0.5, self.end_job)
        await self.opened[0].context.close()

    async def find_process(self, browser):
        """Return the number of a browser's process."""
        session = await browser.new_browser_cdp_session()
        processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
        (number,) = [process["id"] for process in processes if process["type"] == "browser"]
        return number

    async def kill_browser(self):
        browser = self.crawler.engine.downloader.handlers._handlers["http"].browser
        os.kill(await self.find_process(browser), signal.SIGKILL)
        while browser.is_connected():
            await asyncio.sleep(0.01)
        self.end_job()


@pytest.mark.parametrize(
    ("way", "meta"),
    [
        nightly("close_page", {}, id="close_page-plain"),
        nightly("close_page", OPEN, id="close_page-include_page"),
        nightly("close_context", {}, id="close_context-plain"),
        pytest.param("close_context", OPEN, id="close_context-include_page"),
        pytest.param("kill_browser", {}, id="kill_browser-plain"),
        nightly("kill_browser", OPEN, id="kill_browser-include_page"),
    ],
)
def test_what_becomes_of_the_browser_while_a_request_waits_does_not_matter(chromium, crawl, way, meta):
    clock = Clock()
    spider = type("Spider", (Meddles,), {"meta": meta, "meddle": getattr(Meddles, way)})
    with OmoCaptchaService(clock=clock, solve_seconds=5) as service, WalledSite(service) as site:
        crawled = Browsing(crawl, service)(spider, urls=urls(site), clock=clock, service=service, page_fails=True)
    assert [page.status for page in crawled.pages] == [200]
    assert len(service.jobs) == site.accepted == 1
    assert crawled.spider.done.exception() is None


class KillsBrowserWithToken(Meddles):
    """Kills the browser when ``site`` has got the first token."""

    def found(self, verdict):
        """Do nothing yet."""

    def meta_of(self, url):
        return {**super().meta_of(url), "playwright_page_event_handlers": {"request": self.requested}}

    async def keep(self, page, request):
        # Later, that could take longer than all that the page does once its token is answered.
        self.process = await self.find_process(page.context.browser)

    async def requested(self, request):
        if request.method == "POST" and self.done is None:
            self.done = asyncio.ensure_future(self.kill_with_token())

    async def kill_with_token(self):
        while not self.site.accepted:
            await asyncio.sleep(0.01)
        os.kill(self.process, signal.SIGKILL)


@pytest.mark.parametrize("fault", ["hang", nightly(None)])
def test_a_browser_that_dies_with_a_token_on_its_way_is_not_waited_for(browse, service, walled, fault):
    site = walled()
    if fault is not None:
        site.fault("/verify", fault)
    crawled = browse(KillsBrowserWithToken, urls=urls(site), site=site, page_fails=True)
    assert [page.status for page in crawled.pages] == [200]
    outcomes = {name: crawled.count(f"tokens/{name}") for name in ("accepted", "rejected", "expired", "unknown")}
    assert outcomes["accepted"] == 1
    assert sum(outcomes.values()) == len(service.jobs) <= 2
    assert crawled.stats["playwright/browser_count"] == 2
    assert crawled.spider.done.exception() is None


@pytest.mark.nightly
def test_a_site_that_does_not_answer_a_token_is_asked_again(browse, service, walled):
    site = walled()
    site.fault("/verify", "hang")
    crawled = browse(WithPage, {"DOWNLOAD_TIMEOUT": 3}, urls=urls(site))
    assert [page.status for page in crawled.pages] == [200]
    assert len(service.jobs) == 2
    # The site refuses the token the second time, and nobody knows what it has made of it the first time.
    assert crawled.count("tokens/accepted") == 1
    assert crawled.count("tokens/unknown") == 1


async def block_google(page, request):
    await page.route("**/recaptcha/**", lambda route: route.abort())


def wall(name):
    return partial(WalledSite, wall=name)


BLOCKED = {
    name: Case(make=wall(name), meta={"playwright_page_init_callback": block_google}, nightly=name == "session")
    for name in ("session", "explicit")
}
NEVER = Case(make=wall("never"), meta=OPEN)
BY_PAGE = Case(make=wall("callback_only"))


class Submits(CasesSpider):
    """Would send tokens itself, and looks whether the page is open in the errback."""

    was_open = None

    def omocaptcha_submit(self, response, challenge, token):
        raise AssertionError

    async def failed(self, failure):
        page = failure.request.meta.get("playwright_page")
        if page is not None:
            self.was_open = not page.is_closed()
        await super().failed(failure)


@pytest.fixture(scope="session")
def crawled(together):
    return together(Submits, [*BLOCKED.values(), NEVER, BY_PAGE], OMOCAPTCHA_MAX_ATTEMPTS=1)


@pytest.mark.parametrize("wall", names(BLOCKED))
def test_nothing_is_bought_where_the_script_of_google_is_blocked(crawled, wall):
    assert (BLOCKED[wall].reasons, BLOCKED[wall].bought) == (["browser"], 0)
    assert crawled.count("skipped/browser") == len([case for case in BLOCKED.values() if case.site])


# What the spider does


class FailsInPage(BrowserSpider):
    def meta_of(self, url):
        return {**self.meta, "playwright_page_methods": [PageMethod("wait_for_selector", ".nowhere", timeout=100)]}


@pytest.mark.parametrize("meta", [pytest.param(OPEN, id="include_page"), nightly({}, id="plain")])
def test_page_methods_raise_without_a_challenge_what_they_raise_without_the_add_on(browse, walled, meta):
    spider = type("Spider", (FailsInPage,), {"meta": meta})
    address = f"{walled().url}/free/1"
    raised = []
    for on in (True, False):
        settings = {"OMOCAPTCHA_ENABLED": on, "RETRY_ENABLED": False}
        crawled = browse(spider, settings, urls=[address], page_fails=True)
        (error,) = crawled.failures
        raised.append((type(error), str(error), crawled.stats["playwright/page_count"]))
    assert raised[0] == raised[1]


def test_the_errback_can_close_the_page_as_scrapy_playwright_has_it(crawled):
    assert NEVER.reasons == ["attempts"]
    assert crawled.spider.was_open is False


def test_the_page_and_not_the_spider_sends_the_token_in_a_browser(crawled):
    (page,) = BY_PAGE.pages
    assert page.css(".item")
    assert BY_PAGE.bought == 1


def test_the_meta_of_a_response_can_be_stored_as_without_the_add_on(browse, service, walled):
    site = walled()
    crawled = browse(BrowserSpider, urls=[*urls(site), f"{site.url}/free/1"])
    assert len(service.jobs) == 1
    walled_page, free = sorted(crawled.pages, key=lambda page: "free" in page.url)
    assert walled_page.meta.keys() == free.meta.keys()
    pickle.dumps(walled_page.meta)
    # Scrapy-playwright's own are among them.
    types = [{name: type(value) for name, value in page.meta.items()} for page in (walled_page, free)]
    assert types[0] == types[1]
    json.dumps({name: value for name, value in walled_page.meta.items() if name != "playwright_security_details"})


def test_a_site_that_takes_its_time_to_answer_a_token_is_waited_for(browse, service, monkeypatch):
    async def answer(request, form):
        if form:
            await asyncio.sleep(1.5)
            return sites.won("/page")
        return sites.page() if sites.cleared(request) else sites.challenge()

    monkeypatch.setattr(handing_in, "_ANSWER_TIMEOUT", 0.3)
    with sites.Site(answer) as site:
        crawled = browse(BrowserSpider, urls=[f"{site.origin}/page"])
    assert [page.status for page in crawled.pages] == [200]
    assert [method for method, *_ in site.requests].count("POST") == len(service.jobs) == 1


def test_a_page_that_is_loaded_again_since_it_was_closed_sends_its_token_no_second_time(browse, service, walled):
    """As scrapy-playwright does where a page or its browser is gone."""
    closed = []

    async def close(page):
        if not closed:
            closed.append(page.url)
            await page.close()

    site = walled("per_page")
    meta = {"playwright_page_methods": [PageMethod(close)]}
    browse(type("Closes", (BrowserSpider,), {"meta": meta}), {"OMOCAPTCHA_MAX_ATTEMPTS": 1}, urls=urls(site))
    assert len(closed) == len([visit for visit in site.requests if visit.submits]) == len(service.jobs) == 1


# What is forbidden


def test_a_dry_run_buys_nothing_and_shows_the_challenge(browse, service, walled):
    site = walled(status=200)
    crawled = browse(WithPage, {"OMOCAPTCHA_DRY_RUN": True}, urls=urls(site))
    assert [bool(page.css(".g-recaptcha")) for page in crawled.pages] == [True]
    assert crawled.spider.live == [(page.url, page.css("title::text").get()) for page in crawled.pages]
    assert (service.calls, crawled.count("skipped/dry_run")) == ((), 1)


def test_a_form_whose_target_robots_txt_forbids_is_not_sent(browse, service):
    def answer(request, form):
        if request.path == "/robots.txt":
            return web.Response(text="User-agent: *\nDisallow: /verify")
        return sites.challenge()

    with sites.Site(answer) as site:
        crawled = browse(BrowserSpider, {"ROBOTSTXT_OBEY": True}, urls=[f"{site.origin}/page"])
    assert crawled.reasons == ["robots"]
    assert service.jobs == ()
