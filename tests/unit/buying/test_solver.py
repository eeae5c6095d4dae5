"""Solver: what is bought once, what is bought anew, and what stops all buying, under a clock that tests turn."""

import asyncio

import pytest
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.task import deferLater

from scrapy_omocaptcha.buying.records import Balance, JobRequest
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
from tests.unit.buying.solving import CHALLENGE, HOST, LOST, NEVER_ARRIVED, OTHER, Bench

# -- the plain way --------------------------------------------------------------------------------------------------


def test_a_job_is_bought_and_its_token_comes_with_the_time_it_was_last_seen_unfinished():
    bench = Bench(job_result=[None, None, "token"])
    ended = bench.start()
    bench.run(10)
    (token,) = ended
    assert token.value == "token"
    assert token.sitekey == "6LcSiteKey"
    assert token.job == "job0"
    asked = bench.api.times("job_result")
    assert len(asked) == 3
    assert token.usable_until == asked[1] + 110
    assert bench.bought == [0.001]
    assert bench.polling.seen == [(asked[1] - 1000, asked[2] - 1000)]
    assert bench.stat("jobs/created") == 1
    assert bench.stat("jobs/solved") == 1
    assert bench.stat("cost_usd") == 0.001


def test_a_token_that_is_ready_at_the_first_question_may_be_as_old_as_the_create_call_itself():
    created = Deferred()
    bench = Bench(create_job=[created], job_result=["token"])
    ended = bench.start()
    bench.run(15)
    created.callback("7")
    bench.run(5)
    assert ended[0].usable_until == 1000.0 + 110


def test_the_time_of_a_question_without_an_answer_is_not_the_time_at_which_the_job_was_unfinished():
    bench = Bench(job_result=[None, LOST, ApiBadAnswer("x"), "token"])
    ended = bench.start()
    bench.run(20)
    assert ended[0].usable_until == bench.api.times("job_result")[0] + 110


def test_the_service_learns_neither_query_nor_user_of_the_page():
    bench = Bench()
    bench.solve()
    (job,) = bench.api.arguments("create_job")
    assert (job.page, job.sitekey, job.invisible) == (f"https://{HOST}/gate", "6LcSiteKey", True)


# -- while the job runs ---------------------------------------------------------------------------------------------

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
    first, second = bench.start(), bench.start()
    bench.run(1)
    third = bench.start()
    bench.run(30)
    assert [end[0].value for end in (first, second, third)] == ["token"] * 3
    assert bench.api.times("job_result") == [1002, 1022, 1022, 1022]


def test_a_poll_that_is_answered_ends_the_pauses_of_those_that_failed_before():
    busy = ApiUnreachable("429", taken=False, retry_after=0.0)
    bench = Bench(job_result=[*[busy] * 6, None, busy, "token"])
    bench.solve()
    *_, failed, last = bench.api.times("job_result")
    assert last - failed == 2.0


def test_a_pause_that_the_service_asks_for_is_kept_but_never_beyond_the_deadline_and_ends_with_a_question():
    later = ApiUnreachable("HTTP status 429", taken=False, retry_after=1e6)
    bench = Bench(job_result=[later, "token"])
    assert bench.solve().value == "token"
    assert bench.api.times("job_result") == [1002.0, 1060.0]


def test_a_job_that_the_service_gives_up_ends_at_once():
    bench = Bench(job_result=[None, JobFailed("no")])
    bench.fails(JobFailed, 10)
    assert bench.stat("jobs/failed/failed") == 1


@pytest.mark.parametrize(
    ("answer", "error"), [(None, JobTimeout), (JobFailed("no"), JobFailed)], ids=["late", "failed"]
)
def test_the_breaker_is_told_of_each_job_that_gave_no_token(answer, error):
    bench = Bench(job_result=[answer], settings={"BREAKER_FAILURES": 2})
    bench.fails(error)
    bench.fails(error)
    assert bench.fails(NotBought, 1).reason == "breaker"


# -- the create call ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [LOST, ApiBadAnswer("HTML")], ids=["no answer", "nonsense"])
def test_a_create_call_whose_answer_is_lost_counts_as_bought_and_ends_the_job_at_once(error):
    bench = Bench(create_job=[error], settings={"MAX_JOBS": 1})
    bench.fails(JobLost, seconds=0.5)
    assert (len(bench.api.times("create_job")), bench.bought) == (1, [0.001])
    assert [record.questions for record in bench.ledger.records] == [0]
    assert bench.stat("jobs/created") == 1
    assert bench.stat("jobs/failed/lost") == 1
    assert bench.stat("cost_usd") == 0.001
    assert bench.fails(NotBought).reason == "max_jobs"


def test_a_job_whose_id_another_one_has_that_is_under_way_is_lost():
    bench = Bench(create_job=["7", "7", "7"], job_result=[None, "token"])
    first, second = bench.start(), bench.start()
    bench.run(100)
    assert (first[0].value, type(second[0].value)) == ("token", JobLost)
    assert (bench.bought, bench.solve().value) == ([0.001] * 2, "token")


ROUGH = {
    "lost": LOST,
    "nonsense": ApiBadAnswer("HTML"),
    "not arrived": NEVER_ARRIVED,
    "refused": ApiRefused("ERROR_TASK_ABSENT", unclear=False),
}


@pytest.mark.parametrize("case", ROUGH)
def test_while_the_service_takes_no_job_one_at_a_time_is_tried_and_the_others_wait(case, caplog):
    bench = Bench(create_job=[*[ROUGH[case]] * 4, "7"])
    ended = [bench.start(host=f"{number}.example") for number in range(6)]
    bench.run(30)
    tried = bench.api.times("create_job")
    assert tried[:5] == [1000, 1000, 1000, 1001, 1003]
    assert max(tried) < 1004, "the one that was taken lets the others go"
    assert [end[0].value for end in ended if end and isinstance(end[0], Token)] == ["token"] * (len(tried) - 4)
    assert ["OMOCAPTCHA_JOB_TIMEOUT" in line for line in caplog.messages] == [True]


def test_what_the_service_refuses_for_one_host_holds_no_other_up(caplog):
    bench = Bench()
    bench.api.refuse(CHALLENGE, ApiRefused("domain not supported"))
    refused = [bench.start(host="no.example") for _ in range(5)]
    assert [end[0].check(ApiRefused) for end in refused[:3]] == [ApiRefused] * 3
    others = [bench.start(OTHER) for _ in range(2)]
    assert bench.api.times("create_job") == [1000] * 5
    bench.run(20)
    assert [end[0].value for end in others] == ["token", "token"]
    assert all(end[0].check(ApiRefused) for end in refused)
    assert bench.api.times("create_job")[5:] == [1001, 1003], "one at a time"
    assert ["the service takes no job for no.example (domain not supported)" in line for line in caplog.messages] == [
        True
    ]


def test_who_waits_for_a_service_that_refuses_one_host_takes_no_place_of_another():
    refused = [ApiRefused("domain not supported")] * 3
    bench = Bench(create_job=[*refused, "7"], settings={"CONCURRENT_JOBS": 2})
    waiting = [bench.start(host="no.example") for _ in range(9)]
    assert bench.start(host=HOST) == []
    bench.run(2)
    assert len([end for end in waiting if end]) == 3
    assert len(bench.api.arguments("job_result")) == 1
    bench.run()
    assert all(waiting)


def test_a_host_that_is_refused_prolongs_no_pause_of_the_others():
    bench = Bench(create_job=[NEVER_ARRIVED, "7"])
    bench.api.refuse(CHALLENGE, ApiRefused("domain not supported"))
    refused = [bench.start(host="no.example") for _ in range(8)]
    others = [bench.start(OTHER) for _ in range(3)]
    bench.run(10)
    assert [end[0].value for end in others] == ["token"] * 3
    bench.run(100)
    assert all(end[0].check(ApiRefused, ApiUnreachable) for end in refused)
    assert {end[0].value.with_cure for end in refused} == {"domain not supported"}, "not to look for the service"


def test_a_job_that_waits_for_the_service_waits_for_a_pause_of_its_host_as_well():
    bench = Bench(create_job=[*[NEVER_ARRIVED] * 3, *[ApiRefused("domain not supported")] * 3, "7"])
    ended = [bench.start() for _ in range(4)]
    bench.run(10)
    assert ended[3][0].value == "token"
    assert bench.api.times("create_job") == [1000, 1000, 1000, 1001, 1003, 1003, 1004]


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


def test_a_service_that_tells_no_balance_is_not_said_to_have_been_paid(caplog):
    bench = Bench(balance=[LOST], settings={"MIN_BALANCE": 1.0})
    assert bench.fails(ApiUnreachable).taken is False
    (said,) = (line for line in caplog.messages if "takes no job" in line)
    assert ("paid" in said, bench.bought) == (False, [])


def test_near_the_floor_of_the_balance_no_job_is_created_in_a_pause():
    answer = Deferred()
    bench = Bench(create_job=[answer, "7"], balance=[Balance(1.005)], settings={"MIN_BALANCE": 1.0})
    ended = [bench.start(host=f"{number}.example") for number in range(5)]
    answer.errback(ApiUnreachable("too many", taken=False, retry_after=30.0))
    bench.run(60)
    assert bench.api.times("create_job")[:2] == [1000, 1030]
    assert [end[0].value for end in ended] == ["token"] * 5


def test_one_that_is_tried_and_turned_away_by_a_limit_leaves_its_turn_to_another():
    bench = Bench(create_job=[*[NEVER_ARRIVED] * 3, "7"], settings={"MAX_JOBS_PER_HOST": 1})
    ended = [bench.start(host=host) for host in ("full.example", HOST)]
    bench.ledger.enter(host="full.example", page="", kind="", cost=0.0, check=lambda sums: None)
    bench.run(10)
    assert ended[0][0].value.reason == "max_jobs_per_host"
    assert ended[1][0].value == "token"
    assert bench.api.times("create_job") == [1000, 1000, 1000, 1001]


def test_a_service_that_takes_the_jobs_of_others_alone_is_not_waited_for_longer_than_one_that_takes_none():
    bench = Bench()
    # Others are tried and taken meanwhile.
    bench.api.refuse(CHALLENGE, NEVER_ARRIVED, after=1.5)
    ended = bench.start()
    for _ in range(59):
        bench.run(1)
        bench.start(OTHER)
    assert ended == []
    bench.run(5)
    assert ended[0].check(ApiUnreachable)


def test_calls_that_fail_together_pause_buying_as_one_does():
    calls = [Deferred() for _ in range(4)]
    bench = Bench(create_job=[*calls, "7"])
    ended = [bench.start() for _ in range(5)]
    bench.run(1)
    for call in calls:
        call.errback(NEVER_ARRIVED)
    bench.run(3)
    assert bench.api.times("create_job") == [1000] * 4 + [1002] * 5
    assert [end[0].value for end in ended] == ["token"] * 5


def test_one_answer_in_five_lost_closes_no_site():
    answers = [LOST if number % 5 == 2 else str(number) for number in range(300)]
    bench = Bench(create_job=answers, job_result=[*[None] * 7, "token"], settings={"CONCURRENT_JOBS": 16})
    ended = [bench.start() for _ in range(150)]
    bench.run(2000)
    lost = [end for end in ended if not isinstance(end[0], Token)]
    assert {end[0].type for end in lost} == {JobLost}
    assert len(lost) == 30


def test_a_create_call_that_never_arrives_is_given_up_and_costs_nothing():
    bench = Bench(create_job=[NEVER_ARRIVED])
    bench.fails(ApiUnreachable)
    # The last one comes when the time is over.
    assert bench.api.times("create_job") == [1000, 1000, 1000, 1001, 1003, 1007, 1015, 1031, 1060]
    assert (bench.bought, *bench.counted, bench.stat("jobs/created")) == ([], 0, 0.0, 0)
    assert bench.stat("api/errors/unreachable") == 9


def test_the_pause_that_the_service_asks_for_is_kept_before_a_create_call_is_repeated():
    bench = Bench(create_job=[ApiUnreachable("429", taken=False, retry_after=20.0), "7"])
    bench.solve()
    assert bench.api.times("create_job") == [1000.0, 1020.0]
    bench = Bench(create_job=[ApiUnreachable("429", taken=False, retry_after=86400.0), "7"])
    bench.fails(ApiUnreachable)
    assert (len(bench.api.times("create_job")), bench.counted[0]) == (1, 0), "a day is not waited for"


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
    bench = Bench(create_job=[NEVER_ARRIVED, NEVER_ARRIVED, NEVER_ARRIVED, last])
    ended = bench.start()
    bench.run(20)
    assert len(bench.api.times("create_job")) == 4
    bench.lifetime.closing = True
    last.errback(NEVER_ARRIVED)
    assert ended[0].check(CrawlClosing)
    assert (bench.bought, bench.counted[0], caplog.messages) == ([], 0, [])


# -- the account ----------------------------------------------------------------------------------------------------


def test_an_account_error_ends_also_what_waits_for_a_place():
    first, second = Deferred(), Deferred()
    bench = Bench(create_job=[first, second], settings={"CONCURRENT_JOBS": 1})
    one, two = bench.start(), bench.start()
    first.callback(AccountError("Invalid api token."))
    bench.run(1)
    assert [one[0].value.reason, two[0].value.reason] == ["account", "account"]
    assert len(bench.api.times("create_job")) == 1


NOT_TAKEN = {"account": AccountError("Invalid api token."), "refused": ROUGH["refused"], "not arrived": NEVER_ARRIVED}


@pytest.mark.parametrize("case", NOT_TAKEN)
def test_the_reservation_of_a_job_that_the_service_has_not_taken_is_taken_back(case):
    bench = Bench(create_job=[NOT_TAKEN[case]])
    bench.start()
    bench.run(0.5)
    assert bench.api.times("create_job")
    assert (bench.bought, bench.counted) == ([], (0, 0.0))


@pytest.mark.parametrize(("refusal", "calls"), [(ApiRefused("Hệ thống bận"), 1), (ROUGH["refused"], 0)])
def test_a_refusal_is_settled_by_one_balance_call_unless_its_code_leaves_no_doubt(refusal, calls):
    bench = Bench(create_job=[refusal, "7"])
    bench.fails(ApiRefused)
    assert len(bench.api.times("balance")) == calls
    assert bench.solve().value == "token"
    assert (bench.bought, bench.counted[0]) == ([0.001], 1)


CANNOT_PAY = [Balance(0.0), Balance(0.0005), Balance(-3.0), AccountError("no")]
MAY_PAY = [Balance(0.0, 5), Balance(0.001), LOST]


@pytest.mark.parametrize("balance", [*CANNOT_PAY, *MAY_PAY], ids=repr)
def test_an_unknown_refusal_closes_an_account_that_cannot_pay_and_no_other(balance):
    bench = Bench(create_job=[ApiRefused("Hệ thống bận"), "7"], balance=[balance])
    if balance in MAY_PAY:
        bench.fails(ApiRefused)
        assert bench.solve().value == "token"
        return
    assert [bench.fails(NotBought).reason for _ in range(2)] == ["account", "account"]
    assert len(bench.api.times("create_job")) == 1


NO_API = ApiRefused("HTTP status 404")
NO_API.is_foreign, NO_API.cure = True, "set OMOCAPTCHA_API_VERSION = 2"


def test_a_host_that_answers_as_no_api_does_is_told_once_with_the_cure(caplog):
    bench = Bench(create_job=[NO_API], price=[NO_API], settings={"PRICE": "auto"})
    bench.fails(ApiRefused, 1)
    bench.fails(ApiRefused, 1)
    (said,) = caplog.messages
    assert (
        "https://omocaptcha.com/api does not answer as the API would (HTTP status 404): set OMOCAPTCHA_API_VERSION"
        in said
    )


def test_a_single_page_from_an_api_that_answers_is_not_told(caplog):
    bench = Bench(create_job=["7", NO_API])
    bench.solve()
    bench.fails(ApiRefused, 1)
    assert caplog.messages == []


class SharedAccount:
    """Takes the price of each job and what others spend from a balance, and tells it, each after a while."""

    def __init__(self, bench, balance, others=0.0):
        self._bench = bench
        self._others = others
        self.balance = balance
        bench.api.create_job, bench.api.balance = self._create_job, self._get_balance

    async def _create_job(self, job):
        self._bench.api.calls.append(("create_job", self._bench.clock.seconds(), job))
        await deferLater(self._bench.clock, 0.2)
        self.balance -= 0.001 + self._others
        await deferLater(self._bench.clock, 0.2)
        return f"job {id(job)}"

    async def _get_balance(self):
        self._bench.api.calls.append(("balance", self._bench.clock.seconds(), None))
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


def test_what_another_worker_buys_while_the_balance_is_asked_for_is_not_spent_again():
    balance = Deferred()
    bench = Bench(balance=[balance], settings={"MIN_BALANCE": 1, "PRICE": 1.0, "MAX_COST": 10})
    ended = [bench.start() for _ in range(3)]
    job = JobRequest("https://other.example/", "key", invisible=False)
    ensureDeferred(bench.limits.reserve(job, "other.example")).addCallback(lambda reservation: reservation.bought("1"))
    balance.callback(Balance(3.5))
    bench.run(30)
    assert [end[0].value for end in ended if isinstance(end[0], Token)] == ["token"]
    assert len(bench.bought) == 2


@pytest.mark.parametrize("error", [LOST, NEVER_ARRIVED, ApiBadAnswer("x")])
def test_a_balance_that_cannot_be_asked_is_waited_for_as_a_service_that_takes_no_job(error, caplog):
    bench = Bench(balance=[error, error, Balance(10.0)], settings={"MIN_BALANCE": 1})
    ended = [bench.start() for _ in range(3)]
    bench.run(30)
    assert [end[0].value for end in ended] == ["token"] * 3
    assert len(bench.api.times("balance")) <= 6
    assert not any("The balance is" in line for line in caplog.messages), "it is far from its floor"
    bench = Bench(balance=[error], settings={"MIN_BALANCE": 1})
    ended = [bench.start() for _ in range(3)]
    bench.run(61)
    assert all(end[0].check(type(error), ApiUnreachable) for end in ended)
    assert (bench.api.times("create_job"), bench.counted[0]) == ([], 0)


# -- limits and price -----------------------------------------------------------------------------------------------


def test_no_more_jobs_run_at_once_than_are_allowed_and_the_rest_follow():
    bench = Bench(job_result=[None, None, None, None, "token"], settings={"CONCURRENT_JOBS": 2})
    ended = [bench.start() for _ in range(5)]
    assert len(bench.api.times("create_job")) == 2
    bench.run()
    assert [end[0].value for end in ended] == ["token"] * 5


@pytest.mark.parametrize("price", [0.0042, 0.000055])
def test_the_price_is_asked_once_before_the_first_job_and_counts_from_then(price, caplog):
    bench = Bench(price=[price], settings={"PRICE": "auto"})
    bench.solve()
    bench.solve()
    assert [name for name, *_ in bench.api.calls][:2] == ["price", "create_job"]
    assert (len(bench.api.times("price")), bench.bought) == (1, [price, price])
    assert caplog.messages == []


def test_a_price_a_hundred_times_the_usual_is_counted_and_told(caplog):
    bench = Bench(price=[0.055], settings={"PRICE": "auto"})
    bench.solve()
    assert bench.bought == [0.055]
    (said,) = caplog.messages
    assert said.startswith("A job costs 0.055 USD in the service's list, usually 0.00055; 0.055 counts: ")


@pytest.mark.parametrize(("balance", "is_told"), [(1.5, False), (1.49, True)])
def test_it_is_told_that_a_balance_pays_for_no_job_above_its_floor(balance, is_told, caplog):
    Bench(balance=[Balance(balance)], settings={"MIN_BALANCE": 1.0, "PRICE": 0.5}).start()
    assert ["top up the account" in message for message in caplog.messages] == [True] * is_told


def test_no_job_is_bought_before_the_price_is_known_however_many_want_one():
    price = Deferred()
    bench = Bench(price=[price], settings={"PRICE": "auto", "MAX_COST": 1.0})
    ended = [bench.start() for _ in range(10)]
    assert bench.api.times("create_job") == []
    price.callback(0.5)
    bench.run()
    assert (len(bench.api.times("price")), bench.bought) == (1, [0.5, 0.5])
    assert sum(not isinstance(end[0], Token) for end in ended) == 8


@pytest.mark.parametrize("answer", [LOST, ApiRefused("?"), ApiBadAnswer("?"), AccountError("?"), None, 0.0, 1e-10])
def test_a_price_that_cannot_be_had_or_be_right_is_the_published_one(answer, caplog):
    bench = Bench(price=[answer], settings={"PRICE": "auto"})
    bench.solve()
    bench.solve()
    assert bench.bought == [0.00055, 0.00055]
    assert len(bench.api.times("price")) == 1
    assert ["set OMOCAPTCHA_PRICE" in line for line in caplog.messages] == [True] * isinstance(answer, float)
