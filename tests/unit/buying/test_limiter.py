"""The limiter: how many are let through at once, and what that means for API calls."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.buying.account import CALLS_AT_ONCE
from scrapy_omocaptcha.buying.pace import FIRST_CALLS, CapacityLimiter
from scrapy_omocaptcha.errors import CrawlClosing
from tests.unit.buying.solving import Bench

MORE = 40
CROWD = CALLS_AT_ONCE + MORE
MANY = {"CONCURRENT_JOBS": 100_000, "MAX_COST": 0}


# -- API calls ------------------------------------------------------------------------------------------------------


def test_a_call_that_waits_has_not_begun_so_that_no_timeout_of_it_runs():
    questions = [Deferred() for _ in range(CROWD)]
    bench = Bench(settings=MANY, create_job=["some job"], job_result=list(questions))
    for _ in range(CROWD):
        bench.start()
    bench.run(5)
    assert len(bench.api.times("job_result")) == CALLS_AT_ONCE
    assert len(bench.api.calls) == bench.stat("api/calls") == CROWD + CALLS_AT_ONCE
    questions[0].callback("token")
    assert [name for name, *_ in bench.api.calls[CROWD + CALLS_AT_ONCE :]] == ["job_result"]
    ended = bench.start()
    bench.lifetime.close()
    assert ended[0].check(CrawlClosing)
    assert bench.counted[0] == CROWD, "a create call that has not begun has bought nothing"


def test_when_the_crawl_closes_thousands_may_be_waiting():
    bench = Bench(settings=MANY, create_job=[Deferred() for _ in range(FIRST_CALLS)])
    ends = [bench.start() for _ in range(5_000)]
    bench.lifetime.close()
    assert all(end.check(CrawlClosing) for (end,) in ends)
    assert bench.counted[0] == len(bench.ledger.records) == bench.stat("jobs/created") == FIRST_CALLS


# -- the limiter ----------------------------------------------------------------------------------------------------


def test_waiters_are_let_through_in_order():
    limiter, came = CapacityLimiter(1), []
    with limiter.acquire() as granted:
        assert granted.called
        waiting = [limiter.acquire() for _ in range(3)]
        for number, waiter in enumerate(waiting):
            waiter.__enter__().addCallback(lambda _, number=number: came.append(number))
        assert came == []
    for number, waiter in enumerate(waiting):
        assert came[-1] == number
        waiter.__exit__(None, None, None)


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_waiter_that_leaves_early_takes_no_capacity(cancelled):
    limiter = CapacityLimiter(1)
    with limiter.acquire():
        with limiter.acquire() as leaving:
            if cancelled:
                leaving.addErrback(lambda _: None)
                leaving.cancel()
        last = limiter.acquire()
        granted = last.__enter__()
    assert granted.called
    last.__exit__(None, None, None)


def test_a_waiter_that_leaves_at_the_moment_it_is_let_through_lets_the_next_one_through():
    limiter = CapacityLimiter(1)
    with limiter.acquire():
        leaving, last = limiter.acquire(), limiter.acquire()
        leaving.__enter__().addCallback(lambda _: leaving.__exit__(None, None, None))
        granted = last.__enter__()
    assert granted.called
