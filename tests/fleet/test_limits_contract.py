"""Limits that workers share through a real Redis, in the cases that every store of limits passes.

Each step is taken by a worker of its own, which has bought nothing, so every refusal comes from what the others have
told Redis. The last balance is each worker's own.
"""

import time

import pytest
from scrapy.utils.defer import deferred_from_coro

from scrapy_omocaptcha.buying.fleet.limits import FleetLimits
from scrapy_omocaptcha.buying.fleet.redis_store import RedisStore
from scrapy_omocaptcha.buying.records import Balance
from scrapy_omocaptcha.errors import CrawlClosing, NotBought
from tests.helpers.ledgers import new_ledger
from tests.helpers.lifetimes import OpenLifetime
from tests.helpers.limit_cases import CASES, PRICE, Counts, job, run, settings_of

FLEET = "omocaptcha:fleet:shop"
HOST = "a.example"
JOB = job(HOST)


class InRedis:
    """Runs a case in a Redis."""

    def __init__(self, redis, limits):
        self._client = redis.client
        self._settings = settings_of(redis_url=redis.url, price=PRICE, **limits)
        self._workers = []
        self.lifetime = OpenLifetime()
        self.near = []

    def told(self, reason, host, message):
        self.near.append((reason, host, message))

    def limits(self, ledger=None):
        store = RedisStore(self._settings.redis_url, "shop")
        worker = FleetLimits(self._settings, ledger or new_ledger(), time.monotonic, self.told, store, self.lifetime)
        self._workers.append(worker)
        return worker

    async def settle(self):
        for worker in self._workers:
            # Redis answers a call after all notifications of the same worker.
            await worker.charged_so_far()

    async def close(self):
        for worker in self._workers:
            await worker.close()

    def counts(self):
        jobs, spent = (int(figure or 0) for figure in self._client.hmget(FLEET, "jobs", "spent"))
        return Counts(jobs, round(spent * 1e-9, 9), int(self._client.hget(f"{FLEET}:hosts", "a.example") or 0))


@pytest.fixture
def during(reactor):
    """``during(probe, driver)``: wait for ``probe()``, and close the workers of the driver."""

    def during(probe, driver):
        async def whole():
            try:
                await probe()
            finally:
                await driver.close()

        reactor.call(lambda: deferred_from_coro(whole()))

    return during


@pytest.mark.parametrize("case", [case for case in CASES if case.is_shared], ids=lambda case: case.name)
def test_limits_of_a_fleet(case, during, redis):
    driver = InRedis(redis, case.limits)
    during(lambda: run(case, driver), driver)


def test_a_fleet_is_told_how_much_all_its_workers_have_spent_of_a_limit(during, redis):
    driver = InRedis(redis, {"max_cost": 0.5})

    async def buy():
        for _ in range(5):
            await driver.limits().reserve(JOB, HOST)
        with pytest.raises(NotBought, match=r"0\.50000 USD have been spent by the fleet 'shop'"):
            await driver.limits().reserve(JOB, HOST)

    during(buy, driver)
    said = "80 % of OMOCAPTCHA_MAX_COST is used by the fleet 'shop' (0.40000 of 0.50000 USD)"
    assert driver.near == [("max_cost", "", f"{said}; at 100 % buying stops: raise it before")]


def test_a_job_that_redis_has_counted_for_a_crawl_that_closes_meanwhile_counts_no_more(during, redis):
    driver = InRedis(redis, {})
    driver.lifetime.closing = True

    async def reserve():
        with pytest.raises(CrawlClosing):
            await driver.limits().reserve(JOB, HOST)
        await driver.settle()

    during(reserve, driver)
    assert driver.counts().jobs == 0


def test_the_balance_lacks_a_job_once_its_call_has_ended_and_was_not_in_vain(during, redis):
    driver, charged = InRedis(redis, {"min_balance": 1.0}), []

    async def reserve():
        worker = driver.limits()
        bought, cancelled, _ = [await worker.reserve(JOB, HOST) for _ in range(3)]
        bought.bought("1")
        cancelled.cancel()
        charged.append(await driver.limits().charged_so_far())
        assert worker.needs_balance
        worker.set_balance(Balance(100.0), charged[-1])
        assert not worker.needs_balance

    during(reserve, driver)
    assert charged == [pytest.approx(PRICE)]
    assert driver.counts().jobs == 2


def test_the_ledger_of_a_worker_is_closed_with_its_limits(during, redis, tmp_path):
    driver, ledger, has_file = InRedis(redis, {}), new_ledger(tmp_path / "ledger.sqlite"), []

    async def buy():
        await driver.limits(ledger).reserve(JOB, HOST)
        has_file.append(ledger.has_file)

    during(buy, driver)
    assert [*has_file, ledger.has_file] == [True, False]


def test_a_worker_asks_for_the_balance_close_to_its_floor_however_much_the_others_have_spent(during, redis):
    driver, needed = InRedis(redis, {"min_balance": 1.0}), []

    async def reserve():
        other, worker = driver.limits(), driver.limits()
        for _ in range(3):
            (await other.reserve(JOB, HOST)).bought("1")
        await driver.settle()
        worker.set_balance(Balance(1.0 + PRICE), await worker.charged_so_far())
        needed.append(worker.needs_balance)

    during(reserve, driver)
    assert needed == [True]
