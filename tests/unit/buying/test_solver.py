"""Solver: what is bought once, what is bought anew, and what stops all buying, under a clock that tests turn."""

import asyncio

import pytest
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.task import deferLater

from scrapy_omocaptcha.buying.records import Balance
from scrapy_omocaptcha.challenge import Token
from scrapy_omocaptcha.errors import (
    AccountError,
    ApiBadAnswer,
    ApiRefused,
    ApiUnreachable,
    CrawlClosing,
    JobFailed,
    JobLost,
    JobTimeout,
    NotBought,
)
from tests.unit.buying.solving import CHALLENGE, HOST, LOST, NEVER_ARRIVED, Bench

REFUSED = ApiRefused("ERROR_TASK_ABSENT")

# -- while the job runs ---------------------------------------------------------------------------------------------


def test_a_job_is_bought_and_its_token_comes_with_the_time_it_was_last_seen_unfinished():
    bench = Bench(job_result=[None, LOST, ApiBadAnswer("x"), "token"])
    token = bench.solve()
    assert (token.value, token.sitekey, token.job) == ("token", "6LcSiteKey", "job0")
    asked = bench.api.times("job_result")
    assert len(asked) == 4
    assert token.usable_until == asked[0] + 110, "a question without an answer tells nothing"
    assert bench.polling.seen == [(asked[0] - 1000, asked[3] - 1000)]
    assert (bench.bought, bench.stat("cost_usd")) == ([0.001], 0.001)
    assert (bench.stat("jobs/created"), bench.stat("jobs/solved")) == (1, 1)
    (job,) = bench.api.arguments("create_job")
    assert job.page == f"https://{HOST}/gate", "the service learns neither query nor user"
    assert (job.sitekey, job.invisible) == ("6LcSiteKey", True)


def test_a_token_that_is_ready_at_the_first_question_may_be_as_old_as_the_create_call_itself():
    created = Deferred()
    bench = Bench(create_job=[created], job_result=["token"])
    ended = bench.start()
    bench.run(15)
    created.callback("7")
    bench.run(5)
    assert ended[0].usable_until == 1000.0 + 110


BLIPS = {
    "no answer": LOST,
    "no connection": NEVER_ARRIVED,
    "nonsense": ApiBadAnswer("x"),
    "a refusal": ApiRefused("Job not found."),
    "too many calls": ApiUnreachable("HTTP status 429", taken=False, retry_after=3.0),
}


@pytest.mark.parametrize("case", BLIPS)
def test_no_trouble_while_polling_buys_a_second_job_or_ends_the_first(case):
    bench = Bench(job_result=[*[BLIPS[case]] * 5, None, BLIPS[case], "token"])
    assert bench.solve().value == "token"
    assert len(bench.api.times("create_job")) == 1
    assert set(bench.api.arguments("job_result")) == {"job0"}
    assert bench.bought == [0.001]


def test_an_account_that_is_refused_while_polling_stops_buying_but_the_job_is_waited_for():
    bench = Bench(job_result=[AccountError("Invalid api token."), "token"])
    assert bench.solve().value == "token"
    assert bench.fails(NotBought).reason == "account"
    assert len(bench.api.times("create_job")) == 1


def test_only_the_deadline_ends_a_job_that_never_answers_and_there_is_a_last_question_at_it():
    bench = Bench(job_result=[None])
    ended = bench.start()
    bench.run(59.5)
    assert ended == []
    bench.run(1)
    assert ended[0].check(JobTimeout)
    assert bench.api.times("job_result")[-1] == 1060.0
    assert (bench.bought, bench.stat("jobs/failed/timeout")) == ([0.001], 1)


def test_a_poll_that_fails_holds_up_no_other_and_too_many_polls_slow_all_of_them_down():
    bench = Bench(job_result=[*[LOST] * 6, "token"])
    ended = [bench.start() for _ in range(3)]
    bench.run(7)
    assert [end[0].value for end in ended] == ["token"] * 3
    assert bench.api.times("job_result") == [*[1002] * 3, *[1004] * 3, *[1006] * 3]
    bench = Bench(job_result=[ApiUnreachable("HTTP status 429", taken=False, retry_after=20.0), "token"])
    ended = [bench.start() for _ in range(2)]
    bench.run(30)
    assert [end[0].value for end in ended] == ["token"] * 2
    assert bench.api.times("job_result") == [1002, 1022, 1022]
    bench = Bench(job_result=[ApiUnreachable("HTTP status 429", taken=False, retry_after=1e6), "token"])
    bench.solve()
    assert bench.api.times("job_result") == [1002.0, 1060.0], "a pause ends at the deadline, with a question"


@pytest.mark.parametrize(
    ("answer", "error"), [(None, JobTimeout), (JobFailed("no"), JobFailed)], ids=["late", "failed"]
)
def test_the_breaker_is_told_of_each_job_that_gave_no_token(answer, error):
    bench = Bench(job_result=[answer], settings={"BREAKER_FAILURES": 2})
    bench.fails(error)
    bench.fails(error)
    assert bench.stat(f"jobs/failed/{error.reason}") == 2
    assert bench.fails(NotBought, 1).reason == "breaker"


# -- the create call ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [LOST, ApiBadAnswer("HTML")], ids=["no answer", "nonsense"])
def test_a_create_call_whose_answer_is_lost_counts_as_bought_and_ends_the_job_at_once(error):
    bench = Bench(create_job=[error], settings={"MAX_JOBS": 1})
    bench.fails(JobLost, seconds=0.5)
    assert (len(bench.api.times("create_job")), bench.bought) == (1, [0.001])
    assert bench.stat("jobs/created") == 1
    assert bench.stat("jobs/failed/lost") == 1
    assert bench.stat("cost_usd") == 0.001
    assert bench.fails(NotBought).reason == "max_jobs"


@pytest.mark.parametrize("by_asyncio", [False, True])
def test_a_create_call_under_way_when_a_spider_stops_waiting_for_its_token_counts_as_bought(by_asyncio):
    call = Deferred()
    bench = Bench(create_job=[call])
    solving = ensureDeferred(bench.solver.solve(CHALLENGE, host=HOST))
    solving.addErrback(lambda failure: failure.trap(CancelledError, asyncio.CancelledError))
    bench.run(1)
    call.errback(asyncio.CancelledError()) if by_asyncio else solving.cancel()
    assert (bench.bought, bench.counted) == ([0.001], (1, 0.001))
    assert bench.stat("jobs/created") == 1
    assert bench.stat("cost_usd") == 0.001


def test_a_last_create_call_that_does_not_arrive_since_the_crawl_closes_is_no_fault_of_the_service(caplog):
    last = Deferred()
    bench = Bench(create_job=[NEVER_ARRIVED, NEVER_ARRIVED, last])
    ended = bench.start()
    bench.run(20)
    bench.lifetime.closing = True
    last.errback(NEVER_ARRIVED)
    assert ended[0].check(CrawlClosing)
    assert (bench.bought, bench.counted[0], caplog.messages) == ([], 0, [])


NOT_TAKEN = {"account": AccountError("Invalid api token."), "refused": REFUSED, "not arrived": NEVER_ARRIVED}


@pytest.mark.parametrize("case", NOT_TAKEN)
def test_the_reservation_of_a_job_that_the_service_has_not_taken_is_taken_back(case):
    bench = Bench(create_job=[NOT_TAKEN[case]])
    bench.start()
    bench.run(0.5)
    assert bench.api.times("create_job")
    assert (bench.bought, bench.counted) == ([], (0, 0.0))


# -- the account ----------------------------------------------------------------------------------------------------


def test_an_account_error_ends_also_what_waits_for_a_place():
    first, second = Deferred(), Deferred()
    bench = Bench(create_job=[first, second], settings={"CONCURRENT_JOBS": 1})
    one, two = bench.start(), bench.start()
    first.callback(AccountError("Invalid api token."))
    bench.run(1)
    assert [one[0].value.reason, two[0].value.reason] == ["account", "account"]
    assert len(bench.api.times("create_job")) == 1


class SharedAccount:
    """Takes the price of each job and what others spend from a balance, and tells it, each after a while."""

    def __init__(self, bench, balance, others=0.0):
        self._bench = bench
        self._others = others
        self.balance = balance
        bench.api.create_job, bench.api.balance = self._create_job, self._get_balance

    async def _create_job(self, job):
        await deferLater(self._bench.clock, 0.2)
        self.balance -= 0.001 + self._others
        await deferLater(self._bench.clock, 0.2)
        return f"job {id(job)}"

    async def _get_balance(self):
        await deferLater(self._bench.clock, 0.1)
        balance = Balance(self.balance)
        await deferLater(self._bench.clock, 0.1)
        return balance


@pytest.mark.parametrize(("balance", "others"), [(1.0105, 0.0), (1.0205, 0.001)], ids=["alone", "others spend as much"])
def test_jobs_at_once_spend_the_balance_down_to_its_floor_and_stop_no_job_early(balance, others):
    bench = Bench(settings={"MIN_BALANCE": 1})
    account = SharedAccount(bench, balance, others)
    ended = [bench.start() for _ in range(20)]
    bench.run(30, step=0.05)
    assert (len(bench.bought), account.balance) == (10, pytest.approx(1.0005))
    assert {end[0].value.reason for end in ended if not isinstance(end[0], Token)} == {"min_balance"}


@pytest.mark.parametrize("error", [LOST, NEVER_ARRIVED, ApiBadAnswer("x")])
def test_a_balance_that_cannot_be_asked_is_waited_for_as_a_service_that_takes_no_job(error, caplog):
    bench = Bench(balance=[error, error, Balance(10.0)], settings={"MIN_BALANCE": 1})
    ended = [bench.start() for _ in range(3)]
    bench.run(30)
    assert [end[0].value for end in ended] == ["token"] * 3
    bench = Bench(balance=[error], settings={"MIN_BALANCE": 1})
    ended = [bench.start() for _ in range(3)]
    bench.run(61)
    assert all(end[0].check(ApiUnreachable) for end in ended)
    assert (bench.api.times("create_job"), bench.counted[0]) == ([], 0)
    (said,) = (line for line in caplog.messages if "takes no job" in line)
    assert "paid" not in said


def test_with_a_floor_of_the_balance_no_job_is_created_in_a_pause():
    answer = Deferred()
    bench = Bench(create_job=[answer, "7"], balance=[Balance(1.05)], settings={"MIN_BALANCE": 1.0})
    ended = [bench.start(host=f"{number}.example") for number in range(5)]
    answer.errback(ApiUnreachable("too many", taken=False, retry_after=30.0))
    bench.run(60)
    assert bench.api.times("create_job")[:2] == [1000, 1030]
    assert [end[0].value for end in ended] == ["token"] * 5


# -- the price ------------------------------------------------------------------------------------------------------


def test_no_job_is_bought_before_the_price_is_known_however_many_want_one():
    price = Deferred()
    bench = Bench(price=[price], settings={"PRICE": "auto", "MAX_COST": 1.0})
    ended = [bench.start() for _ in range(10)]
    assert bench.api.times("create_job") == []
    price.callback(0.5)
    bench.run()
    assert (len(bench.api.times("price")), bench.bought) == (1, [0.5, 0.5])
    assert sum(not isinstance(end[0], Token) for end in ended) == 8


@pytest.mark.parametrize("answer", [LOST, ApiRefused("?"), ApiBadAnswer("?"), AccountError("?"), None])
def test_a_price_that_cannot_be_had_is_the_published_one(answer):
    bench = Bench(price=[answer], settings={"PRICE": "auto"})
    bench.solve()
    bench.solve()
    assert bench.bought == [0.00055, 0.00055]
    assert len(bench.api.times("price")) == 1
