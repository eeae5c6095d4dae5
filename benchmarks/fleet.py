"""What a fleet costs: pages and jobs for so many workers, and what its limits ask of Redis.

Workers are processes whose queue scrapy-redis shares. Their limits are in a Redis of their own, so that what is counted
there is theirs alone. ``--short`` sees that it runs: figures mean little then.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import scrapy

from benchmarks.crawls import Aside, Crawl
from benchmarks.tables import Column, Table
from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.helpers.redis_server import RedisServer

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

MARK = "omocaptcha:fleet:fleet"
"""What the keys of this fleet begin with."""


@dataclass(frozen=True)
class Scale:
    workers: tuple[int, ...] = (1, 2, 4, 8)
    session_pages: int = 2000
    token_pages: int = 400
    hosts: int = 520
    """More than 512, beyond which Redis keeps a hash in another way."""
    solve_seconds: float = 2.0


SHORT = Scale(workers=(1, 2), session_pages=20, token_pages=10, hosts=5, solve_seconds=0.1)


class Facts(NamedTuple):
    """What the site and the service have seen."""

    pages: int
    jobs: int
    seconds: float
    """From the first request to the last page."""


class Shop(Aside):
    """The service and a walled site, on so many hosts."""

    def __init__(self, wall: str, scale: Scale, *, hosts: int = 1, outcome: str = "token") -> None:
        super().__init__(_serve, wall, scale.solve_seconds, hosts, outcome)


def _serve(link: Connection, wall: str, solve_seconds: float, hosts: int, outcome: Any) -> None:
    addresses = [f"127.0.{number // 250 + 2}.{number % 250 + 1}" for number in range(hosts)]
    with (
        OmoCaptchaService(solve_seconds=solve_seconds, balance=100) as service,
        WalledSite(service, wall, hosts=addresses, catalogue_pages=10**6) as site,
    ):
        service.random_jobs(1.0, seed=1, outcomes=[outcome])
        urls = [site.url.replace(addresses[0], address) for address in addresses]
        link.send(({"sites": urls}, {**service.settings, "OMOCAPTCHA_POLL_INTERVAL": 0.2}))
        while True:
            link.recv()
            pages = [visit.at for visit in site.requests if visit.shown == "page"]
            seconds = max(pages) - site.requests[0].at if pages else 0.0
            link.send(Facts(len(pages), len(service.jobs), seconds))


class Worker(scrapy.Spider):
    """Begins with all pages, as every worker does; the filter of scrapy-redis lets each through once."""

    name = "fleet"

    def __init__(self, link: Connection, sites: Sequence[str], pages: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._urls = [f"{site}/page/{number + 1}" for number in range(pages) for site in sites]

    async def start(self) -> Any:
        for url in self._urls:
            yield scrapy.Request(url, errback=self.failed)

    def parse(self, response: Any) -> None:
        """The site counts."""

    def failed(self, failure: Any) -> None:
        """So does the service."""


class Crawled(NamedTuple):
    facts: Facts
    before: dict[str, Any]
    """INFO of the Redis of the limits."""
    after: dict[str, Any]
    bytes: dict[str, int]
    """By key of that Redis."""

    def more(self, *names: str) -> float:
        """By how much these figures have grown together."""
        return sum(float(self.after[name]) - float(self.before[name]) for name in names)

    def calls(self, *, of_the_script: bool) -> tuple[float, float]:
        """How many commands there were, and the microseconds that they took: our script, or what it does."""
        found = [
            value
            for name, value in self.after.items()
            if name.startswith("cmdstat_") and (name == "cmdstat_evalsha") == of_the_script
        ]
        return sum(value["calls"] for value in found), sum(value["usec"] for value in found)


def crawl(shop: Shop, workers: int, pages: int, **settings: Any) -> Crawled:
    """A crawl of so many pages of each host by so many workers."""
    with ExitStack() as stack:
        queue, limits = (stack.enter_context(_redis()) for _ in range(2))
        stack.enter_context(shop)
        settings = {
            "SCHEDULER": "scrapy_redis.scheduler.Scheduler",
            "DUPEFILTER_CLASS": "scrapy_redis.dupefilter.RFPDupeFilter",
            "SCHEDULER_PERSIST": True,
            "REDIS_URL": queue.url,
            "OMOCAPTCHA_REDIS_URL": limits.url,
            **settings,
        }
        limits.client.config_resetstat()
        before = limits.client.info("everything")
        crawls = [Crawl(Worker, shop, settings, pages=pages) for _ in range(workers)]
        for one in crawls:
            one.end()
        after = limits.client.info("everything")
        keys = {key: limits.client.memory_usage(key, samples=0) for key in limits.client.keys(f"{MARK}*")}
        return Crawled(shop.facts(), before, after, keys)


@contextmanager
def _redis() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        try:
            yield server
        finally:
            server.close()


# -- the tables ------------------------------------------------------------------------------------------------------


def tables(scale: Scale) -> Iterator[Table]:
    session = {workers: crawl(Shop("session", scale), workers, scale.session_pages) for workers in scale.workers}
    tokens = {workers: crawl(Shop("per_page", scale), workers, scale.token_pages) for workers in scale.workers}
    yield _pages(f"a wall around the session, {scale.session_pages} pages", session, scale)
    yield _pages(f"a token for each of {scale.token_pages} pages", tokens, scale)
    yield Table(
        title="A fleet: what its limits ask of Redis",
        about=(
            "At the wall that wants a token for each page. Calls are those of the workers, the commands those that our "
            "script gives in them; bytes are those that Redis is sent; CPU is that of its whole process, idling and "
            "its file included, the script's own time that of a call alone."
        ),
        columns=(
            Column("calls a job", ".2f"),
            Column("commands a job", ".1f"),
            Column("bytes a job", ".0f"),
            Column("CPU ms a job", ".3f"),
            Column("script us a call", ".0f"),
        ),
        rows=[[_workers(workers), *_asked(crawled)] for workers, crawled in tokens.items()],
    )
    yield _memory(scale)


def _pages(wall: str, found: dict[int, Crawled], scale: Scale) -> Table:
    return Table(
        title=f"A fleet: {wall}",
        about=(
            f"A job takes {scale.solve_seconds:g} s, CONCURRENT_REQUESTS=16. Workers, shop and service share one "
            "machine, so that many workers compete with the shop for its CPU; time is from the first request to the "
            "last page."
        ),
        columns=(Column("pages", ".0f"), Column("jobs", ".0f"), Column("seconds"), Column("pages/s", ".0f")),
        rows=[
            [_workers(workers), facts.pages, facts.jobs, facts.seconds, facts.pages / facts.seconds]
            for workers, (facts, *_) in found.items()
        ],
    )


def _workers(number: int) -> str:
    return f"{number} worker{'s' * (number > 1)}"


def _asked(crawled: Crawled) -> list[float]:
    calls, microseconds = crawled.calls(of_the_script=True)
    commands, _ = crawled.calls(of_the_script=False)
    figures = (
        calls,
        commands,
        crawled.more("total_net_input_bytes"),
        1e3 * crawled.more("used_cpu_user", "used_cpu_sys"),
    )
    return [*(figure / crawled.facts.jobs for figure in figures), microseconds / calls]


def _memory(scale: Scale) -> Table:
    solved = crawl(Shop("per_page", scale, hosts=scale.hosts), 1, 1)
    failed = crawl(Shop("per_page", scale, hosts=scale.hosts, outcome="fail"), 1, 1, OMOCAPTCHA_MAX_ATTEMPTS=1)
    rows: list[tuple[str, Crawled, tuple[str, ...]]] = [
        ("a job that was sent within four minutes", solved, (":jobs", ":expiry")),
        ("a host", solved, (":hosts",)),
        ("a host whose jobs fail, besides", failed, (":breaker:", ":failed_keys:")),
    ]
    return Table(
        title="A fleet: what Redis keeps",
        about=(
            f"As MEMORY USAGE tells it, for {scale.hosts} hosts with a job each. What a fleet has bought and spent is "
            "two figures more, and a day's spending 145 at the most."
        ),
        columns=(Column("bytes", ".0f"),),
        rows=[
            [
                name,
                sum(size for key, size in crawled.bytes.items() if key.removeprefix(MARK).startswith(kinds))
                / scale.hosts,
            ]
            for name, crawled, kinds in rows
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--short", action="store_true", help="see that it runs: figures mean little then")
    for table in tables(SHORT if parser.parse_args().short else Scale()):
        print(f"{table}\n  {table.about}\n", flush=True)


if __name__ == "__main__":
    main()
