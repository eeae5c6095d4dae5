"""Whole crawls: what attacks on the package have found, so that it stays mended."""

from __future__ import annotations

import pytest
import scrapy
from aiohttp import web

from scrapy_omocaptcha import errors
from scrapy_omocaptcha.testing import Wall, WalledSite
from tests.helpers.crawling import RecordingSpider
from tests.helpers.sites import KEY, Site, challenge, cleared, page, spider, won


def test_a_wall_whose_redirects_all_lead_to_one_address_loses_no_request(crawl, service):
    def answer(request, form):
        if request.path == "/verify":
            return won("/")
        if request.path == "/gate":
            return challenge()
        return page() if cleared(request) else web.Response(status=302, headers={"Location": "/gate"})

    with Site(answer) as site:
        urls = [f"{site.origin}/page/{number}" for number in range(20)]
        for settings in ({}, {"CONCURRENT_REQUESTS": 1}, {"CONCURRENT_REQUESTS_PER_DOMAIN": 1}):
            crawled = crawl(spider(*urls), {**service.settings, **settings})
            assert sorted(one.url for one in crawled.pages) == sorted(urls)
            assert crawled.failures == []
    assert len(service.jobs) == 3


def test_httpcache_never_gives_a_page_for_another_that_was_redirected_to_the_same_wall(crawl, service, tmp_path):
    def answer(request, form):
        if request.path == "/verify":
            return won("/")
        if request.path == "/gate":
            return challenge()
        return page(request.path) if cleared(request) else web.Response(status=302, headers={"Location": "/gate"})

    settings = {**service.settings, "HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": str(tmp_path)}
    with Site(answer) as site:
        urls = [f"{site.origin}/page/{number}" for number in range(20)]
        for _ in range(2):
            crawled = crawl(spider(*urls), settings)
            assert sorted(one.text for one in crawled.pages) == sorted(f"/page/{number}" for number in range(20))
        assert all("cached" in one.flags for one in crawled.pages)


def test_redirects_to_one_ordinary_page_are_duplicates_as_ever(crawl, service):
    def answer(request, form):
        return page() if request.path == "/home" else web.Response(status=302, headers={"Location": "/home"})

    with Site(answer) as site:
        crawled = crawl(spider(*(f"{site.origin}/{number}" for number in range(10))), service.settings)
    assert len(crawled.pages) == 1


def test_pages_behind_the_wall_that_redirect_do_not_use_up_the_turns_of_the_held(crawl, service):
    def answer(request, form):
        if request.path == "/verify":
            return won("/")
        if not cleared(request):
            return challenge()
        if request.path.startswith("/old/"):
            return web.Response(status=302, headers={"Location": request.path.replace("old", "new")})
        return page()

    with Site(answer) as site:
        urls = [f"{site.origin}/old/{number}" for number in range(40)]
        crawled = crawl(spider(*urls), service.settings)
    assert len(crawled.pages) == 40
    assert len(service.jobs) == 1


def test_a_trigger_that_raises_is_an_error_of_each_page_and_holds_nobody_up(crawl, service, walled):
    site = walled("session", catalogue_pages=30)

    class Raises(spider(*(f"{site.url}/page/{number}" for number in range(1, 31)))):
        def omocaptcha_trigger(self, response, challenge):
            raise KeyError("a slip")

    crawled = crawl(Raises, service.settings)
    assert [type(error) for error in crawled.failures] == [KeyError] * 30


@pytest.mark.parametrize("says", ["yes", 1, None])
def test_a_trigger_that_answers_neither_yes_nor_no_costs_nothing(crawl, service, walled, says):
    site = walled("session", status=200)

    class Vague(spider(f"{site.url}/contact")):
        async def omocaptcha_trigger(self, response, challenge):
            return says

    crawled = crawl(Vague, service.settings)
    assert [type(error) for error in crawled.failures] == [TypeError]
    assert service.calls == ()


def test_json_behind_a_wall_whose_clearance_runs_out_costs_a_job_a_clearance(crawl, service):
    served = {"left": 0, "number": 0}

    def answer(request, form):
        if request.path == "/verify":
            served.update(left=20, number=served["number"] + 1)
            response = web.Response(status=302, headers={"Location": "/json/0"})
            response.set_cookie("clearance", str(served["number"]), path="/")
            return response
        if request.cookies.get("clearance") == str(served["number"]) and served["left"] > 0:
            served["left"] -= 1
            return web.json_response({"fine": True})
        return challenge()

    with Site(answer) as site:
        urls = [f"{site.origin}/json/{number}" for number in range(1, 101)]
        crawled = crawl(spider(*urls), service.settings)
    assert len(crawled.pages) == 100
    assert len(service.jobs) <= 8


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("beforehand", [False, True])
def test_a_redirect_that_repeats_the_body_does_not_take_the_token_elsewhere(crawl, service, status, beforehand):
    with Site(lambda request, form: page("<title>stolen</title>"), host="127.0.0.8") as thief:

        def answer(request, form):
            if request.method == "POST":
                return web.Response(status=status, headers={"Location": f"{thief.origin}/steal"})
            return challenge()

        with Site(answer) as site:

            class Asks(RecordingSpider):
                def requests(self):
                    wish = {"sitekey": KEY, "page": f"{site.origin}/", "put": "form:token"}
                    request = scrapy.Request(f"{site.origin}/page", callback=self.page, errback=self.failed)
                    yield request.replace(method="POST", meta={"omocaptcha": wish}) if beforehand else request

            crawl(Asks, service.settings)
    assert thief.requests == []


def test_a_header_with_a_token_does_not_follow_a_redirect(crawl, service):
    with Site(lambda request, form: page(), host="127.0.0.8") as other:

        def answer(request, form):
            return web.Response(status=302, headers={"Location": f"{other.origin}/elsewhere"})

        with Site(answer) as site:

            class Asks(RecordingSpider):
                def requests(self):
                    wish = {"sitekey": KEY, "page": f"{site.origin}/", "put": "header:X-Token"}
                    yield scrapy.Request(f"{site.origin}/x", meta={"omocaptcha": wish}, callback=self.page)

            crawled = crawl(Asks, service.settings)
    assert len(crawled.pages) == 1
    ((_, _, _, headers),) = other.requests
    assert "X-Token" not in headers


def test_a_token_in_a_query_is_in_no_address_log_or_error(crawl, service):
    def answer(request, form):
        if request.path == "/breaks":
            request.transport.abort()
        return page()

    with Site(answer) as site:

        class Asks(RecordingSpider):
            def requests(self):
                for path in ("/fine", "/breaks"):
                    wish = {"sitekey": KEY, "page": f"{site.origin}/", "put": "query:t"}
                    yield scrapy.Request(
                        f"{site.origin}{path}?a=1",
                        meta={"omocaptcha": wish},
                        callback=self.page,
                        errback=self.failed,
                    )

        crawled = crawl(Asks, service.settings)
    assert [one.url for one in crawled.pages] == [f"{site.origin}/fine?a=1"]
    assert [error.reason for error in crawled.failures] == ["broke"]
    tokens = [path.partition("t=")[2] for _, path, *_ in site.requests]
    # Twisted itself repeats a GET whose kept connection breaks before any answer.
    assert len(set(tokens)) == 2
    for token in tokens:
        assert token
        assert not [record for record in crawled.log if token in record.getMessage()]
        assert token not in repr(crawled.failures)


@pytest.mark.parametrize("kind", ["raises", "async", "nothing", "foreign"])
def test_a_submit_hook_that_fails_stops_the_buying_it_fails_on(crawl, service, walled, kind):
    site = walled("session", catalogue_pages=30)

    class Slips(spider(*(f"{site.url}/page/{number}" for number in range(1, 31)))):
        def omocaptcha_submit(self, response, challenge, token):
            if kind == "raises":
                raise KeyError(token.value)
            if kind == "async":
                return self._later()
            return None if kind == "nothing" else scrapy.Request("https://example.com/")

        async def _later(self):
            return None

    crawled = crawl(Slips, service.settings)
    assert {(type(error), error.reason) for error in crawled.failures} == {(errors.ChallengeNotSolved, "hook")}
    assert len(crawled.failures) == 30
    assert len(service.jobs) == 1
    said = [line for line in crawled.said() if "omocaptcha_submit" in line]
    assert said
    assert "03A" not in "".join(said)


def test_a_wish_that_does_not_fit_its_request_costs_nothing(crawl, service, walled):
    site = walled("session")

    class Asks(RecordingSpider):
        def requests(self):
            wish = {"sitekey": site.sitekey, "page": f"{site.url}/signup", "put": "json:/token"}
            yield scrapy.Request(f"{site.url}/api/search", meta={"omocaptcha": wish}, errback=self.failed)

    crawled = crawl(Asks, service.settings)
    assert [type(error) for error in crawled.failures] == [ValueError]
    assert service.calls == ()


def test_a_site_that_says_sorry_with_200_for_every_token_trips_the_breaker(crawl, service):
    def answer(request, form):
        return page("<title>Sorry, try later</title>") if request.path == "/verify" else challenge()

    with Site(answer) as site:
        crawled = crawl(spider(*(f"{site.origin}/{number}" for number in range(50))), service.settings)
    assert len(crawled.pages) + len(crawled.failures) == 50
    assert len(service.jobs) <= 8


def test_an_errback_that_asks_again_asks_anew(crawl, service, walled):
    site = walled("session")
    service.next_job("fail", times=2)

    class Insists(spider(f"{site.url}/page/1")):
        def failed(self, failure):
            self.failures.append(failure.value)
            yield failure.request.replace(dont_filter=True)

    crawled = crawl(Insists, service.settings)
    assert [error.reason for error in crawled.failures] == ["attempts"]
    assert [one.status for one in crawled.pages] == [200]
    assert len(service.jobs) == 3


def test_a_job_whose_create_answer_was_lost_is_waited_out_before_another_is_bought(crawl, service, walled):
    site = walled("session")
    service.fault("createJob", "bad_gateway")
    crawled = crawl(spider(f"{site.url}/page/1"), {**service.settings, "OMOCAPTCHA_JOB_TIMEOUT": 1})
    assert [one.status for one in crawled.pages] == [200]
    first, second = service.jobs
    assert second.created_at - first.created_at >= 1
    assert crawled.count("jobs/created") == 2


def test_a_request_that_waits_for_a_token_beforehand_takes_no_place(crawl, service, walled):
    site, other = walled("session"), walled("session")
    service.next_job("never", times=16)
    order = []

    class Both(RecordingSpider):
        def requests(self):
            for number in range(16):
                wish = {"sitekey": site.sitekey, "page": f"{site.url}/signup", "put": "query:token"}
                url = f"{site.url}/api/query?n={number}"
                yield scrapy.Request(url, meta={"omocaptcha": wish}, callback=self.page, errback=self.note)
            for number in range(1, 17):
                yield scrapy.Request(f"{other.url}/free/{number}", callback=self.free)

        def note(self, failure):
            order.append("failed")

        def free(self, response):
            order.append("free")

    settings = {"OMOCAPTCHA_JOB_TIMEOUT": 2, "OMOCAPTCHA_MAX_ATTEMPTS": 1}
    crawl(Both, {**service.settings, **settings})
    assert order == ["free"] * 16 + ["failed"] * 16


@pytest.mark.parametrize("value", ["yes", 0, 1, []])
def test_a_meta_value_that_means_nothing_is_said(crawl, service, walled, value):
    site = walled("session")

    class Asks(RecordingSpider):
        def requests(self):
            yield scrapy.Request(f"{site.url}/free/1", meta={"omocaptcha": value}, errback=self.failed)

    crawled = crawl(Asks, service.settings)
    assert [type(error) for error in crawled.failures] == [ValueError] * (not isinstance(value, bool))


def test_a_redirect_wall_whose_clearance_runs_out_is_passed_again_and_again(crawl, service):
    wall = Wall(redirect=True, clearance_pages=3)
    with WalledSite(service, wall, catalogue_pages=30, hosts=["127.0.0.7"]) as site:
        crawled = crawl(spider(*(f"{site.url}/page/{number}" for number in range(1, 31))), service.settings)
    assert len({one.url for one in crawled.pages}) == len(crawled.pages)
    assert len(crawled.pages) + len(crawled.failures) == 30
    assert len(crawled.pages) >= 25


def test_a_redirect_that_repeats_the_token_in_its_address_does_not_put_it_into_the_log(crawl, service):
    tokens = []

    def answer(request, form):
        if request.method == "POST":
            tokens.append(form["g-recaptcha-response"])
            return won(f"/page?g-recaptcha-response={tokens[0]}&a=1")
        return page() if cleared(request) else challenge()

    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/page"), service.settings)
    assert [one.status for one in crawled.pages] == [200]
    assert len(tokens) == 1
    assert not [record for record in crawled.log if tokens[0] in record.getMessage()]
    assert tokens[0] not in crawled.pages[0].url


def test_a_redirected_request_that_is_held_and_then_refused_comes_back_to_its_own_callback(crawl, service, walled):
    site = walled("session", status=200)
    # It goes round until the other request has met the wall, and is held from then on.
    site.fault("/page/2", "redirect")
    site.fault("/elsewhere", "redirect", times=15)
    service.next_job("fail", seconds=0.3)
    limits = {"OMOCAPTCHA_MAX_JOBS": 1, "OMOCAPTCHA_MAX_ATTEMPTS": 1}

    class Spider(RecordingSpider):
        def requests(self):
            for number in (1, 2):
                yield scrapy.Request(f"{site.url}/page/{number}", self.page, errback=self.failed, dont_filter=True)

    crawled = crawl(Spider, {**service.settings, **limits})
    assert [page.request.url for page in crawled.pages] == [f"{site.url}/page/2"]
    assert [error.reason for error in crawled.failures] == ["attempts"]
    assert crawled.bugs == []


@pytest.mark.parametrize("location", ["file:///etc/hostname", "data:text/html,stolen", "ftp://127.0.0.1/x", "//["])
def test_a_redirect_to_what_is_not_http_is_not_followed(crawl, service, location):
    def answer(request, form):
        if request.path == "/verify":
            return web.Response(status=302, headers={"Location": location})
        return challenge()

    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/page"), service.settings)
    assert crawled.pages == []
    assert [error.reason for error in crawled.failures] == ["attempts"]
    assert {path for _, path, *_ in site.requests} == {"/page", "/verify"}
