"""Features of Scrapy, each with a spider that uses it on the site of ``many_pages``."""

from __future__ import annotations

from dataclasses import dataclass, field

import scrapy
from scrapy.downloadermiddlewares.retry import get_retry_request
from scrapy.exceptions import CloseSpider
from scrapy.linkextractors import LinkExtractor
from scrapy.pipelines.files import FilesPipeline
from scrapy.pipelines.images import ImagesPipeline
from scrapy.spidermiddlewares.httperror import HttpError
from scrapy.spiders import CrawlSpider, Rule, SitemapSpider

from tests.helpers.views import ViewingSpider, view

HOST, OTHER_HOST = "127.0.0.21", "127.0.0.22"


@dataclass
class Feature:
    """A feature: spiders that use it, and what differs behind a wall by its nature."""

    often_behind: str | None
    """The wall behind which it is tried for every change; None if it is for the nights alone."""
    spider: type
    settings: dict = field(default_factory=dict)
    runs: int = 1
    """How often the spider runs, one run after the other."""
    crawlers: int = 1
    """How many crawlers run at the same time."""
    redirects: bool = False
    """Whether the site redirects. A redirect to a page behind a wall may be asked for twice."""
    feeds: bool = False
    """Whether the items are exported."""
    skipped_stats: str | None = None
    not_behind: tuple = ()
    """Walls behind which the feature cannot be the same."""


def paths(*paths, **attributes):
    return type("Spider", (ViewingSpider,), {"paths": paths, **attributes})


class Tree(ViewingSpider):
    paths = ("/tree",)

    def page(self, response):
        yield view(response, depth=response.meta["depth"])
        yield from response.follow_all(css="a", callback=self.page, errback=self.failed)


class Priorities(ViewingSpider):
    def requests(self):
        for number in range(6):
            yield self.request(f"/page/{number}", priority=number % 3 * 10)

    def page(self, response):
        yield view(response)
        if "deeper" not in response.url:
            yield self.request(response.url.removeprefix(self.origin) + "/deeper", priority=response.request.priority)


class Cookiejars(ViewingSpider):
    def requests(self):
        for user in ("ann", "bob", "cem"):
            meta = {"cookiejar": user, "user": user}
            yield self.request(f"/login/{user}", self.logged_in, meta=meta, cookies={"lang": user[0]})

    def logged_in(self, response):
        yield view(response)
        yield self.request("/me", meta={"cookiejar": response.meta["cookiejar"]}, dont_filter=True)


class Redirects(ViewingSpider):
    paths = ("/to/page/1", "/to-301/to-303/page/2", "/to/status/404/x", "/to/busy/1/r")

    def requests(self):
        yield from super().requests()
        yield self.request("/to-307/page/5", headers={"Authorization": "x"}, cb_kwargs={"n": 5}, flags=["flag"])


class RedirectsForTheSpider(ViewingSpider):
    paths = ("/page/1", "/page/2", "/page/3")

    def requests(self):
        yield from super().requests()
        meta = {"dont_redirect": True, "handle_httpstatus_list": [302], "n": 4}
        yield self.request("/to/page/4", meta=meta, priority=5)


class RedirectedPosts(ViewingSpider):
    def requests(self):
        for status in (301, 302, 303, 307, 308):
            yield scrapy.FormRequest(
                f"{self.origin}/to-{status}/echo/{status}", formdata={"q": "x"}, callback=self.page, errback=self.failed
            )


class OtherHosts(ViewingSpider):
    """Redirects to another host with a wall of its own, and requests there."""

    paths = ("/elsewhere/page/1", "/page/2")

    def requests(self):
        yield from super().requests()
        yield scrapy.Request(f"{self.other}/elsewhere/page/3", self.page, errback=self.failed)
        yield scrapy.Request(f"{self.other}/page/4", self.page, errback=self.failed)


class Retries(ViewingSpider):
    paths = ("/busy/1/a", "/busy/2/b", "/busy/9/c", "/status/404/d", "/status/500/e", "/status/429/f", "/status/418/g")

    def requests(self):
        yield from super().requests()
        yield self.request("/busy/1/once", meta={"dont_retry": True})
        yield self.request("/busy/2/more", meta={"max_retry_times": 1}, priority=3)
        yield self.request("/status/404/mine", meta={"handle_httpstatus_list": [404]})


class RetriesByHand(ViewingSpider):
    """A page that is never good enough for the spider."""

    paths = ("/page/1", "/page/2")

    def page(self, response):
        yield view(response)
        again = get_retry_request(response.request, spider=self, reason="not good enough")
        if again is not None:
            yield again


class Awaits(ViewingSpider):
    paths = ("/page/1", "/page/2", "/to/page/3")

    async def page(self, response):
        yield view(response)
        for path in ("/echo", "/busy/1", "/to/page/x", "/status/404"):
            request = scrapy.Request(f"{self.origin}{path}/{response.url[-1]}", headers={"X-Api-Key": "k"})
            more = await self.crawler.engine.download_async(request)
            yield view(more, asked=request.url, same=more.request is request)


class Slots(ViewingSpider):
    def requests(self):
        for number in range(6):
            yield self.request(f"/page/{number}")
            yield self.request(f"/page/x{number}", meta={"download_slot": f"mine{number % 2}"})


class Broken(ViewingSpider):
    """The connection breaks, and pages are too long."""

    paths = ("/drop/1/a", "/drop/9/b", "/big")

    def requests(self):
        yield from super().requests()
        yield self.request("/drop/1/once", meta={"dont_retry": True})


class Methods(ViewingSpider):
    def requests(self):
        yield scrapy.FormRequest(
            f"{self.origin}/echo?1", formdata={"a": "1", "b": ["x", "y"]}, callback=self.page, errback=self.failed
        )
        yield scrapy.FormRequest(f"{self.origin}/echo?4", formdata={"a": "2"}, callback=self.page, errback=self.failed)
        yield self.request("/echo?2", headers={"X-Requested-With": "XMLHttpRequest", "X-Api-Key": "k", "Accept": "a/b"})
        yield self.request("/echo?5", headers={"Authorization": "Basic dTpw", "Accept-Language": "sk"})
        yield self.request("/echo?3", headers={"Referer": "http://a.example/", "User-Agent": "mine"}, flags=["f"])


class Bodies(ViewingSpider):
    """Requests that the form of a challenge cannot carry."""

    def requests(self):
        yield scrapy.http.JsonRequest(f"{self.origin}/echo?1", data={"a": 1}, callback=self.page, errback=self.failed)
        for method in ("PUT", "DELETE", "PATCH"):
            yield self.request(f"/echo?{method}", method=method, body=b"raw")


class Texts(ViewingSpider):
    paths = (
        *(f"/text/{charset}" for charset in ("utf-8", "latin-1", "cp1250", "utf-16", "shift_jis", "gb2312")),
        *(f"/text/{charset}/meta" for charset in ("utf-8", "cp1250", "koi8-r")),
        *(f"/packed/{how}" for how in ("gzip", "deflate")),
        "/json/1",
        "/file/1",
    )


class Files(ViewingSpider):
    paths = ("/page/1", "/page/2")

    def page(self, response):
        number = response.url[-1]
        files = [f"{self.origin}/{path}" for path in (f"file/{number}", f"to/file/{number}0", f"status/404/{number}")]
        images = [f"{self.origin}/image/{size}{number}" for size in (1, 2)]
        yield {**view(response), "file_urls": files, "image_urls": images}


class Errors(ViewingSpider):
    """Callbacks and errbacks that raise."""

    paths = ("/page/1", "/page/2", "/page/3", "/status/404/1", "/status/404/2")

    def page(self, response):
        yield view(response)
        raise RuntimeError(response.url)

    def failed(self, failure):
        yield from super().failed(failure)
        if failure.check(HttpError):
            raise LookupError(failure.request.url)


class Duplicates(ViewingSpider):
    def requests(self):
        for number in range(9):
            yield self.request(f"/page/{number % 3}", cb_kwargs={}, priority=-number)
        for _ in range(2):
            yield self.request("/page/9", dont_filter=True)


class Offsite(ViewingSpider):
    allowed_domains = (HOST,)
    paths = ("/page/1", "/elsewhere/page/2", "/page/3", "/page/4", "/page/5")

    def page(self, response):
        yield view(response)
        yield scrapy.Request(f"{self.other}/page/1", self.page, errback=self.failed)


class PassesMetaOn(ViewingSpider):
    paths = ("/to/page/1",)

    def page(self, response):
        yield view(response)
        number = int(response.url[-1])
        if number < 6:
            yield self.request(f"/to/page/{number + 1}", meta=response.meta)


class Rules(CrawlSpider, ViewingSpider):
    rules = (Rule(LinkExtractor(), callback="linked", follow=True, errback="failed"),)

    async def start(self):
        yield scrapy.Request(self.origin + "/tree", errback=self.failed)

    def linked(self, response):
        yield view(response)


class Sitemap(SitemapSpider, ViewingSpider):
    async def start(self):
        yield scrapy.Request(self.origin + "/sitemap", self._parse_sitemap)

    def parse(self, response):
        yield view(response)


class Closes(ViewingSpider):
    """Closes itself in the middle of its first run."""

    paths = tuple(f"/page/{number}" for number in range(20))

    def page(self, response):
        yield view(response)
        if response.url.endswith("/page/3"):
            raise CloseSpider("paused")


class Marks:
    """A middleware of a project, at 543: it marks requests, and notes in meta what it saw."""

    def process_request(self, request):
        request.headers["X-Api-Key"] = "marked"
        request.meta["marked"] = True

    def process_response(self, request, response):
        request.cb_kwargs["status"] = response.status
        return response.replace(flags=[*response.flags, "seen"])


class Marked(ViewingSpider):
    paths = ("/echo?1", "/busy/1/x", "/to/page/1")

    def page(self, response, status):
        yield view(response, got=status)


FEATURES = {
    "depth": Feature("session", Tree, {"DEPTH_STATS_VERBOSE": True, "DEPTH_PRIORITY": 1}),
    "priorities": Feature("redirect", Priorities, {"CONCURRENT_REQUESTS": 2}),
    "cookiejars": Feature("three free pages", Cookiejars),
    # Each redirect uses up a page of a clearance for three, and so does looking at where it leads.
    "redirects": Feature("session", Redirects, redirects=True, not_behind=("three pages a clearance",)),
    # A spider that wants redirects gets those of a wall, too.
    "redirects for the spider": Feature("session", RedirectsForTheSpider, not_behind=("redirect", "one address")),
    # Where a wall is met only after a redirect, what a POST leads to has a flag.
    "redirected posts": Feature(
        "redirect", RedirectedPosts, redirects=True, not_behind=("three pages a clearance", "three free pages")
    ),
    "too many redirects": Feature(
        None,
        paths("/loop/1", "/page/1", "/page/2", "/page/3"),
        {"REDIRECT_MAX_TIMES": 4},
        redirects=True,
        not_behind=("three pages a clearance",),
    ),
    "other hosts": Feature("session", OtherHosts, redirects=True),
    "meta refresh": Feature(
        "token a page", paths("/refresh/page/1", "/refresh/to/page/2", "/refresh/refresh/page/3"), redirects=True
    ),
    "retries": Feature("redirect", Retries, {"RETRY_TIMES": 2}),
    "retries by hand": Feature("token a page", RetriesByHand, {"RETRY_TIMES": 2}),
    # A token may have been used though no answer came. Another one is bought then, rather than the request retried.
    "broken connections": Feature(
        "redirect", Broken, {"DOWNLOAD_MAXSIZE": 50_000, "RETRY_TIMES": 1}, not_behind=("token a page",)
    ),
    "autothrottle": Feature(
        "three pages a clearance",
        paths(*(f"/page/{number}" for number in range(8))),
        {"AUTOTHROTTLE_ENABLED": True, "AUTOTHROTTLE_START_DELAY": 0.02, "AUTOTHROTTLE_MAX_DELAY": 0.05},
    ),
    "slots": Feature(
        "session",
        Slots,
        {"DOWNLOAD_SLOTS": {HOST: {"concurrency": 1}, "mine0": {"concurrency": 2, "delay": 0.02, "jitter": 0}}},
    ),
    "httpcache": Feature("session", Tree, {"HTTPCACHE_ENABLED": True}, runs=2),
    # A clearance may run out between a redirect and its page. What is stored for the redirect is a challenge then, and
    # the second crawl asks the site for it once more.
    "httpcache with redirects": Feature(
        None,
        paths("/to/page/1", "/page/2", "/status/404/3"),
        {"HTTPCACHE_ENABLED": True},
        runs=2,
        redirects=True,
        not_behind=("three pages a clearance",),
    ),
    "jobdir": Feature(
        "session", Closes, {"CONCURRENT_REQUESTS": 2}, runs=2, skipped_stats="scheduler|dupefilter|.*count|finish"
    ),
    "media": Feature(
        "redirect",
        Files,
        {
            "ITEM_PIPELINES": {FilesPipeline: 1, ImagesPipeline: 2},
            "IMAGES_THUMBS": {"small": (5, 5)},
            "MEDIA_ALLOW_REDIRECTS": True,
        },
        redirects=True,
    ),
    "feeds": Feature("three pages a clearance", Tree, feeds=True),
    "encodings": Feature("token a page", Texts),
    "awaits": Feature("three free pages", Awaits, {"RETRY_TIMES": 1}, redirects=True),
    "several crawlers": Feature("redirect", Cookiejars, crawlers=2),
    "methods and headers": Feature("session", Methods),
    "bodies": Feature("session", Bodies, not_behind=("token a page",)),
    "errors": Feature("redirect", Errors),
    "duplicates": Feature("token a page", Duplicates),
    "offsite": Feature("redirect", Offsite, redirects=True),
    # Of requests that wait for robots.txt together, Scrapy 2.19 tells only the first what is in it.
    "robots.txt": Feature(
        "session",
        paths(*(f"/page/{number}" for number in range(6))),
        {"ROBOTSTXT_OBEY": True, "CONCURRENT_REQUESTS": 1},
    ),
    "meta passed on": Feature("redirect", PassesMetaOn, redirects=True),
    "rules": Feature(None, Rules),
    "sitemap": Feature(None, Sitemap),
    "a project's middleware": Feature(
        "session", Marked, {"DOWNLOADER_MIDDLEWARES": {Marks: 543}, "RETRY_TIMES": 1}, redirects=True
    ),
}
