"""Whole crawls: tokens wanted before a request is sent, the three verbs, the signals."""

import logging

import pytest
import scrapy

from scrapy_omocaptcha import errors, find_challenge, signals, solve, solve_page
from scrapy_omocaptcha.forms.submission import Submission
from tests.helpers import sites
from tests.helpers.components import hears
from tests.helpers.crawling import RecordingSpider


def wish(site, put, **changes):
    return {"sitekey": site.sitekey, "page": f"{site.url}/find", "put": put, **changes}


def asking(put, site):
    return sites.sending(sites.wishes(site)[put])


@pytest.mark.parametrize("put", ["form", "json", "header", "query"])
def test_a_token_is_put_where_the_request_wants_it(crawl, service, walled, put):
    site = walled("session")
    crawled = crawl(asking(put, site), service.settings)
    assert crawled.failures == []
    (page,) = crawled.pages
    assert (page.status, page.flags) == (200, ["omocaptcha"])
    assert len(service.jobs) == 1
    assert site.accepted == 1
    (sent,) = [visit for visit in site.requests if visit.path != "/robots.txt"]
    assert sent.token == "accepted"
    assert "omocaptcha" in page.request.meta
    wish = sites.wishes(site)[put]
    assert (page.request.url, page.request.body) == (wish.url, wish.body)


def test_a_failed_job_is_bought_anew_as_often_as_may_be_tried(crawl, service, walled):
    site = walled("session")
    service.next_job("fail")
    crawled = crawl(asking("json", site), service.settings)
    assert [page.status for page in crawled.pages] == [200]
    assert len(service.jobs) == 2
    told = crawled.said(logging.INFO)
    assert [line for line in told if "jobs bought by this request: 2 (0.00110 USD)" in line]
    assert told.count("the service could not solve it") == 1

    service.next_job("fail", times=3)
    crawled = crawl(asking("json", site), service.settings)
    (error,) = crawled.failures
    assert (type(error), error.reason) == (errors.ChallengeNotSolved, "attempts")
    assert len(service.jobs) == 5


@pytest.mark.parametrize(
    "change",
    [
        *({"put": put} for put in ("nowhere", "json:token", "json:/token")),
        {"page": "/find"},
        *({"sitekey": key} for key in ("", "0x4AAAAAAAAjq6WYeRDKmebM", "10000000-ffff-ffff-ffff-000000000001", "6L")),
        *({"sitekey": key} for key in (f"{sites.KEY} ", "6L" + "a" * 99)),
        *({"page": 7}, {"token": "x"}, {"invisible": "yes"}, {"rejected": None}),
        *("yes", 0, 1, []),
    ],
    ids=str,
)
def test_a_wish_that_means_nothing_is_a_value_error_in_the_errback_and_costs_nothing(crawl, service, walled, change):
    site = walled("session")
    meant = {**wish(site, "query:token"), **change} if isinstance(change, dict) else change
    request = scrapy.Request(f"{site.url}/api/query", meta={"omocaptcha": meant})
    crawled = crawl(sites.sending(request), service.settings)
    (error,) = crawled.failures
    assert isinstance(error, ValueError)
    assert "omocaptcha" in str(error)
    has_wrong_key = isinstance(change, dict) and change.get("sitekey")
    assert not has_wrong_key or "begin with 6L" in str(error)
    assert service.calls == ()


@pytest.mark.parametrize("fault", ["server_error", "reset_after"])
@pytest.mark.parametrize(
    ("meta", "settings"),
    [
        *(({key: value}, {}) for key, value in [("dont_retry", True), ("max_retry_times", 0), ("retry_times", 2)]),
        *(({}, {name: value}) for name, value in [("RETRY_ENABLED", False), ("RETRY_TIMES", 0)]),
        ({}, {"RETRY_HTTP_CODES": [], "RETRY_EXCEPTIONS": []}),
    ],
    ids=str,
)
def test_a_request_that_scrapy_may_not_retry_is_not_sent_again_with_its_token(
    crawl, service, walled, fault, meta, settings
):
    site = walled("session")
    site.fault("/find", fault)
    order = sites.wishes(site)["form"]
    crawled = crawl(sites.sending(order.replace(meta={**order.meta, **meta})), {**service.settings, **settings})
    assert [visit.method for visit in site.requests if visit.path == "/find"] == ["POST"]
    (error,) = crawled.failures
    assert len(service.jobs) == 1
    assert crawled.count("tokens/unknown") == 1
    if fault == "server_error":
        assert error.response.status == 500
    else:
        assert error.reason == "broke"
        assert "may have acted on it" in str(error)


@pytest.mark.parametrize(
    ("fault", "times", "ends"), [("server_error", 1, (1, 0)), ("server_error", 2, (0, 1)), ("reset_after", 2, (0, 1))]
)
def test_a_request_whose_answer_is_lost_is_sent_once_more_with_its_token(crawl, service, walled, fault, times, ends):
    site = walled("session")
    site.fault("/api/header", fault, times=times)
    crawled = crawl(asking("header", site), service.settings)
    assert len([visit for visit in site.requests if visit.path == "/api/header"]) == 2
    assert (len(crawled.pages), len(crawled.failures)) == ends
    for error in crawled.failures:
        assert "may have acted on it" in str(error) if fault == "reset_after" else error.response.status == 500
    assert (len(service.jobs), crawled.count("tokens/unknown")) == (1, ends[1])


def test_a_token_that_is_refused_when_it_is_sent_once_more_is_not_known_to_be_rejected(crawl, service):
    def answer(request, form):
        sent.extend(form)
        return sites.page(status=503) if sent == ["token"] else sites.challenge("/find")

    sent = []
    with sites.Site(answer) as site:
        wish = sites.wishing(f"{site.origin}/find", "form:token", page=site.origin, method="POST")
        crawled = crawl(sites.sending(wish), {**service.settings, "OMOCAPTCHA_MAX_ATTEMPTS": 1})
    assert sent == ["token"] * 2
    assert crawled.count("tokens/unknown") == 1
    assert crawled.count("tokens/rejected") == 0


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"OMOCAPTCHA_ALLOWED_DOMAINS": ["example.com"]}, errors.NotBought, "OMOCAPTCHA_ALLOWED_DOMAINS"),
        ({"OMOCAPTCHA_ENABLED": False}, RuntimeError, "not active in this crawl"),
        ({}, RuntimeError, "no page is rendered in this crawl"),
    ],
    ids=["what the crawl may not buy", "where the add-on is off", "pages where none is rendered"],
)
def test_solve_refuses_and_says_why(crawl, service, walled, settings, error, said):
    refused = []

    class ByHand(sites.spider(f"{walled('session').url}/contact")):
        async def page(self, response, asked=None):
            with pytest.raises(error, match=said) as raised:
                await (solve if settings else solve_page)(find_challenge(response), crawler=self.crawler)
            refused.append(getattr(raised.value, "reason", None))

    crawled = crawl(ByHand, {**service.settings, **settings})
    assert refused == ["offsite" if error is errors.NotBought else None]
    assert (crawled.bugs, service.calls) == ([], ())


def test_the_signals_tell_what_happens(crawl, service, walled):
    site, closed = walled("session"), walled("data_s")
    foreign, told = f"{site.url}/api/query", []

    @hears(detected=signals.challenge_detected, solved=signals.challenge_solved, unsolved=signals.challenge_failed)
    class Listens(RecordingSpider):
        urls = (f"{site.url}/page/1", f"{closed.url}/page/1")

        def requests(self):
            yield from super().requests()
            meta = {"omocaptcha": wish(site, "query:token", page="https://example.com/")}
            yield scrapy.Request(foreign, self.page, errback=self.failed, meta=meta)

        def detected(self, spider, request, challenge, verdict):
            told.append(("detected", request.url, challenge.sitekey, verdict))

        def solved(self, spider, request, challenge, seconds, cost_usd):
            assert seconds > 0
            told.append(("solved", request.url, challenge.sitekey, cost_usd))

        def unsolved(self, spider, request, challenge, reason):
            told.append(("failed", request.url, challenge.sitekey, reason))

    crawl(Listens, service.settings)
    assert sorted(told) == sorted(
        [
            ("detected", f"{site.url}/page/1", site.sitekey, "solve"),
            ("solved", f"{site.url}/page/1", site.sitekey, 0.00055),
            ("detected", f"{closed.url}/page/1", closed.sitekey, "unsolvable"),
            ("failed", f"{closed.url}/page/1", closed.sitekey, "unsolvable"),
            *((what, foreign, site.sitekey, "foreign_form") for what in ("detected", "failed")),
        ]
    )


class TakesLong:
    """Keeps each token as if for 110 s, the default of OMOCAPTCHA_TOKEN_MAX_AGE."""

    def process_request(self, request):
        if isinstance(request, Submission):
            request.usable_until -= 110


@pytest.mark.parametrize("upfront", [True, False])
def test_a_token_that_grows_too_old_on_its_way_is_not_sent(crawl, service, walled, upfront):
    site = walled("session")
    spider = asking("header", site) if upfront else sites.pages_of(site, 1)
    inside = {"DOWNLOADER_MIDDLEWARES": {TakesLong: 595}, "OMOCAPTCHA_MAX_ATTEMPTS": 1}
    crawled = crawl(spider, {**service.settings, **inside})
    assert [error.reason for error in crawled.failures] == ["attempts"]
    assert len(service.jobs) == 1
    assert crawled.count("tokens/expired") == 1
    assert not [visit for visit in site.requests if visit.token]
