"""What may be bought: no interleaving of concurrent jobs overruns a limit, and the breaker lets one job through."""

from __future__ import annotations

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from scrapy.settings import Settings as ScrapySettings

from scrapy_omocaptcha.buying.journal import Record
from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.errors import NotBought
from scrapy_omocaptcha.settings import Settings

KEY = "6LcSiteKey"
HOST = "shop.example"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def limits(price=0.001, clock=None, spent_in_a_day=None, **values):
    named = {f"OMOCAPTCHA_{name.upper()}": value for name, value in {"api_token": "x", **values}.items()}
    return Limits(Settings.from_settings(ScrapySettings(named)), price, clock or Clock(), spent_in_a_day=spent_in_a_day)


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


# -- the day and the balance ----------------------------------------------------------------------------------------

JOURNAL = {"max_cost": 0, "max_cost_per_day": 1.0, "journal": "jobs.jsonl"}


def test_what_other_crawls_have_spent_within_a_day_leaves_less_for_this_one():
    spent = [0.89]
    day = limits(price=0.1, spent_in_a_day=lambda enough: spent[0], **JOURNAL)
    assert reason(day) is None
    spent[0] = 0.91
    assert reason(day) == "max_cost_per_day"
    with pytest.raises(NotBought, match="raise OMOCAPTCHA_MAX_COST_PER_DAY"):
        day.reserve(HOST, KEY)
    spent[0] = 0.5
    assert reason(day) is None, "a day has passed for some of it"


def test_where_what_others_have_spent_is_not_known_nothing_is_bought():
    def broken(enough):
        raise OSError("disk on fire")

    with pytest.raises(NotBought, match=r"disk on fire.*mend OMOCAPTCHA_JOURNAL") as raised:
        limits(spent_in_a_day=broken, **JOURNAL).check(HOST, KEY)
    assert raised.value.reason == "max_cost_per_day"


def test_a_balance_is_spent_down_to_its_floor_and_no_further():
    floor = limits(price=0.1, max_cost=0, min_balance=2.0)
    buy(floor, 3)
    floor.holds(2.25, floor.spent)
    buy(floor, 2)
    assert reason(floor) == "min_balance"


def test_what_earlier_runs_of_the_crawl_have_bought_counts():
    record = Record("2026-11-24T00:00:00Z", "shop", "1", HOST, f"https://{HOST}/", "checkbox", cost_usd=0.4)
    going_on = limits(price=0.1, max_cost=1.0, max_jobs=3, max_jobs_per_host=2)
    going_on.go_on([record])
    assert (going_on.jobs, going_on.jobs_of_host[HOST], going_on.spent) == (1, 1, 0.4)
    buy(going_on, 1)
    assert (reason(going_on), reason(going_on, "other.example")) == ("max_jobs_per_host", None)
    buy(going_on, 1, "other.example")
    assert reason(going_on, "other.example") == "max_jobs"


def test_a_job_that_was_taken_over_is_counted_where_it_was_bought():
    record = Record("2026-11-24T00:00:00Z", "shop", "1", HOST, f"https://{HOST}/", "checkbox", cost_usd=0.0)
    going_on = limits(price=0.1, max_jobs=1)
    going_on.go_on([record])
    assert (going_on.jobs, going_on.jobs_of_host[HOST]) == (0, 0)
    free = limits(price=0.0, max_jobs=1)
    free.go_on([record])
    assert free.jobs == 1, "where no job costs anything, it was bought"


# -- the breaker ----------------------------------------------------------------------------------------------------


def opened(clock, failures=3):
    broken = limits(clock=clock, breaker_failures=failures, breaker_pause=60)
    for _ in range(failures):
        assert reason(broken) is None
        broken.reserve(HOST, KEY)
        broken.breaker.failed(HOST, KEY)
    assert reason(broken) == "breaker"
    return broken


def test_failures_in_a_row_open_the_breaker_of_that_host_and_key_alone():
    broken = opened(Clock())
    assert reason(broken, "other.example") is None
    assert reason(broken, key="another key") is None


def test_a_host_whose_key_changes_with_each_failure_is_left_alone_as_a_whole():
    clock = Clock()
    broken = limits(clock=clock, breaker_failures=3, breaker_pause=60)
    for key in ("k1", "k2", "k3"):
        assert reason(broken, key=key) is None
        broken.reserve(HOST, key)
        broken.breaker.failed(HOST, key)
    assert reason(broken, key="k4") == "breaker"
    assert reason(broken, "other.example", "k4") is None
    clock.now += 60
    broken.reserve(HOST, "k5")
    assert reason(broken, key="k6") == "breaker", "one job at a time, whatever the key"
    broken.breaker.succeeded(HOST, "k5")
    assert reason(broken, key="k6") is None


def test_a_success_in_between_starts_the_row_anew():
    whole = limits(breaker_failures=2)
    for _ in range(5):
        whole.breaker.failed(HOST, KEY)
        whole.breaker.succeeded(HOST, KEY)
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
    broken.breaker.succeeded(HOST, KEY)
    buy(broken, 5)
    broken.breaker.failed(HOST, KEY)
    assert reason(broken) is None, "the row starts anew"


def test_the_one_job_opens_the_breaker_for_a_whole_pause_when_it_fails():
    clock = Clock()
    broken = opened(clock)
    clock.now += 60
    broken.reserve(HOST, KEY)
    clock.now += 30
    broken.breaker.failed(HOST, KEY)
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
    broken.breaker.failed(HOST, KEY)
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
    closed.breaker.succeeded(HOST, KEY)
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
        self.keys = {}
        self.quiet_until = {}
        self.refusals = 0
        self.paused_until = 0.0
        self.closed = False

    @rule(target=under_way, host=HOSTS, key=KEYS)
    def reserve(self, host, key):
        mine = (host, key)
        both = (mine, (host, None))
        try:
            reservation = self.limits.reserve(host, key)
        except NotBought as error:
            self.explain(error.reason, mine)
            return None
        assert not self.closed
        assert self.clock.now >= self.paused_until
        assert not self.is_quiet(mine), "no job while the breaker is open"
        before = {circuit: self.quiet_until[circuit] for circuit in both if circuit in self.quiet_until}
        self.quiet_until.update(dict.fromkeys(before, self.clock.now + 60))
        self.bought.append((host, reservation))
        return (mine, reservation, before, self.clock.now + 60)

    def is_quiet(self, mine):
        return any(self.clock.now < self.quiet_until.get(circuit, 0) for circuit in (mine, (mine[0], None)))

    def explain(self, reason, mine):
        """A refusal has its cause: nothing is refused that might be bought."""
        spent = sum(reservation.cost for _, reservation in self.bought)
        causes = {
            "account": self.closed,
            "max_jobs": self.max_jobs and len(self.bought) >= self.max_jobs,
            "max_jobs_per_host": self.max_jobs_per_host and self.of_host(mine[0]) >= self.max_jobs_per_host,
            "max_cost": self.max_cost and spent + self.limits.price > self.max_cost - 1e-6,
            "refused": self.clock.now < self.paused_until,
            "breaker": self.is_quiet(mine),
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
        for circuit, until in before.items():
            if self.quiet_until.get(circuit) == since:
                self.quiet_until[circuit] = until

    @rule(job=consumes(under_way))
    def failed(self, job):
        if job is None:
            return
        self.fail(job[0])

    def fail(self, mine):
        self.limits.breaker.failed(*mine)
        self.row[mine] = self.row.get(mine, 0) + 1
        if self.row[mine] >= self.threshold:
            self.quiet_until[mine] = self.clock.now + 60
        keys = self.keys.setdefault(mine[0], set())
        keys.add(mine[1])
        if len(keys) >= self.threshold:
            self.quiet_until[mine[0], None] = self.clock.now + 60

    @rule(host=HOSTS, key=KEYS)
    def the_breaker_opens_and_its_pause_passes(self, host, key):
        for _ in range(self.threshold):
            self.fail((host, key))
        self.clock.now += 60

    @rule(job=consumes(under_way))
    def succeeded(self, job):
        if job is None:
            return
        self.limits.breaker.succeeded(*job[0])
        host, _ = job[0]
        self.row.pop(job[0], None)
        self.keys.pop(host, None)
        for circuit in (job[0], (host, None)):
            self.quiet_until.pop(circuit, None)

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
