"""A fleet of processes whose queue scrapy-redis shares: to the site and to the purse it is one crawl."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from scrapy_omocaptcha.testing import OmoCaptchaService, WalledSite
from tests.fleet_crawl import CONCURRENT_REQUESTS, Countdown, FleetCrawl

WORKERS = 4
REQUESTS = 500
EACH_ITS_TOKEN = 100
"""Of the requests, those behind a wall that wants a token for each page."""
IDEAL = WORKERS + EACH_ITS_TOKEN
"""Jobs: for each worker one at the wall of a session, and one for each page that wants its own."""
MAX_WAITING = 32


@pytest.fixture
def event():
    """``event(number, function)``: what is to happen once the sites have had so many requests."""
    countdowns = []

    def event(number, function):
        countdowns.append(Countdown(number, function))

    def tell(line):
        for countdown in countdowns:
            countdown(line)

    event.tell = tell
    yield event
    for countdown in countdowns:
        assert countdown.thread is not None, "it did not come to this"
        countdown.thread.join()


@pytest.fixture
def service():
    with OmoCaptchaService(solve_seconds=0.5) as service:
        yield service


@pytest.fixture
def sites(service, event):
    options = {"catalogue_pages": REQUESTS, "on_event": event.tell}
    for_all = WalledSite(service, "session", hosts=("127.0.0.2",), **options)
    for_each = WalledSite(service, "per_page", hosts=("127.0.0.3",), **options)
    with for_all, for_each:
        yield for_all, for_each


@pytest.fixture
def urls(sites):
    for_all, for_each = sites
    # In turn, so that whatever happens, both are under way.
    pages = [for_each if number % 5 == 0 else for_all for number in range(REQUESTS)]
    return [f"{site.url}/page/{number}" for number, site in enumerate(pages, 1)]


@pytest.fixture
def fleet(service, urls, redis, tmp_path):
    fleet = FleetCrawl(tmp_path, urls, {**service.settings, "OMOCAPTCHA_MAX_JOBS": int(1.05 * IDEAL)}, redis.url)
    yield fleet
    fleet.end()


def counted(redis):
    return int(redis.client.hget("omocaptcha:fleet", "jobs"))


def once_each(urls):
    return Counter(f"page {url}" for url in urls)


def test_a_fleet_gets_each_page_once_for_as_few_jobs_as_its_workers_have_sessions(fleet, service, sites, urls, redis):
    fleet.start(WORKERS)
    fleet.wait()
    assert fleet.ends == once_each(urls)
    assert len(service.jobs) == counted(redis) == sum(len(worker.records) for worker in fleet.workers)
    assert len(service.jobs) <= 1.05 * IDEAL
    assert fleet.tracebacks == []
    redis.stop()
    written = redis.written()
    tokens = [dict(visit.form)["g-recaptcha-response"] for site in sites for visit in site.requests if visit.submits]
    assert len(tokens) >= IDEAL
    assert b"/page/7" in written, "this is where the queue is"
    assert not [token for token in tokens if token.encode() in written], "no token leaves its worker"
    assert service.api_token.encode() not in written


def test_a_limit_is_the_fleets_to_the_last_job(fleet, service, urls, redis):
    fleet._settings["OMOCAPTCHA_MAX_JOBS"] = 61
    fleet.start(WORKERS)
    fleet.wait()
    assert len(service.jobs) == counted(redis) == 61
    ends = Counter(line.split()[0] for line in fleet.ends.elements())
    assert ends.keys() == {"page", "max_jobs"}
    assert ends.total() == len(fleet.ends) == REQUESTS


def test_a_worker_that_is_asked_to_stop_puts_everything_back(fleet, service, urls, redis, event):
    stopped, *_ = fleet.start(WORKERS)
    event(250, lambda: stopped.process.send_signal(signal.SIGTERM))
    fleet.wait()
    # Should the others have been through before it put back what it had.
    fleet.start()
    fleet.wait()
    assert fleet.ends == once_each(urls)
    # What it had under way and did not live to use is bought again; all else is bought once.
    assert len(service.jobs) == counted(redis)
    assert len(service.jobs) <= IDEAL + 1 + stopped.abandoned


def test_of_a_worker_that_is_killed_nothing_is_lost_but_what_it_had_in_hand(fleet, service, urls, redis, event):
    killed, *_ = fleet.start(WORKERS)
    event(250, killed.process.kill)
    fleet.wait()
    fleet.start()
    fleet.wait()
    lost = once_each(urls) - fleet.ends
    assert lost.total() <= CONCURRENT_REQUESTS + MAX_WAITING
    assert fleet.ends == once_each(urls) - lost
    # Whatever it bought counts, and is in its journal: a job that may have been sent never expires.
    assert len(service.jobs) <= counted(redis) <= IDEAL + 1 + killed.abandoned


def test_a_redis_that_is_restarted_in_the_middle_costs_neither_a_page_nor_a_job(fleet, service, urls, redis, event):
    def restart():
        redis.stop()
        redis.start()

    event(250, restart)
    fleet.start(WORKERS)
    fleet.wait()
    assert fleet.ends == once_each(urls)
    assert len(service.jobs) == counted(redis) <= 1.05 * IDEAL
