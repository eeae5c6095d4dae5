"""Whole crawls: forms that want a token, sent with ``form_request``."""

import logging

import pytest
import scrapy
from aiohttp import web

from scrapy_omocaptcha import form_request, signals
from scrapy_omocaptcha.buying.database import read_ledger
from tests.helpers import sites
from tests.helpers.components import hears
from tests.helpers.crawling import RecordingSpider


def searching(site, **how):
    """Return a spider that searches fifty times, and the items that it makes."""
    items = []

    class Searching(scrapy.Spider):
        name = "search"
        start_urls = (f"{site.url}/find",)

        def parse(self, response):
            for number in range(50):
                yield form_request(response, {"q": f"boat {number}"}, callback=self.parse_result, **how)

        def parse_result(self, response):
            q = response.css("title::text").re_first(": (.*)")
            items.append({"q": q, "found": len(response.css(".result"))})

    Searching.custom_settings = {"OMOCAPTCHA_MAX_ATTEMPTS": 6}
    return Searching, items


def check_complete(items, crawled):
    assert sorted(item["q"] for item in items) == sorted(f"boat {number}" for number in range(50))
    assert {item["found"] for item in items} == {2}
    assert crawled.bugs == []


def test_the_meta_of_an_answer_that_is_handed_on_buys_nothing(crawl, service, walled):
    site = walled("session")

    class HandsOn(RecordingSpider):
        async def start(self):
            yield scrapy.Request(f"{site.url}/find/get", callback=self.form)

        def form(self, response):
            yield form_request(response, {"q": "a"}, callback=self.found)

        def found(self, response):
            yield response.follow("/free/1", meta=response.meta, callback=self.page, errback=self.failed)
            yield response.request.replace(callback=self.page, errback=self.failed, dont_filter=True)

    crawled = crawl(HandsOn, service.settings)
    (error,) = crawled.failures
    assert "is a copy from response.meta and would buy another token" in str(error)
    assert len(crawled.pages) == 1
    assert len(service.jobs) == 2, "the same request may be sent once more"


@pytest.mark.parametrize("refusal", ["page", "redirect", 400])
def test_each_rejected_token_is_bought_anew_and_counted(crawl, service, walled, refusal):
    site = sites.refusing(walled(refuse_every=5), refusal)
    spider, items = searching(site, rejected=".error, #search")
    crawled = crawl(spider, service.settings)
    check_complete(items, crawled)
    rejected = crawled.count("tokens/rejected")
    assert rejected >= 10
    told = [line for line in crawled.said(logging.DEBUG) if "The site rejected a token for" in line]
    assert len(told) == rejected
    assert told[0].endswith("(useless job 1 of at most 6 for this request)")
    assert (len(service.jobs), crawled.count("tokens/accepted")) == (50 + rejected, 50)


@pytest.mark.parametrize("refusal", ["page", "redirect", 400, 403])
def test_a_token_that_the_site_refused_is_never_called_accepted(crawl, service, walled, refusal):
    site = sites.refusing(walled(refuse_every=5), refusal)
    told = []

    @hears(solved=signals.challenge_solved, unknown=signals.challenge_unknown)
    class Listens(searching(site)[0]):
        def solved(self, spider, request, challenge, seconds, cost_usd):
            told.append("solved")

        def unknown(self, spider, request, challenge, reason, seconds, cost_usd):
            told.append("unknown")

    crawled = crawl(Listens, service.settings)
    refused = sum(site.rejected.values())
    assert refused >= 8
    assert crawled.count("tokens/accepted") == site.accepted == told.count("solved")
    assert crawled.count("tokens/unknown") == refused == told.count("unknown")
    assert len([line for line in crawled.said(logging.DEBUG) if line.startswith("Through the")]) == site.accepted
    (warning,) = [line for line in crawled.said() if "is not known" in line]
    assert "rejected=" in warning
    assert ("(http_error)" in warning) is isinstance(refusal, int)


@pytest.mark.parametrize("rejected", [None, ".error, #search"])
@pytest.mark.parametrize("refusal", ["page", "redirect", 400, 403])
def test_a_form_that_always_refuses_costs_no_more_than_the_breaker_allows(crawl, service, walled, refusal, rejected):
    site = sites.refusing(walled(refuse_every=1), refusal)
    spider, items = searching(site, rejected=rejected)
    crawled = crawl(spider, service.settings)
    # Five of no use open the breaker, once hardly any before them is under way; four more may be, and some are unknown.
    assert 5 <= len(service.jobs) <= 12
    assert crawled.count("tokens/accepted") == 0
    assert crawled.count("skipped/breaker") >= 35
    assert len([line for line in crawled.said() if "is left alone (breaker)" in line]) <= 1
    assert [item for item in items if item["found"]] == []


def again(text):
    """Return a page that shows the form again."""
    return sites.page(f"<p>{text}</p>{sites.CHALLENGE}")


@pytest.mark.parametrize(
    ("rejected", "outcome"), [(None, "unknown"), (".error", "unknown"), ("is_rejected", "accepted")]
)
def test_results_that_show_the_form_again_are_passed_on_whatever_they_are(crawl, service, rejected, outcome):
    def answer(request, form):
        return again(f"What was found for {form.get('q')}. " * 40)

    with sites.Site(answer) as site:
        told = {name: staticmethod(lambda *_: False) for name in ("omocaptcha_trigger", "is_rejected")}
        crawled = crawl(filling(site.origin, *searches("abcdefghijkl", rejected=rejected), **told), service.settings)
    assert len(crawled.pages) == 12
    assert len(service.jobs) == 12
    assert crawled.count(f"tokens/{outcome}") == 12
    assert len([line for line in crawled.said() if "(widget_again)" in line]) == (outcome == "unknown")


def test_a_selector_that_never_matches_accepts_no_answer_with_the_form_and_that_is_told_once(crawl, service, walled):
    site = walled(refuse_every=3)
    spider, _ = searching(site, rejected=".warning")
    crawled = crawl(spider, service.settings)
    refused = sum(site.rejected.values())
    assert refused >= 10
    assert crawled.count("tokens/accepted") == site.accepted == 50 - refused
    assert crawled.count("tokens/unknown") == refused
    (warning,) = [line for line in crawled.said() if "(widget_again)" in line]
    assert "rejected='.warning' takes it for none" in warning


def test_a_selector_that_has_matched_is_believed_of_results_that_show_the_form_again(crawl, service):
    words = iter(["<p class=error>Wrong", *(f"<p>What was found: {number}. " * 40 for number in range(12))])

    def answer(request, form):
        return again(next(words) if form else "Search")

    with sites.Site(answer) as site:
        no_challenge = staticmethod(lambda response, challenge: False)
        makes = searches("abcdefghijkl", rejected=".error")
        crawled = crawl(
            filling(site.origin, *makes, omocaptcha_trigger=no_challenge),
            {**service.settings, "CONCURRENT_REQUESTS": 1},
        )
    assert len(crawled.pages) == 12
    assert len(service.jobs) == 13
    assert crawled.count("tokens/accepted") == 12
    assert crawled.count("tokens/rejected") == 1


def filling(url, *makes, meta=None, **attributes):
    """Return a spider that makes requests of the page at ``url``, which come back to its ``page`` or ``failed``."""

    class Fills(RecordingSpider):
        def requests(self):
            yield scrapy.Request(url, self.form, meta=meta)

        def form(self, response):
            for make in makes:
                yield make(response).replace(callback=self.page, errback=self.failed)

    return type("Fills", (Fills,), attributes)


def searches(words, **how):
    """Return what makes a request of the page's form for each word."""
    return [lambda response, word=word: form_request(response, {"q": word}, **how) for word in words]


def asking(site, *makes, **attributes):
    """Return a spider that makes requests from the page of the search."""
    return filling(f"{site.url}/find", *makes, **attributes)


def test_a_spiders_method_may_tell_that_a_token_was_rejected(crawl, service, walled):
    site = walled(refuse_every=2)
    service.next_job("fail")
    seen = []

    def is_rejected(self, response):
        seen.append((type(response.request), response.request.url))
        return bool(response.css(".error"))

    spider = asking(site, *searches("ab", rejected="is_rejected"), is_rejected=is_rejected)
    crawled = crawl(spider, {**service.settings, "OMOCAPTCHA_MAX_ATTEMPTS": 5})
    assert len(crawled.pages) == 2
    assert crawled.count("tokens/accepted") == 2
    # Not the submission, which holds the token.
    assert set(seen) == {(scrapy.Request, f"{site.url}/find")}


@pytest.mark.parametrize("fails", [lambda self, response: 1 / 0, lambda self, response: "yes"])
def test_a_method_that_fails_buys_nothing_more(crawl, service, walled, fails, tmp_path):
    site = walled()
    makes = searches("abcdefghijkl", rejected="is_rejected")
    ledger = tmp_path / "jobs.sqlite"
    crawled = crawl(asking(site, *makes, is_rejected=fails), {**service.settings, "OMOCAPTCHA_LEDGER": ledger})
    assert {one.reason for one in (*crawled.failures, *read_ledger(ledger))} == {"hook"}
    assert len(crawled.failures) == 12
    assert len(service.jobs) <= 5
    assert crawled.count("tokens/accepted") == 0
    assert "is_rejected failed" in "\n".join(crawled.said())


async def is_late(self, response):
    return False


def is_few(self):
    return False


@pytest.mark.parametrize("settings", [{}, {"OMOCAPTCHA_DRY_RUN": True}])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        *(
            (name, f"rejected={name!r} is not the name of a method of the spider (CSS selectors of a class begin with")
            for name in ("is_rejectd", "state", "self.is_rejected", "dialog")
        ),
        ("is_late", "is_late is an async def or yields: make it a plain def that returns"),
        ("is_few", "is_few does not take the arguments that it is called with: define it with (self, response)"),
    ],
)
def test_what_cannot_tell_a_rejection_is_told_once_and_costs_nothing(crawl, service, walled, settings, name, why):
    makes = searches("abcdefghijklmnopqrstuvwxyz", rejected=name)
    crawled = crawl(
        asking(walled(), *makes, is_late=is_late, is_few=is_few, state={"seen": 1}), {**service.settings, **settings}
    )
    assert [error.reason for error in crawled.failures] == ["hook"] * 26
    (told,) = crawled.said()
    assert f" is left alone (hook): {why}" in told
    assert service.jobs == ()


SEARCH = (
    sites.CHALLENGE.replace("/verify", "/find")
    .replace("<button", "<input name=q><button")
    .replace("Are you a robot?", "Search")
    .replace("<p>Access denied.</p>", "")
    + f"<p>{'Welcome to the register of boats. ' * 60}</p>"
)
"""The page of a search, which is no challenge."""
OTHER = "<div class=g-recaptcha data-sitekey=6LotherKey" + "b" * 30


def searched(site, count=3, path="/find", **how):
    """Return a spider that searches with the form at ``path``."""
    return filling(f"{site.origin}{path}", *searches(map(str, range(count)), **{"rejected": ".error", **how}))


@pytest.mark.parametrize(
    ("old", "new", "is_other"),
    [
        ("", "", True),
        (f"/verify>\n<div class=g-recaptcha data-sitekey={sites.KEY}", f"/find>\n{OTHER}", True),
        ("post action=/verify", "get action=/find", True),
        ("/verify", "/find", False),
        ("<form", "<p", False),
        ("<form", "<form class=error", False),
    ],
)
def test_another_wall_behind_a_form_is_no_rejection_and_nothing_more_is_bought(crawl, service, old, new, is_other):
    def answer(request, form):
        if request.path == "/results":
            return sites.page(sites.CHALLENGE.replace(old, new), 403)
        return sites.won("/results") if request.method == "POST" else sites.page(SEARCH)

    class OneByOne(RecordingSpider):
        def requests(self):
            yield scrapy.Request(f"{site.origin}/find", self.search)

        def search(self, response):
            self.form = response
            search = form_request(response, {"q": str(len(self.failures))}, rejected=".error")
            yield search.replace(callback=self.page, errback=self.failed)

        def failed(self, failure):
            super().failed(failure)
            if len(self.failures) < 3:
                yield from self.search(self.form)

    few = {"OMOCAPTCHA_BREAKER_FAILURES": 2, "OMOCAPTCHA_MAX_ATTEMPTS": 1}
    with sites.Site(answer) as site:
        crawled = crawl(OneByOne, {**service.settings, **few})
    reason, verdict = ("form_changed", "unknown") if is_other else ("attempts", "rejected")
    assert [error.reason for error in crawled.failures] == [reason, reason, "breaker"]
    assert ("is another wall" in "\n".join(crawled.said())) is is_other
    assert len(service.jobs) == crawled.count(f"tokens/{verdict}") == 2


ANSWERS = {
    "no_content": lambda: web.Response(status=204),
    "empty": lambda: sites.page(""),
    "binary": lambda: web.Response(body=bytes(range(256)), content_type="application/octet-stream"),
    "refresh": lambda: sites.page("<meta http-equiv=refresh content='0; url=/find'>"),
    "widget": lambda: sites.page(SEARCH.replace(sites.KEY, "6LotherKey" + "b" * 30)),
    "choice": lambda: sites.page(status=300),
    "to another site": lambda: sites.redirect("http://127.0.0.222:1/", 307),
    "back": lambda: sites.redirect("/form?error=1"),
    "page": lambda: sites.page("<title>results</title>"),
    "json": lambda: web.json_response({"found": []}),
    "elsewhere": lambda: sites.redirect("/results"),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_what_a_site_that_rejects_may_answer_is_not_called_accepted(crawl, service, kind):
    def answer(request, form):
        if request.method == "POST":
            return ANSWERS[kind]()
        return sites.page("<title>nothing</title>" if request.query_string or request.path != "/form" else SEARCH)

    with sites.Site(answer) as site:
        crawled = crawl(searched(site, 1, "/form", rejected=None), service.settings)
    outcome = "accepted" if kind in ("page", "json", "elsewhere") else "unknown"
    assert len(crawled.pages + crawled.failures) == 1
    assert crawled.count(f"tokens/{outcome}") == 1
    assert len(service.jobs) == 1
    assert "downloader/exception_count" not in crawled.stats, "nothing is sent to another site"


@pytest.mark.parametrize(
    ("kind", "rejected", "outcome"),
    [
        ("empty", ".error", "unknown"),
        ("json", ".error", "unknown"),
        ("empty", "is_rejected", "accepted"),
        ("json", "is_rejected", "accepted"),
        ("binary", ".error", "accepted"),
    ],
)
def test_a_selector_tells_nothing_of_an_answer_that_is_empty_or_json(crawl, service, kind, rejected, outcome):
    with sites.Site(lambda request, form: ANSWERS[kind]() if request.method == "POST" else sites.page(SEARCH)) as site:
        spider = searched(site, 1, "/form", rejected=rejected)
        spider.is_rejected = lambda self, response: False
        crawled = crawl(spider, service.settings)
    assert len(crawled.pages) == 1
    assert crawled.count(f"tokens/{outcome}") == 1
    assert len(service.jobs) == 1
    assert ("rejected='.error'" in "\n".join(crawled.said())) is (outcome == "unknown")


def test_a_dry_run_sends_no_such_request_and_prices_it(crawl, service, walled):
    site = walled()
    crawled = crawl(asking(site, *searches("abc")), {**service.settings, "OMOCAPTCHA_DRY_RUN": True})
    assert [error.reason for error in crawled.failures] == ["dry_run"] * 3
    assert [visit.path for visit in site.requests if visit.path != "/robots.txt"] == ["/find"]
    assert (service.calls, crawled.count("skipped/dry_run")) == ((), 3)
    assert "at least 3 jobs for 0.00165 USD not bought: 127.0.0.2 3" in "\n".join(crawled.said(logging.INFO))


def test_a_form_of_a_site_that_cannot_be_reached_costs_one_job(crawl, service):
    with sites.Site(lambda request, form: sites.page()) as site:
        nowhere = f"http://127.0.0.1:{site.origin.rpartition(':')[2]}"
    asks = sites.sending(sites.wishing(f"{nowhere}/a", "query:t", page=f"{nowhere}/"))
    crawled = crawl(asks, {**service.settings, "RETRY_TIMES": 0})
    assert [error.reason for error in crawled.failures] == ["broke"]
    assert len(service.jobs) == 1
    failed = "127.0.0.1: the request with the token failed (the host refused the connection)"
    assert f"{failed}; it is sent once more" in crawled.said(logging.INFO)


# Hints


def test_a_key_of_meta_that_is_misspelt_is_told_beside_the_form_that_wants_a_token(crawl, service, walled):
    spider, _ = searching(walled(), rejected=".error", meta={"omocatpcha_resend": True})
    (warning,) = crawl(spider, service.settings).said()
    assert warning.startswith("meta['omocatpcha_resend'] of ")


# -- what is bought, fetched and told no more than is needed -----------------------------------------------------------


@pytest.mark.parametrize("delay", [0.5, 1.1])
def test_not_more_tokens_are_bought_than_the_sites_delay_lets_be_handed_in_while_they_are_young(crawl, service, delay):
    def answer(request, form):
        if request.method == "POST":
            bought.append(len(service.jobs))
            return sites.page()
        return sites.page(SEARCH)

    bought = []
    slow = {"DOWNLOAD_DELAY": delay, "OMOCAPTCHA_TOKEN_MAX_AGE": 2, "OMOCAPTCHA_POLL_INTERVAL": 0.05}
    with sites.Site(answer) as site:
        crawl(filling(site.origin, *searches("abcde"), meta={"omocaptcha": False}), {**service.settings, **slow})
    assert bought == [1, 2, 3, 4, 5]
