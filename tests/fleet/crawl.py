"""Run a fleet for tests: its workers are processes, its queue and its limits are in one real Redis."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path

from scrapy import Request
from scrapy.crawler import Crawler

from scrapy_omocaptcha.buying.database import read_ledger
from tests.fleet.shops import Shops
from tests.helpers.commands import ROOT
from tests.helpers.crawl_process import SCRAPY_REDIS
from tests.helpers.forked_scrapy import start_module
from tests.helpers.redis_server import RedisServer

TIMEOUT = 240
"""Seconds for all workers to end."""
CONCURRENT_REQUESTS = 16
CONCURRENT_JOBS = 32
"""The default of OMOCAPTCHA_CONCURRENT_JOBS."""
MOST_WAITING = 32
"""So many requests of a worker wait at most where the queue is shared."""
_TRACEBACK = r"^Traceback.*?(?=^\d{4}-|\Z)"


class Taken:
    """Downloader middleware that writes the URL of each request that the worker takes from the queue."""

    def __init__(self, path: str) -> None:
        self._path = path

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Taken:
        return cls(crawler.settings["TAKEN"])

    def process_request(self, request: Request) -> None:
        url = next(iter(request.meta.get("redirect_urls", ())), request.url)
        with open(self._path, "a") as file:
            file.write(f"{url}\n")


class Worker:
    """A process with a file for its results, one for what it takes, a ledger and a log."""

    is_killed = False

    def __init__(self, folder: Path, number: int, urls: list[str], settings: dict[str, object]) -> None:
        names = ("out", "taken", "ledger", "log")
        self.out, self._taken, self.ledger, self.log = (folder / f"{name}{number}" for name in names)
        self.out.touch()
        self._taken.touch()
        files = {"TAKEN": str(self._taken), "OMOCAPTCHA_LEDGER": str(self.ledger)}
        first = {"DOWNLOADER_MIDDLEWARES": {"tests.fleet.crawl.Taken": 1}}
        settings = {**SCRAPY_REDIS, "LOG_LEVEL": "INFO", **settings, **files, **first}
        told = {"urls": urls, "out": str(self.out), "settings": settings, "run": "AsyncCrawlerProcess"}
        # What scrapy-redis uses of Scrapy is deprecated.
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        arguments = (json.dumps(told),)
        self.process = start_module(
            "tests.helpers.crawl_process", arguments, cwd=ROOT, environment=environment, out=self.log
        )

    def wait(self) -> int:
        """Wait for the end of the process, and return its exit status.

        :raises AssertionError: when it does not end in time.
        """
        self.process.join(TIMEOUT)
        assert self.process.exitcode is not None, f"a worker does not end: {self.log.read_text()[-3000:]}"
        return self.process.exitcode

    def kill(self) -> None:
        self.is_killed = True
        self.process.kill()

    @property
    def ends(self) -> list[str]:
        """The results: lines with "page" or the reason of an errback, and the URL."""
        return self.out.read_text().splitlines()

    @property
    def in_hand(self) -> set[str]:
        """The URLs that it has taken from the queue and not finished."""
        return set(self._taken.read_text().split()) - {line.split()[1] for line in self.ends}

    @property
    def records(self):
        """The jobs in its ledger."""
        return read_ledger(self.ledger) if self.ledger.exists() else []

    @property
    def abandoned(self) -> int:
        """Number of jobs that it bought and did not use before it ended."""
        return sum(record.outcome == "abandoned" for record in self.records)


class FleetCrawl:
    """Workers that crawl the same URLs.

    :param max_jobs: the limit of the fleet.
    """

    def __init__(self, folder: Path, shops: Shops, redis: RedisServer, max_jobs: int) -> None:
        self._folder = folder
        self._redis = redis
        self._urls = shops.urls
        self._settings = {
            **shops.service.settings,
            "REDIS_URL": redis.url,
            "OMOCAPTCHA_REDIS_URL": redis.url,
            "OMOCAPTCHA_MAX_JOBS": max_jobs,
            "CONCURRENT_REQUESTS": CONCURRENT_REQUESTS,
        }
        self.workers: list[Worker] = []

    def start(self, number: int = 1) -> list[Worker]:
        new = [Worker(self._folder, len(self.workers) + n, self._urls, self._settings) for n in range(number)]
        self.workers += new
        return new

    def wait(self) -> None:
        for worker in self.workers:
            worker.wait()

    def end(self) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.wait()

    @property
    def ends(self) -> Counter[str]:
        """The results of all workers."""
        return Counter(line for worker in self.workers for line in worker.ends)

    @property
    def lost(self) -> int:
        """Number of URLs without a result."""
        return len(set(self._urls) - self._results.keys())

    @property
    def may_be_lost(self) -> int:
        """Number of URLs that those had in hand which could not give them back, and that nobody else has finished.

        Scrapy takes as many as may be under way out of the queue before the first of them meets a middleware. What
        waits for a wall meets none before that opens.
        """
        ended = [worker for worker in self.workers if worker.is_killed]
        seen = set().union(*(worker.in_hand for worker in ended)) - self._results.keys()
        return len(seen) + (CONCURRENT_REQUESTS + MOST_WAITING) * len(ended)

    @property
    def _results(self) -> Counter[str]:
        return Counter(line.split()[1] for line in self.ends.elements())

    @property
    def counted(self) -> int:
        """Number of jobs, as counted by Redis."""
        return int(self._redis.client.hget("omocaptcha:fleet:writing", "jobs"))

    @property
    def tracebacks(self) -> list[str]:
        logs = (worker.log.read_text() for worker in self.workers)
        return [text for log in logs for text in re.findall(_TRACEBACK, log, re.DOTALL | re.MULTILINE)]
