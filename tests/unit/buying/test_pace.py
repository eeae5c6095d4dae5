"""The pace: how many calls are under way at once, how many a service bears, and when the next one may be sent."""

import pytest
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.buying.account import CALLS_AT_ONCE
from scrapy_omocaptcha.buying.pace import FIRST_CALLS, CapacityLimiter, Window
from scrapy_omocaptcha.errors import ApiUnreachable, CrawlClosing
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
    ends = [bench.start() for _ in range(2_000)]
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


# -- the window of calls -----------------------------------------------------------------------------------------------

FAILED = ApiUnreachable("reset")
FAILED.cure = "plug it in"


def failing(window, times, now=0.0):
    """Let calls fail one after the other, each sent when the pause is over; return when they were sent."""
    sent = []
    for _ in range(times):
        sent.append(now)
        window.failed(FAILED, now, now)
        now = max(now, window.paused_until)
    return sent


def test_a_failure_halves_the_window_once_for_all_that_were_under_way():
    window = Window(32)
    window.size = 16
    window.failed(FAILED, 0, 1)
    window.failed(FAILED, 0.5, 2)
    assert (window.size, window.paused_until) == (8, 2), "there is no pause"
    window.succeeded(0.5, 14)
    window.failed(FAILED, 2, 3)
    assert window.size == 4


def test_each_success_widens_the_window_by_one_up_to_the_greatest_number_if_it_is_used_up():
    window = Window(6)
    window.succeeded(0, 3)
    assert window.size == 4
    for _ in range(5):
        window.succeeded(0, window.size)
    assert window.size == 6
    window.failed(FAILED, 1, 2)
    window.succeeded(1, 6)
    assert window.size == 3, "it was under way with the one that failed"


def test_only_failures_in_a_row_make_a_pause_which_doubles_up_to_a_minute():
    window = Window(32)
    for now in range(20):
        window.failed(FAILED, now, now)
        window.failed(FAILED, now, now)
        window.succeeded(now, 1)
    assert window.paused_until == 19
    assert failing(window, 11, 100) == [100, 100, 100, 101, 103, 107, 115, 131, 163, 223, 283]
    for now in range(1000, 3 * 24 * 3600, 60):
        window.failed(FAILED, now, now)
    assert (window.size, window.paused_until) == (1, now + 60)
    window.failed(ApiUnreachable("busy", retry_after=600), now + 60, now + 60)
    assert window.paused_until == now + 660, "unless the service asks for more"


def test_calls_wait_until_the_patience_ends_and_one_more_is_made_then():
    window = Window(32, patience=60)
    assert failing(window, 9) == [0, 0, 0, 1, 3, 7, 15, 31, 60]
    with pytest.raises(ApiUnreachable, match="reset") as raised:
        window.check(61, deadline=1000)
    assert raised.value.cure == "plug it in"
    window.check(120, deadline=1000)
    # Nobody has wanted a job for a while, so this is another time.
    window.failed(FAILED, 500, 500)
    window.check(501, deadline=1000)


def test_a_call_waits_no_longer_than_its_own_deadline_but_for_a_service_that_has_not_failed():
    window = Window(32, patience=60)
    window.check(100, deadline=99)
    window.failed(FAILED, 100, 100)
    window.check(101, deadline=101)
    with pytest.raises(ApiUnreachable):
        window.check(102, deadline=101)


def test_a_pause_that_a_service_asks_for_does_not_renew_the_patience():
    window, later = Window(32, patience=700), ApiUnreachable("busy", retry_after=600)
    for now in (0, 601):
        window.failed(later, now, now)
    with pytest.raises(ApiUnreachable, match="busy"):
        window.check(602, deadline=2000)
