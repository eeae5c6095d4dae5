"""Random sites without any wall, crawled with the add-on and without it: neither sites nor spiders see a difference.

An address is looked at before Scrapy follows a redirect there if it looks like a wall's, up to three times, or once if
redirects there are dropped again and again. All else is the same.
"""

import asyncio
import random
import re
from collections import Counter

import pytest
import scrapy
from scrapy.http.request import NO_CALLBACK

from scrapy_omocaptcha.testing.server import LoopbackServer
from tests.helpers.components import OfCrawler
from tests.helpers.nightly import nightly
from tests.helpers.sites import page, redirect
from tests.helpers.views import ViewingSpider, view
from tests.simulation.simulation import simulated

SEEDS = [*range(1, 21), *map(nightly, range(21, 41))]
LOOKS = 3
CONCURRENT = (1, 2, 8, 16)
WALL_LIKE = ("/captcha", "/verify-human", "/access-denied")
REDIRECTS = (301, 302, 302, 302, 303, 307, 308, "refresh")
OTHERS = ("page", "page", "page", "error", "busy", "user")
METAS = ({}, {}, {}, {}, {"dont_redirect": True}, {"handle_httpstatus_list": [302, 404]}, {"cookiejar": 1})
_SKIPPED = re.compile("omocaptcha/|downloader/|httpcompression/|log_count/|memusage/|.*_time|.*_per_")


class RandomSite(LoopbackServer):
    """Site whose every address answers as the seed wants; ``log`` has what it was asked for."""

    def __init__(self, seed):
        super().__init__(("shop.example", "other.example"), 0)
        draw = random.Random(f"site {seed}")
        self.seed, self.log, self.redirects = seed, Counter(), Counter()
        pages = [f"/page/{number}" for number in range(draw.randint(4, 12))]
        self.paths = [*pages, "/", "/login", "/go?id=1", "/go?id=2"]
        if draw.random() < 0.5:
            self.paths += WALL_LIKE
        # Many redirects lead to the same few addresses.
        self._targets = [*self.paths, *draw.sample(self.paths, 3) * 4]
        self._share = draw.choice((0.3, 0.6, 0.85))
        self._answers = {path: self._plan(draw) for path in self.paths}

    def _plan(self, draw):
        kind = draw.choice(REDIRECTS if draw.random() < self._share else OTHERS)
        host = draw.choice(("", "", "", "http://other.example:{port}"))
        return kind, host + draw.choice(self._targets), draw.choices(self._targets, k=draw.randint(0, 4))

    async def _handle(self, request):
        asked = request.method, request.host, request.path_qs, await request.text()
        self.log[asked] += 1
        kind, target, links = self._answers[request.path_qs]
        if request.path in WALL_LIKE:
            # It answers at once, so that a look at it delays nothing.
            kind = "error" if kind == "error" else "page"
        else:
            # No two answers come at the same moment, so that all happens in the same order in both crawls.
            draw = random.Random(f"{self.seed} {asked}")
            await asyncio.sleep(draw.choice((0.1, 0.5, 4)) * draw.uniform(1, 2))
        target = target.format(port=self.port)
        if kind == "user" and "user" not in request.cookies:
            kind, target = 302, "/login"
        if kind in REDIRECTS:
            self.redirects[target.rpartition(f":{self.port}")[2]] += 1
        if isinstance(kind, int):
            response = redirect(target, kind)
            response.set_cookie("user", "ann")
            return response
        head = f'<meta http-equiv="refresh" content="0; url={target}">' if kind == "refresh" else ""
        text = head + "".join(f'<a href="{link}">next</a>' for link in links)
        is_busy = kind == "busy" and asyncio.get_running_loop().time() < 6
        return page(text, status=503 if is_busy else 404 if kind == "error" else 200)


class Watch(OfCrawler):
    """Middleware of a project, which sees each request on its way to the site."""

    def process_request(self, request):
        if request.callback is not NO_CALLBACK:
            seen = request.method, request.url, request.dont_filter, request.priority, sorted(request.meta)
            self.crawler.spider.seen[str(seen)] += 1


class Crawling(ViewingSpider):
    """Follows all links. What it asks for, and how, follows from the seed and the address."""

    def requests(self):
        draw = random.Random(f"spider {self.site.seed}")
        for number in range(draw.randint(2, 14)):
            url = self.origin + draw.choice(self.site.paths)
            yield self.asking(url, f"start {number}", dont_filter=draw.random() < 0.2)

    def asking(self, url, name, **options):
        draw = random.Random(f"request {self.site.seed} {url} {name}")
        if draw.random() < 0.2:
            options.update(method="POST", body="a=b")
        meta, priority = draw.choice(METAS), draw.choice((0, 0, 5, -5))
        return scrapy.Request(url, self.page, errback=self.failed, meta=meta, priority=priority, **options)

    def page(self, response):
        yield view(response)
        passes_meta = random.Random(f"meta {self.site.seed}").random() < 0.3
        for link in response.css("a::attr(href)").getall():
            request = self.asking(response.urljoin(link), "link")
            yield request.replace(meta={**response.meta, **request.meta}) if passes_meta else request


def crawled(seed, addons):
    """Return the site, and what the spider and its middleware saw, with the stats."""
    draw = random.Random(f"settings {seed}")
    settings = {
        "CONCURRENT_REQUESTS": draw.choice(CONCURRENT),
        "CONCURRENT_REQUESTS_PER_DOMAIN": 64,
        "REDIRECT_MAX_TIMES": draw.choice((3, 5, 20)),
        "REDIRECT_PRIORITY_ADJUST": draw.choice((2, 2, -5)),
        "RETRY_TIMES": draw.choice((0, 2)),
        "DOWNLOADER_MIDDLEWARES": {Watch: 500},
        "OMOCAPTCHA_API_TOKEN": "none-is-needed",
        **({} if addons else {"ADDONS": {}}),
    }
    domains = draw.choice(([], [], ["shop.example"]))
    with simulated(seed) as simulation, RandomSite(seed) as site:
        told = {"site": site, "origin": site.origin, "allowed_domains": domains, "seen": Counter()}
        crawl = simulation(Crawling, settings, **told)
    stats = {name: value for name, value in crawl.stats.items() if not _SKIPPED.match(name)}
    return site, Counter(crawl.spider.views), crawl.spider.seen, stats


@pytest.mark.parametrize("seed", SEEDS)
def test_a_site_without_walls_and_its_spider_cannot_tell_whether_the_add_on_is_there(seed):
    without, *expected = crawled(seed, addons=False)
    site, *got = crawled(seed, addons=True)
    assert not without.log - site.log
    for (method, _, path, body), times in (site.log - without.log).items():
        assert method == "GET"
        assert body == ""
        # A look is not for a spider that handles the redirect itself, nor for one whose redirects are dropped.
        assert times <= (path in WALL_LIKE) + (site.redirects[path] >= LOOKS)
    assert got == expected
