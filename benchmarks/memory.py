"""Crawl many hosts, each behind a wall, and many pages of one host whose wall closes again: memory must stay the same.

Scrapy itself keeps something of each request (fingerprints, cookies), so that the same crawl without walls and without
the add-on is measured beside it.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from scrapy import Request
from scrapy.http import Response
from scrapy.resolver import CachingThreadedResolver
from twisted.internet.defer import Deferred, succeed

from benchmarks.crawls import CrawlProcess, ReportingSpider, Served, ServerProcess
from benchmarks.tables import Column, Table
from scrapy_omocaptcha.testing import OmoCaptchaService
from scrapy_omocaptcha.testing.server import LoopbackServer

SITEKEY = "6LtestOnly" + "m" * 30
WALL = f"""<!DOCTYPE html><title>Access denied</title><h1>Please confirm you are not a robot</h1>
<form action="/verify" method="post"><input type="hidden" name="next" value="%s">
<div class="g-recaptcha" data-sitekey="{SITEKEY}"></div><button>Continue</button></form>"""
PAGE = "<!DOCTYPE html><title>News</title><p>No news."
CONCURRENT = 32
WITHOUT: dict[str, Any] = {"ADDONS": {}}


@dataclass(frozen=True)
class Scale:
    hosts: int = 5_000
    pages: int = 50_000
    each: int = 100
    reports: int = 100


SHORT = Scale(hosts=80, pages=120, each=20, reports=4)


class LoopbackNames(CachingThreadedResolver):
    """Resolves every name to the loopback interface."""

    def getHostByName(self, name: str, timeout: Any = None) -> Deferred[str]:  # noqa: N802
        return succeed("127.0.0.1")


class Measured(ReportingSpider):
    """Requests one page of each of many hosts, or many pages of one, and counts the blocks of memory in use."""

    port: int
    hosts: int
    pages: int
    reports: int
    asked = received = 0

    async def start(self) -> AsyncIterator[Request]:
        # Each page leads to the next one, so that as many requests wait at the beginning as at the end.
        for _ in range(CONCURRENT):
            yield self.next_request()

    def next_request(self) -> Request:
        self.asked += 1
        return Request(f"http://host{self.asked % self.hosts}.test:{self.port}/page/{self.asked}")

    def parse(self, response: Response) -> Iterator[Request]:
        self.received += 1
        if self.received % (self.pages // self.reports) == 0:
            # Scrapy lets go of the slots of idle hosts once a minute, and the crawls take minutes of different number.
            self.crawler.engine.downloader._slot_gc(age=0)
            gc.collect()
            self.report(sys.getallocatedblocks())
        if self.received < self.pages:
            yield self.next_request()


def tables(scale: Scale) -> Iterator[Table]:
    cases = (
        (f"{scale.hosts:,} hosts, each behind a wall", scale.hosts, scale.hosts, 10**9),
        (f"{scale.pages:,} pages, a wall after each {scale.each}", 1, scale.pages, scale.each),
    )
    rows = []
    for name, hosts, pages, each in cases:
        (first, last), (alone_first, alone_last) = _measure(hosts, pages, each, scale.reports)
        added = (last - first - (alone_last - alone_first)) / first
        rows.append([name, first, last, alone_first, alone_last, added])
    yield Table(
        title="Memory of long crawls",
        about=(
            f"Blocks of memory that Python has allocated after {1 / scale.reports:.0%} of the pages and at the end; "
            "the same without add-on and wall; and what the add-on adds in between, as a share of the first."
        ),
        columns=(
            *(Column("blocks first", ".0f"), Column("at the end", ".0f")),
            *(Column("Scrapy alone, first", ".0f"), Column("Scrapy, end", ".0f")),
            Column("added", ".3f"),
        ),
        rows=rows,
    )


def _measure(hosts: int, pages: int, each: int, reports: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the first and the last report of a crawl with the add-on and walls, and of one with neither.

    The two run at the same time, since no time is measured.
    """
    with ServerProcess(_serve, each) as walled, ServerProcess(_serve, 0) as open_site:
        arguments = {"hosts": hosts, "pages": pages, "reports": reports}
        behind_walls = CrawlProcess(Measured, walled, **arguments)
        alone = CrawlProcess(Measured, open_site, WITHOUT, **arguments)
        told = [(behind_walls.report(), alone.report()) for _ in range(reports)]
        behind_walls.wait()
        alone.wait()
    (first, first_alone), (last, last_alone) = told[0], told[-1]
    return (first, last), (first_alone, last_alone)


@contextmanager
def _serve(clearance: int) -> Iterator[Served]:
    """Serve pages for as many visits as a clearance is good for; 0: without a wall."""

    class Site(LoopbackServer):
        async def _handle(self, request: web.Request) -> web.StreamResponse:
            if request.path == "/verify":
                form = await request.post()
                answer = web.Response(status=302, headers={"Location": str(form["next"])})
                if service.siteverify(str(form["g-recaptcha-response"]), SITEKEY)["success"]:
                    visits[request.host] = 0
                    answer.set_cookie("clear", "1")
                return answer
            visits[request.host] = visits.get(request.host, clearance) + 1
            if clearance and visits[request.host] > clearance:
                return web.Response(status=403, body=WALL % request.path, content_type="text/html")
            page = web.Response(body=PAGE, content_type="text/html")
            if not clearance:
                # Scrapy keeps the cookie of each host, which is a clearance in the other crawl.
                page.set_cookie("clear", "1")
            return page

    visits: dict[str, int] = {}
    with OmoCaptchaService(balance=1000) as service, Site(["127.0.0.1"], 0) as site:
        settings = {
            "OMOCAPTCHA_MAX_COST": 0,
            "OMOCAPTCHA_POLL_INTERVAL": 0.1,
            "DNS_RESOLVER": f"{__name__}.LoopbackNames",
            "CONCURRENT_REQUESTS": CONCURRENT,
        }
        yield {"port": int(site.origin.rpartition(":")[2])}, {**service.settings, **settings}, lambda: None
