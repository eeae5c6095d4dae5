"""A fleet of processes whose queue scrapy-redis shares, one of which is killed."""

from collections import Counter

import pytest

from tests.fleet.crawl import CONCURRENT_JOBS, FleetCrawl
from tests.fleet.shops import Shops

WORKERS = 3
REQUESTS = 200


@pytest.fixture
def shops():
    with Shops(REQUESTS) as shops:
        yield shops
        shops.wait_for_all()


@pytest.fixture
def ideal(shops):
    return shops.ideal(WORKERS)


@pytest.fixture
def fleet_of(shops, redis, tmp_path):
    """``fleet_of(max_jobs)`` → a fleet that has been started."""
    fleets = []

    def fleet_of(max_jobs):
        fleet = FleetCrawl(tmp_path, shops, redis, max_jobs)
        fleets.append(fleet)
        fleet.start(WORKERS)
        return fleet

    yield fleet_of
    for fleet in fleets:
        fleet.end()


def once_each(urls):
    return Counter(f"page {url}" for url in urls)


def test_a_fleet_gets_each_page_once_for_one_job_a_session(fleet_of, shops, ideal, redis):
    fleet = fleet_of(int(1.05 * ideal))
    fleet.wait()
    assert fleet.ends == once_each(shops.urls)
    assert len(shops.service.jobs) == fleet.counted == sum(len(worker.records) for worker in fleet.workers)
    assert len(shops.service.jobs) <= 1.05 * ideal
    assert fleet.tracebacks == []
    redis.stop()
    written = redis.written()
    visits = (*shops.for_all.requests, *shops.for_each.requests)
    tokens = [dict(visit.form)["g-recaptcha-response"] for visit in visits if visit.submits]
    assert len(tokens) >= ideal - WORKERS
    assert b"/page/7" in written, "the queue is in there too"
    assert not [token for token in tokens if token.encode() in written], "tokens stay in their worker"
    assert shops.service.api_token.encode() not in written


def test_a_worker_that_is_killed_loses_only_the_requests_that_it_had_taken(fleet_of, shops, ideal):
    # Room for one more session, and for the jobs of a worker that ends.
    fleet = fleet_of(ideal + 1 + CONCURRENT_JOBS)
    killed = fleet.workers[0]
    shops.after(REQUESTS // 2, killed.kill)
    fleet.wait()
    fleet.start()
    fleet.wait()
    lost = once_each(shops.urls) - fleet.ends
    assert lost.total() == fleet.lost <= fleet.may_be_lost
    assert fleet.ends == once_each(shops.urls) - lost
    # What it bought is in its ledger and counts for good.
    assert len(shops.service.jobs) <= ideal + 1 + killed.abandoned
    assert len(shops.service.jobs) <= fleet.counted <= len(shops.service.jobs) + CONCURRENT_JOBS
