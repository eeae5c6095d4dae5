"""Whole crawls: each kind of wall that ships gives its page to the callback, for one job."""

import pytest
import scrapy
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha import errors, signals
from scrapy_omocaptcha.testing import Wall, WalledSite
from tests.helpers.components import hears
from tests.helpers.crawling import RecordingSpider
from tests.helpers.sites import CHALLENGE, Site, challenge, page, pages_of, spider

OPENING = [
    *("session", "session_marked", "get", "same_url", "redirect", "per_page", "thanks", "home"),
    *("invisible", "invisible_div", "explicit", "expiring"),
]
REFUSED = {"foreign_form": "foreign_form", "enterprise": "enterprise", "callback_only": "browser"}
REFUSED |= {"data_s": "unsolvable", "no_key": "unsolvable"}
# What `scrapy startproject` writes, with its delay of a second made short: the order of things is the same.
STARTPROJECT = {"ROBOTSTXT_OBEY": True, "CONCURRENT_REQUESTS_PER_DOMAIN": 1, "DOWNLOAD_DELAY": 0.05}


@pytest.mark.parametrize("wall", OPENING)
@pytest.mark.parametrize("settings", [{}, STARTPROJECT], ids=["sixteen at once", "startproject"])
def test_the_page_behind_a_wall_reaches_the_callback_for_one_job(crawl, service, walled, wall, settings):
    site = walled(wall)
    crawled = crawl(spider(f"{site.url}/page/1"), {**service.settings, **settings})
    (page,) = crawled.pages
    assert page.status == 200
    assert page.url == f"{site.url}/page/1"
    assert page.css(".item")
    assert "omocaptcha" in page.flags
    assert page.cb_kwargs == {"asked": page.url}
    assert page.request.url == page.url
    assert page.request.method == "GET"
    assert len(service.jobs) == 1
    assert site.accepted == 1
    assert crawled.count("cost_usd") == 0.00055
    assert (crawled.failures, crawled.bugs) == ([], [])


@pytest.mark.sockets
@pytest.mark.parametrize(("asked", "form"), [("", "/"), ("http://shop.example:80/", "http://shop.example/")])
def test_a_token_goes_to_the_page_itself_however_its_address_is_spelled(crawl, service, asked, form):
    def answer(request, fields):
        # Were the page asked for again, it would want another token.
        return page() if fields else challenge(form, status=200)

    class Asks(RecordingSpider):
        def requests(self):
            meta = {"proxy": site.origin} if asked else {}
            yield scrapy.Request(asked or site.origin, self.page, errback=self.failed, meta=meta)

    with Site(answer) as site:
        crawled = crawl(Asks, service.settings)
    assert [method for method, *_ in site.requests] == ["GET", "POST"]
    assert "redirect_urls" not in crawled.pages[0].meta
    assert crawled.count("tokens/accepted") == 1


class Packed(WalledSite):
    """Compresses its answers."""

    async def _handle(self, request):
        response = await super()._handle(request)
        response.enable_compression()
        return response


@pytest.mark.parametrize("status", [200, 403, 429, 503])
@pytest.mark.parametrize("kind", [WalledSite, Packed], ids=["plain", "gzip"])
@pytest.mark.parametrize("wall", ["session", "redirect"])
def test_the_status_and_the_encoding_of_the_challenge_make_no_difference(crawl, service, status, kind, wall):
    with kind(service, wall, status=status) as site:
        crawled = crawl(spider(f"{site.url}/page/1"), service.settings)
    assert [page.status for page in crawled.pages] == [200]
    assert len(service.jobs) == 1
    # A challenge is neither retried by Retry nor followed by anything else.
    assert site.challenges == 1
    assert "retry/count" not in crawled.stats


@pytest.mark.parametrize("wall", OPENING)
def test_robots_txt_behind_the_wall_does_not_lock_the_crawl_up(crawl, service, walled, wall):
    site = walled(wall, robots_walled=True)
    crawled = crawl(spider(f"{site.url}/page/1", f"{site.url}/page/2"), {**service.settings, **STARTPROJECT})
    assert sorted(page.url for page in crawled.pages) == [f"{site.url}/page/1", f"{site.url}/page/2"]
    assert len(service.jobs) == (2 if wall == "per_page" else 1)
    assert not [visit for visit in site.requests if visit.submits and "robots.txt" in str(visit.form)]


@pytest.mark.parametrize(
    ("meta", "is_awaited"),
    [
        ({}, False),
        ({"dont_obey_robotstxt": True}, False),
        ({}, True),
        ({"dont_obey_robotstxt": True, "omocaptcha": True}, True),
    ],
)
def test_robots_txt_that_the_spider_asks_for_itself_is_solved_as_any_page(crawl, service, walled, meta, is_awaited):
    class Asks(RecordingSpider):
        async def start(self):
            request = scrapy.Request(f"{site.url}/robots.txt", self.page, errback=self.failed, meta=meta)
            if is_awaited:
                self.page(await self.crawler.engine.download_async(request.replace(callback=NO_CALLBACK)))
            else:
                yield request

    site = walled("session", robots_walled=True)
    crawled = crawl(Asks, {**service.settings, **STARTPROJECT})
    assert [one.body.startswith(b"User-agent") for one in crawled.pages] == [True]
    assert len(service.jobs) == 1


@pytest.mark.parametrize("path", ["/contact", "/free/1"])
def test_a_page_that_is_no_challenge_costs_nothing(crawl, service, walled, path):
    site = walled("session")
    crawled = crawl(spider(site.url + path), service.settings)
    (page,) = crawled.pages
    assert page.flags == []
    assert (service.calls, len(site.requests)) == ((), 1)
    assert not [name for name in crawled.stats if name.startswith("omocaptcha/")]


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_a_wall_that_never_opens_ends_in_the_errback_after_so_many_jobs(crawl, service, walled, attempts):
    site = walled("never")
    crawled = crawl(spider(f"{site.url}/page/1"), {**service.settings, "OMOCAPTCHA_MAX_ATTEMPTS": attempts})
    (error,) = crawled.failures
    assert isinstance(error, errors.ChallengeNotSolved)
    assert error.reason == "attempts"
    assert error.response.status == 403
    assert error.challenge.sitekey == site.sitekey
    assert crawled.pages == []
    assert len(service.jobs) == attempts
    assert crawled.count("tokens/rejected") == attempts
    assert any(f"the site rejected {attempts} token" in line for line in crawled.said())


def test_a_wall_of_another_product_is_told_by_its_name_and_an_error_page_is_not(crawl, service):
    def answer(request, form):
        wall = "<div class=h-captcha></div><script src=https://js.hcaptcha.com/1/api.js></script>"
        return page(wall if request.path == "/wall" else "<h1>Go away</h1>", 403)

    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/wall", f"{site.origin}/error"), service.settings)
    (line,) = (line for line in crawled.said() if "is left alone" in line)
    assert line == (
        f"The challenge at {site.origin}/wall is left alone (other_captcha): its captcha is another product's: hCaptcha"
    )


def test_aws_walls_are_told_at_their_own_statuses_and_passed_on(crawl, service):
    def answer(request, form):
        return page("<script src=https://a.edge.sdk.awswaf.com/challenge.js></script>", int(request.path[1:]))

    with Site(answer) as site:
        for status in (202, 405):
            asked = crawl(spider(f"{site.origin}/{status}"), {**service.settings, "HTTPERROR_ALLOW_ALL": True})
            assert [page.status for page in asked.pages] == [status]
            assert asked.count("skipped/other_captcha") == 1
            assert [line for line in asked.said() if "another product's: AWS WAF" in line]


def test_a_page_that_is_lost_behind_a_wall_with_an_address_of_its_own_is_told_by_its_own_address(crawl, service):
    with WalledSite(service, Wall(redirect=True, opens=False)) as site:
        crawled = crawl(spider(f"{site.url}/page/1"), service.settings)
    (line,) = (line for line in crawled.said() if "No way through" in line)
    assert line.startswith(f"No way through at {site.url}/page/1 (attempts): ")


@pytest.mark.parametrize(("wall", "reason"), REFUSED.items())
def test_what_cannot_be_solved_is_refused_without_a_job(crawl, service, walled, wall, reason):
    site = walled(wall)
    crawled = crawl(spider(f"{site.url}/page/1"), service.settings)
    assert crawled.reasons == [reason]
    assert service.calls == ()
    assert crawled.count(f"skipped/{reason}") == 1
    assert len([line for line in crawled.said() if f"({reason})" in line]) == 1


def test_a_challenge_that_was_paid_for_in_vain_is_neither_retried_nor_followed_elsewhere(crawl, service):
    service.next_job("fail")
    settings = {"OMOCAPTCHA_ON_FAILURE": "response", "OMOCAPTCHA_MAX_ATTEMPTS": 1}
    refresh = "<meta http-equiv=refresh content='0; url=/elsewhere'>"
    with Site(lambda request, form: page(refresh + CHALLENGE, 503)) as site:
        crawled = crawl(spider(f"{site.origin}/page"), {**service.settings, **settings})
    assert [(one.status, one.url) for one in crawled.pages] == [(503, f"{site.origin}/page")]
    assert len(site.requests) == len(service.jobs) == 1


def test_a_head_request_gets_through_a_wall_that_a_get_has_opened(crawl, service, walled):
    site = walled("session")

    class Looks(spider(f"{site.url}/page/1")):
        def page(self, response, asked=None):
            super().page(response)
            if asked is not None:
                yield scrapy.Request(f"{site.url}/page/2", self.page, "HEAD", errback=self.failed)

    crawled = crawl(Looks, service.settings)
    assert [(one.request.method, one.status) for one in crawled.pages] == [("GET", 200), ("HEAD", 200)]


@pytest.mark.parametrize("number", [1, 8])
@pytest.mark.parametrize("wall", OPENING)
def test_a_wall_that_opens_is_heard_as_often_as_its_site_accepts_a_token(crawl, service, walled, wall, number):
    site, heard = walled(wall, catalogue_pages=8), []

    @hears(solved=signals.challenge_solved)
    class Listens(pages_of(site, number)):
        def solved(self, request, challenge, seconds, cost_usd, outcome):
            heard.append(outcome)
            assert outcome is None or cost_usd > 0

    crawled = crawl(Listens, service.settings)
    assert heard.count("accepted") == site.accepted == crawled.count("tokens/accepted") > 0
    assert set(heard) <= {"accepted", "expired", None}
