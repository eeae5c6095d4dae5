"""Fleets at walls that redirect to one address: by their common filter it is a duplicate for all workers but one."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter

import pytest

from tests.helpers.commands import ROOT
from tests.helpers.many_pages import ManyPages
from tests.helpers.nightly import nightly
from tests.helpers.walled_pages import ONE_ADDRESS, WalledPages

TIMEOUT = 120
REQUESTS = 200
HOST = "127.0.0.24"


@pytest.fixture
def worker(service, redis, tmp_path):
    """``worker(1, urls, **settings)`` → a process that works on the queue in Redis, and the file for its results."""
    processes = []

    def start(number, urls, **settings):
        out = tmp_path / f"out{number}"
        out.touch()
        told = {
            "urls": urls,
            "out": str(out),
            "settings": {
                **service.settings,
                "REDIS_URL": redis.url,
                "OMOCAPTCHA_REDIS_URL": redis.url,
                "CONCURRENT_REQUESTS": 4,
                **settings,
            },
        }
        log = (tmp_path / f"log{number}").open("wb")
        with log:
            command = [sys.executable, "-m", "tests.helpers.fleet_worker", json.dumps(told)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        processes.append(process)
        return process, out

    yield start
    for process in processes:
        process.kill()
        process.wait(TIMEOUT)


@pytest.mark.parametrize(
    "wall", [pytest.param(ONE_ADDRESS, id="one address"), nightly("redirect", id="an address for each page")]
)
def test_a_fleet_loses_no_request_that_a_wall_redirects(service, worker, wall):
    ready = threading.Event()

    class Pages(ManyPages):
        async def __call__(self, visit):
            ready.set()
            return await super().__call__(visit)

    with WalledPages(Pages(delay=0.02), service, wall, hosts=(HOST,)) as site:
        urls = [f"{site.origin}/page/{number}" for number in range(REQUESTS)]
        first, out = worker(0, urls)
        # The second worker comes when the first has been through, with a session of its own.
        assert ready.wait(TIMEOUT)
        second, other = worker(1, [f"{site.origin}/page/last"])
        assert [process.wait(TIMEOUT) for process in (first, second)] == [0, 0]
        ends = [Counter(path.read_text().splitlines()) for path in (out, other)]
    assert sum(ends, Counter()) == Counter(f"page {url}" for url in [*urls, f"{site.origin}/page/last"])
    assert len(service.jobs) <= 2


def test_scrapy_redis_keeps_the_stats_of_a_crawl_through_a_wall(service, redis, walled, worker, tmp_path):
    """Its collector makes whole numbers of all that it reads, which sums of money and of seconds are not."""
    site = walled("session")
    urls = [f"{site.url}/item/{number}" for number in range(1, 6)]
    process, out = worker(0, urls, STATS_CLASS="scrapy_redis.stats.RedisStatsCollector")
    assert process.wait(TIMEOUT) == 0
    assert Counter(out.read_text().splitlines()) == Counter(f"page {url}" for url in urls)
    # Scrapy's own extensions stumble over it too.
    lines = (tmp_path / "log0").read_text().splitlines()
    assert not [line for line in lines if line.startswith("  File ") and "/scrapy_omocaptcha/" in line]
    assert len(service.jobs) == 1
