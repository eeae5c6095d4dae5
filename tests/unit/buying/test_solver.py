"""The life of a job under a clock that tests turn: what is bought once, what is waited out, what stops all buying."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
from scrapy.settings import Settings as ScrapySettings
from scrapy.statscollectors import MemoryStatsCollector
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock, deferLater

from scrapy_omocaptcha.buying.account import Account
from scrapy_omocaptcha.buying.ledger import Ledger
from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.buying.solver import Solver
from scrapy_omocaptcha.challenge import Challenge, Token
from scrapy_omocaptcha.engine.stats import Stats
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
from scrapy_omocaptcha.settings import Settings
from scrapy_omocaptcha.urls import public_address

HOST = "shop.example"
CHALLENGE = Challenge(f"https://user:pass@{HOST}/gate?session=secret#top", "6LcSiteKey", invisible=True)
NEVER_ARRIVED = ApiUnreachable("refused", taken=False)
LOST = ApiUnreachable("reset")


class Engine:
    """Waits as the crawl's engine does, by the test's clock."""

    def __init__(self, clock):
        self._clock = clock
        self._waiting = set()
        self.closing = False
        self.slept = []

    async def wait(self, awaitable, *, looks=1):
        inner, outer = ensureDeferred(awaitable), Deferred()
        if self.closing:
            inner.addErrback(lambda _: None)
            inner.cancel()
            raise CrawlClosing("the crawl is closing")
        inner.addCallbacks(
            lambda value: None if outer.called else outer.callback(value),
            lambda failure: None if outer.called else outer.errback(failure),
        )
        self._waiting.add(outer)
        try:
            return await outer
        finally:
            self._waiting.discard(outer)
            inner.addErrback(lambda _: None)
            inner.cancel()

    async def sleep(self, seconds):
        self.slept.append(seconds)
        await self.wait(deferLater(self._clock, seconds))

    def close(self):
        self.closing = True
        for outer in list(self._waiting):
            if not outer.called:
                outer.errback(CrawlClosing("the crawl is closing"))


class ScriptedApi:
    """Answers each call with the next entry of its script: a value, an error, a Deferred; the last goes on."""

    def __init__(self, clock, **scripts):
        self._clock = clock
        self.scripts = {
            "create_job": [f"job{number}" for number in range(100)],
            "job_result": ["token"],
            "balance": [10.0],
            "price": [0.001],
            **{name: list(script) for name, script in scripts.items()},
        }
        self.calls = []

    def times(self, name):
        return [at for called, at, _ in self.calls if called == name]

    def arguments(self, name):
        return [argument for called, _, argument in self.calls if called == name]

    async def _answer(self, name, *arguments):
        self.calls.append((name, self._clock.seconds(), *(arguments or (None,))))
        script = self.scripts[name]
        answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, Deferred):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def create_job(self, job):
        return await self._answer("create_job", job)

    async def job_result(self, job_id):
        return await self._answer("job_result", job_id)

    async def balance(self):
        return await self._answer("balance")

    async def price(self):
        return await self._answer("price")


class EveryTwoSeconds:
    def __init__(self):
        self.seen = []

    def next_question(self, waited, asked):
        return waited + 2.0

    def saw(self, not_ready, ready):
        self.seen.append((not_ready, ready))


class Least(random.Random):
    """Chance that always gives the least."""

    def uniform(self, least, most):
        return least


class Bench:
    """A solver with everything around it."""

    def __init__(self, *, settings=(), chance=None, **scripts):
        self.clock = Clock()
        self.clock.advance(1000)
        self.api = ScriptedApi(self.clock, **scripts)
        values = {"API_TOKEN": "x", "PRICE": 0.001, "JOB_TIMEOUT": 60, **dict(settings)}
        self.settings = Settings.from_settings(
            ScrapySettings({f"OMOCAPTCHA_{name}": value for name, value in values.items()})
        )
        price = self.settings.price or 0.00055
        self.limits = Limits(self.settings, price, self.clock.seconds, spent_in_a_day=lambda enough: 0.0)
        self.engine = Engine(self.clock)
        self.polling = EveryTwoSeconds()
        collector = MemoryStatsCollector(SimpleNamespace(settings=ScrapySettings()))
        self._stats = collector
        self.ledger = Ledger(spider="shop", stats=Stats(collector))
        self.account = Account(
            self.api, self.limits, engine=self.engine, settings=self.settings, stats=Stats(collector)
        )
        self.solver = Solver(
            self.api,
            self.limits,
            self.ledger,
            self.account,
            self.polling,
            engine=self.engine,
            settings=self.settings,
            clock=self.clock.seconds,
            random=chance or Least(),
        )
        self.bought = []

    def start(self, challenge=CHALLENGE, host=HOST):
        """A solve under way; its list gets the token or the error."""
        ended = []
        solving = ensureDeferred(self.solver.solve(challenge, host=host, bought=self.bought.append))
        solving.addBoth(ended.append)
        return ended

    def run(self, seconds=300.0, step=0.5):
        for _ in range(int(seconds / step)):
            self.clock.advance(step)

    def solve(self, seconds=300.0):
        """One solve, to its token."""
        ended = self.start()
        self.run(seconds)
        (end,) = ended
        assert isinstance(end, Token), end
        return end

    def fails(self, error, seconds=300.0):
        ended = self.start()
        self.run(seconds)
        (end,) = ended
        assert end.check(error), end
        return end.value

    def stat(self, name):
        return self._stats.get_value(f"omocaptcha/{name}", 0)


# -- the plain way --------------------------------------------------------------------------------------------------


def test_a_job_is_bought_and_its_token_comes_with_the_time_it_was_last_seen_unfinished():
    bench = Bench(job_result=[None, None, "token"])
    ended = bench.start()
    bench.run(10)
    (token,) = ended
    assert (token.value, token.sitekey, token.job) == ("token", "6LcSiteKey", "job0")
    asked = bench.api.times("job_result")
    assert len(asked) == 3
    assert token.made_at == asked[1]
    assert bench.bought == [0.001]
    assert bench.polling.seen == [(asked[1] - 1000, asked[2] - 1000)]
    assert (bench.stat("jobs/created"), bench.stat("jobs/solved"), bench.stat("cost_usd")) == (1, 1, 0.001)


def test_a_token_that_is_ready_at_the_first_question_may_be_as_old_as_the_create_call_itself():
    created = Deferred()
    bench = Bench(create_job=[created], job_result=["token"])
    ended = bench.start()
    bench.run(15)
    created.callback("7")
    bench.run(5)
    assert ended[0].made_at == 1000.0


def test_the_time_of_a_question_without_an_answer_is_not_the_time_at_which_the_job_was_unfinished():
    bench = Bench(job_result=[None, LOST, ApiBadAnswer("x"), "token"])
    ended = bench.start()
    bench.run(20)
    assert ended[0].made_at == bench.api.times("job_result")[0]


def test_the_service_learns_neither_query_nor_user_of_the_page():
    bench = Bench()
    bench.solve()
    (job,) = bench.api.arguments("create_job")
    assert (job.page, job.sitekey, job.invisible) == (f"https://{HOST}/gate", "6LcSiteKey", True)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://a.example:8443/x;y?q=1#f", "https://a.example:8443/x;y"),
        ("http://u@a.example", "http://a.example"),
        ("http://u:p@x@a.example/", "http://a.example/"),
        ("http://[::1]:80/p?q", "http://[::1]:80/p"),
        ("https://a.example/a@b", "https://a.example/a@b"),
    ],
)
def test_a_public_address_is_scheme_host_and_path(url, told):
    assert public_address(url) == told


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
    assert bench.bought == [0.001]
    assert bench.stat("jobs/failed/timeout") == 1


def test_a_pause_that_the_service_asks_for_is_kept_but_never_beyond_the_deadline_and_ends_with_a_question():
    later = ApiUnreachable("HTTP status 429", taken=False, retry_after=1e6)
    bench = Bench(job_result=[later, "token"])
    assert bench.solve().value == "token"
    assert bench.api.times("job_result") == [1002.0, 1060.0]


def test_a_job_that_the_service_gives_up_ends_at_once_and_counts_for_the_breaker():
    bench = Bench(job_result=[None, JobFailed("no")], settings={"BREAKER_FAILURES": 1})
    bench.fails(JobFailed, 10)
    assert bench.stat("jobs/failed/failed") == 1
    assert bench.fails(NotBought, 1).reason == "breaker"


def test_a_job_that_was_lost_or_timed_out_does_not_count_for_the_breaker():
    bench = Bench(create_job=[LOST, "1"], job_result=[None], settings={"BREAKER_FAILURES": 1})
    bench.fails(JobLost)
    bench.fails(JobTimeout)
    assert len(bench.bought) == 2


# -- the create call ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [LOST, ApiBadAnswer("HTML")], ids=["no answer", "nonsense"])
def test_a_create_call_whose_answer_is_lost_counts_as_bought_and_is_not_repeated(error):
    bench = Bench(create_job=[error], settings={"MAX_JOBS": 1})
    bench.fails(JobLost)
    assert len(bench.api.times("create_job")) == 1
    assert bench.bought == [0.001]
    assert (bench.stat("jobs/created"), bench.stat("jobs/failed/lost"), bench.stat("cost_usd")) == (1, 1, 0.001)
    assert bench.fails(NotBought).reason == "max_jobs"


def test_a_create_call_that_certainly_did_not_arrive_is_repeated_with_growing_pauses():
    bench = Bench(create_job=[NEVER_ARRIVED, NEVER_ARRIVED, NEVER_ARRIVED, "7"], settings={"MAX_JOBS": 1})
    assert bench.solve().value == "token"
    assert bench.api.times("create_job") == [1000.0, 1001.0, 1003.0, 1007.0]
    assert bench.bought == [0.001]
    assert bench.limits.jobs == 1


def test_create_calls_that_failed_together_are_not_repeated_together_and_none_before_its_pause():
    bench = Bench(create_job=[*[NEVER_ARRIVED] * 20, "7"], chance=random.Random(7))
    for _ in range(20):
        bench.start()
    bench.run(1.5, step=0.01)
    again = bench.api.times("create_job")[20:]
    assert min(again) >= 1001.0
    assert len(again) == 20
    assert len({round(at, 1) for at in again}) > 3


def test_a_create_call_that_never_arrives_is_given_up_and_costs_nothing():
    bench = Bench(create_job=[NEVER_ARRIVED])
    bench.fails(ApiUnreachable)
    assert len(bench.api.times("create_job")) == 4
    assert (bench.bought, bench.limits.jobs, bench.limits.spent, bench.stat("jobs/created")) == ([], 0, 0.0, 0)
    assert bench.stat("api/errors/unreachable") == 4


def test_the_pause_that_the_service_asks_for_is_kept_before_a_create_call_is_repeated():
    bench = Bench(create_job=[ApiUnreachable("429", taken=False, retry_after=20.0), "7"])
    bench.solve()
    assert bench.api.times("create_job") == [1000.0, 1020.0]


def test_a_service_that_asks_for_a_day_is_not_waited_for():
    bench = Bench(create_job=[ApiUnreachable("429", taken=False, retry_after=86400.0), "7"])
    bench.fails(ApiUnreachable)
    assert len(bench.api.times("create_job")) == 1
    assert bench.limits.jobs == 0


def test_a_create_call_under_way_when_the_crawl_closes_counts_as_bought():
    bench = Bench(create_job=[Deferred()])
    ended = bench.start()
    bench.run(1)
    bench.engine.close()
    assert ended[0].check(CrawlClosing)
    assert bench.bought == [0.001]


def test_a_last_create_call_that_does_not_arrive_since_the_crawl_closes_is_no_fault_of_the_service():
    last = Deferred()
    bench = Bench(create_job=[NEVER_ARRIVED, NEVER_ARRIVED, NEVER_ARRIVED, last])
    ended = bench.start()
    bench.run(20)
    assert len(bench.api.times("create_job")) == 4
    bench.engine.closing = True
    last.errback(NEVER_ARRIVED)
    assert ended[0].check(CrawlClosing)
    assert (bench.bought, bench.limits.jobs) == ([], 0)


def test_a_crawl_that_closes_while_a_job_runs_ends_the_wait_at_once():
    bench = Bench(job_result=[None])
    ended = bench.start()
    bench.run(5)
    bench.engine.close()
    assert ended[0].check(CrawlClosing)
    assert bench.start()[0].check(CrawlClosing)
    assert len(bench.api.times("create_job")) == 1


# -- the account ----------------------------------------------------------------------------------------------------


def test_an_account_error_stops_all_buying_at_once_and_says_what_to_do(caplog):
    bench = Bench(create_job=[AccountError("Invalid api token."), "7"])
    error = bench.fails(NotBought)
    assert error.reason == "account"
    assert "OMOCAPTCHA_API_TOKEN" in str(error)
    assert bench.fails(NotBought).reason == "account"
    assert (len(bench.api.times("create_job")), bench.bought, bench.limits.jobs) == (1, [], 0)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_an_account_error_ends_also_what_waits_for_a_place():
    first, second = Deferred(), Deferred()
    bench = Bench(create_job=[first, second], settings={"CONCURRENT_JOBS": 1})
    one, two = bench.start(), bench.start()
    first.callback(AccountError("Invalid api token."))
    bench.run(1)
    assert [one[0].value.reason, two[0].value.reason] == ["account", "account"]
    assert len(bench.api.times("create_job")) == 1


def test_an_unknown_refusal_is_settled_by_one_balance_call_and_a_full_account_goes_on():
    bench = Bench(create_job=[ApiRefused("Hệ thống bận"), "7"])
    bench.fails(ApiRefused)
    assert len(bench.api.times("balance")) == 1
    assert bench.solve().value == "token"
    assert (bench.bought, bench.limits.jobs) == ([0.001], 1)


def test_a_refusal_whose_code_leaves_no_doubt_needs_no_balance_call_and_counts_as_one():
    bench = Bench(create_job=[ApiRefused("ERROR_TASK_ABSENT", unclear=False)])
    for _ in range(5):
        bench.fails(ApiRefused, 1)
    assert bench.fails(NotBought, 1).reason == "refused"
    assert bench.api.times("balance") == []


@pytest.mark.parametrize("balance", [0.0, 0.0005, -3.0, AccountError("Invalid api token.")])
def test_an_unknown_refusal_of_an_account_that_cannot_pay_closes_it(balance):
    bench = Bench(create_job=[ApiRefused("Hệ thống bận"), "7"], balance=[balance])
    assert bench.fails(NotBought).reason == "account"
    assert bench.fails(NotBought).reason == "account"
    assert len(bench.api.times("create_job")) == 1


def test_a_balance_that_cannot_be_asked_settles_nothing():
    bench = Bench(create_job=[ApiRefused("?"), "7"], balance=[LOST])
    bench.fails(ApiRefused)
    assert bench.solve().value == "token"


def test_five_refusals_in_a_row_stop_buying_for_a_while():
    bench = Bench(create_job=[ApiRefused("?")])
    for _ in range(5):
        bench.fails(ApiRefused, 1)
    assert bench.fails(NotBought, 1).reason == "refused"
    assert len(bench.api.times("create_job")) == 5


# -- limits and price -----------------------------------------------------------------------------------------------


def test_no_more_jobs_run_at_once_than_are_allowed_and_the_rest_follow():
    bench = Bench(job_result=[None, None, None, None, "token"], settings={"CONCURRENT_JOBS": 2})
    ended = [bench.start() for _ in range(5)]
    assert len(bench.api.times("create_job")) == 2
    bench.run()
    assert [end[0].value for end in ended] == ["token"] * 5


def test_concurrent_solves_never_overrun_a_limit():
    bench = Bench(job_result=[None, "token"], settings={"MAX_COST": 0.003})
    ended = [bench.start() for _ in range(10)]
    bench.run()
    refused = [end[0] for end in ended if not isinstance(end[0], Token)]
    assert [failure.value.reason for failure in refused] == ["max_cost"] * 7
    assert bench.bought == [0.001] * 3


def test_a_limit_reached_while_a_solve_waits_for_its_place_holds_for_it_too():
    bench = Bench(settings={"CONCURRENT_JOBS": 1, "MAX_JOBS": 1})
    one, two = bench.start(), bench.start()
    bench.run()
    assert one[0].value == "token"
    assert two[0].check(NotBought)
    assert len(bench.api.times("create_job")) == 1


def test_the_price_is_asked_once_before_the_first_job_and_counts_from_it_on():
    bench = Bench(price=[0.0042], settings={"PRICE": "auto"})
    bench.solve()
    bench.solve()
    assert [name for name, *_ in bench.api.calls][:2] == ["price", "create_job"]
    assert len(bench.api.times("price")) == 1
    assert bench.bought == [0.0042, 0.0042]


def test_a_price_above_the_expected_one_is_said_aloud(caplog):
    Bench(price=[0.0042], settings={"PRICE": "auto"}).solve()
    assert ["OMOCAPTCHA_MAX_COST" in message for message in caplog.messages] == [True]


def test_no_job_is_bought_before_the_price_is_known_however_many_want_one():
    price = Deferred()
    bench = Bench(price=[price], settings={"PRICE": "auto", "MAX_COST": 1.0})
    ended = [bench.start() for _ in range(10)]
    assert bench.api.times("create_job") == []
    price.callback(0.5)
    bench.run()
    assert len(bench.api.times("price")) == 1
    assert bench.bought == [0.5, 0.5]
    assert sum(not isinstance(end[0], Token) for end in ended) == 8


@pytest.mark.parametrize("answer", [LOST, ApiRefused("?"), ApiBadAnswer("?"), AccountError("?"), None, 0.0])
def test_a_price_that_cannot_be_had_is_the_published_one(answer):
    bench = Bench(price=[answer], settings={"PRICE": "auto"})
    bench.solve()
    bench.solve()
    assert bench.bought == [0.00055, 0.00055]
    assert len(bench.api.times("price")) == 1


def test_a_price_that_is_set_is_not_asked():
    bench = Bench(settings={"PRICE": 0.002})
    bench.solve()
    assert bench.api.times("price") == []
    assert bench.bought == [0.002]
