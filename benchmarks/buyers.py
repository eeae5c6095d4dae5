"""A crawl that does nothing but buy tokens, many at once, and the service that sells them."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import scrapy

from benchmarks.clients import KEY
from benchmarks.crawls import Aside
from scrapy_omocaptcha import Challenge, solve
from scrapy_omocaptcha.testing import OmoCaptchaService, TaskShape

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from multiprocessing.connection import Connection

    from scrapy import Request

PAGE = "http://shop.example/gate"
SITEKEY = "6LtestOnly" + "a" * 30
LOOK = 0.05


class Asked(NamedTuple):
    """What a client did about one job."""

    late: float | None
    """Seconds of the service's clock from solved to told; None when the client has given up before."""
    questions: int


class Shop(Aside):
    """The service alone, in version 2, ``speed`` times as fast as time.

    :param times: seconds that the jobs take, one after the other.
    """

    def __init__(self, times: Sequence[float], *, speed: float = 1.0, shape: TaskShape | None = None) -> None:
        super().__init__(_serve, times, speed, shape)


def _serve(link: Connection, times: Sequence[float], speed: float, shape: TaskShape | None) -> None:
    def clock() -> float:
        return time.monotonic() * speed

    with OmoCaptchaService(
        api_version=2, api_token=KEY, balance=1000, clock=clock, solve_seconds=times, task_shape=shape
    ) as service:
        settings = {"OMOCAPTCHA_POLL_INTERVAL": 2.0 / speed, "OMOCAPTCHA_JOB_TIMEOUT": 180.0 / speed}
        link.send(({"origin": service.origin}, {**service.settings, **settings, **NO_LIMITS}))
        while True:
            link.recv()
            link.send(
                [Asked(job.answered_at and job.answered_at - job.ready_at, job.questions) for job in service.jobs]
            )


NO_LIMITS = {"OMOCAPTCHA_CONCURRENT_JOBS": 1_000_000, "OMOCAPTCHA_MAX_COST": 0}


class Buyer(scrapy.Spider):
    """Buys tokens in crowds, one crowd after the other, and reports what the last of them cost the process.

    :param crowds: how many at once.
    :param memory: count bytes, which takes so much CPU that seconds are worth nothing then.
    """

    name = "buyer"
    crowds: Sequence[int] = (1,)
    memory = False

    def __init__(self, link: Connection, origin: str, **told: Any) -> None:
        super().__init__(**told)
        self.report = link.send

    async def start(self) -> AsyncIterator[Request]:
        for crowd in self.crowds[:-1]:
            await self.buy(crowd)
        if self.memory:
            tracemalloc.start()
        lags: list[float] = []
        probe = asyncio.ensure_future(_probe(lags.append))
        before = self.spent()
        buying = asyncio.ensure_future(self.buy(self.crowds[-1]))
        if self.memory:
            while self.under_way() < sum(self.crowds):
                await asyncio.sleep(LOOK)
            self.report(self.spent() - before)
        await buying
        probe.cancel()
        if not self.memory:
            self.report((self.spent() - before, sorted(lags)[int(len(lags) * 0.99)]))
        for request in ():
            yield request

    async def buy(self, crowd: int) -> None:
        challenge = Challenge(PAGE, SITEKEY)
        await asyncio.gather(*(solve(challenge, crawler=self.crawler) for _ in range(crowd)))

    def under_way(self) -> int:
        created: int = self.crawler.stats.get_value("omocaptcha/jobs/created", 0)
        return created

    def spent(self) -> float:
        """Bytes, or seconds of CPU."""
        return tracemalloc.get_traced_memory()[0] if self.memory else time.process_time()


async def _probe(lag: Callable[[float], None]) -> None:
    """How much later than it should the process gets to anything."""
    while True:
        since = time.monotonic()
        await asyncio.sleep(LOOK)
        lag(time.monotonic() - since - LOOK)
