"""Limits that workers share through a real Redis, in the cases that every store of limits passes.

Each step is taken by a worker of its own. A worker that has bought and learnt nothing refuses nothing by itself, so
every refusal comes from what the others have told Redis.
"""

import json
import time

import pytest
from scrapy.utils.defer import deferred_from_coro

from scrapy_omocaptcha.buying.fleet.limits import FleetLimits
from scrapy_omocaptcha.buying.fleet.redis_store import RedisStore
from scrapy_omocaptcha.buying.records import Balance
from scrapy_omocaptcha.errors import CrawlClosing, NotBought
from tests.helpers.ledgers import new_ledger
from tests.helpers.limit_cases import CASES, PRICE, Counts, job, run, settings_of

FLEET = "omocaptcha:fleet:shop"
HOST = "a.example"
JOB = job("key", HOST)


class OpenLifetime:
    """The lifetime of a crawl that does not close."""

    closing = False

    async def wait(self, awaitable, *, grace_checks=1):
        return await awaitable


class InRedis:
    """Runs a case in a Redis, whose clock it moves by making everything older that Redis keeps."""

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

    def advance(self, seconds):
        milliseconds = round(seconds * 1000)
        for key in (FLEET, *self._client.keys(f"{FLEET}:breaker:*")):
            for field, value in self._client.hgetall(key).items():
                if "until" in field:
                    self._client.hset(key, field, int(value) - milliseconds)
        for id, text in self._client.hgetall(f"{FLEET}:jobs").items():
            self._client.hset(f"{FLEET}:jobs", id, json.dumps(_older(json.loads(text), milliseconds)))
        for id in self._client.zrange(f"{FLEET}:expiry", 0, -1):
            self._client.zincrby(f"{FLEET}:expiry", -milliseconds, id)


def _older(job, milliseconds):
    trials = {circuit: str(int(until) - milliseconds) for circuit, until in job["trials"].items()}
    times = {name: job[name] - milliseconds for name in ("reserved", "trial_until")}
    return {**job, **times, "trials": trials}


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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
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


def test_a_worker_that_the_service_has_refused_does_not_say_that_another_was(during, redis):
    driver = InRedis(redis, {})

    async def reserve():
        worker = driver.limits()
        worker.close_account("top up")
        with pytest.raises(NotBought, match=r"^top up"):
            await worker.reserve(JOB, HOST)

    during(reserve, driver)


def test_a_job_that_redis_has_counted_for_a_crawl_that_closes_meanwhile_counts_no_more(during, redis):
    driver = InRedis(redis, {})
    driver.lifetime.closing = True

    async def reserve():
        with pytest.raises(CrawlClosing):
            await driver.limits().reserve(JOB, HOST)
        await driver.settle()

    during(reserve, driver)
    assert driver.counts().jobs == 0


def test_the_balance_lacks_a_job_once_its_call_is_answered_or_it_and_the_next_one_must_have_ended(during, redis):
    driver, charged = InRedis(redis, {"min_balance": 1.0, "api_timeout": 20}), []

    async def reserve():
        worker = driver.limits()
        answered, _ = [await worker.reserve(JOB, HOST) for _ in range(2)]
        answered.answered()
        for _ in range(3):
            charged.append(await worker.charged_so_far())
            driver.advance(20)
        needed = [worker.needs_balance]
        worker.set_balance(Balance(100.0), charged[-1])
        assert [*needed, worker.needs_balance] == [True, False]

    during(reserve, driver)
    assert charged == pytest.approx([PRICE, PRICE, 2 * PRICE])


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
            (await other.reserve(JOB, HOST)).answered()
        await driver.settle()
        worker.set_balance(Balance(1.0 + PRICE), await worker.charged_so_far())
        needed.append(worker.needs_balance)

    during(reserve, driver)
    assert needed == [True]
