"""A fleet for tests: its workers are processes, its queue and its limits are in one real Redis.

``python -m tests.helpers.fleet_crawl --workers 8 --requests 2000`` has it go through all that can happen to one in the
middle of a crawl: a worker is asked to stop, one is killed, each is replaced, and Redis is restarted. Once its limit leaves
room, once it does not. The exit status is the verdict.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from scrapy_omocaptcha.buying.journal import read_journal
from tests.helpers import redis_server
from tests.helpers.commands import ROOT
from tests.helpers.fleet_shops import Shops
from tests.helpers.redis_server import RedisServer

PATIENCE = 240
"""Seconds for all workers to come to their end."""
CONCURRENT_REQUESTS = 16
MAX_WAITING = 32
"""The default of OMOCAPTCHA_MAX_WAITING where the queue is shared."""
IN_HAND = CONCURRENT_REQUESTS + MAX_WAITING + CONCURRENT_REQUESTS
"""Requests that a worker has taken from the queue and not yet dealt with: those that it downloads, those that wait, and
those whose pages are on their way to the spider, as many as can come in one moment."""
CONCURRENT_JOBS = 32
"""The default of OMOCAPTCHA_CONCURRENT_JOBS."""
_TRACEBACK = r"^Traceback.*?(?=^\d{4}-|\Z)"


class Worker:
    """A process, the file that it writes its pages to, its journal and its log."""

    fate: str | None = None
    """What was done to it."""

    def __init__(self, folder: Path, number: int, urls: list[str], settings: dict[str, object]) -> None:
        self.out, self.journal, self.log = (folder / f"{name}{number}" for name in ("out", "journal", "log"))
        self.out.touch()
        told = {"urls": urls, "out": str(self.out), "settings": {**settings, "OMOCAPTCHA_JOURNAL": str(self.journal)}}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.helpers.fleet_worker", json.dumps(told)], cwd=ROOT, stderr=log, stdout=log
            )

    def wait(self) -> None:
        """:raises AssertionError: it does not come to its end."""
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"a worker does not end: {self.log.read_text()[-3000:]}") from None

    def stop(self) -> None:
        """Ask it to end, and give back what it has not dealt with."""
        self.fate = "was stopped"
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.fate = "was killed"
        self.process.kill()

    @property
    def ends(self) -> list[str]:
        """What has come of it: "page" or the reason of an errback, and the address."""
        return self.out.read_text().splitlines()

    @property
    def records(self):
        """Its jobs."""
        return read_journal(self.journal)[0] if self.journal.exists() else []

    @property
    def abandoned(self) -> int:
        """Jobs that it bought and did not live to use."""
        return sum(record.outcome == "abandoned" for record in self.records)

    def __str__(self) -> str:
        told = Counter(line.split()[0] for line in self.ends)
        pages = told.pop("page", 0)
        else_told = "".join(f", {number} {reason}" for reason, number in sorted(told.items()))
        jobs = f"{len(self.records)} jobs" + (f" ({self.abandoned} in vain)" if self.abandoned else "")
        # Scrapy shuts a crawl down whose start requests cannot be queued.
        went_down = "'finish_reason': 'shutdown'" in self.log.read_text()
        fate = self.fate or ("went down with Redis" if went_down else "ran to its end")
        return f"{fate:20}  {pages:5} pages  {jobs}{else_told}"


class FleetCrawl:
    """Workers that crawl the same addresses.

    :param max_jobs: the limit that they share.
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
            worker.process.wait(PATIENCE)

    @property
    def ends(self) -> Counter[str]:
        """What has come of it, of all workers: "page" or the reason of an errback, and the address."""
        return Counter(line for worker in self.workers for line in worker.ends)

    @property
    def lost(self) -> int:
        """Addresses of which nothing has come."""
        return len(set(self._urls) - self._dealt_with.keys())

    @property
    def twice(self) -> int:
        """How often something came of an address of which something had come before."""
        return self._dealt_with.total() - len(self._dealt_with)

    @property
    def _dealt_with(self) -> Counter[str]:
        return Counter(line.split()[1] for line in self.ends.elements())

    @property
    def counted(self) -> int:
        """Jobs, as Redis has them."""
        return int(self._redis.client.hget("omocaptcha:fleet:fleet", "jobs"))

    @property
    def tracebacks(self) -> list[str]:
        logs = (worker.log.read_text() for worker in self.workers)
        return [text for log in logs for text in re.findall(_TRACEBACK, log, re.DOTALL | re.MULTILINE)]


# -- the long run ----------------------------------------------------------------------------------------------------


def go_through_everything(fleet: FleetCrawl, shops: Shops, redis: RedisServer, workers: int) -> None:
    """A crawl to its end, with a misfortune at each quarter of it."""
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
    shops.see_it_through()
    # Should the others have been through before the one that was stopped put back what it had.
    fleet.start()
    fleet.wait()


def judge(fleet: FleetCrawl, shops: Shops, workers: int, max_jobs: int) -> list[str]:
    """A sentence for each thing that is wrong."""
    bought, more = len(shops.service.jobs), len(fleet.workers) - workers
    abandoned = sum(worker.abandoned for worker in fleet.workers)
    ends = Counter(line.split()[0] for line in fleet.ends.elements())
    wrong = {
        f"{fleet.lost} pages are lost, more than may be": fleet.lost > IN_HAND + workers,
        f"{fleet.twice} came twice": fleet.twice > 0,
        f"{bought} jobs were bought, the limit is {max_jobs}": bought > max_jobs,
        f"Redis has counted {fleet.counted} jobs, the limit is {max_jobs}": fleet.counted > max_jobs,
        # Those that ended may have announced some that they did not live to send.
        f"Redis has counted {fleet.counted} jobs, and {bought} were bought": not (
            bought <= fleet.counted <= bought + abandoned + CONCURRENT_JOBS
        ),
        f"{bought} jobs were bought, more than are used or left by those that ended": (
            bought > shops.ideal(workers) + more + abandoned
        ),
        f"there are other ends than pages and the limit: {ends}": not ends.keys() <= {"page", "max_jobs"},
        f"the limit leaves room, and {ends['max_jobs']} pages did not come for it": (
            ends["max_jobs"] > 0 and fleet.counted < max_jobs
        ),
        # scrapy-redis has some of its own to show while its Redis is away.
        **{text: True for text in fleet.tracebacks if "/scrapy_omocaptcha/" in text},
    }
    return [sentence for sentence, holds in wrong.items() if holds]


def run(workers: int, requests: int, *, room: bool) -> bool:
    """A crawl and its verdict, both told; whether it is good."""
    with TemporaryDirectory() as folder, Shops(requests) as shops:
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
            f"  lost {fleet.lost} (the killed one may have had {IN_HAND} in hand, and each of the {workers} one on its "
            f"way when Redis went), twice {fleet.twice}"
        )
        print(f"  jobs bought {len(shops.service.jobs)}, counted by Redis {counted}, limit {max_jobs}, ideal {ideal}")
        print("\n".join(f"  WRONG {sentence}" for sentence in wrong) or "  good", flush=True)
    return not wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.helpers.fleet_crawl", description=__doc__)
    parser.add_argument("--workers", type=int, default=8, help="at once (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=2000, help="of each crawl (default: %(default)s)")
    options = parser.parse_args()
    if redis_server.PROGRAM is None:
        print("redis-server is not installed (Debian package redis-server)", file=sys.stderr)
        return 2
    good = [run(options.workers, options.requests, room=room) for room in (True, False)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
