"""A fleet of processes whose queue scrapy-redis shares: to the site and to the purse it is one crawl."""

from __future__ import annotations

from collections import Counter

import pytest

from scrapy_omocaptcha.buying.journal import HANDED_ON
from scrapy_omocaptcha.reporting.totals import one_a_job
from tests.helpers.commands import ROOT, python
from tests.helpers.fleet_crawl import CONCURRENT_JOBS, IN_HAND, FleetCrawl
from tests.helpers.fleet_shops import Shops

WORKERS = 4
REQUESTS = 500
IN_THE_MIDDLE = REQUESTS // 2


@pytest.fixture
def shops():
    with Shops(REQUESTS) as shops:
        yield shops
        shops.see_it_through()


@pytest.fixture
def ideal(shops):
    return shops.ideal(WORKERS)


@pytest.fixture
def fleet_of(shops, redis, tmp_path):
    """``fleet_of(WORKERS, max_jobs)`` → a fleet under way."""
    fleets = []

    def fleet_of(workers, max_jobs):
        fleet = FleetCrawl(tmp_path, shops, redis, max_jobs)
        fleets.append(fleet)
        fleet.start(workers)
        return fleet

    yield fleet_of
    for fleet in fleets:
        fleet.end()


@pytest.fixture
def room(ideal):
    """A limit that leaves room for a session more, and for what a worker has under way when it ends."""
    return ideal + 1 + CONCURRENT_JOBS


def once_each(urls):
    return Counter(f"page {url}" for url in urls)


def test_a_fleet_gets_each_page_once_for_as_few_jobs_as_its_workers_have_sessions(fleet_of, shops, ideal, redis):
    fleet = fleet_of(WORKERS, int(1.05 * ideal))
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
    assert b"/page/7" in written, "this is where the queue is"
    assert not [token for token in tokens if token.encode() in written], "no token leaves its worker"
    assert shops.service.api_token.encode() not in written


def test_a_limit_is_the_fleets_to_the_last_job(fleet_of, shops):
    fleet = fleet_of(WORKERS, 61)
    fleet.wait()
    assert len(shops.service.jobs) == fleet.counted == 61
    assert {line.split()[0] for line in fleet.ends} == {"page", "max_jobs"}
    assert (fleet.lost, fleet.twice) == (0, 0)


def test_a_worker_that_is_asked_to_stop_puts_everything_back_and_leaves_its_jobs_to_the_others(
    fleet_of, shops, ideal, room
):
    fleet = fleet_of(WORKERS, room)
    stopped = fleet.workers[0]
    shops.after(IN_THE_MIDDLE, stopped.stop)
    fleet.wait()
    # Should the others have been through before it put back what it had.
    fleet.start()
    fleet.wait()
    assert fleet.ends == once_each(shops.urls)
    assert fleet.counted == len(one_a_job([record for worker in fleet.workers for record in worker.records]))
    # A token that was there and not handed in is lost; and so is a job whose number came too late to be told.
    lost = sum(record.outcome == "abandoned" and record.reason != HANDED_ON for record in stopped.records)
    assert len(shops.service.jobs) <= fleet.counted <= ideal + 1 + lost


def test_of_a_worker_that_is_killed_nothing_is_lost_but_what_it_had_in_hand(fleet_of, shops, ideal, room):
    fleet = fleet_of(WORKERS, room)
    killed = fleet.workers[0]
    shops.after(IN_THE_MIDDLE, killed.kill)
    fleet.wait()
    fleet.start()
    fleet.wait()
    lost = once_each(shops.urls) - fleet.ends
    assert lost.total() == fleet.lost <= IN_HAND
    assert fleet.ends == once_each(shops.urls) - lost
    # Whatever it bought is in its journal, and counts: a job that may have been sent never expires.
    assert len(shops.service.jobs) <= ideal + 1 + killed.abandoned
    assert len(shops.service.jobs) <= fleet.counted <= len(shops.service.jobs) + CONCURRENT_JOBS


def test_a_redis_that_is_restarted_in_the_middle_costs_no_job_and_no_page_but_those_on_their_way(
    fleet_of, shops, ideal, redis
):
    def restart():
        redis.stop()
        redis.start()

    shops.after(IN_THE_MIDDLE, restart)
    fleet = fleet_of(WORKERS, int(1.05 * ideal))
    fleet.wait()
    # What Redis has given out and not told any more is gone: to scrapy-redis a request is either in Redis or in hand.
    lost = once_each(shops.urls) - fleet.ends
    assert lost.total() == fleet.lost <= WORKERS
    assert fleet.ends == once_each(shops.urls) - lost
    assert len(shops.service.jobs) == fleet.counted <= 1.05 * ideal


def test_a_fleet_goes_through_all_of_that_in_one_crawl(redis):
    run = python("-m", "tests.helpers.fleet_crawl", "--workers", "2", "--requests", "300", cwd=ROOT, PYTHONWARNINGS="")
    assert run.returncode == 0, run.stdout
    assert run.stdout.count("worker") == 2 * 6, run.stdout
