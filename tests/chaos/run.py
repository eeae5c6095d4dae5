"""Crawl after crawl through chaos, with the sums over all of them."""

from __future__ import annotations

import time
from collections import Counter
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from twisted.internet.task import deferLater
from twisted.logger import LogLevel, globalLogPublisher

from tests.chaos import books
from tests.chaos.plan import Plan, plan, running
from tests.chaos.spider import ChaosSpider
from tests.crawling import Crawls

if TYPE_CHECKING:
    from tests.crawling import Reactor

PATIENCE = 300
_LAST_CALLS = 5.0


class Run:
    """Crawls of one process, one after another."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._crawls = Crawls(reactor, patience=PATIENCE)
        self.requests = 0
        self.jobs = 0
        self.faults: Counter[str] = Counter()
        self.wrong: list[str] = []

    def crawl(self, seed: str, requests: int) -> str:
        """One crawl; a line that tells of it. What is wrong with it is added to :attr:`wrong`."""
        planned = plan(seed, requests)
        before = self._reactor.call(books.alive)
        since = time.monotonic()
        told, wrong = self._crawl(planned)
        left = self._left(before)
        wrong += [f"{number} {name} are left in memory" for name, number in left.items()]
        self.wrong += [f"{planned}: {sentence}" for sentence in wrong]
        told = f"{seed}: {told}, {time.monotonic() - since:.1f} s"
        return "\n".join([told, *(f"    WRONG {sentence}" for sentence in wrong[:20]), *([f"    {planned}"] if wrong else [])])

    def _crawl(self, planned: Plan) -> tuple[str, list[str]]:
        came: Counter[int] = Counter()
        how: Counter[str] = Counter()
        unhandled: list[str] = []

        def note(number: int, what: str) -> None:
            came[number] += 1
            how[what] += 1

        def observe(event):
            if event["log_level"] >= LogLevel.error:
                unhandled.append(str(event.get("log_failure") or event.get("log_format")))

        globalLogPublisher.addObserver(observe)
        try:
            with TemporaryDirectory() as folder, running(planned) as world:
                crawl = self._crawls(
                    ChaosSpider,
                    {**planned.settings, **world.service.settings, "HTTPCACHE_DIR": folder},
                    wanted=planned.wanted,
                    targets=[(site.url, site.sitekey) for site in world.sites],
                    note=note,
                )
                wrong = books.check(planned, world, crawl, came)
        finally:
            globalLogPublisher.removeObserver(observe)
        faults = books.faults(world)
        self.faults += faults
        self.requests += sum(crawl.spider.sent.values())
        self.jobs += len(world.service.jobs)
        told = (
            f"{sum(crawl.spider.sent.values())} requests, {sum(how.values())} back {dict(how)}, "
            f"{len(world.service.jobs)} jobs ({crawl.count('tokens/accepted')} accepted), "
            f"{faults.total()} faults"
        )
        return told, wrong + [f"unhandled: {error}" for error in unhandled]

    def _left(self, before: Counter[str]) -> Counter[str]:
        """What is left in memory once the crawl's last delayed calls, which are short, are through."""
        until = time.monotonic() + _LAST_CALLS
        while (left := self._reactor.call(books.alive) - before) and time.monotonic() < until:
            self._reactor.call(lambda: deferLater(self._reactor.reactor, 0.1))
        return left

    @property
    def summary(self) -> str:
        """The figures of all crawls."""
        return "\n".join(
            [
                f"requests driven: {self.requests}",
                f"jobs bought: {self.jobs}",
                f"faults met: {self.faults.total()}",
                *(f"    {kind}: {number}" for kind, number in self.faults.most_common()),
                f"wrong: {len(self.wrong)}",
            ]
        )
