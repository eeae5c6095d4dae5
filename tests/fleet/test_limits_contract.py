"""Limits of a fleet in a real Redis: the cases that every store of limits passes, and what holds for fleets alone."""

from collections import Counter

import pytest
from scrapy.utils.defer import deferred_from_coro

from scrapy_omocaptcha.buying.fleet.limits import FleetLimits
from scrapy_omocaptcha.buying.fleet.redis_store import RedisStore
from scrapy_omocaptcha.errors import CrawlClosing, NotBought
from scrapy_omocaptcha.settings.secret import Secret
from tests.helpers.clock import Clock
from tests.helpers.ledgers import new_ledger
from tests.helpers.lifetimes import OpenLifetime
from tests.helpers.limit_cases import CASES, PRICE, Counts, Shop, job, settings_of

JOB, HOST = job(), "a.example"


class Fleet:
    """Two workers with the same limits in one Redis, which take steps in turn."""

    def __init__(self, redis, limits):
        self._redis = redis
        self.lifetime = OpenLifetime()
        settings = settings_of(**{"redis_url": redis.url, "price": PRICE, **limits})
        self.workers = [self._worker(redis, settings, number) for number in range(2)]

    def _worker(self, redis, settings, number):
        store = RedisStore(Secret(f"{redis.url}?socket_timeout=30"), "shop")
        return FleetLimits(settings, new_ledger(), Clock(), store, self.lifetime)

    def next(self):
        self.workers.reverse()
        return self.workers[0]

    async def counts(self):
        for worker in self.workers:
            await worker.charged_so_far()  # What was told before has arrived.
        spent = int(self._redis.client.hget("omocaptcha:fleet:shop", "spent") or 0) * 1e-9
        jobs = int(self._redis.client.hget("omocaptcha:fleet:shop", "jobs") or 0)
        hosts = Counter(
            {name: int(count) for name, count in self._redis.client.hgetall("omocaptcha:fleet:shop:hosts").items()}
        )
        return Counts(jobs, round(spent, 9), hosts[HOST])


@pytest.fixture
def during(reactor):
    """``during(probe, fleet)``: wait for ``probe()``, and close the workers of the fleet."""

    def during(probe, fleet):
        async def whole():
            try:
                await probe()
            finally:
                for worker in fleet.workers:
                    await worker.close()

        reactor.call(lambda: deferred_from_coro(whole()))

    return during


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_limits_of_a_fleet(case, during, redis):
    fleet = Fleet(redis, CASES[case])
    during(lambda: case(Shop(fleet.next, fleet.counts)), fleet)


def test_a_limit_of_the_fleet_names_it(during, redis):
    fleet = Fleet(redis, {"max_cost": 0.5})

    async def buy():
        for _ in range(5):
            await fleet.next().reserve(JOB, HOST)
        with pytest.raises(NotBought, match=r"0\.50000 USD have been spent by the fleet 'shop'"):
            await fleet.next().reserve(JOB, HOST)

    during(buy, fleet)


def test_a_job_that_redis_has_counted_for_a_crawl_that_closes_meanwhile_counts_no_more(during, redis):
    fleet, counted = Fleet(redis, {}), []
    fleet.lifetime.closing = True

    async def reserve():
        with pytest.raises(CrawlClosing):
            await fleet.next().reserve(JOB, HOST)
        counted.append(await fleet.counts())

    during(reserve, fleet)
    assert counted == [Counts(0, 0.0, 0)]


def test_the_balance_lacks_a_job_once_its_call_has_ended_and_was_not_in_vain(during, redis):
    fleet, charged = Fleet(redis, {"min_balance": 1.0}), []

    async def reserve():
        worker, other = fleet.workers
        bought, cancelled, _ = [await worker.reserve(JOB, HOST) for _ in range(3)]
        worker.bought(bought, "1")
        worker.cancel(cancelled)
        await fleet.counts()
        charged.append(await other.charged_so_far())
        assert (await fleet.counts()).jobs == 2

    during(reserve, fleet)
    assert charged == [pytest.approx(PRICE)]
