"""The pace: how many calls are under way at once, and when the next one may be sent while the service takes no job."""

import pytest
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.buying.account import CALLS_AT_ONCE
from scrapy_omocaptcha.buying.pace import FIRST_CALLS, CapacityLimiter
from scrapy_omocaptcha.challenge import Token
from scrapy_omocaptcha.errors import ApiBadAnswer, ApiRefused, ApiUnreachable, CrawlClosing, JobLost
from tests.unit.buying.solving import CHALLENGE, LOST, NEVER_ARRIVED, OTHER, Bench

CROWD = CALLS_AT_ONCE + 40
MANY = {"CONCURRENT_JOBS": 100_000, "MAX_COST": 0}


def test_a_call_that_waits_has_not_begun_so_that_no_timeout_of_it_runs():
    questions = [Deferred() for _ in range(CROWD)]
    bench = Bench(settings=MANY, create_job=["some job"], job_result=list(questions))
    for _ in range(CROWD):
        bench.start()
    bench.run(5)
    assert len(bench.api.times("job_result")) == CALLS_AT_ONCE
    assert len(bench.api.calls) == bench.stat("api/calls") == CROWD + CALLS_AT_ONCE
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


def test_waiters_are_let_through_in_order_and_one_that_leaves_early_takes_no_capacity():
    limiter, came = CapacityLimiter(1), []
    with limiter.acquire() as granted:
        assert granted.called
        waiting = [limiter.acquire() for _ in range(4)]
        for number, waiter in enumerate(waiting):
            waiter.__enter__().addCallback(lambda _, number=number: came.append(number))
        waiting.pop(1).__exit__(None, None, None)
        assert came == []
    for waiter in waiting:
        waiter.__exit__(None, None, None)
    assert came == [0, 2, 3]


def test_each_job_that_is_taken_lets_one_more_be_created_at_once():
    calls = [Deferred() for _ in range(12)]
    bench = Bench(create_job=[*calls, "7"], settings={"CONCURRENT_JOBS": 12})
    ended, sent = [bench.start() for _ in range(12)], []
    for number, call in enumerate(calls):
        sent.append(len(bench.api.times("create_job")))
        call.callback(str(number))
    bench.run(10)
    assert sent == [4, 6, 8, 10, *[12] * 8]
    assert all(isinstance(end[0], Token) for end in ended)


@pytest.mark.parametrize("error", [LOST, ApiBadAnswer("HTML"), NEVER_ARRIVED], ids=["lost", "nonsense", "not arrived"])
def test_while_the_service_takes_no_job_one_at_a_time_is_tried_and_the_others_wait(error, caplog):
    bench = Bench(create_job=[*[error] * 4, "7"])
    ended = [bench.start(host=f"{number}.example") for number in range(6)]
    bench.run(30)
    tried = bench.api.times("create_job")
    assert tried[:5] == [1000, 1001, 1003, 1007, 1015]
    assert max(tried) == 1015, "the one that was taken lets the others go"
    assert len([end for end in ended if isinstance(end[0], Token)]) == (6 if error is NEVER_ARRIVED else 2)
    assert ["OMOCAPTCHA_JOB_TIMEOUT" in line for line in caplog.messages] == [True]


def test_calls_that_fail_together_pause_buying_as_one_does():
    calls = [Deferred() for _ in range(4)]
    bench = Bench(create_job=[*calls, "7"])
    ended = [bench.start() for _ in range(5)]
    bench.run(1)
    for call in calls:
        call.errback(NEVER_ARRIVED)
    bench.run(10)
    assert bench.api.times("create_job") == [1000] * 4 + [1002] * 5
    assert [end[0].value for end in ended] == ["token"] * 5


def test_a_create_call_that_never_arrives_is_given_up_and_costs_nothing():
    bench = Bench(create_job=[NEVER_ARRIVED])
    bench.fails(ApiUnreachable)
    # The last one comes when the time is over.
    assert bench.api.times("create_job") == [1000, 1001, 1003, 1007, 1015, 1031, 1060]
    assert (bench.bought, *bench.counted, bench.stat("jobs/created")) == ([], 0, 0.0, 0)
    bench.clock.advance(3600)
    bench.start()
    bench.run(10)
    assert len(bench.api.times("create_job")) == 11, "after a while it is another time"


def test_a_service_that_takes_the_jobs_of_others_alone_is_not_waited_for_longer_than_one_that_takes_none():
    bench = Bench()
    # Others are tried and taken meanwhile.
    bench.api.refuse(CHALLENGE, NEVER_ARRIVED, after=1.5)
    ended = bench.start()
    for _ in range(59):
        bench.run(1)
        bench.start(OTHER)
    assert ended == []
    bench.run(30)
    assert ended[0].check(ApiUnreachable)


def test_the_pause_that_the_service_asks_for_is_kept_before_a_create_call_is_repeated():
    bench = Bench(create_job=[ApiUnreachable("429", taken=False, retry_after=20.0), "7"])
    bench.solve()
    assert bench.api.times("create_job") == [1000.0, 1020.0]
    bench = Bench(create_job=[ApiUnreachable("429", taken=False, retry_after=86400.0), "7"])
    bench.fails(ApiUnreachable)
    assert (len(bench.api.times("create_job")), bench.counted[0]) == (1, 0), "a day is not waited for"


def test_what_the_service_refuses_for_one_host_holds_no_other_up_and_opens_its_breaker():
    bench = Bench()
    bench.api.refuse(CHALLENGE, ApiRefused("domain not supported"))
    refused = [bench.start(host="no.example") for _ in range(9)]
    others = [bench.start(OTHER) for _ in range(2)]
    bench.run(20)
    assert [end[0].value for end in others] == ["token", "token"]
    assert [end[0].check(ApiRefused) for end in refused[:5]] == [ApiRefused] * 5
    assert {end[0].value.reason for end in refused[5:]} == {"breaker"}
    assert (len(bench.api.times("create_job")), bench.counted[0]) == (7, 2)


def test_one_answer_in_five_lost_closes_no_site():
    answers = [LOST if number % 5 == 2 else str(number) for number in range(300)]
    bench = Bench(create_job=answers, job_result=[*[None] * 7, "token"], settings={"CONCURRENT_JOBS": 16})
    ended = [bench.start() for _ in range(150)]
    bench.run(2000)
    lost = [end for end in ended if not isinstance(end[0], Token)]
    assert {end[0].type for end in lost} == {JobLost}
    assert len(lost) == 30
