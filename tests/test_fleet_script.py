"""What the workers of a fleet share, in a real Redis: no order of their calls overruns a limit."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

LUA = files("scrapy_omocaptcha").joinpath("fleet.lua").read_text(encoding="utf-8")
HOUR = 3_600_000
COST = 550_000
"""Billionths of a USD: what a job costs."""


class Worker:
    """Calls the script; a job is told by a number, and each limit is off unless it is given."""

    def __init__(self, client, fleet="shop"):
        self._client = client
        self._script = client.register_script(LUA)
        self._fleet = fleet

    def __call__(self, name, host="a.example", **given):
        parts = ["", ":open", ":jobs", ":hosts", f":breaker:{host}", f":keys:{host}", f":left:{host}"]
        keys = [f"omocaptcha:{self._fleet}{part}" for part in parts] + ["omocaptcha:day"]
        none = dict.fromkeys(("max_jobs", "max_jobs_per_host", "max_cost", "max_cost_per_day"), 0)
        given = {
            "host": host,
            "key": "k1",
            "cost": COST,
            "lease": HOUR,
            "window": HOUR,
            "pause": HOUR,
            "most": 3,
            **none,
            **given,
        }
        return self._script(keys, [name, json.dumps(given)])

    def reserve(self, job, **given):
        """Why there is no room, or None."""
        refusal = self("reserve", job=str(job), **given)
        return refusal and refusal[0]

    def buy(self, job, **given):
        assert self.reserve(job, **given) is None
        assert self("send", job=str(job), **given) == 1

    def figure(self, name):
        return int(self._client.hget(f"omocaptcha:{self._fleet}", name) or 0)

    def of_host(self, host):
        return int(self._client.hget(f"omocaptcha:{self._fleet}:hosts", host) or 0)


@pytest.fixture
def worker(redis):
    return Worker(redis.client)


# -- each limit -------------------------------------------------------------------------------------------------


def test_so_many_jobs_are_bought_by_all_together_and_not_one_more(worker, redis):
    worker.buy(1, max_jobs=2)
    Worker(redis.client).buy(2, max_jobs=2)
    assert worker("reserve", job="3", max_jobs=2) == ["max_jobs", "2"]
    assert worker.figure("jobs") == 2
    assert Worker(redis.client, "another fleet").reserve(4, max_jobs=2) is None


def test_so_many_jobs_are_bought_for_one_host_and_others_go_on(worker):
    worker.buy(1, max_jobs_per_host=1)
    assert worker.reserve(2, max_jobs_per_host=1) == "max_jobs_per_host"
    worker.buy(3, host="b.example", max_jobs_per_host=1)


def test_the_last_cent_is_spent_but_not_more_than_it(worker):
    for job in range(3):
        worker.buy(job, max_cost=3 * COST)
    assert worker("reserve", job="4", max_cost=3 * COST) == ["max_cost", str(3 * COST)]


def test_a_day_is_counted_over_all_fleets_of_a_redis_and_what_is_older_counts_no_more(worker, redis):
    Worker(redis.client, "another fleet").buy(1)
    worker.buy(2, max_cost_per_day=2 * COST)
    assert worker.reserve(3, max_cost_per_day=2 * COST) == "max_cost_per_day"
    (step, spent), *others = redis.client.hgetall("omocaptcha:day").items()
    if others:
        # Half past, or what else begins a step.
        spent = str(int(spent) + int(others[0][1]))
    redis.client.delete("omocaptcha:day")
    redis.client.hset("omocaptcha:day", str(int(step) - 144), spent)
    assert worker.reserve(3, max_cost_per_day=2 * COST) == "max_cost_per_day", "24 hours are not over"
    redis.client.delete("omocaptcha:day")
    redis.client.hset("omocaptcha:day", str(int(step) - 146), spent)
    assert worker.reserve(3, max_cost_per_day=2 * COST) is None
    assert len(redis.client.hgetall("omocaptcha:day")) == 1, "what is older is not kept"


def test_a_balance_is_spent_down_to_its_floor_and_what_may_not_be_charged_yet_is_not_spent_twice(worker):
    worker.buy(1, window=0)
    worker.buy(2)
    worker.reserve(3)
    worker("holds", left=3 * COST)
    # It may be that neither 2 nor 3 had been charged when the balance was asked for.
    assert worker.reserve(4) is None
    assert worker.reserve(5) == "min_balance"


# -- what becomes of a reservation ----------------------------------------------------------------------------------


def test_what_was_reserved_but_never_sent_counts_no_more_once_its_lease_is_over(worker):
    assert worker.reserve(1, max_jobs=1, lease=0) is None
    worker.buy(2, max_jobs=1)
    assert worker.figure("jobs") == 1
    assert worker("send", job="1") == 0, "its room is somebody else's"


def test_what_was_sent_counts_for_ever_and_nothing_is_kept_of_it_but_the_sums(worker, redis):
    worker.buy(1, max_jobs=1, window=0)
    assert worker.reserve(2, max_jobs=1) == "max_jobs"
    assert (worker.figure("jobs"), redis.client.exists("omocaptcha:shop:jobs", "omocaptcha:shop:open")) == (1, 0)
    assert redis.client.ttl("omocaptcha:shop") == -1


def test_what_was_certainly_not_bought_makes_room_again_and_only_once(worker):
    worker.buy(1)
    worker.buy(2)
    worker("give_up", job="2")
    worker("give_up", job="2")
    assert (worker.figure("jobs"), worker.figure("spent"), worker.of_host("a.example")) == (1, COST, 1)


def test_a_call_that_is_repeated_since_its_answer_was_lost_counts_once(worker):
    for _ in range(3):
        assert worker.reserve(1, max_jobs=1) is None
    for _ in range(3):
        assert worker("send", job="1") == 1
        worker("add", job="7")
    assert worker.figure("jobs") == 2


def test_what_was_bought_while_redis_was_away_counts_even_beyond_a_limit(worker):
    worker.buy(1, max_jobs=1)
    worker("add", job="2", max_jobs=1)
    assert (worker.figure("jobs"), worker.figure("spent")) == (2, 2 * COST)


def test_a_job_that_a_worker_has_left_is_taken_over_once_and_before_any_limit(worker, redis):
    worker.buy(1, max_jobs=1)
    worker("hand_on", id="task-1", created=5000, not_ready=3000, good_for=HOUR)
    worker("hand_on", id=77, created=5000, not_ready=3000, good_for=HOUR)
    word, told = worker("reserve", job="2", max_jobs=1)
    assert (word, json.loads(told)["id"]) == ("running", "task-1")
    assert 5000 <= json.loads(told)["created"] < 6000
    assert 3000 <= json.loads(told)["not_ready"] < 4000
    assert worker.reserve(3, host="b.example") is None, "it is for its own site"
    assert json.loads(worker("reserve", job="4", max_jobs=1)[1])["id"] == 77
    assert worker.reserve(5, max_jobs=1) == "max_jobs"
    assert worker.figure("jobs") == 2


def test_a_job_whose_token_would_be_too_old_is_not_taken_over(worker, redis):
    worker("hand_on", id=1, created=0, not_ready=0, good_for=HOUR)
    (left,) = redis.client.lrange("omocaptcha:shop:left:a.example", 0, -1)
    redis.client.lset("omocaptcha:shop:left:a.example", 0, json.dumps({**json.loads(left), "good_until": 1}))
    assert worker.reserve(1) is None
    assert redis.client.keys("*left*") == []


# -- the breaker, the service, the account ----------------------------------------------------------------------------


def test_failures_of_several_workers_in_a_row_leave_the_host_alone_for_all(worker, redis):
    for each in (worker, Worker(redis.client), worker):
        assert each.reserve("x") is None
        each("failed")
    assert worker.reserve("y") == "breaker"
    assert worker.reserve("z", host="b.example") is None
    assert worker.reserve("z", key="k2") is None


def test_a_success_in_between_starts_the_row_anew(worker):
    for _ in range(5):
        worker("failed")
        worker("failed")
        worker("succeeded")
    assert worker.reserve(1) is None


def test_a_host_whose_key_changes_with_each_failure_is_left_alone_as_a_whole(worker):
    for number in range(3):
        worker("failed", key=f"k{number}")
    assert worker.reserve(1, key="k7") == "breaker"


def test_after_the_pause_one_worker_tries_again_and_the_others_wait_for_it(worker):
    for _ in range(3):
        worker("failed", pause=0)
    assert worker.reserve(1) is None
    assert worker.reserve(2) == "breaker"
    worker("give_up", job="1")
    assert worker.reserve(2) is None, "the turn goes to another"
    assert worker.reserve(3) == "breaker"
    worker("succeeded")
    assert worker.reserve(3) is None


def test_a_turn_that_is_given_back_does_not_shorten_a_pause_that_a_failure_has_begun(worker):
    for _ in range(3):
        worker("failed", pause=0)
    assert worker.reserve(1) is None
    worker("failed", pause=2 * HOUR)
    worker("give_up", job="1")
    assert worker.reserve(2) == "breaker"


def test_the_turn_of_a_worker_that_has_died_goes_to_another(worker):
    for _ in range(3):
        worker("failed", pause=0)
    assert worker.reserve(1, lease=0) is None
    assert worker.reserve(2) is None


def test_five_refusals_in_a_row_pause_buying_on_all_hosts(worker):
    for _ in range(4):
        worker("refused")
    worker("taken")
    for _ in range(4):
        worker("refused")
    assert worker.reserve(1) is None
    worker("refused")
    assert worker.reserve(2) == worker.reserve(3, host="b.example") == "refused"


def test_an_account_that_is_refused_to_one_is_left_alone_by_all_until_the_pause_is_over(worker):
    worker("close_account", why="the balance is empty")
    assert worker("reserve", job="1") == ["account", "the balance is empty"]
    worker("close_account", why="the balance is empty", pause=0)
    assert worker.reserve(1) is None
    assert worker.reserve(2) == "account", "one tries whether it is well again"
    worker("taken")
    assert worker.reserve(2) is None
    assert worker.reserve(3) is None


# -- whatever the order ---------------------------------------------------------------------------------------------


def test_no_order_of_calls_overruns_a_limit_or_loses_count(redis):
    class Purchases(RuleBasedStateMachine):
        """Jobs of any workers in any order, some of which die, beside a plain account of what counts."""

        open = Bundle("open")

        @initialize(
            max_jobs=st.sampled_from([0, 1, 6]),
            max_jobs_per_host=st.sampled_from([0, 1, 4]),
            max_cost=st.sampled_from([0, COST, 5 * COST + 1]),
        )
        def start(self, **limits):
            redis.client.flushall()
            self.worker = Worker(redis.client)
            self.limits = limits
            self.bought = {}
            self.number = 0

        @rule(target=open, host=st.sampled_from(["a.example", "b.example"]), dies=st.booleans())
        def reserve(self, host, dies):
            self.number += 1
            job = str(self.number)
            lease = 0 if dies else HOUR
            reason = self.worker.reserve(job, host=host, lease=lease, **self.limits)
            full = {
                "max_jobs": 0 < self.limits["max_jobs"] <= len(self.bought),
                "max_jobs_per_host": 0 < self.limits["max_jobs_per_host"] <= self.of_host(host),
                "max_cost": 0 < self.limits["max_cost"] < (len(self.bought) + 1) * COST,
            }
            assert reason == next((name for name in full if full[name]), None)
            if reason is None and not dies:
                self.bought[job] = host
            return job

        def of_host(self, host):
            return list(self.bought.values()).count(host)

        @rule(job=open)
        def send(self, job):
            assert self.worker("send", job=job) == (job in self.bought)

        @rule(job=consumes(open))
        def give_up(self, job):
            self.worker("give_up", job=job)
            self.bought.pop(job, None)

        @rule(job=consumes(open))
        def is_sent_and_forgotten(self, job):
            # Whatever is told of it afterwards, it counts.
            if self.worker("send", job=job, window=0):
                self.worker("taken")
                self.worker("give_up", job=job)

        @invariant()
        def the_counts_are_those_of_what_was_bought(self):
            # What has died is taken off with the next call.
            self.worker("taken")
            assert self.worker.figure("jobs") == len(self.bought)
            assert self.worker.figure("spent") == len(self.bought) * COST
            for host in ("a.example", "b.example"):
                assert self.worker.of_host(host) == self.of_host(host)

    run_state_machine_as_test(
        Purchases,
        settings=hypothesis_settings(derandomize=True, deadline=None, max_examples=60, stateful_step_count=30),
    )
