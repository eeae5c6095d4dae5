"""What may be bought: no interleaving of concurrent jobs overruns a limit, and the breaker lets one job through."""

from __future__ import annotations

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from scrapy.settings import Settings as ScrapySettings

from scrapy_omocaptcha.errors import NotBought
from scrapy_omocaptcha.limits import Limits
from scrapy_omocaptcha.settings import Settings

KEY = "6LcSiteKey"
HOST = "shop.example"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def limits(price=0.001, clock=None, **values):
    named = {f"OMOCAPTCHA_{name.upper()}": value for name, value in {"api_token": "x", **values}.items()}
    return Limits(Settings.from_settings(ScrapySettings(named)), price, clock or Clock())


def reason(limits, host=HOST, key=KEY):
    """Why nothing may be bought, or None."""
    try:
        limits.check(host, key)
    except NotBought as error:
        return error.reason
    return None


def buy(limits, times, host=HOST, key=KEY):
    return [limits.reserve(host, key) for _ in range(times)]


# -- each limit by itself -------------------------------------------------------------------------------------------


def test_so_many_jobs_are_bought_and_not_one_more():
    few = limits(max_jobs=2)
    buy(few, 2)
    assert reason(few) == reason(few, "other.example") == "max_jobs"
    with pytest.raises(NotBought, match="raise OMOCAPTCHA_MAX_JOBS"):
        few.reserve(HOST, KEY)
    assert few.jobs == 2, "a refusal reserves nothing"


def test_so_many_jobs_are_bought_for_one_host_and_others_go_on():
    few = limits(max_jobs_per_host=2)
    buy(few, 2)
    assert reason(few) == reason(few, key="another key") == "max_jobs_per_host"
    assert reason(few, "other.example") is None


def test_the_last_cent_is_spent_but_not_more_than_it():
    few = limits(price=0.1, max_cost=0.3)
    buy(few, 3)
    assert reason(few) == "max_cost"


def test_a_limit_of_zero_is_none():
    free = limits(price=5.0, max_jobs=0, max_jobs_per_host=0, max_cost=0)
    buy(free, 1000)
    assert reason(free) is None


def test_a_price_that_rises_meanwhile_counts_from_then_on_and_what_was_reserved_keeps_its_own():
    few = limits(price=0.1, max_cost=1.0)
    (first,) = buy(few, 1)
    few.price = 0.5
    buy(few, 1)
    assert reason(few) == "max_cost"
    first.give_up()
    assert few.spent == pytest.approx(0.5)
    assert reason(few) is None


def test_what_was_certainly_not_bought_makes_room_again():
    few = limits(max_jobs=1, max_jobs_per_host=1, price=1.0, max_cost=1.0)
    buy(few, 1)[0].give_up()
    assert (few.jobs, few.spent, few.jobs_of_host[HOST]) == (0, 0.0, 0)
    buy(few, 1)
    assert reason(few) == "max_jobs"


# -- the breaker ----------------------------------------------------------------------------------------------------


def opened(clock, failures=3):
    broken = limits(clock=clock, breaker_failures=failures, breaker_pause=60)
    for _ in range(failures):
        assert reason(broken) is None
        broken.reserve(HOST, KEY)
        broken.failed(HOST, KEY)
    assert reason(broken) == "breaker"
    return broken


def test_failures_in_a_row_open_the_breaker_of_that_host_and_key_alone():
    broken = opened(Clock())
    assert reason(broken, "other.example") is None
    assert reason(broken, key="another key") is None


def test_a_success_in_between_starts_the_row_anew():
    whole = limits(breaker_failures=2)
    for _ in range(5):
        whole.failed(HOST, KEY)
        whole.succeeded(HOST, KEY)
    assert reason(whole) is None


def test_the_breaker_holds_until_the_last_moment_of_its_pause_and_then_lets_exactly_one_job_through():
    clock = Clock()
    broken = opened(clock)
    clock.now += 59.999
    assert reason(broken) == "breaker"
    clock.now += 0.001
    broken.reserve(HOST, KEY)
    assert reason(broken) == "breaker"
    with pytest.raises(NotBought):
        broken.reserve(HOST, KEY)


def test_the_one_job_closes_the_breaker_when_it_succeeds():
    clock = Clock()
    broken = opened(clock)
    clock.now += 60
    broken.reserve(HOST, KEY)
    broken.succeeded(HOST, KEY)
    buy(broken, 5)
    broken.failed(HOST, KEY)
    assert reason(broken) is None, "the row starts anew"


def test_the_one_job_opens_the_breaker_for_a_whole_pause_when_it_fails():
    clock = Clock()
    broken = opened(clock)
    clock.now += 60
    broken.reserve(HOST, KEY)
    clock.now += 30
    broken.failed(HOST, KEY)
    clock.now += 59
    assert reason(broken) == "breaker"
    clock.now += 1
    assert reason(broken) is None


def test_the_one_job_that_was_not_bought_after_all_leaves_its_turn_to_another():
    clock = Clock()
    broken = opened(clock)
    clock.now += 60
    broken.reserve(HOST, KEY).give_up()
    broken.reserve(HOST, KEY)
    assert reason(broken) == "breaker"


def test_a_turn_that_is_given_back_does_not_shorten_a_pause_that_a_late_failure_has_begun():
    clock = Clock()
    broken = opened(clock)
    clock.now += 60
    turn = broken.reserve(HOST, KEY)
    clock.now += 1
    broken.failed(HOST, KEY)
    turn.give_up()
    assert reason(broken) == "breaker"


def test_the_one_job_whose_outcome_never_comes_is_followed_by_another_after_a_pause():
    clock = Clock()
    broken = opened(clock)
    clock.now += 60
    broken.reserve(HOST, KEY)
    clock.now += 60
    assert reason(broken) is None


# -- the service and the account ------------------------------------------------------------------------------------


def test_five_refusals_in_a_row_pause_buying_on_all_hosts_and_then_it_goes_on():
    clock = Clock()
    refused = limits(clock=clock, breaker_pause=60)
    for _ in range(5):
        assert reason(refused) is None
        refused.refused()
    assert reason(refused) == reason(refused, "other.example") == "refused"
    clock.now += 60
    assert reason(refused) is None
    for _ in range(4):
        refused.refused()
    assert reason(refused) is None, "the row starts anew after the pause"


def test_a_job_that_was_taken_ends_the_row_of_refusals():
    refused = limits()
    for _ in range(20):
        refused.refused()
        refused.taken()
    assert reason(refused) is None


def test_a_closed_account_stays_closed_and_keeps_its_first_reason():
    clock = Clock()
    closed = limits(clock=clock)
    (reservation,) = buy(closed, 1)
    assert closed.close_account("the token is wrong")
    assert not closed.close_account("the balance is empty"), "no news"
    reservation.give_up()
    closed.taken()
    closed.succeeded(HOST, KEY)
    clock.now += 1e9
    with pytest.raises(NotBought, match="the token is wrong") as raised:
        closed.reserve(HOST, KEY)
    assert raised.value.reason == "account"


# -- whatever the order ---------------------------------------------------------------------------------------------

HOSTS = st.sampled_from(["a.example", "a.example", "b.example"])
KEYS = st.sampled_from(["k1", "k1", "k2"])


class Purchases(RuleBasedStateMachine):
    """Concurrent jobs in any order, beside a plain account of what has been bought and when."""

    under_way = Bundle("under_way")

    @initialize(
        max_jobs=st.sampled_from([0, 0, 1, 6]),
        max_jobs_per_host=st.sampled_from([0, 0, 1, 4]),
        max_cost=st.sampled_from([0, 0, 0.25, 0.3, 1]),
        failures=st.integers(1, 3),
    )
    def start(self, max_jobs, max_jobs_per_host, max_cost, failures):
        self.clock = Clock()
        self.max_jobs, self.max_jobs_per_host, self.max_cost, self.threshold = (
            max_jobs,
            max_jobs_per_host,
            max_cost,
            failures,
        )
        self.limits = limits(
            price=0.1,
            clock=self.clock,
            max_jobs=max_jobs,
            max_jobs_per_host=max_jobs_per_host,
            max_cost=max_cost,
            breaker_failures=failures,
            breaker_pause=60,
        )
        self.bought = []
        self.row = {}
        self.quiet_until = {}
        self.refusals = 0
        self.paused_until = 0.0
        self.closed = False

    @rule(target=under_way, host=HOSTS, key=KEYS)
    def reserve(self, host, key):
        mine = (host, key)
        try:
            reservation = self.limits.reserve(host, key)
        except NotBought as error:
            self.explain(error.reason, mine)
            return None
        assert not self.closed
        assert self.clock.now >= self.paused_until
        assert self.clock.now >= self.quiet_until.get(mine, 0), "no job while the breaker is open"
        before = self.quiet_until.get(mine)
        if before is not None:
            self.quiet_until[mine] = self.clock.now + 60
        self.bought.append((host, reservation))
        return (mine, reservation, before, self.quiet_until.get(mine))

    def explain(self, reason, mine):
        """A refusal has its cause: nothing is refused that might be bought."""
        spent = sum(reservation.cost for _, reservation in self.bought)
        causes = {
            "account": self.closed,
            "max_jobs": self.max_jobs and len(self.bought) >= self.max_jobs,
            "max_jobs_per_host": self.max_jobs_per_host and self.of_host(mine[0]) >= self.max_jobs_per_host,
            "max_cost": self.max_cost and spent + self.limits.price > self.max_cost - 1e-6,
            "refused": self.clock.now < self.paused_until,
            "breaker": self.clock.now < self.quiet_until.get(mine, 0),
        }
        assert causes[reason], reason

    def of_host(self, host):
        return sum(other == host for other, _ in self.bought)

    @rule(job=consumes(under_way))
    def give_up(self, job):
        if job is None:
            return
        mine, reservation, before, since = job
        reservation.give_up()
        self.bought.remove((mine[0], reservation))
        if before is not None and self.quiet_until.get(mine) == since:
            self.quiet_until[mine] = before

    @rule(job=consumes(under_way))
    def failed(self, job):
        if job is None:
            return
        self.fail(job[0])

    def fail(self, mine):
        self.limits.failed(*mine)
        self.row[mine] = self.row.get(mine, 0) + 1
        if self.row[mine] >= self.threshold:
            self.quiet_until[mine] = self.clock.now + 60

    @rule(host=HOSTS, key=KEYS)
    def the_breaker_opens_and_its_pause_passes(self, host, key):
        for _ in range(self.threshold):
            self.fail((host, key))
        self.clock.now += 60

    @rule(job=consumes(under_way))
    def succeeded(self, job):
        if job is None:
            return
        self.limits.succeeded(*job[0])
        self.row.pop(job[0], None)
        self.quiet_until.pop(job[0], None)

    @rule()
    def refused(self):
        self.limits.refused()
        self.refusals += 1
        if self.refusals == 5:
            self.refusals = 0
            self.paused_until = self.clock.now + 60

    @rule()
    def taken(self):
        self.limits.taken()
        self.refusals = 0

    @rule(price=st.sampled_from([0.05, 0.1, 0.2]))
    def price_changes(self, price):
        self.limits.price = price

    @rule(seconds=st.sampled_from([1.0, 60.0, 60.0]))
    def time_passes(self, seconds):
        self.clock.now += seconds

    @rule(really=st.integers(0, 19))
    def account_closes(self, really):
        if really == 19:
            self.limits.close_account("empty")
            self.closed = True

    @invariant()
    def nothing_is_overrun_and_all_that_was_bought_is_counted(self):
        if not hasattr(self, "limits"):
            return
        spent = sum(reservation.cost for _, reservation in self.bought)
        assert self.limits.jobs == len(self.bought)
        assert self.limits.spent == pytest.approx(spent, abs=1e-9)
        assert not self.max_jobs or len(self.bought) <= self.max_jobs
        assert not self.max_cost or spent <= self.max_cost + 1e-6
        for host in ("a.example", "b.example"):
            assert self.limits.jobs_of_host[host] == self.of_host(host)
            assert not self.max_jobs_per_host or self.of_host(host) <= self.max_jobs_per_host


TestPurchases = Purchases.TestCase
TestPurchases.settings = hypothesis_settings(derandomize=True, deadline=None, max_examples=100, stateful_step_count=50)
