"""Crawls whose spider drives its pages itself: it asks for a token, and the site gets it.

Most pages are driven in one crawl, each at a site of its own: a browser takes longer to start than to show a page.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import scrapy
from aiohttp import web
from playwright.async_api import Error

from scrapy_omocaptcha import solve_page
from scrapy_omocaptcha.errors import CrawlClosing, HandoverBroke, NotBought
from tests.browser.crawling import Case, CasesSpider, WithPage, names
from tests.browser.live_pages import WAYS, LiveSite, comes
from tests.helpers.nightly import nightly
from tests.helpers.pages import FOLDER, needs_pages
from tests.helpers.sites import Site

SAVED = ("047-demo-kathykao-fallback", "075-webcode-explicit", "081-mailjet-key-in-js")
SENDS = "082-abenteuer-astronomie-invisible"
"""A saved page whose callback sends its form."""
BY_DAY = ("fetch", "frame", "callback", "late")
"""Ways that stand for the others, which are nightly."""
SENT_BY_CALLBACK = ("callback", "invisible button")
SENT_IN_PLACE = ("fetch", "xhr")
"""Ways to send a token after which the page stays what it is."""


@dataclass
class Drive(Case):
    """Pages that ``await function(page, crawler, site)`` drives."""

    function: Callable[..., Any]
    ways: Sequence[str]
    done: int = 0

    @property
    def problems(self):
        return [*self.bugs, *self.failures, *["not driven"] * (len(self.ways) - self.done)]


class Drives(CasesSpider):
    """Drives the pages of its cases."""

    def requests(self):
        for case in self.cases:
            for way in case.ways:
                yield self.ask(case, scrapy.Request(case.site.at(way), meta=WithPage.meta))

    async def page(self, response, asked=None):
        page = response.meta["playwright_page"]
        try:
            await asked.function(page, self.crawler, asked.site)
            asked.done += 1
        except pytest.fail.Exception as error:
            # Scrapy would wait for ever for a callback that ends with what is no Exception.
            raise AssertionError(str(error)) from error
        finally:
            await page.close()


DRIVES = []
"""What is driven in one crawl."""


def drives(*ways, make=LiveSite, nightly=False):
    """Have a function drive pages in the crawl of all ``DRIVES``."""

    def decorate(function):
        DRIVES.append(Drive(function, ways, make=make, nightly=nightly))
        return DRIVES[-1]

    return decorate


@pytest.fixture(scope="session")
def driven(together):
    """Drive all pages of ``DRIVES``, those first that wait for what never comes."""
    drives = sorted(DRIVES, key=lambda drive: drive.function is not see_refused.function)
    settings = {"USER_AGENT": "boats/1.0", "DEFAULT_REQUEST_HEADERS": {"X-Of-Scrapy": "yes"}}
    return together(Drives, drives, page_fails=True, **settings)


async def send(frame):
    """Send what a page, or its frame, sends when a visitor clicks its button."""
    await frame.locator("#go, #search button").click()


async def search(page, crawler, site):
    way = site.way(page.url)
    frame = page.frames[1] if way == "frame" else page.main_frame
    if way == "late":
        await page.click("#show")
    await frame.evaluate("document.asks = true")
    purchase = await solve_page(page, crawler=crawler)
    if way not in SENT_BY_CALLBACK:
        await send(frame)
    await comes(lambda: site.accepted)
    purchase.accepted()
    if way not in SENT_IN_PLACE:
        # Chromium may never close a page that is on its way elsewhere.
        await frame.wait_for_function("!document.asks")


SEARCHES = {way: drives(way, nightly=way not in BY_DAY)(search) for way in (*WAYS, "late")}


@pytest.mark.parametrize("way", names(SEARCHES))
def test_the_site_gets_the_token_in_whatever_way_its_page_sends_it(driven, way):
    one = SEARCHES[way]
    assert (one.problems, one.jobs) == ([], [("accepted", "")])
    assert one.site.accepted == 1
    assert one.site.rejected.total() == 0


def test_the_token_for_a_frame_is_bought_for_the_address_of_the_frame(driven):
    site = SEARCHES["frame"].site
    assert [job.page for job in site.service.jobs if job.page.startswith(site.url)] == [f"{site.url}/find"]


async def press(page, crawler, site):
    await solve_page(page, crawler=crawler, press=True)
    await page.wait_for_selector(".result")


PRESSED = {way: drives(way, nightly=way != "callback")(press) for way in ("other address", "callback", "idle callback")}


@pytest.mark.parametrize("way", names(PRESSED))
def test_the_button_is_pressed_where_that_is_wanted_unless_the_callback_sends_the_token(driven, way):
    one = PRESSED[way]
    assert (one.problems, one.site.accepted) == ([], 1)
    assert [visit.path for visit in one.site.requests if visit.submits] == ["/find"]
    # Nobody has said anything of it.
    assert one.jobs == [("unknown", "by_hand")]


@drives("idle callback")
async def press_again(page, crawler, site):
    # Playwright calls what a script results in.
    sends = "fetch('/api/search', {method: 'POST', body: token})"
    await page.evaluate(f"void (passed = (token) => document.idle || {sends})")
    (await solve_page(page, crawler=crawler, press=True)).accepted()
    await page.evaluate("document.idle = true")
    await press(page, crawler, site)


def test_the_button_is_pressed_for_a_second_token_though_the_callback_has_sent_the_first(driven):
    assert press_again.problems == []
    sent = [visit.path for visit in press_again.site.requests if visit.method == "POST"]
    assert sent == ["/api/search", "/find"]


@drives("same address", make=partial(LiveSite, refuse_every=2))
async def search_three_times(page, crawler, site):
    for _ in range(3):
        async with await solve_page(page, crawler=crawler) as purchase:
            await page.click("#search button")
            await page.wait_for_selector(".result, .error")
            if await page.locator(".error").count():
                purchase.rejected()
            else:
                purchase.accepted()
                purchase.rejected()  # It is recorded once.
                await page.goto(site.at("same address"))


def test_a_page_that_is_refused_is_given_another_token(driven):
    assert search_three_times.problems == []
    assert search_three_times.jobs == [("accepted", ""), ("rejected", ""), ("accepted", "")]


async def search_and_go_on(page, crawler, site):
    if page.url == site.at("wall"):
        await page.goto(site.at("other address"))
    await solve_page(page, crawler=crawler)
    await page.click("#go")
    await page.wait_for_selector(".result")
    await page.goto(f"{site.url}/free/1")


GOING_ON = {way: drives(way, nightly=way != "wall")(search_and_go_on) for way in ("other address", "wall")}


@pytest.mark.parametrize("way", names(GOING_ON))
def test_what_the_page_sends_has_the_user_agent_that_the_page_was_asked_for_with(driven, way):
    one = GOING_ON[way]
    first, *_, sent, last = [visit for visit in one.site.requests if visit.path != "/favicon.ico"]
    assert {visit.headers["User-Agent"] for visit in (first, sent, last)} == {"boats/1.0"}
    assert ["X-Of-Scrapy" in visit.headers for visit in (first, sent, last)] == [True, False, False]
    assert one.problems == []


# What goes wrong


REFUSED = {
    "none": (ValueError, "has no reCAPTCHA v2 widget; if it is shown after a click"),
    "v3": (ValueError, "has no reCAPTCHA v2 widget; what it has is of another version"),
    "two": (ValueError, r"has 2 widgets.*/find, visible\); .*/newsletter, visible\)"),
    "enterprise": (NotBought, "Enterprise"),
    "elsewhere": (NotBought, "would go to another site"),
    "blocked": (NotBought, "Google's script blocked"),
}


@drives("none", "two", "elsewhere")
async def see_refused(page, crawler, site):
    way = site.way(page.url)
    error, said = REFUSED[way]
    with pytest.raises(error, match=said):
        await solve_page(page, crawler=crawler)
    if way == "two":
        for widget, wrong in (("#nowhere", "leads to none of the widgets.*/newsletter"), ("a[", "no CSS selector")):
            with pytest.raises(ValueError, match=wrong):
                await solve_page(page, crawler=crawler, widget=widget)


see_more_refused = drives("v3", "enterprise", "blocked", nightly=True)(see_refused.function)


@drives("other address")
async def have_none_and_closed_refused(page, crawler, site):
    with pytest.raises(TypeError, match="playwright_include_page"):
        await solve_page(None, crawler=crawler)
    await page.close()
    with pytest.raises(ValueError, match="is closed"):
        await solve_page(page, crawler=crawler)


@drives("none", make=lambda service, hosts: LiveSite(service, hosts=(*hosts, "127.0.0.222")))
async def have_frame_of_another_site_refused(page, crawler, site):
    show = "(address) => new Promise((done) => { const it = document.createElement('iframe'); it.onload = done;"
    await page.evaluate(
        f"{show} it.src = address; document.body.append(it); }})", site.at("same address").replace(*site.hosts)
    )
    with pytest.raises(ValueError, match="has no reCAPTCHA v2 widget; if it is shown after a click"):
        await solve_page(page, crawler=crawler)


@pytest.mark.parametrize(
    "drive",
    [
        pytest.param(see_refused, id="unsolvable"),
        nightly(see_more_refused, id="more unsolvable"),
        pytest.param(have_none_and_closed_refused, id="none and closed"),
        pytest.param(have_frame_of_another_site_refused, id="of another site"),
    ],
)
def test_what_cannot_be_solved_is_refused_before_anything_is_paid(driven, drive):
    assert (drive.problems, drive.bought) == ([], 0)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"OMOCAPTCHA_MAX_COST": 0.0001}, "max_cost"), nightly({"OMOCAPTCHA_DRY_RUN": True}, "dry_run")],
)
def test_the_limits_of_the_crawl_hold(together, settings, reason):
    async def refused(page, crawler, site):
        with pytest.raises(NotBought) as raised:
            await solve_page(page, crawler=crawler)
        reasons[site.hosts[0]] = raised.value.reason

    reasons = {}
    drives = [Drive(refused, ["other address"]), Drive(refused, ["other address"])]
    crawled = together(Drives, drives, OMOCAPTCHA_ALLOWED_DOMAINS=["127.0.0.2"], **settings)
    assert crawled.service.jobs == ()
    assert reasons == {"127.0.0.2": reason, "127.0.0.3": "offsite"}


@pytest.mark.parametrize(
    "ways",
    [
        pytest.param(["page.goto('about:blank')"], id="left"),
        nightly(["page.close()", "page.evaluate('form.remove()')"], id="closed or changed"),
    ],
)
def test_a_page_that_is_gone_when_its_token_comes_is_named(together, ways):
    async def leave(way, page, crawler, site):
        solving = asyncio.ensure_future(solve_page(page, crawler=crawler))
        await comes(lambda: any(job.page.startswith(site.url) for job in site.service.jobs))
        await eval(way, {"page": page})
        with pytest.raises(HandoverBroke, match=f"the page {site.at('other address')} was closed"):
            await solving

    leaving = {way: Drive(partial(leave, way), ["other address"]) for way in ways}
    # The service is asked for the token after some seconds.
    together(Drives, leaving.values(), OMOCAPTCHA_POLL_INTERVAL=0.4)
    assert {way: (one.problems, one.jobs) for way, one in leaving.items()} == dict.fromkeys(
        ways, ([], [("expired", "closed")])
    )


@drives("outside")
async def press_nothing(page, crawler, site):
    with pytest.raises(HandoverBroke, match="has its token, but no button of its own to press"):
        await solve_page(page, crawler=crawler, press=True)


def test_no_button_outside_of_the_form_of_the_widget_is_pressed(driven):
    assert (press_nothing.problems, press_nothing.jobs) == ([], [("unknown", "broke")])
    assert [visit.path for visit in press_nothing.site.requests if visit.path == "/logout"] == []


def never_answering(service, hosts):
    """Return a site with a page that freezes."""
    site = LiveSite(service, hosts=hosts)
    site.fault("/never", "hang")
    return site


@drives("endless", make=never_answering)
async def see_page_freeze(page, crawler, site):
    with pytest.raises(HandoverBroke, match="does not answer since it was given its token, so it was closed"):
        await solve_page(page, crawler=crawler)
    assert page.is_closed()


def test_a_page_that_does_not_answer_any_more_is_closed(driven):
    assert (see_page_freeze.problems, see_page_freeze.jobs) == ([], [("unknown", "broke")])


@drives("get")
async def raise_in_block(page, crawler, site):
    try:
        async with await solve_page(page, crawler=crawler, press=True):
            try:
                # The error names the addresses that the page goes to meanwhile.
                await page.wait_for_url("**/nowhere", timeout=1500)
            except Error as error:
                crawler.spider.raised = error
                raise LookupError("no boats")  # noqa: B904  # As spiders do, so the first error is its context.
    except LookupError:
        # The address of the page holds the token now, and the page is among the variables of the error's frames.
        await page.goto("about:blank")
        raise


def test_a_block_that_raises_leaves_it_open_what_became_of_the_token_and_shows_no_token(driven):
    (logged,) = raise_in_block.bugs
    assert "no boats" in logged
    error = driven.spider.raised
    assert "Timeout 1500ms exceeded" in str(error)
    assert not [told for told in (str(error), error.message, error.stack or "") if "03AFcWeA" in told]
    assert raise_in_block.jobs == [("unknown", "by_hand")]


def test_a_window_of_its_own_takes_no_token_to_another_site_though_another_page_has_got_one_since(together):
    given, failures = [], []

    async def send_elsewhere(page, crawler, site):
        await solve_page(page, crawler=crawler)
        given.append(page)
        await comes(lambda: len(given) == 2)
        if page is given[1]:
            await comes(lambda: failures)
            return
        await page.evaluate("form.target = '_blank'; form.action = 'http://127.0.0.222/find'")
        async with page.context.expect_event("requestfailed") as failed:
            await page.click("#go")
        await comes(lambda: len(page.context.pages) == 3)
        (window,) = set(page.context.pages).difference(given)
        await window.close()
        failures.append((await failed.value).failure)

    drive = Drive(send_elsewhere, ("other address", "multipart"))
    together(Drives, [drive])
    assert (drive.problems, failures) == ([], ["net::ERR_FAILED"])


def test_a_crawl_that_closes_ends_the_wait_for_a_token(together):
    async def waits(page, crawler, site):
        site.service.next_job("never")
        solving = asyncio.ensure_future(solve_page(page, crawler=crawler))
        await comes(lambda: site.service.jobs)
        closing = asyncio.ensure_future(crawler.engine.close_spider_async(reason="test"))
        with pytest.raises(CrawlClosing):
            # The job itself would be waited for three minutes.
            await asyncio.wait_for(solving, 60)
        crawler.spider.closing = closing

    assert together(Drives, [Drive(waits, ["other address"])]).stats["finish_reason"] == "test"


# Which widget


@drives("two")
async def search_with_both(page, crawler, site):
    fields = page.locator("textarea[name=g-recaptcha-response]")
    for arguments in ({"widget": "form[action='/newsletter']"}, {}):
        if not arguments:
            # The other one is the only one that a visitor sees.
            await page.evaluate("document.forms[1].style.display = 'none'")
        purchase = await solve_page(page, crawler=crawler, **arguments)
        purchase.accepted()
        filled = [bool(await fields.nth(number).input_value()) for number in range(2)]
        assert filled == ([False, True] if arguments else [True, True])


def test_the_widget_that_is_meant_gets_the_token(driven):
    assert (search_with_both.problems, search_with_both.jobs) == ([], [("accepted", "")] * 2)


@drives("other address")
async def search_with_late(page, crawler, site):
    late = "document.body.insertAdjacentHTML('beforeend', form.outerHTML.replace('id=\"form\"', 'id=\"late\"'))"
    await page.evaluate(f"() => {{ setTimeout(() => {{ {late}; }}, 700); }}")
    (await solve_page(page, crawler=crawler, widget="#late")).accepted()
    fields = page.locator("textarea[name=g-recaptcha-response]")
    assert [bool(await fields.nth(number).input_value()) for number in range(2)] == [False, True]


def test_the_widget_that_is_meant_is_waited_for_though_there_is_another(driven):
    assert (search_with_late.problems, search_with_late.jobs) == ([], [("accepted", "")])


@drives("twins")
async def search_with_other(page, crawler, site):
    async with await solve_page(page, crawler=crawler, widget="#other") as purchase:
        await page.click("#other button")
        await page.wait_for_selector(".result")
        purchase.accepted()


def test_of_two_forms_that_differ_in_nothing_but_their_place_the_one_that_is_meant_gets_the_token(driven):
    assert search_with_other.problems == []
    assert [dict(visit.form)["action"] for visit in search_with_other.site.requests if visit.submits] == ["other"]
    assert search_with_other.jobs == [("accepted", "")]


class SavedSite(Site):
    """Site of saved pages."""

    def __init__(self, service, hosts):
        super().__init__(self.show, *hosts)
        self.given, self.sent = [], []

    def at(self, name):
        return f"{self.origin}/{name}.html"

    def show(self, request, form):
        if form:
            self.sent.append(form["g-recaptcha-response"])
            return web.Response(text="Thank you", content_type="text/html")
        file = FOLDER / request.path[1:]
        saved = file.read_bytes() if file.is_file() else b""
        # Their own sites are others than this one.
        return web.Response(body=re.sub(rb'action="https?://[^/"]+', b'action="', saved), content_type="text/html")


async def solve_saved(page, crawler, site):
    await solve_page(page, crawler=crawler)
    if SENDS in page.url:
        await page.wait_for_selector("text=Thank you")
    else:
        site.given.append(await page.evaluate("grecaptcha.getResponse()") != "")


SOLVED = {name: drives(name, make=SavedSite, nightly=name != SAVED[-1])(solve_saved) for name in (*SAVED, SENDS)}


@needs_pages
@pytest.mark.parametrize("name", names(SOLVED))
def test_the_widget_of_a_saved_page_that_only_a_script_can_submit_is_given_a_token(driven, name):
    one = SOLVED[name]
    assert (one.problems, one.bought) == ([], 1)
    assert (one.site.given, len(one.site.sent)) == (([], 1) if name == SENDS else ([True], 0))
