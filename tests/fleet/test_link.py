"""Calls to a real Redis, through all that may happen to the replies."""

import time

import pytest
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future

from scrapy_omocaptcha.buying.fleet.link import FleetLink
from scrapy_omocaptcha.buying.fleet.redis_store import NoReply, RedisStore
from scrapy_omocaptcha.settings.secret import Secret
from tests.helpers.lifetimes import OpenLifetime
from tests.helpers.probing import until

JOB = {"host": "a.example", "cost": 7, "limits": []}
SUMS = "sums", {"host": "a.example"}
CHARGE = "charge", {"cost": 7}


class Link(FleetLink):
    @property
    def is_away(self):
        return self._unavailable_since is not None


@pytest.fixture
def during(reactor, redis):
    """``during(probe)`` → what ``await probe(link)`` returned.

    A reply is waited for shortly where Redis ``freezes``. Where one has to come, a busy machine may take longer.
    """

    def run(probe, *, freezes=False, clock=time.monotonic, patience=0.0):
        async def whole():
            store = RedisStore(Secret(f"{redis.url}?socket_timeout={0.3 if freezes else 30}"), "shop")
            link = Link(store, OpenLifetime(), clock, patience=patience)
            try:
                return await probe(link)
            finally:
                await link.close()

        return reactor.call(lambda: deferred_from_coro(whole()))

    return run


def crawl(redis, field):
    return int(redis.client.hget("omocaptcha:fleet:shop", field) or 0)


def test_what_is_told_arrives_in_order_and_before_a_later_call_or_the_close(during, redis):
    async def probe(link):
        for _ in range(300):
            link.tell(*CHARGE)
        charged = (await link.call(*SUMS))["charged"]
        link.tell(*CHARGE)
        return charged

    assert during(probe) == 300 * 7
    assert crawl(redis, "charged") == 301 * 7


def test_a_reservation_whose_reply_is_lost_counts_once_and_is_made_anew_when_redis_is_back(during, redis):
    async def probe(link):
        redis.freeze()
        reserving = deferred_from_coro(link.call("reserve", JOB))
        await until(lambda: link.is_away)
        first = link._retry_at
        await until(lambda: link._retry_at > first)
        redis.thaw()
        return (await maybe_deferred_to_future(reserving))["jobs"]

    assert during(probe, freezes=True, patience=60.0) <= 1, "the one whose reply was lost, if it has arrived"
    assert crawl(redis, "jobs") <= 2


@pytest.mark.parametrize(("away", "back"), [("freeze", "thaw"), ("stop", "start")])
def test_callers_learn_that_redis_is_unavailable_and_may_stop_waiting(during, redis, away, back):
    async def probe(link):
        getattr(redis, away)()
        calls = [deferred_from_coro(link.call(*SUMS)) for _ in range(5)]
        for each in calls:
            each.addErrback(lambda failure: failure.value)
        calls[1].cancel()
        calls[3].cancel()
        await until(lambda: all(each.called for each in calls))
        with pytest.raises(NoReply, match="a moment ago"):
            await link.call(*SUMS)
        getattr(redis, back)()
        return calls[0].result

    # No time passes, so that it is a moment ago.
    assert isinstance(during(probe, freezes=True, clock=lambda: 0.0), NoReply)


def test_closing_ends_in_time_though_redis_hangs(during, redis):
    async def probe(link):
        redis.freeze()
        link.tell(*CHARGE)
        link.tell(*CHARGE)

    during(probe, freezes=True)
    redis.thaw()
    assert crawl(redis, "charged") <= 7, "the second one was not sent"
