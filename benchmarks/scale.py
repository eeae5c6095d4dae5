"""Run many jobs and hold many requests at once in one process: the cost of one must not grow with their number."""

from __future__ import annotations

import asyncio
import gc
import random
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from statistics import mean, median
from typing import Any

from scrapy import Request
from scrapy.http import Response

from benchmarks.crawls import SPAWN, CrawlProcess, ReportingSpider, Served, ServerProcess, crawl
from benchmarks.tables import Column, Table, medians
from benchmarks.walls import NO_WALL
from scrapy_omocaptcha import Challenge, solve
from scrapy_omocaptcha.testing import OmoCaptchaService, Wall, WalledSite

PAGE = "http://shop.example/gate"
SITEKEY = "6LtestOnly" + "a" * 30
SOLVE_SECONDS = (10.0, 20.0)
NEVER = 1e6
PROBE = 0.05
COLUMNS = (
    Column("CPU ms/job", ".2f"),
    Column("CPU ms/call", ".2f"),
    Column("KiB/job", ".1f"),
    Column("polls/job", ".1f"),
    Column("seconds late", ".2f"),
    Column("lag, ms", ".0f"),
    Column("CPU, ratio", ".2f"),
    Column("memory, ratio", ".2f"),
)


@dataclass(frozen=True)
class Scale:
    repeats: int = 3
    jobs: tuple[int, ...] = (10, 100, 1_000, 10_000)
    speed: float = 1.0
    held: tuple[int, ...] = (100, 1_000)


SHORT = Scale(repeats=1, jobs=(10, 20), speed=100.0, held=(50,))


def tables(scale: Scale) -> Iterator[Table]:
    yield _jobs(scale)
    yield _held(scale)


# -- jobs ------------------------------------------------------------------------------------------------------------


def _jobs(scale: Scale) -> Table:
    rng = random.Random(5)
    figures = {}
    for jobs in scale.jobs:
        times = [rng.uniform(*SOLVE_SECONDS) for _ in range(jobs)]
        # A thousand jobs repeat themselves.
        runs = [_time(times, scale) for _ in range(scale.repeats if jobs < 1_000 else 1)]
        cpu, lag, late, polls = medians(runs)
        memory = _memory(jobs, scale) / 1024
        figures[jobs] = (cpu * 1e3, cpu * 1e3 / (polls + 1), memory, polls, late, lag * 1e3)
    reference = figures[scale.jobs[1]]
    return Table(
        title="Scale: jobs that run at once",
        about=(
            f"Jobs take {SOLVE_SECONDS[0]:g} to {SOLVE_SECONDS[1]:g} s. CPU is that of the crawl's process, KiB are "
            "what Python has allocated meanwhile, late is from “solved” to “token received”, and lag the 99th "
            f"percentile of a timer's delay. Ratios are to {scale.jobs[1]} jobs."
        ),
        columns=COLUMNS,
        rows=[
            [f"{jobs:,} jobs", *cells, cells[0] / reference[0], cells[2] / reference[2]]
            for jobs, cells in figures.items()
        ],
    )


def _time(times: list[float], scale: Scale) -> tuple[float, float, float, float]:
    """Return the CPU seconds a job, the lag, and the mean seconds late and polls of a job."""
    with ServerProcess(_serve_jobs, [0.0, *times], scale.speed) as server:
        cpu, lag = crawl(TokenBuyer, server, jobs=len(times))
        late, polls = zip(*server.seen()[1:], strict=True)
    return cpu / len(times), lag, mean(late), mean(polls)


def _memory(jobs: int, scale: Scale) -> float:
    """Return the bytes a job while all of them run."""
    with ServerProcess(_serve_jobs, [0.0] + [NEVER] * jobs, scale.speed) as server:
        process = CrawlProcess(TokenBuyer, server, {"OMOCAPTCHA_JOB_TIMEOUT": NEVER}, jobs=jobs, memory=True)
        allocated: float = process.report()
        process.kill()
    return allocated / jobs


@contextmanager
def _serve_jobs(times: Sequence[float], speed: float) -> Iterator[Served]:
    """Run the service with these solve times, on a clock ``speed`` times as fast."""

    def clock() -> float:
        return time.monotonic() * speed

    with OmoCaptchaService(api_version=2, balance=1000, solve_seconds=times, clock=clock) as service:
        settings = {
            "OMOCAPTCHA_POLL_INTERVAL": 2.0 / speed,
            "OMOCAPTCHA_JOB_TIMEOUT": 180.0 / speed,
            "OMOCAPTCHA_CONCURRENT_JOBS": 1_000_000,
            "OMOCAPTCHA_MAX_COST": 0,
        }

        def seen() -> list[tuple[float, int]]:
            return [(job.answered_at - job.ready_at, job.questions) for job in service.jobs if job.answered_at]

        yield {}, {**service.settings, **settings}, seen


class TokenBuyer(ReportingSpider):
    """Buys ``jobs`` tokens at once, and reports what they cost the process.

    :param memory: whether to measure memory in bytes. This uses so much CPU that the time is meaningless then.
    """

    jobs: int
    memory = False

    async def start(self) -> AsyncIterator[Request]:
        # The first one pays for what a crawl sets up once.
        await self.buy(1)
        await (self.report_memory() if self.memory else self.report_time())
        for request in ():
            yield request

    async def buy(self, jobs: int) -> None:
        await asyncio.gather(*(solve(Challenge(PAGE, SITEKEY), crawler=self.crawler) for _ in range(jobs)))

    async def report_time(self) -> None:
        lags: list[float] = []
        probe = asyncio.ensure_future(_probe(lags))
        start = time.process_time()
        await self.buy(self.jobs)
        probe.cancel()
        self.report((time.process_time() - start, sorted(lags)[int(len(lags) * 0.99)]))

    async def report_memory(self) -> None:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        buying = asyncio.ensure_future(self.buy(self.jobs))
        while self.crawler.stats.get_value("omocaptcha/jobs/created", 0) <= self.jobs:
            await asyncio.sleep(PROBE)
        self.report(tracemalloc.get_traced_memory()[0] - before)
        await buying


async def _probe(lags: list[float]) -> None:
    """Keep measuring how late the event loop wakes a timer."""
    while True:
        start = time.monotonic()
        await asyncio.sleep(PROBE)
        lags.append(time.monotonic() - start - PROBE)


# -- held requests ---------------------------------------------------------------------------------------------------


def _held(scale: Scale) -> Table:
    rows = []
    for pages in scale.held:
        held, waited, crawled = medians(_hold("session", pages) for _ in range(scale.repeats))
        memory, *_ = _hold("session", pages, memory=True)
        ordinary = median(sum(_hold(NO_WALL, pages)) for _ in range(scale.repeats))
        milliseconds = [seconds / pages * 1e3 for seconds in (held, crawled, ordinary)]
        rows.append([f"{pages:,} requests", memory / pages / 1024, waited / pages * 1e6, *milliseconds])
    return Table(
        title="Scale: requests held at once",
        about=(
            f"They wait together at a session wall. An ordinary page is one without a wall. Medians of {scale.repeats}."
        ),
        columns=(
            Column("KiB"),
            Column("CPU µs/s while waiting"),
            Column("CPU ms until held", ".2f"),
            Column("CPU ms from token to callback", ".2f"),
            Column("CPU ms, ordinary page", ".2f"),
        ),
        rows=rows,
    )


def _hold(wall: Wall | str, pages: int, **arguments: Any) -> tuple[float, float, float]:
    # A local name keeps the event alive until both processes have opened it.
    solving = SPAWN.Event()
    with ServerProcess(_serve_wall, wall, solving) as server:
        figures: tuple[float, float, float] = crawl(HeldRequests, server, pages=pages, solving=solving, **arguments)
    return figures


@contextmanager
def _serve_wall(wall: Wall | str, solving: Event) -> Iterator[Served]:
    """Serve a walled site, and a service that solves no job until ``solving`` is set."""

    def clock() -> float:
        return time.monotonic() + NEVER * solving.is_set()

    with (
        OmoCaptchaService(solve_seconds=NEVER, clock=clock) as service,
        WalledSite(service, wall, hosts=["127.0.0.2"], catalogue_pages=10**6) as site,
    ):
        settings = {"OMOCAPTCHA_POLL_INTERVAL": 0.2}
        yield {"site": site.url}, {**service.settings, **settings}, lambda: None


class HeldRequests(ReportingSpider):
    """Reports what it costs to hold ``pages`` requests, to let them wait for a second, and to crawl their pages.

    :param solving: lets jobs be solved.
    :param memory: whether to measure memory in bytes rather than CPU time in seconds.
    """

    site: str
    pages: int
    solving: Event
    memory = False
    received = 0

    async def start(self) -> AsyncIterator[Request]:
        # A request of another session waits already, so that what a crawl sets up once is not counted.
        yield Request(f"{self.site}/page/1", meta={"cookiejar": "first"})
        await asyncio.sleep(1)
        if self.memory:
            tracemalloc.start()
        before = self.used()
        for number in range(self.pages):
            yield Request(f"{self.site}/page/{number + 2}")
        while self.crawler.stats.get_value("omocaptcha/held", 0) + self.received <= self.pages:
            await asyncio.sleep(PROBE)
        held = self.used()
        await asyncio.sleep(1)
        waited = self.used()
        self.solving.set()
        while self.received <= self.pages:
            await asyncio.sleep(PROBE)
        self.report((held - before, waited - held, self.used() - waited))

    def parse(self, response: Response) -> None:
        self.received += 1

    def used(self) -> float:
        if not self.memory:
            return time.process_time()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
