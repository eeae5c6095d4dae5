"""Crawls whose spider sends forms with a token by ``form_request``, in pages of a browser."""

from __future__ import annotations

import asyncio

import pytest
import scrapy
from scrapy_playwright.page import PageMethod

from scrapy_omocaptcha import form_request
from scrapy_omocaptcha.browser import handing_in
from scrapy_omocaptcha.buying.database import read_ledger
from tests.browser.crawling import BrowserSpider
from tests.browser.live_pages import LiveSite, comes

NAMES = [f"boat {number}" for number in range(6)]


@pytest.fixture
def site(service):
    with LiveSite(service) as site:
        yield site


@pytest.fixture
def jobs(tmp_path):
    """``jobs()`` → what became of each job."""
    return lambda: [(record.outcome, record.reason) for record in read_ledger(tmp_path / "jobs.sqlite")]


class Searches(BrowserSpider):
    """Searches for ``names`` with the form of each page."""

    names = ("Albatross",)
    form = {}  # noqa: RUF012
    """Arguments of each ``form_request``."""

    def requests(self):
        for url in self.urls:
            yield scrapy.Request(url, self.searches, meta={"playwright": True})

    def searches(self, response):
        for name in self.names:
            meta = {"playwright": True, **self.meta}
            arguments = {"data": {"q": name}, **self.form, "meta": meta}
            yield form_request(response, **arguments, callback=self.page, errback=self.failed)


@pytest.fixture
def search(browse, site, tmp_path):
    def search(*paths, settings=None, **attributes):
        settings = {"OMOCAPTCHA_LEDGER": tmp_path / "jobs.sqlite", **(settings or {})}
        spider = type("Spider", (Searches,), attributes)
        return browse(spider, settings, urls=[site.url + path for path in paths])

    return search


def forms(site):
    """Return what the site was sent with each form."""
    return [visit for visit in site.requests if visit.submits]


def test_a_register_whose_form_a_script_builds_is_searched_with_rejections(search, site, jobs):
    site._forms._refuse_every = 3
    crawled = search("/find/built", names=NAMES, form={"rejected": ".error"})
    assert crawled.failures == []
    assert sorted(page.css(".result::text").get() for page in crawled.pages) == [f"{name} 1" for name in NAMES]
    assert {page.request.meta["playwright"] for page in crawled.pages} == {True}
    assert sorted(jobs()) == [("accepted", "")] * len(NAMES) + [("rejected", "")] * 2


def test_each_kind_of_field_is_filled_in_as_a_visitor_does(search, site, tmp_path):
    (tmp_path / "boat.txt").write_text("Albatross")
    data = {
        "q": "Albatross",
        "gone": None,
        "secret": "2",
        "day": "2026-11-28",
        "text": "two\nlines",
        "one": "b",
        "many": ["b", "c"],
        "box": "y",
        "dial": "r",
        "twice": ["first", "second"],
        "file": str(tmp_path / "boat.txt"),
    }
    click = "[name=other]"
    crawled = search("/ways/kinds", form={"data": data, "click": click, "rejected": ".error"})
    (sent,) = forms(site)
    assert (crawled.failures, len(crawled.pages)) == ([], 1)
    assert [(name, value) for name, value in sent.form if name != "g-recaptcha-response"] == [
        ("q", "Albatross"),
        ("old", "Albatross seen"),
        ("secret", "2"),
        ("day", "2026-11-28"),
        ("text", "two\r\nlines"),
        ("one", "b"),
        ("many", "b"),
        ("many", "c"),
        ("box", "y"),
        ("dial", "r"),
        ("length", ""),
        ("options", "a"),
        ("twice", "first"),
        ("twice", "second"),
        ("file", "boat.txt"),
        ("other", "1"),
    ]


@pytest.mark.parametrize("data", [{"nowhere": "x"}, {"q": ["x", "y"]}, {"box": "z"}, {"dial": "z"}])
def test_what_no_field_can_take_is_an_error_before_anything_is_asked(search, site, service, data):
    told = []

    def searches(self, response):
        with pytest.raises(ValueError, match=f"no field for {next(iter(data))}=.*it has q, old") as raised:
            form_request(response, data, meta={"playwright": True})
        told.append(raised.value)

    search("/ways/kinds", searches=searches)
    assert len(told) == 1
    assert service.calls == ()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"one": "z"}, "'one' cannot be filled in with ['z']"),
        ({"many": ["a", "z"]}, "'many' cannot be filled in with ['a', 'z']"),
        ({"length": "long"}, "'length' cannot be filled in with ['long']"),
        ({"day": "28.11.2026"}, "'day' cannot be filled in with ['28.11.2026']"),
        ({"options": "b"}, "'options' cannot be filled in with ['b']"),
        ({"closed": "x"}, "'closed' cannot be filled in with ['x']"),
        ({"file": "/no/such/file"}, "a file cannot be chosen: [Errno 2] No such file or directory: '/no/such/file'"),
    ],
)
def test_what_only_the_page_can_refuse_is_told_before_anything_is_paid(search, site, service, data, said):
    crawled = search("/ways/kinds", form={"data": data})
    (error,) = crawled.failures
    assert (error.reason, service.jobs, forms(site)) == ("form_changed", (), [])
    assert said in str(error)


@pytest.mark.parametrize(
    ("way", "outcome"),
    [
        ("/find/get", ("accepted", "")),
        ("/ways/multipart", ("accepted", "")),
        ("/ways/get", ("accepted", "")),
        ("/ways/location", ("accepted", "")),
        ("/ways/in-place", ("accepted", "")),
        ("/ways/new-window", ("accepted", "")),
        ("/ways/submit-handler", ("accepted", "")),
        ("/ways/callback", ("accepted", "")),
        ("/ways/invisible-button", ("accepted", "")),
        # The page still shows its form, and nothing of what its script was told.
        ("/ways/fetch", ("unknown", "widget_again")),
    ],
)
def test_what_the_page_shows_is_the_answer_in_whatever_way_it_sends_the_form(search, site, jobs, way, outcome):
    form = {"data": {}} if way == "/ways/submit-handler" else {}
    crawled = search(way, form=form)
    (page,) = crawled.pages
    assert (jobs(), site.accepted, len(forms(site) or "1")) == ([outcome], 1, 1)
    assert (page.css("h1::text").get() == "Found") is (outcome[0] == "accepted" and way != "/ways/submit-handler")


def test_page_methods_run_in_the_answer_and_its_page_is_open(search, site):
    methods = [PageMethod("wait_for_selector", ".result"), PageMethod("title")]
    meta = {"playwright_include_page": True, "playwright_page_methods": methods}
    crawled = search("/find/built", meta=meta)
    assert methods[1].result == "Register of boats: Albatross"
    assert crawled.spider.live == [(f"{site.url}/find/built", methods[1].result)]


def test_page_methods_may_make_the_page_show_its_form(search, site, jobs):
    async def show(page):
        if await page.locator("#show").count():
            await page.click("#show")

    def requests(self):
        yield scrapy.Request(self.urls[0], self.searches, meta={"playwright": True, **self.meta})

    crawled = search("/ways/late", requests=requests, meta={"playwright_page_methods": [PageMethod(show)]})
    assert [page.css("h1::text").get() for page in crawled.pages] == ["Found"]
    assert jobs() == [("accepted", "")]


def test_a_fresh_form_is_sent_in_a_context_that_is_closed_with_its_page(search, site, jobs):
    crawled = search("/find/once", names=NAMES, form={"fresh": True, "rejected": ".error"})
    assert sorted(page.css(".result::text").get() for page in crawled.pages) == [f"{name} 1" for name in NAMES]
    assert len({visit.cookies["session"] for visit in forms(site)}) == len(NAMES)
    assert crawled.stats["playwright/context_count"] > len(NAMES)
    assert crawled.spider.contexts == ["default"]


# What goes wrong


@pytest.mark.parametrize(
    ("way", "reason"),
    [("/ways/blocked", "not_rendered"), ("/ways/elsewhere", "foreign_form")],
)
def test_a_form_that_cannot_be_sent_is_refused_before_anything_is_paid(search, site, service, way, reason):
    crawled = search(way)
    assert [error.reason for error in crawled.failures] == [reason]
    assert (service.jobs, forms(site)) == ((), [])


def test_a_token_for_a_request_that_no_form_makes_is_refused(search, site, service):
    def searches(self, response):
        wish = {"sitekey": site.sitekey, "page": response.url, "put": "json:/token"}
        meta = {"playwright": True, "omocaptcha": wish}
        yield scrapy.Request(f"{site.url}/api/search", self.page, "POST", body="{}", meta=meta, errback=self.failed)

    crawled = search("/ways/fetch", searches=searches)
    assert ([error.reason for error in crawled.failures], service.jobs) == (["browser"], ())


def test_of_several_forms_the_one_that_is_named_is_sent(search, site, jobs):
    crawled = search("/ways/two", form={"data": {"q": "Bluebird"}, "form": "form[action='/newsletter']"})
    (sent,) = forms(site)
    assert (sent.path, dict(sent.form)["q"]) == ("/newsletter", "Bluebird")
    assert len(crawled.pages) + len(crawled.failures) == 1


def test_of_two_forms_that_differ_in_nothing_but_their_place_the_one_that_is_named_is_sent(search, site, jobs):
    """Each has a field whose name is that of a property of forms."""
    crawled = search("/ways/twins", form={"data": {"q": "Bluebird"}, "form": "#other"})
    (sent,) = forms(site)
    assert dict(sent.form).keys() >= {"q", "g-recaptcha-response"}
    assert (dict(sent.form)["action"], dict(sent.form)["q"]) == ("other", "Bluebird")
    assert [page.css("h1::text").get() for page in crawled.pages] == ["Found"]
    assert jobs() == [("accepted", "")]


def test_a_form_without_a_button_is_sent_as_if_enter_was_pressed(search, site):
    crawled = search("/ways/kinds", form={"click": False})
    assert [dict(sent.form).get("other") for sent in forms(site)] == [None]
    assert len(crawled.pages) == 1


def test_an_answer_that_is_lost_has_the_token_sent_once_more(search, site, jobs):
    site.fault("/find", "server_error")
    crawled = search("/ways/other-address", form={"rejected": ".error"})
    assert [page.css("h1::text").get() for page in crawled.pages] == ["Found"]
    assert (len(forms(site)), jobs()) == (2, [("accepted", "")])


def test_a_slow_answer_is_waited_for(search, site, jobs, monkeypatch):
    monkeypatch.setattr(handing_in, "_ANSWER_TIMEOUT", 0.5)
    site.fault("/find", "slow", seconds=2)
    crawled = search("/ways/other-address")
    assert [page.css("h1::text").get() for page in crawled.pages] == ["Found"]
    assert (len(forms(site)), jobs()) == (1, [("accepted", "")])


@pytest.mark.parametrize(
    ("way", "shown", "outcome"),
    [
        # What the page's script has refused was not sent.
        ("/ways/refused", None, [("unknown", "not_seen")] * 2),
        ("/ways/encoded", ["Found"], [("unknown", "not_seen")]),
    ],
)
def test_what_a_page_shows_that_sends_no_token_as_it_is_is_the_answer(
    search, site, jobs, monkeypatch, way, shown, outcome
):
    monkeypatch.setattr(handing_in, "_ANSWER_TIMEOUT", 1)
    crawled = search(way, form={"rejected": ".error"})
    assert [page.css("h1::text").get() for page in crawled.pages] == (shown or [])
    assert [error.reason for error in crawled.failures] == ([] if shown else ["attempts"])
    assert (jobs(), forms(site)) == (outcome, [])


@pytest.mark.parametrize(("way", "status"), [("/ways/file", 200), ("/ways/nothing", 204)])
def test_an_answer_that_is_no_page_is_empty(search, site, jobs, way, status):
    crawled = search(way)
    (answer,) = crawled.pages
    assert (answer.status, answer.body, len(forms(site))) == (status, b"", 1)
    assert jobs() == [("unknown", "no_page")]


def test_a_site_that_is_overloaded_when_its_form_is_looked_for_is_asked_again(search, site, jobs):
    def searches(self, response):
        site.fault("/ways/other-address", "server_error")
        yield from Searches.searches(self, response)

    crawled = search("/ways/other-address", searches=searches)
    assert [page.css("h1::text").get() for page in crawled.pages] == ["Found"]
    assert jobs() == [("accepted", "")]


def test_fresh_forms_take_no_more_contexts_than_there_may_be(search, site, jobs):
    limits = {"PLAYWRIGHT_MAX_CONTEXTS": 2, "PLAYWRIGHT_MAX_PAGES_PER_CONTEXT": 1}
    crawled = search("/find/once", names=NAMES, form={"fresh": True, "rejected": ".error"}, settings=limits)
    assert sorted(page.css(".result::text").get() for page in crawled.pages) == [f"{name} 1" for name in NAMES]
    assert jobs() == [("accepted", "")] * len(NAMES)


def test_pages_of_rejected_tokens_are_closed(search, site, jobs):
    site._forms._refuse_every = 1
    meta, form = {"playwright_include_page": True}, {"rejected": ".error", "fresh": True}
    crawled = search("/find/built", names=NAMES[:2], meta=meta, form=form)
    assert [error.reason for error in crawled.failures] == ["attempts"] * 2
    assert jobs() == [("rejected", "")] * 4
    assert crawled.spider.contexts == ["default"]


def test_the_context_of_a_page_that_is_open_in_the_callback_is_closed_after_it(search, site, jobs):
    async def page(self, response):
        self.contexts = self.crawler.engine.downloader.handlers._handlers["http"].context_wrappers
        await response.meta["playwright_page"].close()
        await comes(lambda: list(self.contexts) == ["default"])

    meta = {"playwright_include_page": True}
    assert search("/find/built", page=page, meta=meta, form={"fresh": True}).failures == []
    assert jobs() == [("accepted", "")]


def test_a_form_behind_a_wall_is_told(search, site, service):
    """As where the clearance has ended since."""

    def searches(self, response):
        shown = response.replace(url=f"{site.url}/page/1")
        yield form_request(shown, {"q": "x"}, meta={"playwright": True}, callback=self.page, errback=self.failed)

    crawled = search("/ways/other-address", searches=searches)
    assert [error.reason for error in crawled.failures] == ["form_changed"]
    assert "/page/1 is behind a wall" in str(crawled.failures[0])
    assert service.jobs == ()


def test_a_crawl_that_closes_ends_the_wait_for_a_token(search, site, service):
    service.next_job("never")

    async def searches(self, response):
        for request in Searches.searches(self, response):
            yield request
        await comes(lambda: service.jobs)
        self.closing = asyncio.ensure_future(self.crawler.engine.close_spider_async(reason="test"))

    crawled = search("/find/built", searches=searches)
    assert (crawled.stats["finish_reason"], crawled.failures, forms(site)) == ("test", [], [])
