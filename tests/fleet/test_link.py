"""Commands to a real Redis, through all that may happen to the replies."""

import logging
import time

import pytest
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future

from scrapy_omocaptcha.buying.fleet.link import FleetLink
from scrapy_omocaptcha.buying.fleet.redis_store import CommandFailed, NoReply, RedisStore
from scrapy_omocaptcha.settings.secret import Secret
from tests.helpers.probing import until

CREATED = {"job": "j", "host": "a.example", "sitekey": "k", "pause": 1000}
BALANCE = {"spendable": 7}
CHARGED = "charged_so_far", {"uncertain": 0}
"""A call that changes nothing."""


@pytest.fixture
def during(reactor, redis):
    """``during(probe)`` → what ``await probe(link)`` returned.

    A reply is waited for shortly where Redis ``freezes``. Where one has to come, a busy machine may take longer.
    """

    def run(probe, *, freezes=False, clock=time.monotonic, patience=0.0):
        async def whole():
            store = RedisStore(Secret(f"{redis.url}?socket_timeout={0.3 if freezes else 30}"), "shop")
            link = FleetLink(store, clock, patience=patience)
            try:
                return await probe(link)
            finally:
                await link.close()

        return reactor.call(lambda: deferred_from_coro(whole()))

    return run


def crawl(redis, field):
    return redis.client.hget("omocaptcha:fleet:shop", field)


def test_notifications_arrive_in_order_and_before_a_later_call(during, redis):
    async def probe(link):
        for number in range(300):
            link.notify("set_balance", {"spendable": number})
        return await link.call(*CHARGED)

    assert during(probe) == "0"
    assert crawl(redis, "spendable") == "299"


def test_a_notification_whose_reply_was_lost_is_sent_again_and_counts_once(during, redis, caplog):
    async def probe(link):
        redis.freeze()
        link.notify("create_accepted", CREATED)
        link.notify("set_balance", BALANCE)
        await until(lambda: link.unavailable_for)
        redis.thaw()
        # It is sent after the other one, and each again until its reply has come in time.
        await until(lambda: crawl(redis, "spendable"))

    with caplog.at_level(logging.INFO):
        during(probe, freezes=True)
    assert redis.client.hget("omocaptcha:fleet:shop:breaker:a.example", "jobs") == '[["j",0]]'
    assert crawl(redis, "spendable") == "7"
    told = [line for line in caplog.messages if "Redis" in line]
    assert ["does not answer" in line for line in told[:2]] == [True, False], "and then that it is back"


@pytest.mark.parametrize(("away", "back"), [("freeze", "thaw"), ("stop", "start")])
def test_callers_learn_that_redis_is_unavailable_and_may_stop_waiting(during, redis, away, back):
    async def probe(link):
        getattr(redis, away)()
        calls = [deferred_from_coro(link.call(*CHARGED)) for _ in range(5)]
        for each in calls:
            each.addErrback(lambda failure: failure.value)
        calls[1].cancel()
        calls[3].cancel()
        await until(lambda: all(each.called for each in calls))
        with pytest.raises(NoReply, match="a moment ago"):
            await link.call(*CHARGED)
        getattr(redis, back)()
        return calls[0].result

    # No time passes, so that it is a moment ago.
    assert isinstance(during(probe, freezes=True, clock=lambda: 0.0), NoReply)


def test_a_caller_that_stops_waiting_while_redis_is_away_keeps_no_other_from_its_reply(during, redis):
    async def probe(link):
        redis.freeze()
        first, second = (deferred_from_coro(link.call(*CHARGED)) for _ in range(2))
        first.addErrback(lambda _: None)
        await until(lambda: link.unavailable_for)
        first.cancel()
        redis.thaw()
        return await maybe_deferred_to_future(second)

    assert during(probe, freezes=True, patience=60.0) == "0"


def test_closing_ends_in_time_though_redis_hangs(during, redis):
    async def probe(link):
        redis.freeze()
        link.notify("create_accepted", CREATED)
        link.notify("set_balance", BALANCE)

    during(probe, freezes=True)
    redis.thaw()
    assert crawl(redis, "spendable") is None


def test_what_is_queued_arrives_at_the_close_though_redis_did_not_answer_a_moment_ago(during, redis):
    async def probe(link):
        redis.freeze()
        link.notify("set_balance", BALANCE)
        await until(lambda: link.unavailable_for)
        redis.thaw()

    during(probe, freezes=True)
    assert crawl(redis, "spendable") == "7"


def test_a_failing_script_is_logged_and_holds_nothing_else_up(during, redis, caplog):
    async def probe(link):
        redis.client.set("omocaptcha:fleet:shop:breaker:a.example", "written by another program")
        link.notify("create_accepted", CREATED)
        link.notify("set_balance", BALANCE)
        with pytest.raises(CommandFailed):
            await link.call("reserve", {})
        return link.unavailable_for

    with caplog.at_level(logging.ERROR):
        assert during(probe) == 0
    assert crawl(redis, "spendable") == "7"
    assert (
        len([line for line in caplog.messages if "cannot run create_accepted: ResponseError: WRONGTYPE" in line]) == 1
    )


def test_what_redis_cannot_write_at_the_moment_is_sent_again_once_it_can(during, redis, caplog):
    async def probe(link):
        redis.client.config_set("min-replicas-to-write", 1)
        link.notify("create_accepted", CREATED)
        await until(lambda: link.unavailable_for or caplog.messages)
        redis.client.config_set("min-replicas-to-write", 0)
        await until(lambda: not link.unavailable_for)

    with caplog.at_level(logging.ERROR):
        during(probe)
    assert redis.client.hget("omocaptcha:fleet:shop:breaker:a.example", "jobs") == '[["j",0]]'
    assert caplog.messages == []
