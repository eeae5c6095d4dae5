"""Fleets at walls that redirect to one address: by their common filter it is a duplicate for all workers but one."""

import threading
from collections import Counter

import pytest
from scrapy_redis.queue import PriorityQueue

from tests.fleet.crawl import Worker
from tests.helpers.many_pages import ManyPages
from tests.helpers.nightly import nightly
from tests.helpers.walled_pages import ONE_ADDRESS, WalledPages

TIMEOUT = 120
REQUESTS = 200
HOST = "127.0.0.24"


@pytest.fixture
def worker(service, redis, tmp_path):
    """``worker(urls, **settings)`` → a process that works on the queue in Redis."""
    workers = []

    def start(urls, **settings):
        shared = {"REDIS_URL": redis.url, "OMOCAPTCHA_REDIS_URL": redis.url, "CONCURRENT_REQUESTS": 4}
        workers.append(Worker(tmp_path, len(workers), urls, {**service.settings, **shared, **settings}))
        return workers[-1]

    yield start
    for started in workers:
        started.kill()
        started.wait()


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
        first = worker(urls)
        # The second worker comes when the first has been through, with a session of its own.
        assert ready.wait(TIMEOUT)
        second = worker([f"{site.origin}/page/last"])
        assert [one.wait() for one in (first, second)] == [0, 0]
    ends = Counter([*first.ends, *second.ends])
    assert ends == Counter(f"page {url}" for url in [*urls, f"{site.origin}/page/last"])
    assert len(service.jobs) <= 2


class TakenByAnother(PriorityQueue):
    """The common queue, out of which another worker takes the first redirect to the wall."""

    has_taken = False

    def push(self, request):
        if request.url.endswith("/hold") and not self.has_taken:
            self.has_taken = True
        else:
            super().push(request)


def test_no_request_waits_for_what_another_worker_has_taken_to_the_wall(service, worker):
    with WalledPages(ManyPages(), service, ONE_ADDRESS, hosts=(HOST,)) as site:
        urls = [f"{site.origin}/page/{number}" for number in range(20)]
        only = worker(urls, SCHEDULER_QUEUE_CLASS=f"{__name__}.{TakenByAnother.__name__}")
        assert only.wait() == 0
    # The other worker has the one that it has taken.
    assert len({line for line in only.ends if line.startswith("page ")}) == len(urls) - 1
    assert len(service.jobs) == 1


def test_scrapy_redis_keeps_the_stats_of_a_crawl_through_a_wall(service, walled, worker):
    """Its collector makes whole numbers of all that it reads, which sums of money and of seconds are not."""
    site = walled("session")
    urls = [f"{site.url}/item/{number}" for number in range(1, 6)]
    only = worker(urls, STATS_CLASS="scrapy_redis.stats.RedisStatsCollector")
    assert only.wait() == 0
    assert Counter(only.ends) == Counter(f"page {url}" for url in urls)
    # Scrapy's own extensions stumble over it too.
    lines = only.log.read_text().splitlines()
    assert not [line for line in lines if line.startswith("  File ") and "/scrapy_omocaptcha/" in line]
    assert len(service.jobs) == 1
