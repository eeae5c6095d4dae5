"""Limits in one process: the cases that every store of limits passes, and what holds here alone."""

import asyncio

import pytest

from scrapy_omocaptcha.buying.limits import Limits
from scrapy_omocaptcha.buying.records import Balance
from scrapy_omocaptcha.errors import NotBought
from tests.helpers.clock import Clock
from tests.helpers.ledgers import new_ledger
from tests.helpers.limit_cases import CASES, Counts, Shop, job, settings_of

HOST = "shop.example"


def limits(price=0.001, clock=None, kept_in=None, **values):
    return Limits(settings_of(price=price, **values), kept_in or new_ledger(), clock or Clock())


def reason(limits, host=HOST):
    """Return why nothing may be bought, or None."""
    try:
        limits.check(host)
    except NotBought as error:
        return error.reason
    return None


def buy(limits, times=1, host=HOST):
    return [asyncio.run(limits.reserve(job(host), host)) for _ in range(times)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize("where", ["in a file", "in memory"])
def test_limits_in_one_process(case, where, tmp_path):
    ledger = new_ledger(tmp_path / "jobs.sqlite" if where == "in a file" else None)
    one = limits(kept_in=ledger, **CASES[case])

    async def counts():
        sums = ledger.sums("a.example")
        return Counts(sums.jobs, round(sums.spent, 9), sums.jobs_of_host)

    asyncio.run(case(Shop(lambda: one, counts)))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("max_cost", 0.5, "0.00000 USD have been spent, a job costs 0.60000: raise OMOCAPTCHA_MAX_COST (0.5) to go on"),
        ("max_jobs", 2, "2 jobs have been bought: raise OMOCAPTCHA_MAX_JOBS (2) to go on"),
        (
            "max_jobs_per_host",
            1,
            f"1 job has been bought for {HOST}: raise OMOCAPTCHA_MAX_JOBS_PER_HOST (1) to go on there",
        ),
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
        buy(few)
    assert str(refused.value) == words


def test_what_other_crawls_of_the_ledger_have_spent_within_a_day_leaves_less_for_this_one(tmp_path):
    path = tmp_path / "jobs.sqlite"
    day = {"price": 0.1, "max_cost_per_day": 1.0, "ledger": str(path)}
    one, other = limits(kept_in=new_ledger(path), **day), limits(kept_in=new_ledger(path), **day)
    buy(one, 9)
    (last,) = buy(other)
    assert reason(one) == reason(other) == "max_cost_per_day"
    with pytest.raises(NotBought, match=r"raise OMOCAPTCHA_MAX_COST_PER_DAY \(1.0\) to go on sooner"):
        buy(one)
    other.cancel(last)
    assert reason(one) is None


def test_a_balance_is_spent_down_to_its_floor_after_the_solves_of_a_package():
    floored = limits(price=0.1, min_balance=2.0)
    floored.set_balance(Balance(2.25), 0.0)
    buy(floored, 2)
    assert reason(floored) == "min_balance"
    floored.set_balance(Balance(0.0, 3), asyncio.run(floored.charged_so_far()))
    buy(floored, 3)
    assert reason(floored) == "min_balance"
    last = limits(price=0.3, min_balance=2.0)
    last.set_balance(Balance(2.3), 0.0)
    assert reason(last) is None, "as floats, 0.3 USD are more than is left"
