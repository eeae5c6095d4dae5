"""Run chaos crawls one after another, and add up their figures."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from twisted.internet.task import deferLater
from twisted.logger import LogLevel, globalLogPublisher

from tests.chaos import books
from tests.chaos.plan import Plan, World, plan, running
from tests.chaos.spider import ChaosSpider
from tests.chaos.sums import Sums
from tests.helpers.crawling import Crawls

if TYPE_CHECKING:
    from tests.helpers.crawling import Reactor

TIMEOUT = 300
_LAST_CALLS = 5.0
"""Seconds within which the delayed calls of a finished crawl must be done."""


class Run:
    """The crawls of one process."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._crawls = Crawls(reactor, timeout=TIMEOUT)
        self.sums = Sums()

    def crawl(self, seed: str, requests: int) -> str:
        """Run a crawl, and return the lines to print about it."""
        planned = plan(seed, requests)
        before = self._reactor.call(books.alive)
        since = time.monotonic()
        world, sent, told, wrong = self._crawl(planned)
        told += f", {time.monotonic() - since:.1f} s"
        wrong += [f"{number} {name} are left in memory" for name, number in self._left(before).items()]
        return self.sums.add(planned, world, sent, told, wrong)

    def _crawl(self, planned: Plan) -> tuple[World, int, str, list[str]]:
        """Run a crawl, and return its world, the number of requests sent, what came back, and what is wrong."""
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
            with TemporaryDirectory() as folder, running(planned, filters=planned.filters) as world:
                ledger = Path(folder, "ledger")
                crawl = self._crawls(
                    ChaosSpider,
                    {
                        **planned.settings,
                        **world.service.settings,
                        "HTTPCACHE_DIR": folder,
                        "OMOCAPTCHA_LEDGER": str(ledger),
                    },
                    wanted=planned.wanted,
                    targets=[(site.url, site.sitekey) for site in world.sites],
                    note=note,
                    filters=planned.filters,
                    passes_meta=planned.passes_meta,
                )
                wrong = books.check(planned, world, crawl, came, ledger)
        finally:
            globalLogPublisher.removeObserver(observe)
        wrong += [f"unhandled: {error}" for error in unhandled]
        return world, crawl.spider.sent.total(), f"{came.total()} back ({_words(how)})", wrong

    def _left(self, before: Counter[str]) -> Counter[str]:
        """Return the objects that are left in memory once the last delayed calls of the crawl are done."""
        until = time.monotonic() + _LAST_CALLS
        while (left := self._reactor.call(books.alive) - before) and time.monotonic() < until:
            self._reactor.call(lambda: deferLater(self._reactor.reactor, 0.1))
        return left


def _words(how: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in how.most_common())
