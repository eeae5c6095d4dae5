"""Limits in one process: the cases that every store of limits passes, and what holds here alone."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.buying.records import Balance
from scrapy_omocaptcha.errors import NotBought
from tests.helpers.clock import Clock
from tests.helpers.ledgers import new_ledger
from tests.helpers.limit_cases import CASES, PRICE, Case, Counts, job, run, settings_of

HOST = "shop.example"


def limits(price=0.001, clock=None, kept_in=None, tell_near=lambda *_: None, **values):
    return Limits(settings_of(price=price, **values), kept_in or new_ledger(), clock or Clock(), tell_near)


def reason(limits, host=HOST):
    """Return why nothing may be bought, or None."""
    try:
        limits.check(host)
    except NotBought as error:
        return error.reason
    return None


def reserve(limits, host=HOST):
    """Reserve a job in the limits of one process, which never wait."""
    with pytest.raises(StopIteration) as returned:
        limits.reserve(job(host), host).send(None)
    return returned.value.value


def buy(limits, times, host=HOST):
    return [reserve(limits, host) for _ in range(times)]


# -- a limit is near ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "most", "times", "host", "told"),
    [
        ("max_jobs", 5, 3, "", None),
        ("max_jobs", 5, 5, "", "80 % of {} is used (4 of 5 jobs)"),
        ("max_jobs", 2, 2, "", None),
        ("max_cost", 0.01, 9, "", "80 % of {} is used (0.00800 of 0.01000 USD)"),
        # As floats, these nine sum up to more.
        ("max_cost", 0.009, 9, "", "89 % of {} is used (0.00800 of 0.00900 USD)"),
        ("max_jobs_per_host", 10, 9, HOST, f"80 % of {{}} is used for {HOST} (8 of 10 jobs)"),
    ],
)
def test_it_is_told_once_that_little_is_left_of_a_limit(name, most, times, host, told):
    heard = []
    buy(limits(tell_near=lambda *said: heard.append(said), **{name: most}), times)
    said = f"{told}; at 100 % buying stops: raise it before".format(f"OMOCAPTCHA_{name.upper()}")
    assert heard == ([(name, host, said)] if told else [])


def test_others_may_buy_while_it_is_told_that_little_is_left(tmp_path):
    path = tmp_path / "ledger.sqlite"
    other = limits(kept_in=new_ledger(path, busy_timeout=0.01), max_jobs=9)
    buy(limits(kept_in=new_ledger(path), tell_near=lambda *_: buy(other, 1), max_jobs=5), 4)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM jobs").fetchone() == (5,)


def test_it_is_told_that_little_is_left_of_the_balance():
    heard = []
    bought = limits(tell_near=lambda *said: heard.append(said), min_balance=1.0)
    bought.set_balance(Balance(1.01, 0), 0.0)
    buy(bought, 8)
    said = (
        "80 % of what OMOCAPTCHA_MIN_BALANCE leaves to spend is used (0.00800 of 0.01000 USD); "
        "at 100 % buying stops: top up the account before"
    )
    assert heard == [("min_balance", "", said)]


# -- the cases of every store ---------------------------------------------------------------------------------------


class InLedger:
    """Runs a case in a ledger, under a clock that the case moves."""

    def __init__(self, case: Case, path: Path | None):
        self._ledger = new_ledger(path)
        self._limits = limits(PRICE, None, self._ledger, **case.limits)

    def limits(self):
        return self._limits

    async def settle(self):
        """Everything has had its effect."""

    def counts(self):
        sums = self._ledger.sums("a.example")
        return Counts(sums.jobs, round(sums.spent, 9), sums.jobs_of_host)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("where", ["in a file", "in memory"])
def test_limits_in_one_process(case, where, tmp_path):
    driver = InLedger(case, tmp_path / "jobs.sqlite" if where == "in a file" else None)
    asyncio.run(run(case, driver))
    asyncio.run(driver.limits().close())


# -- what holds in one process alone --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("max_cost", 0.5, "0.00000 USD have been spent, a job costs 0.60000: raise OMOCAPTCHA_MAX_COST (0.5) to go on"),
        ("max_jobs", 2, "2 jobs have been bought: raise OMOCAPTCHA_MAX_JOBS (2) to go on"),
        ("max_jobs_per_host", 1, f"1 job has been bought for {HOST}: raise OMOCAPTCHA_MAX_JOBS_PER_HOST (1) to go on"),
        (
            "min_balance",
            2.5,
            "a job would leave less than 2.5 USD in the account: top it up, or lower OMOCAPTCHA_MIN_BALANCE",
        ),
    ],
)
def test_a_limit_names_its_setting_and_the_value_of_it_however_it_is_asked(name, value, words):
    few = limits(price=0.6, **{name: value})
    few.set_balance(Balance(3.0), 0.0)
    buy(few, value if isinstance(value, int) else 0)
    assert reason(few) == name
    with pytest.raises(NotBought) as refused:
        reserve(few)
    assert str(refused.value) == words


def test_what_other_crawls_of_the_ledger_have_spent_within_a_day_leaves_less_for_this_one(tmp_path):
    path = tmp_path / "jobs.sqlite"
    day = {"price": 0.1, "max_cost_per_day": 1.0, "ledger": str(path)}
    one, other = limits(kept_in=new_ledger(path), **day), limits(kept_in=new_ledger(path), **day)
    buy(one, 9)
    assert reason(other) is None
    (last,) = buy(other, 1)
    assert reason(one) == reason(other) == "max_cost_per_day"
    with pytest.raises(NotBought, match=r"raise OMOCAPTCHA_MAX_COST_PER_DAY \(1.0\) to go on sooner"):
        reserve(one)
    last.cancel()
    assert reason(one) is None


def test_the_balance_is_needed_whenever_others_could_have_reached_its_floor_and_not_before():
    clock = Clock()
    assert not limits().needs_balance, "it has no floor"
    floored = limits(price=0.1, clock=clock, min_balance=2.0)
    assert floored.needs_balance, "it has never been asked"
    floored.set_balance(Balance(3.1), 0.0)
    assert not floored.needs_balance
    clock.now += 18.9
    assert not floored.needs_balance, "others spend less than 1 USD before the job is created"
    clock.now += 0.2
    assert floored.needs_balance
    floored.set_balance(Balance(2.14), 0.0)
    assert floored.needs_balance, "less than 0.05 USD is left when the next job is bought"
    floored.set_balance(Balance(2.05), 0.0)
    clock.now += 1e9
    assert (floored.needs_balance, reason(floored)) == (False, "min_balance"), "nothing is bought any more"
    last = limits(price=0.3, min_balance=2.0)
    last.set_balance(Balance(2.3), 0.0)
    assert (last.needs_balance, reason(last)) == (True, None), "as floats, 0.3 USD are more than is left"


def test_the_balance_is_needed_the_sooner_the_more_this_crawl_has_spent():
    clock = Clock()
    floored = limits(price=0.1, clock=clock, min_balance=2.0)
    floored.set_balance(Balance(3.0), 0.0)
    buy(floored, 8)
    clock.now += 0.9
    assert not floored.needs_balance
    clock.now += 0.2
    assert floored.needs_balance


def test_the_solves_of_a_package_are_bought_before_the_floor_of_the_balance_counts():
    packed = limits(price=0.1, min_balance=2.0)
    packed.set_balance(Balance(0.0, 3), 0.0)
    buy(packed, 3)
    assert reason(packed) == "min_balance"
    packed.set_balance(Balance(2.1, 1), packed.spent)
    buy(packed, 2)
    assert reason(packed) == "min_balance"


@pytest.mark.parametrize("is_bought", [True, False])
def test_a_call_is_under_way_from_the_reservation_to_its_answer(is_bought):
    one = limits()
    (reservation,) = buy(one, 1)
    assert not one.no_call_is_under_way()
    reservation.bought("1") if is_bought else reservation.cancel()
    assert one.no_call_is_under_way()


def test_where_what_others_have_spent_is_not_known_nothing_is_bought(tmp_path):
    ledger = new_ledger(tmp_path / "missing" / "jobs.sqlite")
    with pytest.raises(NotBought, match=r"fix OMOCAPTCHA_LEDGER") as raised:
        limits(kept_in=ledger, max_cost_per_day=1.0, redis_url="redis://127.0.0.1/").check(HOST)
    assert raised.value.reason == "max_cost_per_day"


def test_a_host_with_useless_jobs_is_paused_and_then_tried_with_one_job():
    clock = Clock()
    paused = limits(clock=clock, breaker_failures=2, breaker_pause=60)
    for _ in range(2):
        buy(paused, 1)
        paused.breaker.record_failure(HOST)
    with pytest.raises(NotBought, match=f"at least 2 of the last jobs for {HOST} were of no use") as raised:
        reserve(paused)
    assert raised.value.reason == "breaker"
    clock.now += 60
    buy(paused, 1)
    assert reason(paused) == "breaker"
