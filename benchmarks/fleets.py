"""Measure what a fleet costs: pages and jobs by the number of workers, and the load on Redis.

Workers are processes that share a queue through scrapy-redis. Their limits have a Redis of their own, so that its
figures are those of the limits alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from scrapy import Request

from benchmarks.crawls import CrawlProcess, ReportingSpider, Served, ServerProcess
from benchmarks.tables import Column, Table
from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.helpers import redis_server


@dataclass(frozen=True)
class Scale:
    workers: tuple[int, ...] = (1, 2, 4, 8)
    session_pages: int = 2000
    token_pages: int = 400
    solve_seconds: float = 2.0


SHORT = Scale(workers=(1, 2), session_pages=20, token_pages=10, solve_seconds=0.1)


class Crawled(NamedTuple):
    """What the site, the service and the Redis of the limits have seen of a crawl.

    :param rate: pages a second, from the first request to the last page.
    :param load: on Redis: calls of the workers, commands in them, bytes received, CPU ms, µs in the script a call.
    """

    pages: int
    jobs: int
    rate: float
    load: tuple[float, ...]


def tables(scale: Scale) -> Iterator[Table]:
    """Yield the tables; none if redis-server is not installed."""
    if redis_server.PROGRAM is None:
        return
    session = {workers: _crawl("session", workers, scale.session_pages, scale) for workers in scale.workers}
    tokens = {workers: _crawl("per_page", workers, scale.token_pages, scale) for workers in scale.workers}
    yield Table(
        title="Fleets: pages and jobs by the number of workers",
        about=(
            f"{scale.session_pages} pages behind one wall per session, and {scale.token_pages} that need a token each. "
            f"Jobs take {scale.solve_seconds:g} s. Workers, site, service and Redis share one machine."
        ),
        columns=[
            column
            for wall in ("session", "token each")
            for column in (Column(f"{wall}: pages", ".0f"), Column("jobs", ".0f"), Column("pages/s", ".0f"))
        ],
        rows=[
            [_name(n), *(cell for each in (session[n], tokens[n]) for cell in (each.pages, each.jobs, each.rate))]
            for n in scale.workers
        ],
    )
    yield Table(
        title="Fleets: load on the Redis of the limits",
        about=(
            "With a token for each page. Commands are those that our script runs in the workers' calls; CPU is that of "
            "the whole Redis process."
        ),
        columns=(
            Column("calls/job", ".2f"),
            Column("commands/job", ".1f"),
            Column("bytes received/job", ".0f"),
            Column("CPU ms/job", ".3f"),
            Column("µs in the script/call", ".0f"),
        ),
        rows=[[_name(n), *(f / tokens[n].jobs for f in tokens[n].load[:-1]), tokens[n].load[-1]] for n in tokens],
    )


def _name(workers: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}"


class Worker(ReportingSpider):
    """Requests all pages, as every worker does; scrapy-redis lets each one through once."""

    site: str
    pages: int

    async def start(self) -> AsyncIterator[Request]:
        for number in range(self.pages):
            yield Request(f"{self.site}/page/{number + 1}", errback=self.parse)

    def parse(self, response: Any) -> None:
        """Do nothing: the site counts its pages, and the service its jobs."""


def _crawl(wall: str, workers: int, pages: int, scale: Scale) -> Crawled:
    with ExitStack() as stack:
        folders = (Path(stack.enter_context(TemporaryDirectory())) for _ in range(2))
        queue, limits = (stack.enter_context(closing(redis_server.RedisServer(folder))) for folder in folders)
        server = stack.enter_context(ServerProcess(_serve, wall, scale.solve_seconds))
        settings = {
            "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
            "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
            "SCHEDULER_PERSIST": True,
            "REDIS_URL": queue.url,
            "OMOCAPTCHA_REDIS_URL": limits.url,
        }
        limits.client.config_resetstat()
        before = limits.client.info("everything")
        for crawl in [CrawlProcess(Worker, server, settings, pages=pages) for _ in range(workers)]:
            crawl.wait()
        after = limits.client.info("everything")
        return Crawled(*server.seen(), load=_load(before, after))


def _load(before: dict[str, Any], after: dict[str, Any]) -> tuple[float, ...]:
    """Return the difference of two INFO answers, as :class:`Crawled` describes it."""
    script = after["cmdstat_evalsha"]
    commands = sum(value["calls"] for name, value in after.items() if name.startswith("cmdstat_")) - script["calls"]
    received = after["total_net_input_bytes"] - before["total_net_input_bytes"]
    cpu = sum(float(after[name]) - float(before[name]) for name in ("used_cpu_user", "used_cpu_sys"))
    return script["calls"], commands, received, 1e3 * cpu, script["usec"] / script["calls"]


@contextmanager
def _serve(wall: str, solve_seconds: float) -> Iterator[Served]:
    with (
        OmoCaptchaService(solve_seconds=solve_seconds, balance=100) as service,
        WalledSite(service, wall, hosts=["127.0.0.2"], catalogue_pages=10**6) as site,
    ):

        def seen() -> tuple[int, int, float]:
            pages = [visit.at for visit in site.requests if visit.shown == "page"]
            rate = len(pages) / (max(pages) - site.requests[0].at) if pages else 0.0
            return len(pages), len(service.jobs), rate

        yield {"site": site.url}, {**service.settings, "OMOCAPTCHA_POLL_INTERVAL": 0.2}, seen
