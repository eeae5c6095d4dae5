"""What is asked of a real Redis and told it, through all that may happen to its answers."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace

import pytest
from scrapy.utils.asyncio import sleep
from scrapy.utils.defer import deferred_from_coro

from scrapy_omocaptcha.buying.fleet.link import FleetLink
from scrapy_omocaptcha.buying.fleet.script import RedisAway, ScriptFailed
from scrapy_omocaptcha.settings.secret import Secret

FAILED = {"host": "a.example", "key": "k", "most": 1000, "pause": 1000}
REFUSED = {"pause": 1000}


@pytest.fixture
def during(reactor, redis):
    """``during(probe)`` → what ``await probe(link)`` returns (``found``), and what is ``untold`` when it is closed."""

    def run(probe):
        async def whole():
            link = FleetLink(Secret(redis.url), "shop", time.monotonic, meanwhile="and so on")
            try:
                found = await probe(link)
            finally:
                untold = await link.close()
            return SimpleNamespace(found=found, untold=untold)

        return reactor.call(lambda: deferred_from_coro(whole()))

    return run


async def until(condition):
    while not condition():
        await sleep(0.01)


def counted(redis):
    return {
        name: int(number) for name, number in redis.client.hgetall("omocaptcha:fleet:shop:breaker:a.example").items()
    }


def test_what_is_told_is_heard_in_its_order_before_what_is_asked_then(during, redis):
    async def probe(link):
        for number in range(300):
            link.tell("holds", lambda number=number: {"spendable": number})
        return await link.ask("charged", {"uncertain": 0})

    assert during(probe).found == "0"
    assert redis.client.hget("omocaptcha:fleet:shop", "spendable") == "299"


def test_what_redis_has_heard_and_did_not_answer_in_time_is_told_again_and_counts_once(during, redis):
    async def probe(link):
        redis.freeze()
        link.tell("failed", lambda: FAILED)
        link.tell("refused", lambda: REFUSED)
        await until(lambda: link.away_for)
        redis.thaw()
        await until(lambda: not link.away_for)
        return await link.ask("charged", {"uncertain": 0})

    during(probe)
    assert counted(redis) == {"failures:k": 1}
    assert redis.client.hget("omocaptcha:fleet:shop", "refusals") == "1"


def test_who_asks_hears_that_redis_is_away_and_may_stop_waiting(during, redis):
    async def probe(link):
        redis.freeze()
        asking = [deferred_from_coro(link.ask("charged", {"uncertain": 0})) for _ in range(5)]
        for each in asking:
            each.addErrback(lambda failure: failure.value)
        asking[1].cancel()
        asking[3].cancel()
        await until(lambda: all(each.called for each in asking))
        with pytest.raises(RedisAway, match="a moment ago"):
            await link.ask("charged", {"uncertain": 0})
        redis.thaw()
        return asking[0].result

    assert isinstance(during(probe).found, RedisAway)


def test_a_link_is_closed_in_time_and_says_what_redis_has_not_heard_of(during, redis):
    async def probe(link):
        redis.freeze()
        link.tell("failed", lambda: FAILED)
        link.tell("failed", lambda: None)
        link.tell("refused", lambda: REFUSED)

    assert during(probe).untold == [("failed", FAILED), ("refused", REFUSED)]
    redis.thaw()


def test_what_has_become_idle_while_redis_was_away_is_not_told(during, redis):
    async def probe(link):
        link.tell("failed", lambda: None)
        link.tell("refused", lambda: REFUSED)
        await link.ask("charged", {"uncertain": 0})

    assert during(probe).untold == []
    assert counted(redis) == {}


def test_what_the_script_cannot_do_is_said_and_holds_nothing_else_up(during, redis, caplog):
    async def probe(link):
        redis.client.set("omocaptcha:fleet:shop:breaker:a.example", "somebody else's")
        link.tell("failed", lambda: FAILED)
        link.tell("refused", lambda: REFUSED)
        with pytest.raises(ScriptFailed):
            await link.ask("reserve", {})
        return link.away_for

    with caplog.at_level(logging.ERROR):
        during(probe)
    assert redis.client.hget("omocaptcha:fleet:shop", "refusals") == "1"
    assert len([line for line in caplog.messages if "cannot do failed: ResponseError: WRONGTYPE" in line]) == 1


def test_words_that_are_no_text_reach_redis_as_far_as_they_are(during, redis):
    async def probe(link):
        link.tell("close_account", lambda: {"why": "empty \ud83d, \u20ac 0", "pause": 1000})
        await link.ask("charged", {"uncertain": 0})

    during(probe)
    assert redis.client.hget("omocaptcha:fleet:shop", "account") == "empty ?, \u20ac 0"
