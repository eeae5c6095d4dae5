"""Crawl hosts in pages that a browser renders: those that wait for tokens are closed meanwhile, or kept open."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from scrapy import Request
from scrapy.http import Response

from benchmarks.crawls import ReportingSpider, Served, ServerProcess, crawl
from benchmarks.tables import OURS, Column, Table, medians
from benchmarks.walls import NO_WALL
from scrapy_omocaptcha import find_challenge, solve
from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from scrapy_omocaptcha.testing.browser import browser_settings

WALLED_HOSTS = [f"127.0.0.{number}" for number in range(11, 19)]
FREE_HOST = "127.0.0.3"
ALONE = "the free host alone"
KEPT_OPEN = "kept open, as puppeteer-extra does"
GIVE = """token => {
  document.querySelector('[name="g-recaptcha-response"]').value = token;
  document.querySelector("#challenge button").click();
}"""


@dataclass(frozen=True)
class Scale:
    repeats: int = 1
    solve_seconds: float = 20.0
    pages_each: int = 8
    free_pages: int = 400
    looked_at: int = 100


SHORT = Scale(repeats=1, solve_seconds=1.0, pages_each=2, free_pages=12, looked_at=3)


class BrowserSpider(ReportingSpider):
    """Requests the pages of walled hosts, and meanwhile those of a free one."""

    walled: list[str]
    free: str
    pages_each: int
    free_pages: int
    custom_settings = {"LOG_LEVEL": "CRITICAL"}  # noqa: RUF012
    meta: dict[str, Any] = {"playwright": True}  # noqa: RUF012

    async def start(self) -> AsyncIterator[Request]:
        self.times: list[float] = []
        self.received = 0
        for number in range(1, self.pages_each + 1):
            for site in self.walled:
                yield Request(f"{site}/page/{number}", self.walled_page, meta=self.meta)
        for number in range(1, self.free_pages + 1):
            yield Request(f"{self.free}/free/{number}", self.free_page, meta={"playwright": True})

    def free_page(self, response: Response) -> None:
        self.times.append(time.monotonic())

    async def walled_page(self, response: Response) -> None:
        self.received += response.status == 200

    def closed(self, reason: str) -> None:
        self.report({"free": self.times, "received": self.received})


class KeptOpen(BrowserSpider):
    """Solves in its callback, in a page that stays open, as peers do; each page is solved for itself."""

    handle_httpstatus_list = (403,)
    meta: dict[str, Any] = {"playwright": True, "playwright_include_page": True, "omocaptcha": False}  # noqa: RUF012

    async def walled_page(self, response: Response) -> None:
        page = response.meta["playwright_page"]
        try:
            challenge = find_challenge(response)
            if challenge is not None:
                token = await solve(challenge, crawler=self.crawler)
                async with page.expect_navigation():
                    await page.evaluate(GIVE, token.value)
            self.received += challenge is not None
        finally:
            await page.close()


def tables(scale: Scale) -> Iterator[Table]:
    contenders: dict[str, tuple[list[str], type[BrowserSpider]]] = {
        ALONE: ([], BrowserSpider),
        OURS: (WALLED_HOSTS, BrowserSpider),
        KEPT_OPEN: (WALLED_HOSTS, KeptOpen),
    }
    runs: dict[str, list[list[float]]] = {}
    for _ in range(scale.repeats):
        for name, (hosts, spider) in contenders.items():
            runs.setdefault(name, []).append(_measure(hosts, spider, scale))
    yield Table(
        title="Pages of a browser, while tokens are awaited",
        about=(
            f"{len(WALLED_HOSTS) * scale.pages_each} requests to {len(WALLED_HOSTS)} walled hosts, and a free one, "
            f"rendered by scrapy-playwright in one context, 16 at a time. A job takes {scale.solve_seconds:g} s. "
            f"Medians of {scale.repeats}."
        ),
        columns=(
            Column("pages/s of the free host while the first jobs run", better="more"),
            Column("jobs", ".0f", better="less"),
            Column("pages received", ".0f", better="more"),
        ),
        rows=[[name, *medians(measured)] for name, measured in runs.items()],
        notes=[f"{KEPT_OPEN}: each page that waits takes one of the 16 places of the context."],
        baselines=[ALONE],
    )


def _measure(hosts: list[str], spider: type[BrowserSpider], scale: Scale) -> list[float]:
    with ServerProcess(_serve, hosts, scale) as server:
        arguments = {"pages_each": scale.pages_each, "free_pages": scale.free_pages}
        settings = {**browser_settings(), "OMOCAPTCHA_MAX_COST_PER_DAY": None}
        report = crawl(spider, server, settings, **arguments)
        jobs = server.seen()
    free = report["free"]
    # While the first jobs run: before that, walled pages are loaded; after it, tokens are handed in.
    start = min(jobs, default=free[0]) + scale.solve_seconds / 4
    seconds = scale.solve_seconds * 3 / 4
    return [sum(start < moment < start + seconds for moment in free) / seconds, len(jobs), report["received"]]


@contextmanager
def _serve(hosts: list[str], scale: Scale) -> Iterator[Served]:
    with ExitStack() as stack:
        service = stack.enter_context(OmoCaptchaService(solve_seconds=scale.solve_seconds))
        sites = [
            stack.enter_context(WalledSite(service, hosts=[host], catalogue_pages=scale.pages_each)) for host in hosts
        ]
        free = stack.enter_context(WalledSite(service, NO_WALL, hosts=[FREE_HOST]))
        arguments = {"walled": [site.url for site in sites], "free": free.url}
        yield arguments, service.settings, lambda: [job.created_at for job in service.jobs]
