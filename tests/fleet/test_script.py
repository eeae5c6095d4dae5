"""The script in Redis: a day, the names of fleets, and any order of calls.

``test_limits_contract`` tests the limits themselves.
"""

import json

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import stateful
from hypothesis import strategies as st

from scrapy_omocaptcha.buying.fleet.redis_store import keys_of, read_script
from scrapy_omocaptcha.settings.limits import LIMITS

COST = 550_000
"""Billionths of a USD: what a job costs."""


class Worker:
    """Calls the script. No limit holds unless it is given."""

    def __init__(self, client, fleet="shop"):
        self._script = client.register_script(read_script())
        self._keys = keys_of(fleet)

    def __call__(self, command, **arguments):
        return json.loads(self._script(self._keys, [command, json.dumps({"cost": COST, **arguments})]))

    def reserve(self, host="a.example", **most):
        """Return why no job may be bought, if so, and the step of the job if it may."""
        limits = [
            {"reason": name, "measure": limit.measure, "adds": 1 if limit.counts_jobs else COST, "most": most[name]}
            for name, limit in LIMITS.items()
            if most.get(name)
        ]
        reply = self("reserve", host=host, limits=limits)
        return reply.get("reached"), reply.get("step")

    def reached(self, **most):
        return self.reserve(**most)[0]


@pytest.fixture
def worker(redis):
    return Worker(redis.client)


def test_a_day_is_counted_over_all_fleets_of_a_redis_and_what_is_older_counts_no_more(worker, redis):
    Worker(redis.client, "another fleet").reserve()
    worker.reserve(max_cost_per_day=2 * COST)
    assert worker.reached(max_cost_per_day=2 * COST) == "max_cost_per_day"
    (step, spent), *others = redis.client.hgetall("omocaptcha:day").items()
    if others:
        # Half past, or what else begins a step.
        spent = str(int(spent) + int(others[0][1]))
    redis.client.delete("omocaptcha:day")
    redis.client.hset("omocaptcha:day", str(int(step) - 144), spent)
    assert worker.reached(max_cost_per_day=2 * COST) == "max_cost_per_day", "24 hours are not over"
    redis.client.delete("omocaptcha:day")
    redis.client.hset("omocaptcha:day", str(int(step) - 146), spent)
    assert worker.reached(max_cost_per_day=2 * COST) is None
    assert len(redis.client.hgetall("omocaptcha:day")) == 1, "what is older is not kept"


@pytest.mark.parametrize("name", ["day", "shop:hosts", "shop%3Ahosts", "Bücher", "{x}"])
def test_no_name_of_a_fleet_gets_in_the_way_of_another(worker, redis, name):
    other = Worker(redis.client, name)
    worker.reserve()
    other.reserve()
    keys = [set(keys_of(fleet)) - {"omocaptcha:day"} for fleet in ("shop", name)]
    assert not keys[0] & keys[1]
    sums = other("sums", host="a.example")
    assert (sums["jobs"], sums["spent_in_a_day"]) == (1, 2 * COST)


def test_what_is_taken_back_after_somebody_has_deleted_the_sums_makes_none_negative(worker, redis):
    _, step = worker.reserve()
    redis.client.flushall()
    worker("cancel", host="a.example", step=step)
    assert redis.client.keys() == []


def test_no_order_of_calls_overruns_a_limit_or_loses_count(redis):
    class Purchases(stateful.RuleBasedStateMachine):
        """Jobs of any workers in any order, some of which die, beside a plain account of what counts."""

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
            self.bought = []

        @stateful.rule(target=open, host=st.sampled_from(["a.example", "b.example"]))
        def reserve(self, host):
            full = {
                "max_jobs": 0 < self.limits["max_jobs"] <= len(self.bought),
                "max_jobs_per_host": 0 < self.limits["max_jobs_per_host"] <= self.bought.count(host),
                "max_cost": 0 < self.limits["max_cost"] < (len(self.bought) + 1) * COST,
            }
            reached, step = self.worker.reserve(host, **self.limits)
            assert reached == next((name for name in full if full[name]), None)
            if reached:
                return stateful.multiple()
            self.bought.append(host)
            return host, step

        @stateful.rule(job=stateful.consumes(open))
        def cancel(self, job):
            host, step = job
            self.worker("cancel", host=host, step=step)
            self.bought.remove(host)

        @stateful.invariant()
        def the_counts_are_those_of_what_was_bought(self):
            for host in ("a.example", "b.example"):
                sums, cost = self.worker("sums", host=host), len(self.bought) * COST
                assert (sums["jobs"], sums["jobs_of_host"]) == (len(self.bought), self.bought.count(host))
                assert (sums["spent"], sums["spent_in_a_day"]) == (cost, cost)

    stateful.run_state_machine_as_test(
        Purchases,
        settings=hypothesis_settings(derandomize=True, deadline=None, max_examples=60, stateful_step_count=30),
    )
