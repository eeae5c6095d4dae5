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

from scrapy_omocaptcha.buying.fleet.link import keys_of

LUA = files("scrapy_omocaptcha.buying.fleet").joinpath("fleet.lua").read_text(encoding="utf-8")
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
        none = dict.fromkeys(("max_jobs", "max_jobs_per_host", "max_cost", "max_cost_per_day"), 0)
        given = {
            "host": host,
            "at": host,
            "key": "k1",
            "cost": COST,
            "lease": HOUR,
            "window": HOUR,
            "pause": HOUR,
            "most": 3,
            "floor": True,
            **none,
            **given,
        }
        return self._script(keys_of(self._fleet, "worker", given), [name, json.dumps(given)])

    def key(self, name):
        return f"omocaptcha:fleet:{self._fleet}{name}"

    def reserve(self, job, **given):
        """Why there is no room, or None."""
        refusal = self("reserve", job=str(job), **given)
        return refusal and refusal[0]

    def buy(self, job, **given):
        assert self.reserve(job, **given) is None
        assert self("send", job=str(job), **given) == 1

    def figure(self, name):
        return int(self._client.hget(self.key(""), name) or 0)

    def of_host(self, host):
        return int(self._client.hget(self.key(":hosts"), host) or 0)


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


def test_what_has_been_charged_is_what_was_sent_long_enough_ago(worker):
    worker.buy(1, window=0)
    worker.buy(2)
    worker.reserve(3)
    assert worker("charged", uncertain=HOUR) == str(COST), "neither 2 nor 3 need have been charged"
    assert worker("charged", uncertain=-1) == str(2 * COST), "3 has not been sent"


def test_a_balance_is_spent_down_to_its_floor_by_who_wants_one(worker):
    worker.buy(1)
    worker("holds", spendable=3 * COST)
    worker.buy(2)
    worker.buy(3)
    assert worker.reserve(4) == "min_balance"
    assert worker.reserve(4, floor=False) is None


# -- what becomes of a reservation ----------------------------------------------------------------------------------


def test_what_was_reserved_but_never_sent_counts_no_more_once_its_lease_is_over(worker):
    assert worker.reserve(1, max_jobs=1, lease=0) is None
    worker.buy(2, max_jobs=1)
    assert worker.figure("jobs") == 1
    assert worker("send", job="1") == 0, "its room is somebody else's"


def test_what_was_sent_counts_for_ever_and_nothing_is_kept_of_it_but_the_sums(worker, redis):
    worker.buy(1, max_jobs=1, window=0)
    assert worker.reserve(2, max_jobs=1) == "max_jobs"
    assert (worker.figure("jobs"), redis.client.exists(worker.key(":jobs"), worker.key(":open"))) == (1, 0)
    assert redis.client.ttl(worker.key("")) == -1


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


def running(answer):
    word, told, _ = answer
    assert word == "running"
    return json.loads(told)


def test_a_job_that_a_worker_has_left_is_taken_over_once_and_before_any_limit(worker, redis):
    worker.buy(1, max_jobs=1)
    (now, _) = redis.client.time()
    worker("hand_on", id='"task-1"', created=5000, not_ready=3000, good_for=HOUR)
    worker("hand_on", id="123456789012345678", created=5000, not_ready=3000, good_for=2 * HOUR)
    job = running(worker("reserve", job="2", max_jobs=1))
    assert job["id"] == '"task-1"', "the one first that is too old first"
    assert running(worker("reserve", job="2", max_jobs=1)) == job, "the answer was lost"
    assert worker("send", job="2") == 1
    assert -6 < job["created"] / 1000 - now < -4
    assert -4 < job["not_ready"] / 1000 - now < -2
    assert worker.reserve(3, host="b.example") is None, "it is for its own site"
    assert worker.reserve(4, key="k2") is None, "and its own key"
    assert running(worker("reserve", job="5", max_jobs=1))["id"] == "123456789012345678"
    assert worker.reserve(6, max_jobs=1) == "max_jobs"
    assert worker.figure("jobs") == 3


@pytest.mark.parametrize("how", ["given up", "never sent"])
def test_a_job_that_is_taken_over_by_somebody_who_ends_is_there_again_for_others(worker, how):
    worker("hand_on", id="7", created=0, not_ready=0, good_for=HOUR)
    running(worker("reserve", job="1", lease=HOUR if how == "given up" else 0))
    if how == "given up":
        worker("give_up", job="1")
    assert running(worker("reserve", job="2"))["id"] == "7"
    assert worker("send", job="2", window=0) == 1
    assert worker.reserve(3) is None
    assert worker.figure("jobs") == 1


def test_a_job_whose_token_would_be_too_old_is_not_taken_over_and_the_others_live_as_long_as_theirs(worker, redis):
    worker("hand_on", id="1", created=0, not_ready=0, good_for=HOUR)
    worker("hand_on", id="2", created=0, not_ready=0, good_for=1)
    (left,) = redis.client.keys("*left*")
    assert redis.client.pttl(left) > HOUR / 2
    redis.client.zadd(left, {redis.client.zrange(left, 0, 0)[0]: 1})
    assert running(worker("reserve", job="1"))["id"] == "1"
    assert worker.reserve(2) is None


def test_what_is_told_again_since_its_answer_was_lost_is_heard_once(worker, redis):
    for number in (1, 1, 2, 2, 1):
        worker("refused", number=number)
    assert worker.figure("refusals") == 2
    (heard,) = redis.client.keys("*heard*")
    assert redis.client.pttl(heard) > 0


def test_counts_that_somebody_has_deleted_do_not_fall_below_nothing(worker, redis):
    worker.buy(1)
    worker.reserve(2, lease=0)
    worker.reserve(3)
    redis.client.delete(worker.key(""))
    worker("give_up", job="1")
    assert worker.figure("jobs") == 0
    redis.client.delete(worker.key(":jobs"))
    assert worker.reserve(4) is None
    assert worker.figure("jobs") == 1


@pytest.mark.parametrize("name", ["day", "shop:jobs", "shop%3Ajobs", "Bücher", "{x}"])
def test_no_name_of_a_fleet_gets_in_the_way_of_another(worker, redis, name):
    other = Worker(redis.client, name)
    worker.buy(1)
    other.buy(2, max_cost_per_day=2 * COST)
    keys = [set(keys_of(fleet, "w", {})) - {"omocaptcha:day"} for fleet in ("shop", name)]
    assert not keys[0] & keys[1]
    assert worker.reserve(3, max_cost_per_day=2 * COST) == "max_cost_per_day"


# -- the breaker, the service, the account ----------------------------------------------------------------------------


def test_failures_of_several_workers_in_a_row_leave_the_host_alone_for_all(worker, redis):
    for each in (worker, Worker(redis.client), worker):
        assert each.reserve("x") is None
        each("failed")
    assert worker.reserve("y") == "breaker"
    assert worker.reserve("z", host="b.example") is None
    assert worker.reserve("z", key="k2") is None


def test_a_success_in_between_starts_the_row_anew(worker):
    for number in range(5):
        worker("failed")
        worker("failed", key=f"k{number + 2}")
        worker("succeeded")
    assert worker.reserve(1) is None


def test_a_success_ends_the_pause_of_a_whole_host(worker):
    for number in range(3):
        worker("failed", key=f"k{number}")
    assert worker.reserve(1, key="k7") == "breaker"
    worker("succeeded")
    assert worker.reserve(1, key="k7") is None


def test_what_is_known_of_a_host_is_forgotten_a_day_after_its_last_failure(worker, redis):
    worker("failed")
    found = redis.client.keys("*a.example")
    assert len(found) == 2
    assert all(0 < redis.client.pttl(key) <= 25 * HOUR for key in found)


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
    worker("refused", pause=0)
    assert worker.reserve(1) is None, "the pause is over"
    assert worker.figure("refusals") == 0, "and the row starts anew"
    for _ in range(5):
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
