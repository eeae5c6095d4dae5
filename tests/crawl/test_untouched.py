"""Whole crawls at walls for which nothing is bought, beside the same crawls without the add-on."""

import asyncio
import re
from urllib.parse import urlsplit

import pytest
import scrapy
from scrapy import signals
from scrapy.downloadermiddlewares.retry import get_retry_request
from scrapy.exceptions import IgnoreRequest

from tests.helpers.components import hears
from tests.helpers.crawling import RecordingSpider
from tests.helpers.sites import CHALLENGE, Site, page, redirect

OUR_STATS = re.compile("omocaptcha/|log_count/|elapsed_time|start_time|finish_time|memusage/")
REASONS = {
    "host_not_allowed": {"OMOCAPTCHA_ALLOWED_DOMAINS": "other.example"},
    "max_cost": {"OMOCAPTCHA_MAX_COST": 0.0001},
    "dry_run": {"OMOCAPTCHA_DRY_RUN": True},
    "enterprise": {},
    "foreign_form": {},
    "no_form": {},
    "robots": {"ROBOTSTXT_OBEY": True},
    "hook": {},
}
"""Settings by the reason why nothing is bought, where those make the reason."""
CASES = [*REASONS, "redirecting wall", "page in doubt"]
OFF = {"OMOCAPTCHA_ENABLED": False}
CHANGES = {
    "enterprise": ("/api.js", "/enterprise.js"),
    "foreign_form": ("/verify", "https://elsewhere.example/verify"),
    "no_form": ("<form method=post action=/verify>", ""),
    "robots": ("/verify", "/private"),
    "page in doubt": ("Access denied: are you a robot?", "Something else"),
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
    return {"path": urlsplit(response.url).path, "status": response.status, "flags": flags, **meta}


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
            return redirect("/gate")
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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [200, 403, 429, 503])
@pytest.mark.parametrize("case", CASES)
def test_what_nothing_is_bought_for_passes_on_as_without_the_add_on(compare, service, case, status, kind):
    spider, settings = KINDS[kind](status)
    if case == "hook":
        spider = type("Hooked", (spider,), {"omocaptcha_submit": _async_hook})
    redirects, reason = case == "redirecting wall", "host_not_allowed" if case == "redirecting wall" else case
    with Walled(case, status, redirects=redirects) as site:
        with_addon, without, crawled = compare(site, spider, {**REASONS.get(reason, {}), **settings})
    assert with_addon == without
    assert without["items"]
    assert len(service.jobs) == 0
    if not redirects and case != "page in doubt":
        assert crawled.count(f"skipped/{reason}") == crawled.count("challenges") >= 3


async def _async_hook(self, response, challenge, token):
    """Do what no plain method does."""
