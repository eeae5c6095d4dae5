"""Whole crawls at walls for which nothing is bought, beside the same crawls without the add-on."""

import asyncio
import re
from urllib.parse import urlsplit

import pytest
import scrapy
from aiohttp import web
from scrapy import signals
from scrapy.downloadermiddlewares.retry import get_retry_request
from scrapy.exceptions import IgnoreRequest

from tests.helpers.components import hears
from tests.helpers.crawling import RecordingSpider
from tests.helpers.nightly import by_pairs
from tests.helpers.sites import CHALLENGE, Site, challenge, cleared, page, redirect, sending, spider, won

OUR_STATS = re.compile("omocaptcha/|log_count/|elapsed_time|start_time|finish_time|memusage/")
REASONS = {
    "offsite": {"OMOCAPTCHA_ALLOWED_DOMAINS": "other.example"},
    "max_cost": {"OMOCAPTCHA_MAX_COST": 0.0001},
    "dry_run": {"OMOCAPTCHA_DRY_RUN": True},
    "enterprise": {},
    "foreign_form": {},
    "browser": {},
    "robots": {"ROBOTSTXT_OBEY": True},
}
"""Settings by the reason why nothing is bought, where those make the reason."""
CASES = [*REASONS, "redirecting wall", "deed"]
OFF = {"OMOCAPTCHA_ENABLED": False}
CHANGES = {
    "enterprise": ("/api.js", "/enterprise.js"),
    "foreign_form": ("/verify", "https://elsewhere.example/verify"),
    "browser": ("<form method=post action=/verify>", ""),
    "robots": ("/verify", "/private"),
    "deed": ("Go on", "Vote"),
}
"""What is replaced in the challenge."""


class BanMiddleware:
    """Asks for banned pages twice more, as middlewares do that change the proxy, and drops them then."""

    def process_response(self, request, response):
        if response.status == 200 and b"g-recaptcha" not in response.body:
            return response
        bans = request.meta.get("bans", 0)
        if bans == 2:
            raise IgnoreRequest(f"banned at {response.status}")
        return request.replace(meta={**request.meta, "bans": bans + 1}, dont_filter=True)


@hears(scraped=signals.item_scraped)
class WatchingSpider(RecordingSpider):
    """Spider whose items are what its callbacks and errbacks see, and which sends the order of its pages."""

    origin = ""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.items = []

    def scraped(self, item):
        self.items.append(item)

    def requests(self):
        for path in ("/page/1", "/open", "/page/2", "/page/3"):
            yield scrapy.Request(self.origin + path, self.page, errback=self.failed, cb_kwargs={"asked": path})

    def page(self, response, asked):
        super().page(response)
        yield {"asked": asked, **_seen(response)}

    def failed(self, failure):
        super().failed(failure)
        response = getattr(failure.value, "response", None)
        seen = {} if response is None else _seen(response)
        yield {"asked": failure.request.cb_kwargs["asked"], "failed": failure.type.__name__, **seen}


def _seen(response):
    meta = {name: response.meta.get(name) for name in ("retry_times", "bans", "redirect_times", "dont_retry", "depth")}
    flags = [flag for flag in response.flags if not flag.startswith("omocaptcha")]
    kind, path = type(response).__name__, urlsplit(response.url).path
    return {"path": path, "status": response.status, "class": kind, "size": len(response.body), "flags": flags, **meta}


class RetryingSpider(WatchingSpider):
    """Retries challenges by itself, twice each."""

    def page(self, response, asked):
        again = None
        if b"g-recaptcha" in response.body:
            again = get_retry_request(response.request, spider=self, reason="banned", max_retry_times=2)
        if again is None:
            yield from super().page(response, asked)
        else:
            yield again


KINDS = {
    "plain": lambda status: (WatchingSpider, {}),
    "handles the status": lambda status: (
        type("Handling", (RetryingSpider,), {"handle_httpstatus_list": [status]}),
        {"RETRY_ENABLED": False},
    ),
    "retries the status": lambda status: (WatchingSpider, {"RETRY_HTTP_CODES": [status]}),
    "detects bans": lambda status: (WatchingSpider, {"DOWNLOADER_MIDDLEWARES": {BanMiddleware: 540}}),
}
"""What a spider does about pages with a status: its class, and its settings."""


class Walled(Site):
    """Site with a challenge in the place of its pages, or behind a redirect from each of them.

    No two of its answers come at the same moment, so that their order tells.
    """

    def __init__(self, case, status, *, redirects=False):
        super().__init__(self._answered)
        self._challenge = CHALLENGE.replace(*CHANGES.get(case, ("", "")))
        self._status, self._redirects = status, redirects

    async def _answered(self, request, form):
        await asyncio.sleep(0.01 * len(self.requests))
        if request.path == "/open":
            return page()
        if request.path == "/robots.txt":
            return page("User-agent: *\nDisallow: /private")
        if self._redirects and request.path != "/gate":
            response = redirect("/gate")
            response.body, response.content_type = b"moved", "text/html"
            response.enable_compression(force=web.ContentCoding.gzip)
            return response
        return page(self._challenge, self._status)


@pytest.fixture
def compare(crawl, service):
    """``compare(site, spider, settings)`` → what is seen with the add-on and without it, and the crawl with it."""

    def run(site, spider, settings):
        site.requests.clear()
        crawled = crawl(spider, {**service.settings, **settings}, origin=site.origin)
        seen = {
            "items": crawled.spider.items,
            "requests": [(method, path) for method, path, *_ in site.requests],
            "stats": {name: value for name, value in crawled.stats.items() if value and not OUR_STATS.match(name)},
        }
        return seen, crawled

    def compare(site, spider, settings):
        (with_addon, crawled), (without, _) = (run(site, spider, {**settings, **more}) for more in ({}, OFF))
        return with_addon, without, crawled

    return compare


@by_pairs(case=CASES, status=[200, 403, 429, 503], kind=list(KINDS))
def test_what_nothing_is_bought_for_passes_on_as_without_the_add_on(compare, service, case, status, kind):
    spider, settings = KINDS[kind](status)
    redirects, reason = case == "redirecting wall", "offsite" if case == "redirecting wall" else case
    with Walled(case, status, redirects=redirects) as site:
        with_addon, without, crawled = compare(site, spider, {**REASONS.get(reason, {}), **settings})
    assert with_addon == without
    assert without["items"]
    assert len(service.jobs) == 0
    if not redirects and case != "deed":
        assert crawled.count(f"skipped/{reason}") == crawled.count("challenges") >= 3


@pytest.mark.parametrize("status", [200, 403, 429, 503])
@pytest.mark.parametrize("case", ["offsite", "enterprise", "max_cost", "dry_run"])
def test_with_on_failure_response_the_callback_gets_what_nothing_was_bought_for(crawl, service, case, status):
    settings = {**service.settings, **REASONS[case], "OMOCAPTCHA_ON_FAILURE": "response"}
    with Walled(case, status) as site:
        crawled = crawl(WatchingSpider, settings, origin=site.origin)
        assert len(site.requests) == 4
    assert [(one.status, one.cb_kwargs["asked"]) for one in crawled.pages if "/open" not in one.url] == [
        (status, f"/page/{number}") for number in (1, 2, 3)
    ]
    assert crawled.failures == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [200, 403, 429, 503])
def test_at_a_limit_each_request_gets_the_challenge_that_its_redirect_leads_to(compare, status, kind):
    """Without the add-on, only the first of them gets it: to the duplicate filter, all others are the same."""
    spider, settings = KINDS[kind](status)
    with Walled("", status, redirects=True) as site:
        with_addon, without, _ = compare(site, spider, {**REASONS["max_cost"], **settings})
    asked = [item["asked"] for item in with_addon["items"]]
    assert sorted(asked) == ["/open", "/page/1", "/page/2", "/page/3"]
    assert len(without["items"]) < len(asked)
    assert {item["path"] for item in with_addon["items"] if "path" in item} <= {"/open", "/gate"}
    (first,) = [item for item in without["items"] if item["asked"] == "/page/1"]
    seen = [item for item in with_addon["items"] if item["asked"] == "/page/1"]
    assert [(item.get("failed"), item.get("status")) for item in seen] == [(first.get("failed"), first.get("status"))]


@pytest.mark.parametrize("status", [403, 503])
def test_only_the_request_that_a_job_was_bought_for_ends_as_not_solved(crawl, service, status):
    """The others meet a limit, and are retried and answered as if there were no add-on."""
    settings = {**service.settings, "OMOCAPTCHA_MAX_JOBS": 1, "OMOCAPTCHA_MAX_ATTEMPTS": 1}
    with Walled("", status) as site:
        crawled = crawl(WatchingSpider, settings, origin=site.origin)
    ends = {item["asked"]: item.get("failed") for item in crawled.spider.items}
    assert ends == {"/open": None, "/page/1": "ChallengeNotSolved", "/page/2": "HttpError", "/page/3": "HttpError"}
    assert sorted(crawled.reasons) == ["attempts", "max_jobs", "max_jobs"]
    assert crawled.stats.get("retry/count", 0) == (4 if status == 503 else 0)


VOTE = CHALLENGE.replace("Are you a robot?", "Lamp 1").replace("<p>Access denied.</p>", "").replace("Go on", "Vote")


def test_a_page_whose_own_form_is_a_deed_is_not_the_wall_that_a_token_was_for(crawl, service):
    """Its form has the site key and the address of the wall's form."""

    def answer(request, form):
        if request.method == "GET":
            return page(VOTE) if cleared(request) else challenge()
        return page("voted") if cleared(request) else won("/page/1")

    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/page/1"), service.settings)
        votes = [form for method, _, form, headers in site.requests if method == "POST" and "Cookie" in headers]
    assert [one.css("title::text").get() for one in crawled.pages] == ["Lamp 1"]
    assert (votes, len(service.jobs)) == ([], 1)


@pytest.mark.parametrize("status", [200, 403])
def test_a_request_that_a_job_was_bought_for_ends_as_not_solved_also_once_it_was_retried(crawl, service, status):
    """The page behind the wall is overloaded, and its wall is closed to the retry."""

    def answer(request, form):
        if request.method == "POST":
            return won("/page/1")
        is_first = sum(method == "GET" for method, *_ in site.requests) < 3
        return page("busy", 503) if cleared(request) and is_first else challenge(status=status)

    settings = {**service.settings, "OMOCAPTCHA_MAX_JOBS": 1, "RETRY_TIMES": 1}
    with Site(answer) as site:
        crawled = crawl(spider(f"{site.origin}/page/1"), settings)
    assert (crawled.pages, crawled.reasons) == ([], ["max_jobs"])


@pytest.mark.parametrize("settings", [{"OMOCAPTCHA_DRY_RUN": True}, {"OMOCAPTCHA_MAX_COST": 0.0001}])
def test_an_order_is_not_sent_again_for_a_gate_at_which_nothing_is_bought(crawl, service, settings):
    answers = iter([challenge(), page("busy", 429)])

    def answer(request, form):
        return redirect("/hold?next=/order") if request.method == "POST" else next(answers)

    with Site(answer) as site:
        order = scrapy.FormRequest(f"{site.origin}/order", formdata={"id": "1"})
        crawl(sending(order), {**service.settings, **settings})
        assert [method for method, *_ in site.requests] == ["POST", "GET"]


@pytest.mark.parametrize("case", ["dry_run", "max_cost", "enterprise"])
def test_a_spider_that_handles_redirects_gets_those_to_challenges_for_which_nothing_is_bought(compare, case):
    spider = type("Handling", (WatchingSpider,), {"handle_httpstatus_list": [302]})
    with Walled(case, 403, redirects=True) as site:
        with_addon, without, _ = compare(site, spider, REASONS.get(case, {}))
    assert with_addon["items"] == without["items"]
    assert {item["status"] for item in with_addon["items"]} == {200, 302}
