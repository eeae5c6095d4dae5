"""The script in Redis: what it counts and forgets, which repeated calls it skips, and any order of calls.

``test_limits_contract`` tests the limits themselves.
"""

import json

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import stateful
from hypothesis import strategies as st

from scrapy_omocaptcha.buying.fleet.redis_store import keys_of, read_script
from scrapy_omocaptcha.settings import LIMITS

HOUR = 3_600_000
COST = 550_000
"""Billionths of a USD: what a job costs."""


class Worker:
    """Calls the script. A job is named by a number, and no limit but the balance holds unless it is given."""

    def __init__(self, client, fleet="shop"):
        self._client = client
        self._script = client.register_script(read_script()[0])
        self._fleet = fleet

    def __call__(self, command, host="a.example", keeps_balance=True, **given):
        limits = [
            {"reason": name, "measure": limit.measure, "adds": 1 if limit.counts_jobs else COST, "most": given[name]}
            for name, limit in LIMITS.items()
            if given.get(name)
        ]
        if keeps_balance:
            limits.append({"reason": "min_balance", "measure": "spent", "adds": COST})
        breaker = {"domain": f"*.{host}", "window": HOUR, "pause": HOUR, "threshold": 3}
        arguments = {"host": host, "sitekey": "k1", "cost": COST, **breaker, "limits": limits, **given}
        return self._script(keys_of(self._fleet, "worker", arguments), [command, json.dumps(arguments)])

    def key(self, suffix):
        return f"omocaptcha:fleet:{self._fleet}{suffix}"

    def reserve(self, job, **given):
        """Return why no job may be bought, or "counted"."""
        return self("reserve", job=str(job), **given)[0]

    def buy(self, job, **given):
        assert self.reserve(job, **given) == "counted"

    def fail(self, job, **given):
        self("create_accepted", job=str(job), **given)
        self("record_failure", job=str(job), **given)

    def figure(self, name):
        return int(self._client.hget(self.key(""), name) or 0)

    def jobs_of_host(self, host):
        return int(self._client.hget(self.key(":hosts"), host) or 0)


@pytest.fixture
def worker(redis):
    return Worker(redis.client)


# -- the figures --------------------------------------------------------------------------------------------------


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
    assert worker.reserve(3, max_cost_per_day=2 * COST) == "counted"
    assert len(redis.client.hgetall("omocaptcha:day")) == 1, "what is older is not kept"


def test_the_service_has_charged_what_it_has_answered_however_short_ago(worker):
    worker.buy(1)
    worker.buy(2)
    worker("mark_answered", job="1")
    worker("mark_answered", job="unknown")
    assert worker("charged_so_far", uncertain=HOUR) == str(COST)


def test_the_floor_of_the_balance_holds_for_a_worker_that_sets_one(worker):
    worker.buy(1)
    worker("set_balance", spendable=3 * COST)
    worker.buy(2)
    worker.buy(3)
    assert worker.reserve(4) == "min_balance"
    assert worker.reserve(4, keeps_balance=False) == "counted"


# -- what becomes of a reservation ----------------------------------------------------------------------------------


def test_what_was_reserved_counts_for_ever_and_nothing_is_kept_of_it_but_the_sums(worker, redis):
    worker.buy(1, max_jobs=1, window=0)
    assert worker.reserve(2, max_jobs=1) == "max_jobs"
    assert worker.figure("jobs") == 1
    assert redis.client.exists(worker.key(":jobs"), worker.key(":expiry")) == 0
    assert redis.client.ttl(worker.key("")) == -1


def test_what_costs_nothing_is_taken_off_the_counts_like_any_other(worker):
    free = {"cost": 0}
    worker.buy(1, **free)
    worker("cancel", job="1", **free)
    assert worker.figure("jobs") == 0
    assert worker.figure("spent") == 0
    assert worker.jobs_of_host("a.example") == 0


def test_a_notification_that_is_repeated_because_its_reply_was_lost_counts_once(worker, redis):
    for number in (1, 1, 2, 2, 1):
        worker("create_accepted", job=f"{number}", number=number)
    assert redis.client.hget(worker.key(":breaker:a.example"), "jobs") == '[["1",0],["2",0]]'
    (received,) = redis.client.keys("*received*")
    assert redis.client.pttl(received) > 0


@pytest.mark.parametrize("name", ["day", "shop:jobs", "shop%3Ajobs", "Bücher", "{x}"])
def test_no_name_of_a_fleet_gets_in_the_way_of_another(worker, redis, name):
    other = Worker(redis.client, name)
    worker.buy(1)
    other.buy(2, max_cost_per_day=2 * COST)
    keys = [set(keys_of(fleet, "w", {})) - {"omocaptcha:day"} for fleet in ("shop", name)]
    assert not keys[0] & keys[1]
    assert worker.reserve(3, max_cost_per_day=2 * COST) == "max_cost_per_day"


# -- the breaker, the service, the account ----------------------------------------------------------------------------


@pytest.mark.parametrize("is_accepted", [False, True])
def test_what_is_known_of_a_host_and_its_domain_is_forgotten_a_day_after_its_last_job(worker, redis, is_accepted):
    worker.fail(1)
    worker.fail(2, sitekey="k2")
    if is_accepted:
        worker("record_success", job="1")
    found = sorted(redis.client.keys("*a.example*"))
    names = ["*.a.example", "a.example", "a.example:k1", "a.example:k2"]
    assert [key.partition(":breaker:")[2] for key in found] == names
    assert all(0 < redis.client.pttl(key) <= 25 * HOUR for key in found)


def test_a_closed_account_is_tried_by_one_worker_after_the_pause(worker):
    worker("close_account", why="the balance is empty")
    assert worker("reserve", job="1") == ["account", "the balance is empty"]
    worker("close_account", why="the balance is empty", pause=0)
    assert worker.reserve(1) == "counted"
    assert worker.reserve(2) == "account", "one tries whether it is well again"
    worker("create_accepted", job="1")
    assert worker.reserve(2) == "counted"
    assert worker.reserve(3) == "counted"


# -- whatever the order ---------------------------------------------------------------------------------------------


def test_no_order_of_calls_overruns_a_limit_or_loses_count(redis):
    class Purchases(stateful.RuleBasedStateMachine):
        """Jobs of any workers in any order, some of which die, beside a plain account of what counts.

        Each call is repeated, as where its reply was lost.
        """

        open = stateful.Bundle("open")

        @stateful.initialize(
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

        @stateful.rule(target=open, host=st.sampled_from(["a.example", "b.example"]))
        def reserve(self, host):
            self.number += 1
            job = str(self.number)
            full = {
                "max_jobs": 0 < self.limits["max_jobs"] <= len(self.bought),
                "max_jobs_per_host": 0 < self.limits["max_jobs_per_host"] <= self.of_host(host),
                "max_cost": 0 < self.limits["max_cost"] < (len(self.bought) + 1) * COST,
            }
            reason = next((name for name in full if full[name]), "counted")
            for _ in range(2):
                assert self.worker.reserve(job, host=host, **self.limits) == reason
            if reason == "counted":
                self.bought[job] = host
            return job

        def of_host(self, host):
            return list(self.bought.values()).count(host)

        @stateful.rule(job=stateful.consumes(open))
        def cancel(self, job):
            for _ in range(2):
                self.worker("cancel", job=job)
            self.bought.pop(job, None)

        @stateful.invariant()
        def the_counts_are_those_of_what_was_bought(self):
            assert self.worker.figure("jobs") == len(self.bought)
            assert self.worker.figure("spent") == len(self.bought) * COST
            for host in ("a.example", "b.example"):
                assert self.worker.jobs_of_host(host) == self.of_host(host)

    stateful.run_state_machine_as_test(
        Purchases,
        settings=hypothesis_settings(derandomize=True, deadline=None, max_examples=60, stateful_step_count=30),
    )
