"""Crawls whose spider sends forms with a token by ``form_request``, in pages of a browser.

Nearly all searches are made by one crawl, each at a site of its own: a browser takes longer to start than to search.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import scrapy
from scrapy.http import HtmlResponse
from scrapy_playwright.page import PageMethod

from scrapy_omocaptcha import form_request
from tests.browser.crawling import Case, CasesSpider, names
from tests.browser.live_pages import FORMS, LiveSite, comes
from tests.helpers.nightly import nightly
from tests.helpers.sites import KEY

NAMES = [f"boat {number}" for number in range(3)]
OPEN = {"playwright_include_page": True}
ONCE = {"dont_retry": True}
ACCEPTED = ("accepted", "")
REJECTED = ("rejected", "")


@dataclass
class Search(Case):
    """Searches for ``names`` with the form of a page."""

    path: str
    form: dict[str, Any] = field(default_factory=dict)
    """Arguments of each ``form_request``, whose meta is that of the case."""
    names: Sequence[str] = ("Albatross",)
    shown_with: dict[str, Any] = field(default_factory=dict)
    """Meta of the request for the page with the form."""
    prepare: Callable[[LiveSite], None] = lambda site: None
    """Is called before the form is sent."""

    def requests(self, response):
        for name in self.names:
            meta = {"playwright": True, **self.meta}
            yield form_request(response, **{"data": {"q": name}, **self.form, "meta": meta})

    @property
    def headings(self):
        return [page.css("h1::text").get() for page in self.pages]

    @property
    def results(self):
        return sorted(page.css(".result::text").get() for page in self.pages)

    @property
    def sent(self):
        """Return what the site was sent with each form."""
        return [visit for visit in self.site.requests if visit.submits]


class WithoutForm(Search):
    """Wants a token for a request that no form makes."""

    def requests(self, response):
        wish = {"sitekey": self.site.sitekey, "page": response.url, "put": "json:/token"}
        meta = {"playwright": True, "omocaptcha": wish}
        yield scrapy.Request(f"{self.site.url}/api/search", method="POST", body="{}", meta=meta)


class BehindWall(Search):
    """Sends the form of a page that is behind a wall, as where the clearance has ended since."""

    def requests(self, response):
        return super().requests(response.replace(url=f"{self.site.url}/page/1"))


class Searches(CasesSpider):
    """Makes searches."""

    def first(self, case):
        # A page that no script changes is shown without a browser as well.
        meta = {"playwright": case.path not in (KINDS, OTHER), **case.shown_with}
        return scrapy.Request(case.site.url + case.path, meta=meta)

    def ask(self, case, request):
        return super().ask(case, request).replace(callback=self.search)

    def search(self, response, asked):
        asked.prepare(asked.site)
        for request in asked.requests(response):
            yield super().ask(asked, request)

    async def page(self, response, asked=None):
        await super().page(response, asked)
        if asked.form.get("fresh") and asked.live:
            page = response.meta["playwright_page"]
            wrappers = self.crawler.engine.downloader.handlers._handlers["http"].context_wrappers
            await comes(lambda: page.context not in [wrapper.context for wrapper in wrappers.values()])


@pytest.fixture(scope="session")
def crawled(together):
    """Return the crawl that has made all of ``SEARCHES``."""
    return together(Searches, SEARCHES.values(), OMOCAPTCHA_MAX_ATTEMPTS=2)


@pytest.fixture
def found(crawled):
    return SEARCHES


BUILT = "/find/built"
KINDS = "/ways/kinds"
OTHER = "/ways/other-address"
METHODS = [PageMethod("wait_for_selector", ".result"), PageMethod("title")]
DATA = {
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
    "file": __file__,
}
WAYS = {
    "/find/get": ACCEPTED,
    "/ways/multipart": ACCEPTED,
    "/ways/get": ACCEPTED,
    "/ways/location": ACCEPTED,
    "/ways/in-place": ACCEPTED,
    "/ways/new-window": ACCEPTED,
    "/ways/submit-handler": ACCEPTED,
    "/ways/callback": ACCEPTED,
    "/ways/idle-callback": ACCEPTED,
    "/ways/invisible-button": ACCEPTED,
    # The page still shows its form, and nothing of what its script was told.
    "/ways/fetch": ("unknown", "widget_again"),
}
"""Ways of sending a form, and what becomes of the job."""
WAYS_BY_DAY = ("/ways/multipart", "/find/get", "/ways/callback", "/ways/fetch")
UNFIT = {
    "one": ("z", "'one' does not take the value"),
    "many": (["a", "z"], "'many' does not take the value"),
    "length": ("long", "'length' does not take the value"),
    "day": ("28.11.2026", "'day' does not take the value"),
    "options": ("b", "'options' does not take the value"),
    "closed": ("x", "'closed' does not take the value"),
    "file": ("/no/such/file", "a file cannot be chosen: No such file or directory"),
}
"""Values that a field does not take in the page, and what is said of the field."""
UNFIT_BY_DAY = ("many", "file")


async def show(page):
    if await page.locator("#show").count():
        await page.click("#show")


def fails(site):
    site.fault("/find", "server_error")


SEARCHES = {
    # Those that wait longest come first.
    "refused": Search("/ways/refused", {"rejected": ".error"}, nightly=True),
    "encoded": Search("/ways/encoded", {"rejected": ".error"}),
    # Longer than a page may take to send its token.
    "slow": Search(OTHER, prepare=lambda site: site.fault("/find", "slow", seconds=11)),
    "unanswered": Search(
        OTHER, meta={**ONCE, "download_timeout": 5}, prepare=lambda site: site.fault("/find", "hang"), nightly=True
    ),
    "not_rendered": Search("/ways/blocked", nightly=True),
    **{
        way: Search(way, {"data": {}} if way == "/ways/submit-handler" else {}, nightly=way not in WAYS_BY_DAY)
        for way in WAYS
    },
    **{
        name: Search(KINDS, {"data": {name: value}}, nightly=name not in UNFIT_BY_DAY)
        for name, (value, _) in UNFIT.items()
    },
    "built": Search(BUILT, {"rejected": ".error"}, NAMES, make=partial(LiveSite, refuse_every=3)),
    "kinds": Search(KINDS, {"data": DATA, "click": "[name=other]", "rejected": ".error"}),
    "page methods": Search(BUILT, meta={**OPEN, "playwright_page_methods": METHODS}),
    "late": Search(
        "/ways/late",
        meta={"playwright_page_methods": [PageMethod(show)]},
        shown_with={"playwright_page_methods": [PageMethod(show)]},
    ),
    "foreign_form": Search("/ways/elsewhere"),
    "browser": WithoutForm("/ways/fetch"),
    "twins": Search("/ways/twins", {"data": {"q": "Bluebird"}, "form": "#other"}),
    "no button": Search(KINDS, {"click": False}),
    "lost": Search(OTHER, {"rejected": ".error"}, meta=OPEN, prepare=fails),
    "only once": Search(OTHER, meta=ONCE, prepare=fails),
    "file answer": Search("/ways/file"),
    "no answer": Search("/ways/nothing", nightly=True),
    "overloaded": Search(OTHER, prepare=lambda site: site.fault(OTHER, "server_error"), nightly=True),
    "all rejected": Search(
        BUILT, {"rejected": ".error", "fresh": True}, NAMES[:1], meta=OPEN, make=partial(LiveSite, refuse_every=1)
    ),
    "fresh": Search(BUILT, {"fresh": True}, meta=OPEN),
    "behind a wall": BehindWall(OTHER),
}


def test_a_register_whose_form_a_script_builds_is_searched_with_rejections(found):
    built = found["built"]
    assert built.failures == []
    assert built.results == [f"{name} 1" for name in NAMES]
    assert {page.request.meta["playwright"] for page in built.pages} == {True}
    assert sorted(built.jobs) == [ACCEPTED] * len(NAMES) + [REJECTED]


def test_each_kind_of_field_is_filled_in_as_a_visitor_does(found):
    kinds = found["kinds"]
    (sent,) = kinds.sent
    assert (kinds.failures, len(kinds.pages)) == ([], 1)
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
        ("file", "test_browser_forms.py"),
        ("other", "1"),
    ]


@pytest.mark.parametrize("data", [{"nowhere": "x"}, {"q": ["x", "y"]}, {"box": "z"}, {"dial": "z"}], ids=str)
def test_what_no_field_can_take_is_an_error_before_anything_is_asked(data):
    page = HtmlResponse("http://127.0.0.1/ways/kinds", body=FORMS["kinds"].replace("$key", KEY), encoding="utf-8")
    (name,) = data
    with pytest.raises(ValueError, match=f"no field for the value of {name!r}; it has q, old"):
        form_request(page, data, meta={"playwright": True})


@pytest.mark.parametrize("name", names({name: SEARCHES[name] for name in UNFIT}))
def test_what_only_the_page_can_refuse_is_told_before_anything_is_paid(found, name):
    unfit = found[name]
    assert (unfit.reasons, unfit.bought, unfit.sent) == (["form_changed"], 0, [])
    assert UNFIT[name][1] in str(unfit.failures[0])


@pytest.mark.parametrize("way", names({way: SEARCHES[way] for way in WAYS}))
def test_what_the_page_shows_is_the_answer_in_whatever_way_it_sends_the_form(found, way):
    one = found[way]
    (heading,) = one.headings
    assert (one.jobs, one.site.accepted, len(one.sent or "1")) == ([WAYS[way]], 1, 1)
    assert (heading == "Found") is (WAYS[way] == ACCEPTED and way != "/ways/submit-handler")


def test_page_methods_run_in_the_answer_and_its_page_is_open(found):
    one = found["page methods"]
    assert METHODS[1].result == "Register of boats: Albatross"
    assert one.live == [(f"{one.site.url}/find/built", METHODS[1].result)]


def test_page_methods_may_make_the_page_show_its_form(found):
    assert (found["late"].headings, found["late"].jobs) == (["Found"], [ACCEPTED])


def test_fresh_forms_are_sent_in_contexts_that_are_closed_and_no_more_than_there_may_be(together):
    once = Search("/find/once", {"fresh": True, "rejected": ".error"}, NAMES)
    crawled = together(Searches, [once], PLAYWRIGHT_MAX_CONTEXTS=2, PLAYWRIGHT_MAX_PAGES_PER_CONTEXT=1)
    assert once.results == [f"{name} 1" for name in once.names]
    assert len({visit.cookies["session"] for visit in once.sent}) == len(once.names)
    assert crawled.stats["playwright/context_count"] > len(once.names)
    assert crawled.spider.contexts == ["default"]
    assert once.jobs == [ACCEPTED] * len(once.names)


def test_only_until_a_token_was_accepted_a_page_is_loaded_to_see_whether_its_form_can_be_filled_in(together):
    searched = Search(BUILT, {"rejected": ".error"}, NAMES)
    crawled = together(Searches, [searched], OMOCAPTCHA_BREAKER_FAILURES=1)
    assert searched.jobs == [ACCEPTED] * 3
    # For the spider, to look at it, and for each token.
    assert crawled.stats["playwright/page_count"] == 1 + 1 + 3


# What goes wrong


@pytest.mark.parametrize("reason", ["foreign_form", "browser", nightly("not_rendered")])
def test_a_form_that_cannot_be_sent_is_refused_before_anything_is_paid(found, reason):
    assert (found[reason].reasons, found[reason].bought, found[reason].sent) == ([reason], 0, [])


def test_of_two_forms_that_differ_in_nothing_but_their_place_the_one_that_is_named_is_sent(found):
    """Each has a field whose name is that of a property of forms."""
    (sent,) = found["twins"].sent
    assert dict(sent.form).keys() >= {"q", "g-recaptcha-response"}
    assert dict(sent.form)["action"] == "other"
    assert dict(sent.form)["q"] == "Bluebird"
    assert (found["twins"].headings, found["twins"].jobs) == (["Found"], [ACCEPTED])


def test_a_form_without_a_button_is_sent_as_if_enter_was_pressed(found):
    assert [dict(sent.form).get("other") for sent in found["no button"].sent] == [None]
    assert len(found["no button"].pages) == 1


@pytest.mark.parametrize(("name", "sent"), [("slow", 1), nightly("overloaded", 1), ("lost", 2)])
def test_a_slow_answer_is_waited_for_and_an_overloaded_site_asked_again_for_its_form_and_the_answer(found, name, sent):
    one = found[name]
    assert (one.headings, len(one.sent), one.jobs) == (["Found"], sent, [ACCEPTED])


@pytest.mark.parametrize(("name", "reason"), [("only once", "http_error"), nightly("unanswered", "broke")])
def test_a_form_that_scrapy_may_not_retry_is_not_sent_again(found, name, reason):
    one = found[name]
    assert (len(one.sent), len(one.failures), one.jobs) == (1, 1, [("unknown", reason)])


@pytest.mark.parametrize(
    ("name", "headings", "outcome"),
    [
        # What the page's script has refused was not sent.
        nightly("refused", [], [("unknown", "not_seen")] * 2),
        ("encoded", ["Found"], [("unknown", "not_seen")]),
    ],
)
def test_what_a_page_shows_that_sends_no_token_as_it_is_is_the_answer(found, name, headings, outcome):
    one = found[name]
    assert (one.headings, one.reasons) == (headings, [] if headings else ["attempts"])
    assert (one.jobs, one.sent) == (outcome, [])


@pytest.mark.parametrize(("name", "status"), [("file answer", 200), nightly("no answer", 204)])
def test_an_answer_that_is_no_page_is_empty(found, name, status):
    (answer,) = found[name].pages
    assert (answer.status, answer.body, len(found[name].sent)) == (status, b"", 1)
    assert found[name].jobs == [("unknown", "no_page")]


def test_pages_of_rejected_tokens_are_closed(found, crawled):
    assert found["all rejected"].reasons == ["attempts"]
    assert found["all rejected"].jobs == [REJECTED] * 2
    assert crawled.spider.contexts == ["default"]


def test_the_context_of_a_page_that_is_open_in_the_callback_is_closed_after_it(found):
    # The callback has waited for that.
    assert (found["fresh"].failures, len(found["fresh"].live)) == ([], 1)
    assert found["fresh"].jobs == [ACCEPTED]


def test_a_form_behind_a_wall_is_told(found):
    (error,) = found["behind a wall"].failures
    assert error.reason == "form_changed"
    assert "/page/1 is behind a wall" in str(error)
    assert found["behind a wall"].bought == 0
