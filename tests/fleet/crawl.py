"""Run a fleet for tests: its workers are processes, its queue and its limits are in one real Redis.

``python -m tests.fleet.crawl --workers 8 --requests 2000`` runs two crawls, one whose limit leaves room and one
whose limit does not. In the middle of each, a worker is stopped and one is killed, both are replaced, and Redis is
restarted. The exit status is 1 if something is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from scrapy import Request
from scrapy.crawler import Crawler

from scrapy_omocaptcha.buying.database import read_ledger
from tests.fleet.shops import Shops
from tests.helpers import redis_server
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
_PASSED_ON = re.compile(
    r'(?:^  File ".*/engine/\w+\.py", line .*\n(?:    .*\n)*)+(?=  File ".*/scrapy_redis/)',
    re.MULTILINE,
)
"""The frames through which an error of scrapy-redis' scheduler passes."""


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

    fate: str | None = None
    """What the test has done to it; None if nothing."""

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

    def stop(self) -> None:
        """Make the worker end and give back its requests."""
        self.fate = "was stopped"
        self.process.terminate()

    def kill(self) -> None:
        self.fate = "was killed"
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

    @property
    def went_down(self) -> bool:
        """Tell whether it ended as Redis went, so that it could not give back what it had in hand."""
        # Scrapy ends a crawl whose start requests cannot be queued.
        return self.fate is None and "'finish_reason': 'shutdown'" in self.log.read_text()

    def __str__(self) -> str:
        ends = Counter(line.split()[0] for line in self.ends)
        pages = ends.pop("page", 0)
        errors = "".join(f", {number} {reason}" for reason, number in sorted(ends.items()))
        jobs = f"{len(self.records)} jobs" + (f" ({self.abandoned} in vain)" if self.abandoned else "")
        fate = self.fate or ("went down with Redis" if self.went_down else "ran to its end")
        return f"{fate:20}  {pages:5} pages  {jobs}{errors}"


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
        ended = [worker for worker in self.workers if worker.went_down or worker.fate == "was killed"]
        seen = set().union(*(worker.in_hand for worker in ended)) - self._results.keys()
        return len(seen) + (CONCURRENT_REQUESTS + MOST_WAITING) * len(ended)

    @property
    def twice(self) -> int:
        """Number of results beyond the first of each URL."""
        return self._results.total() - len(self._results)

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


# -- the long run ----------------------------------------------------------------------------------------------------


def go_through_everything(fleet: FleetCrawl, shops: Shops, redis: RedisServer, workers: int) -> None:
    """Run a crawl to its end, with one misfortune at each quarter of it."""
    stopped, killed, *_ = fleet.start(workers)

    def stop() -> None:
        stopped.stop()
        fleet.start()

    def kill() -> None:
        killed.kill()
        fleet.start()

    def restart() -> None:
        redis.stop()
        redis.start()

    for quarter, misfortune in enumerate((stop, kill, restart), 1):
        shops.after(quarter * len(shops.urls) // 4, misfortune)
    fleet.wait()
    shops.wait_for_all()
    # The others may have finished before the stopped worker gave its requests back.
    fleet.start()
    fleet.wait()


def judge(fleet: FleetCrawl, shops: Shops, workers: int, max_jobs: int) -> list[str]:
    """Return a sentence for each thing that is wrong."""
    bought, more = len(shops.service.jobs), len(fleet.workers) - workers
    abandoned = sum(worker.abandoned for worker in fleet.workers)
    ends = Counter(
        line.split()[0]
        for worker in fleet.workers
        for line in worker.ends
        # What a worker asked of its Redis as that went may have failed a request, as it would without the add-on.
        if not line.startswith("ConnectionError")
    )
    wrong = {
        f"{fleet.lost} pages are lost, more than may be": fleet.lost > fleet.may_be_lost + workers,
        f"{fleet.twice} came twice": fleet.twice > 0,
        f"{bought} jobs were bought, the limit is {max_jobs}": bought > max_jobs,
        f"Redis has counted {fleet.counted} jobs, the limit is {max_jobs}": fleet.counted > max_jobs,
        # Workers that ended may have reserved jobs that they did not send.
        f"Redis has counted {fleet.counted} jobs, and {bought} were bought": not (
            bought <= fleet.counted <= bought + abandoned + CONCURRENT_JOBS
        ),
        f"{bought} jobs were bought, more than are used or left by those that ended": (
            bought > shops.ideal(workers + more) + abandoned
        ),
        f"there are other ends than pages and the limit: {ends}": not ends.keys() <= {"page", "max_jobs"},
        f"the limit leaves room, and {ends['max_jobs']} pages did not come for it": (
            ends["max_jobs"] > 0 and fleet.counted < max_jobs
        ),
        # scrapy-redis logs tracebacks of its own while its Redis is unavailable.
        **{text: True for text in fleet.tracebacks if "/scrapy_omocaptcha/" in _PASSED_ON.sub("", text)},
    }
    return [sentence for sentence, holds in wrong.items() if holds]


def run(workers: int, requests: int, *, room: bool) -> bool:
    """Run a crawl, print what happened and what is wrong, and return whether nothing is."""
    with TemporaryDirectory() as folder, Shops(requests, redirects=True) as shops:
        redis = RedisServer(Path(folder))
        ideal = shops.ideal(workers)
        max_jobs = ideal + 3 + 2 * CONCURRENT_JOBS if room else ideal // 2
        fleet = FleetCrawl(Path(folder), shops, redis, max_jobs)
        print(f"\n{workers} workers, {requests} pages, at most {max_jobs} jobs", flush=True)
        since = time.monotonic()
        try:
            go_through_everything(fleet, shops, redis, workers)
            wrong = judge(fleet, shops, workers, max_jobs)
            counted = fleet.counted
        finally:
            fleet.end()
            redis.close()
        for number, worker in enumerate(fleet.workers, 1):
            print(f"  worker {number:2}  {worker}")
        ends = Counter(line.split()[0] for line in fleet.ends.elements())
        print(f"  pages {ends['page']}, without one for the limit {ends['max_jobs']}, {time.monotonic() - since:.0f} s")
        print(
            f"  lost {fleet.lost} (those that were killed or went down with Redis may have had {fleet.may_be_lost} in "
            f"hand, and each of the {workers} one on its way when Redis went), twice {fleet.twice}"
        )
        print(f"  jobs bought {len(shops.service.jobs)}, counted by Redis {counted}, limit {max_jobs}, ideal {ideal}")
        print("\n".join(f"  WRONG {sentence}" for sentence in wrong) or "  good", flush=True)
    return not wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.crawl", description=__doc__)
    parser.add_argument("--workers", type=int, default=8, help="workers that run at once (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=2000, help="pages of each crawl (default: %(default)s)")
    options = parser.parse_args()
    if redis_server.PROGRAM is None:
        print("redis-server is not installed (Debian package redis-server)", file=sys.stderr)
        return 2
    good = [run(options.workers, options.requests, room=room) for room in (True, False)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
