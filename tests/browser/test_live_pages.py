"""Crawls whose spider drives its pages itself: it asks for a token, and the site gets it."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress

import pytest
from aiohttp import web
from playwright.async_api import Error

from scrapy_omocaptcha import solve_page
from scrapy_omocaptcha.buying.database import read_ledger
from scrapy_omocaptcha.errors import CrawlClosing, HandoverBroke, NotBought
from tests.browser.crawling import WithPage
from tests.browser.live_pages import WAYS, LiveSite, comes
from tests.helpers.pages import FOLDER, needs_pages
from tests.helpers.sites import Site

SAVED = ("047-demo-kathykao-fallback", "075-webcode-explicit", "081-mailjet-key-in-js")
SENDS = "082-abenteuer-astronomie-invisible"
"""A saved page whose callback sends its form."""
SENT_BY_CALLBACK = ("callback", "invisible button")


@pytest.fixture
def site(service):
    with LiveSite(service) as site:
        yield site


async def close(page):
    """Close a page once it is not on its way anywhere: Playwright may wait without end for one that is."""
    while not page.is_closed() and page.url != "about:blank":
        # What is under way may interrupt it.
        with suppress(Error):
            await page.goto("about:blank")
    await page.close()


def driving(function):
    """Return a spider that drives its pages by ``await function(page, spider)``."""

    class Drives(WithPage):
        async def page(self, response, asked=None):
            page = response.meta["playwright_page"]
            try:
                await function(page, self)
            finally:
                await close(page)

    return Drives


@pytest.fixture
def drive(browse, site, tmp_path):
    """``drive(way, …, function, settings)`` → the crawl in which ``await function(page, spider)`` drives pages."""

    def drive(*given, **options):
        *ways, function, settings = given if isinstance(given[-1], dict) else (*given, {})
        settings = {"OMOCAPTCHA_LEDGER": tmp_path / "jobs.sqlite", **settings}
        return browse(driving(function), settings, urls=[site.at(way) for way in ways], **options)

    return drive


@pytest.fixture
def jobs(tmp_path):
    """``jobs()`` → what became of each job."""
    return lambda: [(record.outcome, record.reason) for record in read_ledger(tmp_path / "jobs.sqlite")]


def answers(site):
    return site.accepted + site.rejected.total()


async def send(page):
    """Send what a page sends when a visitor clicks its button."""
    frame = page.frames[1] if page.url.endswith("/frame") else page
    button = frame.locator("#go, #search button")
    await (button.click() if await button.count() else page.evaluate("press()"))


def test_the_site_gets_the_token_in_whatever_way_its_page_sends_it(drive, site, jobs):
    one_at_a_time, reached = asyncio.Lock(), []

    async def search(page, spider):
        way = site.way(page.url)
        async with one_at_a_time:
            number = answers(site)
            purchase = await solve_page(page, crawler=spider.crawler)
            if way not in SENT_BY_CALLBACK:
                await send(page)
            await comes(lambda: answers(site) > number)
            reached.append(way)
            purchase.accepted()

    assert drive(*WAYS, search).bugs == []
    assert sorted(reached) == sorted(WAYS)
    assert (site.accepted, site.rejected.total()) == (len(WAYS), 0)
    assert jobs() == [("accepted", "")] * len(WAYS)


@pytest.mark.parametrize("way", ["other address", "callback"])
def test_the_button_is_pressed_where_that_is_wanted_unless_the_callback_sends_the_token(drive, site, jobs, way):
    async def search(page, spider):
        await solve_page(page, crawler=spider.crawler, press=True)
        await page.wait_for_selector(".result")

    crawled = drive(way, search)
    assert (crawled.bugs, site.accepted) == ([], 1)
    assert [visit.path for visit in site.requests if visit.submits] == ["/find"]
    # Nobody has said anything of it.
    assert jobs() == [("unknown", "by_hand")]


def test_a_widget_that_a_click_shows_is_waited_for(drive, jobs):
    async def search(page, spider):
        await page.click("#show")
        purchase = await solve_page(page, crawler=spider.crawler)
        async with page.expect_navigation():
            await page.click("#go")
        assert await page.title() == "Register of boats: Albatross"
        purchase.accepted()

    assert drive("late", search).bugs == []
    assert jobs() == [("accepted", "")]


def test_a_spider_sends_a_token_by_a_script_of_its_own(drive, jobs):
    ask = """async (q) => {
      const body = JSON.stringify({q, token: grecaptcha.getResponse()});
      const headers = {"Content-Type": "application/json"};
      const answer = await fetch("/api/search", {method: "POST", body, headers});
      return [answer.status, await answer.json()];
    }"""

    async def search(page, spider):
        purchase = await solve_page(page, crawler=spider.crawler)
        status, found = await page.evaluate(ask, "Albatross")
        assert (status, found["query"]) == (200, "Albatross")
        purchase.accepted()

    assert drive("other address", search).bugs == []
    assert jobs() == [("accepted", "")]


def test_a_page_that_is_refused_is_given_another_token(drive, site, jobs):
    site._forms._refuse_every = 2

    async def search(page, spider):
        for _ in range(3):
            async with await solve_page(page, crawler=spider.crawler) as purchase:
                await page.click("#search button")
                await page.wait_for_selector(".result, .error")
                if await page.locator(".error").count():
                    purchase.rejected()
                else:
                    purchase.accepted()
                    purchase.rejected()  # It is recorded once.
                    await page.goto(site.at("same address"))

    crawled = drive("same address", search)
    assert crawled.bugs == []
    assert jobs() == [("accepted", ""), ("rejected", ""), ("accepted", "")]


@pytest.mark.parametrize("way", ["other address", "wall"])
def test_what_the_page_sends_has_the_user_agent_that_the_page_was_asked_for_with(drive, site, way):
    async def search(page, spider):
        if way == "wall":
            await page.goto(site.at("other address"))
        await solve_page(page, crawler=spider.crawler)
        await page.click("#go")
        await page.wait_for_selector(".result")
        await page.goto(f"{site.url}/free/1")

    drive(way, search, {"USER_AGENT": "boats/1.0", "DEFAULT_REQUEST_HEADERS": {"X-Of-Scrapy": "yes"}})
    first, *_, sent, last = [visit for visit in site.requests if visit.path != "/favicon.ico"]
    assert {visit.headers["User-Agent"] for visit in (first, sent, last)} == {"boats/1.0"}
    assert ["X-Of-Scrapy" in visit.headers for visit in (first, sent, last)] == [True, False, False]


# What goes wrong


REFUSED = {
    "none": (ValueError, "has no reCAPTCHA v2 widget; if it is shown after a click"),
    "v3": (ValueError, "has no reCAPTCHA v2 widget; what it has is of another version"),
    "two": (ValueError, r"has 2 widgets.*/find, visible\); .*/newsletter, visible\)"),
    "enterprise": (NotBought, "Enterprise"),
    "elsewhere": (NotBought, "posts to another site"),
    "blocked": (NotBought, "Google's script blocked"),
}


def test_what_cannot_be_solved_is_refused_before_anything_is_paid(drive, site, service):
    async def refused(page, spider):
        way = site.way(page.url)
        error, said = REFUSED[way]
        with pytest.raises(error, match=said):
            await solve_page(page, crawler=spider.crawler)
        if way == "two":
            for widget, wrong in (("#nowhere", "leads to none of the widgets.*/newsletter"), ("a[", "no CSS selector")):
                with pytest.raises(ValueError, match=wrong):
                    await solve_page(page, crawler=spider.crawler, widget=widget)

    assert drive(*REFUSED, refused).bugs == []
    assert service.jobs == ()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"OMOCAPTCHA_ALLOWED_DOMAINS": ["example.com"]}, "host_not_allowed"),
        ({"OMOCAPTCHA_DRY_RUN": True}, "dry_run"),
        ({"OMOCAPTCHA_MAX_COST": 0.0001}, "max_cost"),
    ],
)
def test_the_limits_of_the_crawl_hold(drive, service, settings, reason):
    async def refused(page, spider):
        with pytest.raises(NotBought) as raised:
            await solve_page(page, crawler=spider.crawler)
        assert raised.value.reason == reason

    assert drive("other address", refused, settings).bugs == []
    assert service.jobs == ()


def test_a_page_that_is_none_or_closed_is_refused(drive, service):
    async def refused(page, spider):
        with pytest.raises(TypeError, match="playwright_include_page"):
            await solve_page(None, crawler=spider.crawler)
        await page.close()
        with pytest.raises(ValueError, match="is closed"):
            await solve_page(page, crawler=spider.crawler)

    assert drive("other address", refused).bugs == []
    assert service.jobs == ()


@pytest.mark.parametrize("leave", ["page.close()", "page.goto(at)", "page.evaluate('form.remove()')"])
def test_a_page_that_is_gone_when_its_token_comes_is_named(drive, site, service, jobs, leave):
    async def leaves(page, spider):
        solving = asyncio.ensure_future(solve_page(page, crawler=spider.crawler))
        await comes(lambda: service.jobs)
        await eval(leave, {"page": page, "at": site.at("other address")})
        with pytest.raises(HandoverBroke, match=f"the page {site.at('other address')} was closed"):
            await solving

    assert drive("other address", leaves, {"OMOCAPTCHA_POLL_INTERVAL": 0.2}).bugs == []
    assert jobs() == [("unknown", "closed")]


def test_what_a_callback_throws_is_told_without_the_token(drive, jobs):
    async def fails(page, spider):
        with pytest.raises(HandoverBroke, match=r"failed: no place for \*\*\*") as raised:
            await solve_page(page, crawler=spider.crawler)
        spider.failures.append(raised.value)

    assert drive("throws", fails).bugs == []
    assert jobs() == [("unknown", "broke")]


def test_a_block_that_raises_leaves_it_open_what_became_of_the_token_and_shows_no_token(drive, jobs):
    async def breaks(page, spider):
        try:
            async with await solve_page(page, crawler=spider.crawler, press=True):
                await page.wait_for_url("**/find/get?*")
                await page.wait_for_url("**/nowhere", timeout=300)
        except Error as error:
            failed.append(error)
            raise

    failed = []
    crawled = drive("get", breaks, page_fails=True)
    (logged,) = crawled.bugs
    assert "Timeout 300ms exceeded" in logged
    (error,) = failed
    assert not [told for told in (str(error), error.message, error.stack or "") if "03AFcWeA" in told]
    assert jobs() == [("unknown", "by_hand")]


def test_an_answer_that_is_an_error_is_told(drive, site, jobs):
    site._forms._refuse_every, site._forms._refusal = 1, 422

    async def search(page, spider):
        async with await solve_page(page, crawler=spider.crawler, press=True) as purchase:
            await page.wait_for_selector(".error")
            purchase.rejected()

    crawled = drive("other address", search)
    said = f"The token for {site.at('other address')} was answered with 422 by {site.url}/find"
    assert said in crawled.said(logging.INFO)
    assert jobs() == [("rejected", "")]


def test_a_crawl_that_closes_ends_the_wait_for_a_token(drive, service):
    service.next_job("never")

    async def waits(page, spider):
        solving = asyncio.ensure_future(solve_page(page, crawler=spider.crawler))
        await comes(lambda: service.jobs)
        closing = asyncio.ensure_future(spider.crawler.engine.close_spider_async(reason="test"))
        with pytest.raises(CrawlClosing):
            await asyncio.wait_for(solving, 1)
        spider.closing = closing

    assert drive("other address", waits).stats["finish_reason"] == "test"


# Which widget


def test_the_widget_that_is_meant_gets_the_token(drive, site, jobs):
    async def search(page, spider):
        fields = page.locator("textarea[name=g-recaptcha-response]")
        for arguments in ({"widget": "form[action='/newsletter']"}, {}):
            if not arguments:
                # The other one is the only one that a visitor sees.
                await page.evaluate("document.forms[1].style.display = 'none'")
            purchase = await solve_page(page, crawler=spider.crawler, **arguments)
            purchase.accepted()
            filled = [bool(await fields.nth(number).input_value()) for number in range(2)]
            assert filled == ([False, True] if arguments else [True, True])

    assert drive("two", search).bugs == []
    assert jobs() == [("accepted", "")] * 2


def test_of_two_forms_that_differ_in_nothing_but_their_place_the_one_that_is_meant_gets_the_token(drive, site, jobs):
    async def search(page, spider):
        async with await solve_page(page, crawler=spider.crawler, widget="#other") as purchase:
            await page.click("#other button")
            await page.wait_for_selector(".result")
            purchase.accepted()

    assert drive("twins", search).bugs == []
    assert [dict(visit.form)["action"] for visit in site.requests if visit.submits] == ["other"]
    assert jobs() == [("accepted", "")]


@needs_pages
def test_the_widgets_of_saved_pages_that_only_a_script_can_submit_are_given_a_token(browse, service):
    given, sent = [], []

    async def solves(page, spider):
        await solve_page(page, crawler=spider.crawler)
        if SENDS in page.url:
            # Chromium may never close a page that is on its way elsewhere.
            await page.wait_for_selector("text=Thank you")
        else:
            given.append(await page.evaluate("grecaptcha.getResponse()") != "")

    def answer(request, form):
        if form:
            sent.append(form["g-recaptcha-response"])
            return web.Response(text="Thank you", content_type="text/html")
        file = FOLDER / request.path[1:]
        saved = file.read_bytes() if file.is_file() else b""
        # Their own sites are others than this one.
        return web.Response(body=re.sub(rb'action="https?://[^/"]+', b'action="', saved), content_type="text/html")

    with Site(answer) as site:
        crawled = browse(driving(solves), urls=[f"{site.origin}/{name}.html" for name in (*SAVED, SENDS)])
    assert crawled.bugs == []
    assert given == [True] * len(SAVED)
    assert len(service.jobs) == len(SAVED) + len(sent) == len(SAVED) + 1
