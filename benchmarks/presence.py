"""Measure what the add-on costs where there is no captcha: pages of crawls, and their start."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from scrapy import Request
from scrapy.http import Response

from benchmarks.crawls import CrawlProcess, ReportingSpider, Served, ServerProcess, crawl, share_core
from benchmarks.tables import OURS, Column, Table, medians

# The measured crawls import this module too, so it imports the add-on only where it serves pages.
WITHOUT: dict[str, Any] = {"ADDONS": {}}
# The service is never called.
WITH = {"OMOCAPTCHA_API_TOKEN": "offline", "OMOCAPTCHA_API_URL": "http://127.0.0.1:9/api"}
EMPTY = {
    "ADDONS": {},
    "DOWNLOADER_MIDDLEWARES": {"benchmarks.presence.Empty": 585, "benchmarks.presence.EmptyRedirects": 650},
}
"""Middlewares in the places of the add-on's that do nothing: what a middleware costs at least."""
TURN = 0.03
"""Seconds. Longer turns differ more in speed; after shorter ones, more of them begins with cold caches."""
NOTE = "“Empty” are two middlewares whose methods return at once: the least that the add-on could cost."
PARAGRAPH = (
    '<div class="story story-{n}"><h2 id="h{n}"><a class="title" href="/story/{n}?from=list">Story number {n}</a></h2>'
    '<p class="teaser">A <em>short</em> text that says what the story is about, in some forty words, as pages have '
    'them by the dozen, with a <a href="/tag/sea">link</a> or two and nothing else of note.</p>'
    '<ul><li><span class="by">Somebody</span></li><li><time datetime="2026-01-01">yesterday</time></li></ul>'
    '<img src="/i/{n}.jpg" alt="" width="300" height="200"></div>\n'
)


@dataclass(frozen=True)
class Scale:
    """How much is measured; ``pages`` has a name, the bytes of a page, and how many are crawled."""

    repeats: int = 3
    pages: tuple[tuple[str, int, int], ...] = (("tiny", 0, 3000), ("100 KB", 100_000, 1500), ("1 MB", 1_000_000, 500))
    warm_up: int = 50
    starts: int = 15


SHORT = Scale(repeats=1, pages=(("tiny", 0, 20),), warm_up=2, starts=1)


def tables(scale: Scale) -> Iterator[Table]:
    yield _crawls(scale)
    yield _starts(scale)


class PlainSpider(ReportingSpider):
    """Requests ``pages`` pages after ``warm_up`` others, and reports pages a second, CPU seconds a page, and MB."""

    url: str
    pages: int
    warm_up: int
    received = 0

    async def start(self) -> AsyncIterator[Request]:
        for number in range(self.warm_up + self.pages):
            yield Request(f"{self.url}?{number}")

    def parse(self, response: Response) -> None:
        self.received += 1
        if self.received == self.warm_up:
            self.started, self.cpu_started = time.monotonic(), time.process_time()
        if self.received == self.warm_up + self.pages:
            seconds, cpu = time.monotonic() - self.started, time.process_time() - self.cpu_started
            self.report((self.pages / seconds, cpu / self.pages, _peak_memory()))


class Empty:
    """Does nothing in each of the methods that the add-on's middleware has."""

    async def process_request(self, request: Request) -> None:
        return None

    async def process_response(self, request: Request, response: Response) -> Response:
        return response

    def process_exception(self, request: Request, exception: Exception) -> None:
        return None


class EmptyRedirects:
    """Does nothing in the method that the add-on's second middleware has."""

    async def process_response(self, request: Request, response: Response) -> Response:
        return response


class FirstPageSpider(ReportingSpider):
    """Requests one page, and reports the CPU milliseconds of the process until it came."""

    url: str

    async def start(self) -> AsyncIterator[Request]:
        yield Request(self.url)

    def parse(self, response: Response) -> None:
        self.report(1000 * time.process_time())


def _peak_memory() -> float:
    """Return the most MB that this process has used. On Linux, ``getrusage`` counts the parent's before exec too."""
    status = Path("/proc/self/status")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) / 1024 if status.exists() else 0.0


@contextmanager
def _serve(size: int) -> Iterator[Served]:
    from aiohttp import web

    from scrapy_omocaptcha.testing.server import LoopbackServer

    body = _article(size) if size else b"<!DOCTYPE html><title>News</title><p>No news."

    class Site(LoopbackServer):
        async def _handle(self, request: web.Request) -> web.StreamResponse:
            return web.Response(body=body, content_type="text/html", charset="utf-8")

    with Site(["127.0.0.4"], 0) as site:
        yield {"url": f"{site.origin}/"}, {}, lambda: None


def _article(size: int) -> bytes:
    """Return a page of about ``size`` bytes."""
    scripts = "".join(f'<script src="/{n}.js" defer></script><script>window.s{n} = {n};</script>' for n in range(15))
    stories = "".join(PARAGRAPH.format(n=n) for n in range(size // len(PARAGRAPH)))
    return f"<!DOCTYPE html><html><head><title>News</title>{scripts}</head><body>{stories}</body></html>".encode()


def _crawls(scale: Scale) -> Table:
    rows = []
    for name, size, count in scale.pages:
        with ServerProcess(_serve, size) as server:
            arguments = {"pages": count, "warm_up": scale.warm_up}
            pairs = _rounds(scale.repeats, (WITHOUT, WITH), PlainSpider, server, **arguments)
            shared = _rounds(scale.repeats, (WITHOUT, EMPTY, WITH), PlainSpider, server, turn=TURN, **arguments)
        (speed, _, memory), (our_speed, _, our_memory) = map(medians, zip(*pairs, strict=True))
        speed_ratio = median(ours[0] / without[0] for without, ours in pairs)
        cpu = median(without[1] for without, _, _ in shared)
        empty_ratio = median(empty[1] / without[1] for without, empty, _ in shared)
        cpu_ratio = median(ours[1] / without[1] for without, _, ours in shared)
        rows.append([name, speed, our_speed, speed_ratio, cpu * 1e3, cpu_ratio, empty_ratio, memory, our_memory])
    return Table(
        title="Overhead: crawls that meet no captcha",
        about=(
            "Crawls with the add-on and without it: for pages/s and MB one after the other; for CPU at the same time "
            f"on one core, which each has for {1000 * TURN:.0f} ms at a time. Medians of {scale.repeats}."
        ),
        columns=(
            *(Column("pages/s without"), Column("with"), Column("ratio", ".3f")),
            *(Column("CPU ms/page without", ".3f"), Column("CPU ratio", ".3f"), Column("CPU ratio of empty", ".3f")),
            *(Column("MB without", ".0f"), Column("MB with", ".0f")),
        ),
        rows=rows,
        notes=[NOTE],
    )


def _rounds(
    repeats: int,
    ways: Sequence[dict[str, Any]],
    spider: type[ReportingSpider],
    server: ServerProcess,
    *,
    turn: float = 0,
    **arguments: Any,
) -> list[list[Any]]:
    """Run a crawl with each of several settings so often, and return the reports of each round in their order.

    :param turn: seconds after which they change places on one core; 0: they run one after the other.
    """
    rounds = []
    for number in range(repeats):
        # Which crawl comes first changes, so that none always gets the warmer machine.
        first = number % len(ways)
        order = [*ways[first:], *ways[:first]]
        if turn:
            reports = share_core([CrawlProcess(spider, server, settings, **arguments) for settings in order], turn)
        else:
            reports = [crawl(spider, server, settings, **arguments) for settings in order]
        rounds.append([reports[order.index(settings)] for settings in ways])
    return rounds


def _starts(scale: Scale) -> Table:
    with ServerProcess(_serve, 0) as server:
        pairs = _rounds(scale.starts, (WITHOUT, WITH), FirstPageSpider, server, turn=TURN)
    without, ours = (median(reports) for reports in zip(*pairs, strict=True))
    added = median(ours - without for without, ours in pairs)
    return Table(
        title="Overhead: the start of a crawl",
        about=(
            f"CPU ms of a crawl's process until its first page comes, measured as above. Medians of {scale.starts}."
        ),
        columns=(Column("ms without", ".0f"), Column("with", ".0f"), Column("added", ".0f")),
        rows=[[OURS, without, ours, added]],
    )
