"""What the measured crawls need: the service and its sites in one process, each crawl in another.

So the sites do not take the CPU that is measured, and no crawl inherits the memory, the caches or the reactor of the
one before. Nothing here measures anything. It wants a system that forks.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy.crawler import CrawlerProcess

from scrapy_omocaptcha.testing import OmoCaptchaService, Wall, WalledSite

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Event

    from scrapy import Spider
    from typing_extensions import Self

WALLED, OTHER = "127.0.0.2", "127.0.0.3"
FOR_EVER = 1e6
FREE_PAGE = 0.2
"""Seconds that a page of the other host takes: places are short then, rather than CPU."""
PATIENCE = 300.0
NO_WALL = Wall(free_pages=10**9)
START = multiprocessing.get_context("forkserver")
START.set_forkserver_preload(["benchmarks.crawls", "benchmarks.spiders"])


@dataclass(frozen=True)
class Facts:
    """What the service and the walled site have seen."""

    jobs: int
    at_once: int
    """Jobs under way at the same time, at the most."""
    token_times: dict[str, float]
    """When the token for each path was told to the crawl, in seconds of ``time.monotonic``."""
    requests: int
    pages: int


class Aside:
    """Something that is served in a process of its own, by ``serve(link, *args)``.

    It sends what a spider is told and the settings of a crawl there, and then its facts whenever it is sent anything.
    """

    def __init__(self, serve: Callable[..., None], *args: Any) -> None:
        self._link, theirs = START.Pipe()
        self._process = START.Process(target=serve, args=(theirs, *args), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self.told: dict[str, Any]
        self.settings: dict[str, Any]
        self.told, self.settings = self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def facts(self) -> Any:
        self._link.send("facts, please")
        return self._answer()

    def _answer(self) -> Any:
        if not self._link.poll(PATIENCE):
            raise TimeoutError("the sites do not answer")
        return self._link.recv()


class World(Aside):
    """The service, a walled site and another host. No job is solved before ``solving`` is set; then all are at once.

    :param solve_seconds: how long a job takes; None: until ``solving`` is set.
    """

    def __init__(self, wall: Wall | str, *, solve_seconds: float | None = None) -> None:
        self.solving: Event = START.Event()
        super().__init__(_serve, self.solving, wall, solve_seconds)

    def __enter__(self) -> Self:
        super().__enter__()
        self.told["solving"] = self.solving
        return self

    @property
    def walled(self) -> str:
        """The address of the walled site."""
        address: str = self.told["walled"]
        return address


def _serve(link: Connection, solving: Event, wall: Wall | str, solve_seconds: float | None) -> None:
    late = solve_seconds is None

    def clock() -> float:
        return time.monotonic() + (FOR_EVER if late and solving.is_set() else 0.0)

    def seconds(_: int) -> float:
        return solve_seconds if solve_seconds is not None else 0.0 if solving.is_set() else FOR_EVER

    with (
        OmoCaptchaService(solve_seconds=seconds, clock=clock, balance=100) as service,
        WalledSite(service, wall, hosts=[WALLED], catalogue_pages=10**6) as walled,
        WalledSite(service, hosts=[OTHER], free_delay=FREE_PAGE) as other,
    ):
        told = {"walled": walled.url, "other": other.url}
        link.send((told, {**service.settings, "OMOCAPTCHA_POLL_INTERVAL": 0.2}))
        while True:
            link.recv()
            jobs = service.jobs
            link.send(
                Facts(
                    jobs=len(jobs),
                    at_once=max((_at_once(job, jobs) for job in jobs), default=0),
                    token_times={
                        urlsplit(job.page).path: job.answered_at for job in jobs if job.answered_at is not None
                    },
                    requests=len(walled.requests),
                    pages=walled.pages,
                )
            )


def _at_once(job: Any, jobs: tuple[Any, ...]) -> int:
    return sum(other.created_at <= job.created_at < (other.answered_at or FOR_EVER) for other in jobs)


class Crawl:
    """One crawl in a process of its own; its spider reports with ``self.report(value)``."""

    def __init__(self, spider: type[Spider], world: Aside, settings: dict[str, Any], **told: Any) -> None:
        self._link, theirs = START.Pipe()
        told = {**world.told, **told}
        settings = {**SETTINGS, **world.settings, **settings}
        self.process = START.Process(target=_crawl, args=(theirs, spider, settings, told), daemon=True)
        self.process.start()

    def reported(self) -> Any:
        """The next thing that the spider reports."""
        if not self._link.poll(PATIENCE):
            raise TimeoutError("the crawl does not report")
        return self._link.recv()

    def end(self) -> None:
        """Wait for the crawl to end of itself."""
        self.process.join(PATIENCE)
        if self.process.exitcode != 0:
            self.kill()
            raise RuntimeError(f"the crawl ended with {self.process.exitcode}")

    def kill(self) -> None:
        """The figures are in; how a crawl ends is measured elsewhere."""
        self.process.kill()
        self.process.join()


SETTINGS = {
    "ADDONS": {"scrapy_omocaptcha.Addon": 500},
    "TELNETCONSOLE_ENABLED": False,
    "LOG_LEVEL": "ERROR",
    "OMOCAPTCHA_PRICE": 0.00055,
    "CONCURRENT_REQUESTS": 16,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 16,
}


def _crawl(link: Connection, spider: type[Spider], settings: dict[str, Any], told: dict[str, Any]) -> None:
    process = CrawlerProcess(settings)
    process.crawl(spider, link=link, **told)
    process.start()
