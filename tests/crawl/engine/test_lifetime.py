"""Waiting, no longer than the crawl lasts."""

from __future__ import annotations

import time

import pytest
import scrapy
from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.engine.lifetime import wait_at_most
from scrapy_omocaptcha.errors import CrawlClosing
from tests.helpers.probing import begin, lifetime, until


def closing_probe(wait):
    """A probe that closes the spider while ``wait(ours, never)`` goes on; → cancelled?, error, still waited for."""

    async def probe(spider):
        cancelled = []
        never = Deferred(cancelled.append)
        # Something under way keeps the crawl from ending before the probe.
        request = scrapy.Request("http://127.0.0.1/")
        spider.crawler.engine._slot.add_request(request)
        waiting = begin(wait(lifetime(spider), never))
        await until(lambda: lifetime(spider)._waits)
        begin(spider.crawler.engine.close_spider_async(reason="enough"))
        try:
            await maybe_deferred_to_future(waiting)
        except CrawlClosing as error:
            return cancelled == [never], error, set(lifetime(spider)._waits)
        finally:
            spider.crawler.engine._slot.remove_request(request)

    return probe


def test_waiting_ends_when_the_spider_is_closed_and_cancels_what_it_waited_for(during):
    cancelled, error, left = during(closing_probe(lambda lifetime, never: lifetime.wait(never)))
    assert cancelled
    assert isinstance(error, CrawlClosing)
    assert left == set()


def test_what_is_worth_a_moment_longer_may_still_come_when_all_else_has_ended(during):
    async def probe(spider):
        spider.crawler.engine._slot.add_request(request := scrapy.Request("http://127.0.0.1/"))
        patient, hopeless = Deferred(), Deferred()
        others = begin(lifetime(spider).wait(Deferred()))
        first, second = (begin(lifetime(spider).wait(each, grace_checks=2)) for each in (patient, hopeless))
        await until(lambda: len(lifetime(spider)._waits) == 3)
        begin(spider.crawler.engine.close_spider_async(reason="enough"))
        try:
            with pytest.raises(CrawlClosing):
                await maybe_deferred_to_future(others)
            patient.callback("it has come")
            value = await maybe_deferred_to_future(first)
            with pytest.raises(CrawlClosing):
                await maybe_deferred_to_future(second)
            return value, lifetime(spider)._waits
        finally:
            spider.crawler.engine._slot.remove_request(request)

    assert during(probe) == ("it has come", {})


def test_sleeping_ends_when_the_spider_is_closed(during):
    _, error, left = during(closing_probe(lambda lifetime, never: lifetime.sleep(3600)))
    assert isinstance(error, CrawlClosing)
    assert left == set()


def test_what_is_waited_for_comes_back_with_its_value_or_its_error(during):
    async def value():
        return 1

    async def error():
        raise KeyError("two")

    async def probe(spider):
        with pytest.raises(KeyError, match="two"):
            await lifetime(spider).wait(error())
        later = Deferred()
        waiting = begin(lifetime(spider).wait(later))
        await until(lambda: lifetime(spider)._waits)
        later.callback(3)
        found = [await lifetime(spider).wait(value()), await maybe_deferred_to_future(waiting)]
        return found, set(lifetime(spider)._waits)

    assert during(probe) == ([1, 3], set())


def test_nothing_is_begun_any_more_once_the_spider_is_being_closed(during):
    begun = []

    async def call():
        begun.append(True)

    async def probe(spider):
        begin(spider.crawler.engine.close_spider_async(reason="enough"))
        await until(lambda: lifetime(spider).closing)
        with pytest.raises(CrawlClosing):
            await lifetime(spider).wait(call())

    during(probe)
    assert begun == []


def test_what_takes_longer_than_its_time_is_cancelled_and_what_does_not_comes_back(during):
    async def probe(spider):
        cancelled = []
        with pytest.raises(TimeoutError):
            await wait_at_most(0.01, Deferred(cancelled.append))
        with pytest.raises(KeyError):
            await wait_at_most(3600, error())
        return len(cancelled), await wait_at_most(3600, value())

    async def value():
        return "it has come"

    async def error():
        raise KeyError

    assert during(probe) == (1, "it has come")


def test_a_condition_is_waited_for_and_no_longer_than_wanted(during):
    async def probe(spider):
        seen = []

        def condition():
            seen.append(True)
            return len(seen) == 3

        await lifetime(spider).until(condition)
        begun = time.monotonic()
        await lifetime(spider).until(lambda: False, timeout=0.3)
        return len(seen), time.monotonic() - begun

    times, seconds = during(probe)
    assert times == 3
    assert 0.3 <= seconds < 5


def test_a_condition_is_waited_for_no_longer_than_the_crawl_lasts(during):
    _, error, left = during(closing_probe(lambda lifetime, never: lifetime.until(lambda: False)))
    assert isinstance(error, CrawlClosing)
    assert left == set()
