"""Waiting, no longer than the crawl lasts."""

import pytest
import scrapy
from scrapy.utils.defer import maybe_deferred_to_future
from twisted.internet.defer import Deferred

from scrapy_omocaptcha.errors import CrawlClosing
from tests.helpers.probing import begin, in_a_crawl, lifetime, until

WAITS = {
    "something that never comes": lambda lifetime, never: lifetime.wait(never),
    "an hour": lambda lifetime, never: lifetime.sleep(3600),
    "a condition": lambda lifetime, never: lifetime.until(lambda: False),
}


@pytest.mark.parametrize("what", WAITS)
@in_a_crawl()
async def test_waiting_ends_when_the_spider_is_closed_and_cancels_what_it_waited_for(spider, what):
    cancelled = []
    never = Deferred(cancelled.append)
    # Something under way keeps the crawl from ending before the test.
    request = scrapy.Request("http://127.0.0.1/")
    spider.crawler.engine._slot.add_request(request)
    waiting = begin(WAITS[what](lifetime(spider), never))
    await until(lambda: lifetime(spider)._waits)
    begin(spider.crawler.engine.close_spider_async(reason="enough"))
    try:
        with pytest.raises(CrawlClosing):
            await maybe_deferred_to_future(waiting)
        assert set(lifetime(spider)._waits) == set()
        assert cancelled == [never] * (what == "something that never comes")
    finally:
        spider.crawler.engine._slot.remove_request(request)


@in_a_crawl()
async def test_what_is_worth_a_moment_longer_may_still_come_when_all_else_has_ended(spider):
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
        assert (value, lifetime(spider)._waits) == ("it has come", {})
    finally:
        spider.crawler.engine._slot.remove_request(request)
